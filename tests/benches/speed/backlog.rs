//! Ten million records that wait because S3 takes none: the memory while they are put, and the restart after `kill -9`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::definitions::Definitions;
use e2e::program::Up;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::native::{high_water_mb, megabytes};
use crate::streams::{BYTES, KINESIS, RECORDS, STREAM, body};
use crate::{Figure, PROGRAM};

/// The records that wait, if `DOWNSPOUT_BENCH_MB` has its usual size. They have 5 GB.
const WAITING: usize = 10_000_000;
const CLIENTS: usize = 8;
/// The stream delivers nothing, because its bucket does not exist.
const UNDELIVERABLE: &str = r#"{"bucket": "s3-is-away", "bufferIntervalSeconds": 0, "maxBacklogGB": 20}"#;
/// How long a restart may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures the memory of the stack while the records are put, and how long the stack needs after a kill until it has taken
/// one more record.
pub(crate) fn figures(runtime: &Runtime) -> Result<Vec<Figure>> {
    runtime.block_on(measured())
}

async fn measured() -> Result<Vec<Figure>> {
    let definitions = Definitions::shipped();
    definitions.write(&format!("streams/{STREAM}.json"), UNDELIVERABLE);
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let empty = high_water_mb(up.process()).context("the memory of the stack")?;
    let restart_empty = restart(&mut up).await?;
    let records = WAITING * usize::try_from(megabytes()?)? / 1024;
    let rate = put(&up, records).await?;
    let full = high_water_mb(up.process()).context("the memory of the stack")?;
    let restart_full = restart(&mut up).await?;
    println!(
        "{records} records of {BYTES} bytes wait; memory of the stack without records {empty:.0} MB, while they are put \
         {full:.0} MB; restart without records {restart_empty:.2} s, with them {restart_full:.2} s; {rate:.0} records a second"
    );
    Ok(vec![
        Figure::new("backlog_put", rate, "rec/s"),
        Figure::new("backlog_peak_memory", full, "MB"),
        Figure {
            name: "backlog_restart",
            value: restart_full,
            unit: "s",
            rival: Some("a stack without records"),
            ratio: Some(restart_full / restart_empty),
        },
    ])
}

/// Puts so many records over [`CLIENTS`] connections, and returns how many a second.
async fn put(up: &Up, records: usize) -> Result<f64> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let mut caller = Caller::connect_to(&up.endpoints, &up.endpoints.streams, KINESIS).await?;
        tasks.spawn(async move {
            for call in 0..records / CLIENTS / RECORDS {
                let (operation, body) = body(client, call, RECORDS);
                caller.send(operation, body).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(records as f64 / start.elapsed().as_secs_f64())
}

/// Kills the stack, starts it, and returns the seconds from its start until it has taken a record.
async fn restart(up: &mut Up) -> Result<f64> {
    up.kill();
    let start = Instant::now();
    up.start_again().await;
    let mut caller = Caller::connect_to(&up.endpoints, &up.endpoints.streams, KINESIS).await?;
    let (operation, body) = body(0, 0, 1);
    caller.send(operation, body).await?;
    let seconds = start.elapsed();
    ensure!(seconds < PATIENCE, "the stack needs {seconds:.1?} to start");
    Ok(seconds.as_secs_f64())
}
