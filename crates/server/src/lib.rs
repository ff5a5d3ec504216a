//! The Data Pipeline service: its wire protocol over HTTP, and the driver of runs behind it.

mod config;
mod driver;
mod ec2_worker;
mod error;
pub mod host;
mod host_check;
mod object_view;
mod ops;
mod request;
mod route;
mod secret;
mod serve;
mod service;
#[cfg(test)]
mod simulation;
mod wire;
mod worker_groups;

pub use config::{Config, KEEP_RUNS};
pub use driver::{Now, RunEnded};
pub use ec2_worker::EC2_WORKER_DOES;
pub use host_check::host_problems;
pub use serve::serve;
pub use sigv4;
