//! The worker with the periods of a fast clock: `worker-under-test NAME GROUP SCRATCH`.
//!
//! Stories kill the process, so it has no other way to end.

use std::time::Duration;

use anyhow::Result;
use ec2_worker::{Clients, Config};
use tokio_util::sync::CancellationToken;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, group, scratch] = arguments.as_slice() else {
        anyhow::bail!("usage: worker-under-test NAME GROUP SCRATCH")
    };
    let config = Config {
        hostname: name.clone(),
        runner_id: name.clone(),
        // One minute and fifteen minutes of a clock that is sixty times as fast as the wall clock.
        progress_every: Duration::from_secs(1),
        heartbeat_every: Duration::from_secs(15),
        ..Config::new(group, scratch)
    };
    ec2_worker::run(config, Clients::from_env(None).await?, CancellationToken::new()).await
}
