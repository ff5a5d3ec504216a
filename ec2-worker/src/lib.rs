//! The task runner: polls a Data Pipeline service for tasks, does them, and reports.
//!
//! It knows the service only through `aws-sdk-datapipeline`, S3 only through `aws-sdk-s3`,
//! and a database only through its URL. What a pipeline is, and what runs next, is the
//! service's business: see the `engine` crate.

mod activity;
mod clients;
pub mod database;
pub mod etl;
pub mod failure;
pub mod ledger;
mod logs;
mod panics;
pub mod patience;
pub mod progress;
mod report;
mod runner;
mod service;
pub mod sql;
pub mod storage;
pub mod task;

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use clients::Clients;

/// What a worker is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Groups to poll, each exact and case-sensitive.
    pub worker_groups: Vec<String>,
    /// DNS name of this host, stored in the attempts it works on.
    pub hostname: String,
    /// Id under which heartbeats are sent.
    pub runner_id: String,
    /// Tasks done at the same time, at most.
    pub concurrency: usize,
    /// Folder for working directories and spool files; made when missing.
    pub scratch_dir: PathBuf,
    /// Time between two progress reports of a task.
    pub progress_every: Duration,
    /// Time between two heartbeats.
    pub heartbeat_every: Duration,
    /// How long tasks at work may go on after the shutdown signal before they are stopped.
    pub shutdown_limit: Duration,
    /// How long a task goes on trying to reach a database that is away.
    pub database_patience: Duration,
}

impl Config {
    /// Returns the settings of a worker for one group, with the documented rhythm of a task runner.
    #[must_use]
    pub fn new(worker_group: impl Into<String>, scratch_dir: impl Into<PathBuf>) -> Self {
        Self {
            worker_groups: vec![worker_group.into()],
            hostname: "localhost".to_owned(),
            runner_id: "ec2-worker".to_owned(),
            concurrency: 2,
            scratch_dir: scratch_dir.into(),
            // Task runners call every 60 s, and send a heartbeat every 15 minutes (API reference).
            progress_every: Duration::from_secs(60),
            heartbeat_every: Duration::from_secs(15 * 60),
            shutdown_limit: Duration::from_secs(30),
            database_patience: Duration::from_secs(60),
        }
    }
}

/// Polls and works until `shutdown` is cancelled, then finishes what it has within the limit.
///
/// # Errors
///
/// When the scratch folder cannot be made; everything later is retried or reported to the service.
pub async fn run(config: Config, clients: Clients, shutdown: CancellationToken) -> anyhow::Result<()> {
    runner::run(config, clients, shutdown).await
}
