//! The Data Pipeline service: its wire protocol over HTTP, and the driver of runs behind it.

mod driver;
mod ec2_worker;
pub mod error;
pub mod host;
mod http_front;
mod ops;
pub mod route;
mod secret;
mod service;
pub mod sigv4;
#[cfg(test)]
mod simulation;
mod unhosted;
mod waiting;
pub mod wire;

pub use driver::Now;
pub use ec2_worker::EC2_WORKER_DOES;
pub use service::{Config, KEEP_RUNS, serve};
