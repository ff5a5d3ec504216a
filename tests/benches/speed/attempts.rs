//! Speed of empty attempts through the wire protocol: each is polled, acknowledged and finished, and every step is durable.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::types::{Field, PipelineObject};
use e2e::{definitions::Definitions, program::Up};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::{Figure, PROGRAM, median};

const GROUP: &str = "bench";
/// The number of activities in a chain. AWS allows 100 objects in a definition.
const CHAIN: usize = 100;
const CHAINS: usize = 64;
/// The chains that a rival gets: fewer, since it takes more time for a task.
const RIVALS_CHAINS: usize = 10;
const ROUNDS: usize = 3;
const POLLERS: usize = 64;
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) async fn figures() -> Result<Vec<Figure>> {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let client = up.datapipeline();
    // The first chain warms the stack up, and measures attempts one by one.
    let mut times = ready_to_held(&up, &client).await?;
    println!("ready to held, ms: {times:.1?}");
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        let worked = work_off(&up, &client, round, CHAINS).await?;
        rates.push((CHAINS * CHAIN) as f64 / worked.polling.as_secs_f64());
    }
    println!("attempts per second: {rates:.0?}");
    let mut figures = vec![
        Figure::new("ready_to_held_median", median(&mut times), "ms"),
        Figure::new("attempts_per_second", median(&mut rates), "1/s"),
    ];
    for (number, rival) in ["Luigi", "Prefect"].into_iter().enumerate() {
        figures.push(beside(&up, &client, rival, ROUNDS + number).await?);
    }
    Ok(figures)
}

/// Measures the same chains of empty tasks with Downspout and then with the rival.
async fn beside(up: &Up, client: &Client, rival: &'static str, round: usize) -> Result<Figure> {
    let tasks = RIVALS_CHAINS * CHAIN;
    let own = tasks as f64 / work_off(up, client, round, RIVALS_CHAINS).await?.whole.as_secs_f64();
    let script = format!("tests/benches/rivals/{}_chains.py", rival.to_lowercase());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the project's folder")?;
    let python = root.join("target/rivals/bin/python");
    let ran = tokio::process::Command::new(&python)
        .arg(root.join(script))
        .args([RIVALS_CHAINS.to_string(), CHAIN.to_string()])
        .env("PREFECT_LOGGING_LEVEL", "CRITICAL")
        .output()
        .await
        .with_context(|| format!("starting {}: run tests/setup rivals", python.display()))?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let seconds = said.split_whitespace().last().and_then(|word| word.parse::<f64>().ok());
    let seconds =
        seconds.with_context(|| format!("{rival}: {said} {}", String::from_utf8_lossy(&ran.stderr)))?;
    let theirs = tasks as f64 / seconds;
    println!("{tasks} tasks in chains of {CHAIN}: {own:.0} a second, {rival} {theirs:.0} a second");
    let name = if rival == "Luigi" { "attempts_beside_luigi" } else { "attempts_beside_prefect" };
    Ok(Figure { name, value: own, unit: "1/s", rival: Some(rival), ratio: Some(own / theirs) })
}

/// How long the chains took.
struct Worked {
    /// The time from the first activation.
    whole: Duration,
    /// The time from the first poll, when all chains were active.
    polling: Duration,
}

/// Completes `chains` chains at once, with [`POLLERS`] pollers.
async fn work_off(up: &Up, client: &Client, round: usize, chains: usize) -> Result<Worked> {
    let ended = Arc::new(AtomicUsize::new(0));
    let mut pollers = JoinSet::new();
    let mut pipelines = Vec::new();
    for number in 0..chains {
        pipelines.push(chain(client, &format!("chain-{round}-{number}")).await?);
    }
    let activated = Instant::now();
    for id in &pipelines {
        client.activate_pipeline().pipeline_id(id).send().await.context("activating a chain")?;
    }
    let polled = Instant::now();
    for _ in 0..POLLERS {
        let (mut caller, ended) = (Caller::connect(&up.endpoints).await?, Arc::clone(&ended));
        pollers.spawn(async move {
            while ended.load(Ordering::Relaxed) < chains * CHAIN {
                let Some(task) = poll(&mut caller).await? else { continue };
                acknowledge(&mut caller, &task).await?;
                finish(&mut caller, &task).await?;
                ended.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
    }
    while ended.load(Ordering::Relaxed) < chains * CHAIN {
        ensure!(polled.elapsed() < LIMIT, "{} attempts ended", ended.load(Ordering::Relaxed));
        if let Some(failed) = pollers.try_join_next() {
            failed.context("a poller broke down")??;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Worked { whole: activated.elapsed(), polling: polled.elapsed() })
}

/// Returns the times from the call that finishes a link of a chain until a waiting poller gets the next link, in
/// milliseconds.
async fn ready_to_held(up: &Up, client: &Client) -> Result<Vec<f64>> {
    let id = chain(client, "one-by-one").await?;
    client.activate_pipeline().pipeline_id(&id).send().await.context("activating a chain")?;
    let (mut worker, mut next) =
        (Caller::connect(&up.endpoints).await?, Caller::connect(&up.endpoints).await?);
    let mut task = poll(&mut worker).await?.context("the poll for the first link returned no task")?;
    let mut times = Vec::new();
    for _ in 1..CHAIN {
        let waiting = tokio::spawn(async move {
            let polled = poll(&mut next).await;
            (polled, Instant::now(), next)
        });
        acknowledge(&mut worker, &task).await?;
        // The measurement is right only if the poll waits at the server already, so the pause lets the poll arrive.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let begun = Instant::now();
        finish(&mut worker, &task).await?;
        let (polled, held, poller) = waiting.await.context("a poller broke down")?;
        task = polled?.context("the poll for the next link returned no task")?;
        times.push(held.duration_since(begun).as_secs_f64() * 1_000.0);
        next = std::mem::replace(&mut worker, poller);
    }
    acknowledge(&mut worker, &task).await?;
    finish(&mut worker, &task).await?;
    Ok(times)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Polled {
    task_object: Option<Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_id: String,
}

async fn poll(caller: &mut Caller) -> Result<Option<String>> {
    let body = json!({"workerGroup": GROUP, "hostname": "bench"}).to_string();
    let polled: Polled = caller.call("PollForTask", body).await?;
    Ok(polled.task_object.map(|task| task.task_id))
}

async fn acknowledge(caller: &mut Caller, task: &str) -> Result<()> {
    let body = json!({"taskId": task}).to_string();
    caller.call::<IgnoredAny>("ReportTaskProgress", body).await.map(drop)
}

async fn finish(caller: &mut Caller, task: &str) -> Result<()> {
    let body = json!({"taskId": task, "taskStatus": "FINISHED"}).to_string();
    caller.call::<IgnoredAny>("SetTaskStatus", body).await.map(drop)
}

/// Creates and puts a pipeline of activities, each of which depends on the previous one.
async fn chain(client: &Client, name: &str) -> Result<String> {
    let created = client.create_pipeline().name(name).unique_id(name).send().await.context("creating")?;
    let id = created.pipeline_id().to_owned();
    let text = |key: &str, value: &str| Field::builder().key(key).string_value(value).build();
    let object = |id: String, fields: Vec<Field>| {
        PipelineObject::builder().name(id.clone()).id(id).set_fields(Some(fields)).build()
    };
    let mut objects = Vec::new();
    for number in 0..CHAIN {
        let mut fields = vec![
            text("type", "ShellCommandActivity")?,
            text("command", "true")?,
            text("scheduleType", "ondemand")?,
            text("workerGroup", GROUP)?,
        ];
        if number > 0 {
            let before = format!("Link{}", number - 1);
            fields.push(Field::builder().key("dependsOn").ref_value(before).build()?);
        }
        objects.push(object(format!("Link{number}"), fields)?);
    }
    let put = client.put_pipeline_definition().pipeline_id(&id).set_pipeline_objects(Some(objects));
    let put = put.send().await.context("putting a chain")?;
    ensure!(!put.errored(), "{:?}", put.validation_errors());
    Ok(id)
}
