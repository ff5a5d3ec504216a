//! The task runner: polls a Data Pipeline service for tasks, does them, and reports their progress and their results.
//!
//! The worker knows the service only through `aws-sdk-datapipeline`, S3 only through `aws-sdk-s3`, and a database only
//! through its URL. The service decides which task runs next: see the crate `engine`.
//!
//! [`activity`] lists the types of work that the worker does. A program can add types of its own: see
//! `examples/hive_activity.rs`.

pub mod activity;
pub mod by_hand;
mod clients;
mod config;
pub mod database;
pub mod etl;
pub mod failure;
pub mod hindrance;
pub mod ledger;
mod logs;
mod manifest;
pub mod node;
mod panics;
pub mod patience;
pub mod progress;
mod rds;
pub mod reader;
mod regular_file;
mod report;
mod runner;
mod scratch;
mod script;
mod secrets;
mod service;
pub mod sql;
pub mod storage;
mod task;

use tokio_util::sync::CancellationToken;

pub use activity::{Activities, Activity, TaskContext, TaskOutcome};
pub use clients::Clients;
pub use config::Config;
pub use failure::Failure;
pub use hindrance::{Foreseen, Hindrance};
pub use rds::{ParseInstanceError, RdsInstance, RdsInstances};
pub use reader::Reader;
pub use secrets::Secrets;

/// Polls for tasks and does them until `shutdown` is cancelled. The running tasks then have [`Config::shutdown_limit`]
/// to finish.
///
/// # Errors
///
/// If the scratch folder cannot be created. The worker retries every later error or reports it to the service.
pub async fn run(config: Config, clients: Clients, shutdown: CancellationToken) -> anyhow::Result<()> {
    runner::run(config, clients, shutdown).await
}

/// Deletes the folders that killed workers left in a scratch folder ([`Config::scratch_dir`]). A worker does the same when
/// it starts.
///
/// # Errors
///
/// If the scratch folder cannot be used.
pub async fn clean_scratch(folder: std::path::PathBuf) -> anyhow::Result<()> {
    // Without the folder, no worker has left anything.
    let clean = move || if folder.is_dir() { scratch::delete_left_behind(&folder).map(drop) } else { Ok(()) };
    tokio::task::spawn_blocking(clean).await?
}
