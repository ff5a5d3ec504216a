//! `resource-worker`: what `up` starts for a resource. It does the tasks of one worker group until it is told to end,
//! and ends with whoever started it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::local::process_host::END;

/// Tasks that it does at the same time, as a worker on a machine of its own would.
const CONCURRENCY: usize = 4;
/// What it has in hand when it is told to end gets this long.
const STOP_LIMIT: Duration = Duration::from_millis(1_500);
/// A report also asks whether the task was cancelled; nobody at a laptop waits a minute for that.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Arguments of `resource-worker`.
#[derive(Debug, Args)]
pub struct ResourceWorkerArgs {
    /// Group that it polls
    #[arg(long)]
    worker_group: String,
    /// Name that its attempts show
    #[arg(long)]
    name: String,
    /// Folder for working directories
    #[arg(long)]
    scratch: PathBuf,
}

pub(super) async fn run(args: ResourceWorkerArgs) -> anyhow::Result<Exit> {
    let shutdown = CancellationToken::new();
    tokio::spawn(end_when_told(shutdown.clone()));
    let config = ec2_worker::Config {
        hostname: args.name.clone(),
        runner_id: args.name,
        concurrency: CONCURRENCY,
        shutdown_limit: STOP_LIMIT,
        progress_every: PROGRESS_EVERY,
        ..ec2_worker::Config::new(args.worker_group, args.scratch)
    };
    ec2_worker::run(config, ec2_worker::Clients::from_env(None).await, shutdown).await?;
    Ok(Exit::Done)
}

/// Told to end, it finishes what it has within the limit. When its input just ends, so has whoever started it: what it
/// has in hand may be somebody else's by now, and it leaves at once. Commands that it runs end with it.
async fn end_when_told(shutdown: CancellationToken) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line == END {
            return shutdown.cancel();
        }
    }
    std::process::exit(0);
}
