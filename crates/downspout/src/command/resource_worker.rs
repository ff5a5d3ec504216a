//! `resource-worker`: the worker process that `up` starts for a resource.
//!
//! The worker runs the tasks of one worker group until its standard input tells it to end, or until the process that
//! started the worker ends.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ec2_worker::RdsInstance;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::{Exit, private_files};
use crate::local::process_host::{COMMAND_UMASK, END};

/// The number of tasks that the worker runs at the same time. The worker of a resource stands for a whole machine.
const CONCURRENCY: usize = 4;
/// How long the running tasks may continue after the worker is told to end.
const STOP_LIMIT: Duration = Duration::from_millis(1_500);
/// Time between two reports of progress. The reply to a report says whether the task was cancelled, and a user of a
/// local stack should not wait a minute until a cancelled task ends.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Arguments of `resource-worker`.
#[derive(Debug, Args)]
pub struct ResourceWorkerArgs {
    /// Worker group to poll
    #[arg(long)]
    worker_group: String,
    /// Name that the attempts show
    #[arg(long)]
    name: String,
    /// Folder for working directories
    #[arg(long)]
    scratch: PathBuf,
    /// Addresses of instances of RDS
    #[arg(long = "rds-instance", env = "RDS_INSTANCES", value_delimiter = ',')]
    rds_instances: Vec<RdsInstance>,
    /// Mode bits that files made by commands lack
    #[arg(long, env = COMMAND_UMASK, value_parser = |text: &str| private_files::read(text).ok_or("write a mode such as 0022"))]
    command_umask: Option<u32>,
}

pub(super) async fn run(args: ResourceWorkerArgs) -> anyhow::Result<Exit> {
    let shutdown = CancellationToken::new();
    tokio::spawn(end_on_request(shutdown.clone()));
    let config = ec2_worker::Config {
        hostname: args.name.clone(),
        runner_id: args.name,
        concurrency: CONCURRENCY,
        shutdown_limit: STOP_LIMIT,
        progress_every: PROGRESS_EVERY,
        rds: args.rds_instances.into(),
        command_umask: args.command_umask,
        ..ec2_worker::Config::new(args.worker_group, args.scratch)
    };
    ec2_worker::run(config, ec2_worker::Clients::from_env(None).await?, shutdown).await?;
    Ok(Exit::Done)
}

/// Ends the worker after the line [`END`] on its standard input, or when the input ends.
///
/// After the line, the worker has a limited time to finish its tasks. If the input ends without the line, the process
/// that started the worker has ended, and the service may have handed the worker's tasks to another worker. So the
/// worker ends at once, and ends the commands that it runs.
async fn end_on_request(shutdown: CancellationToken) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line == END {
            return shutdown.cancel();
        }
    }
    std::process::exit(0);
}
