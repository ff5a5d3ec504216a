//! The Data Pipeline service: its wire protocol over HTTP, and the driver of runs behind it.

mod access;
mod accounts;
mod background;
mod config;
mod driver;
mod ec2_worker;
mod error;
mod health;
pub mod host;
mod host_check;
mod keys;
mod machine_keys;
mod metrics;
mod object_view;
mod ops;
mod request;
mod route;
mod scrape;
mod secret;
mod serve;
mod service;
#[cfg(test)]
mod simulation;
mod span;
mod throttle;
mod wire;
mod worker_groups;

pub use config::{ACCOUNT_ID, Config, KEEP_RUNS};
pub use driver::{Now, RunEnded};
pub use ec2_worker::EC2_WORKER_DOES;
pub use host_check::host_problems;
pub use keys::{AccessKey, KeyFileError, Keys, is_account_id, read_keys, write_keys};
pub use serve::serve;
pub use sigv4;
pub use span::SPAN_TARGET;
pub use throttle::Rate;
