//! The settings of a worker.

use std::path::PathBuf;
use std::time::Duration;

use crate::activity::Activities;
use crate::rds::RdsInstances;

/// The settings of a worker.
#[derive(Clone, Debug)]
pub struct Config {
    /// The worker groups to poll, each exact and case-sensitive.
    pub worker_groups: Vec<String>,
    /// The DNS name of this host; the service stores it in the attempts that the worker takes.
    pub hostname: String,
    /// The id of the worker in its heartbeats.
    pub runner_id: String,
    /// The largest number of tasks at the same time.
    pub concurrency: usize,
    /// The folder for working directories and spool files; the worker creates it if it is missing.
    pub scratch_dir: PathBuf,
    /// The time between two progress reports of a task.
    pub progress_every: Duration,
    /// The time between two heartbeats.
    pub heartbeat_every: Duration,
    /// The time that running tasks get to finish after the shutdown signal. Then the worker stops them.
    pub shutdown_limit: Duration,
    /// How long a task keeps trying to reach a database that does not answer.
    pub database_patience: Duration,
    /// The `AWS_…` variables of commands. If they are given, a command sees no other `AWS_…` variables, such as those of the person
    /// who started the worker. Otherwise it sees those of the worker's own environment.
    pub command_environment: Option<Vec<(String, String)>>,
    /// The mode bits that files made by commands lack (`umask`). Without it, those of the worker's own files.
    pub command_umask: Option<u32>,
    /// The types of work that the worker does.
    pub activities: Activities,
    /// The addresses of the instances of RDS that definitions name.
    pub rds: RdsInstances,
}

impl Config {
    /// Returns the settings of a worker for one group, with the documented intervals of a task runner.
    #[must_use]
    pub fn new(worker_group: impl Into<String>, scratch_dir: impl Into<PathBuf>) -> Self {
        Self {
            worker_groups: vec![worker_group.into()],
            hostname: "localhost".to_owned(),
            runner_id: "ec2-worker".to_owned(),
            concurrency: 2,
            scratch_dir: scratch_dir.into(),
            // Task runners report every 60 s and send a heartbeat every 15 minutes (API reference).
            progress_every: Duration::from_secs(60),
            heartbeat_every: Duration::from_secs(15 * 60),
            shutdown_limit: Duration::from_secs(30),
            database_patience: Duration::from_secs(60),
            command_environment: None,
            command_umask: None,
            activities: Activities::default(),
            rds: RdsInstances::default(),
        }
    }
}
