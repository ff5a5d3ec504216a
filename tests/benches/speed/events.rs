//! The orchestrator as a library with warm clients: from an event to ActivatePipeline, and a burst of events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_datapipeline::types::TaskStatus;
use e2e::program::Up;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use orchestrator::{Clients, Config, Orchestrator};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Figure, PROGRAM, median};

/// A bucket without notifications: the benchmark delivers the events.
const DROP: &str = "bench-drop";
const PREFIX: &str = "bench";
/// The worker group, at first without a worker, so that nothing but the orchestrator takes time.
const GROUP: &str = "bench-events";
const DEFINITIONS: usize = 50;
/// Pipelines that are there before the first event.
const EARLIER: usize = 1_000;
/// The burst: each set has one file, whose event comes more than once.
const SETS: usize = 300;
const EVENTS: usize = 1_000;
/// Lambda functions at work at the same time.
const HANDLERS: usize = 8;
const RUNNERS: usize = 4;
const LIMIT: Duration = Duration::from_secs(600);

/// Measures the time from an event to ActivatePipeline, and how long a burst of events takes until each set has run.
pub(crate) async fn figures() -> Result<Vec<Figure>> {
    let up = Up::start(PROGRAM, &[]).await;
    let (s3, datapipeline) = (up.s3(), up.datapipeline());
    s3.create_bucket().bucket(DROP).send().await?;
    for number in 0..DEFINITIONS {
        let put =
            s3.put_object().bucket(&up.endpoints.buckets.definitions).key(format!("{PREFIX}/d{number}.json"));
        put.body(definition(number).into_bytes().into()).send().await?;
    }
    let earlier = (0..EARLIER).map(|number| {
        let name = format!("earlier-{number}");
        datapipeline.create_pipeline().name(&name).unique_id(&name).send()
    });
    stream::iter(earlier).buffer_unordered(HANDLERS).try_collect::<Vec<_>>().await?;
    let orchestrator = Arc::new(orchestrator(&up)?);
    // The first event reads all definitions; a warm function knows them.
    orchestrator.handle(event("nothing/of/interest.csv")).await?;

    let mut times = Vec::new();
    for number in 0..DEFINITIONS {
        let key = format!("d{number}/first/a.csv");
        put(&s3, &key).await?;
        let begun = Instant::now();
        let answer = orchestrator.handle(event(&key)).await?;
        times.push(begun.elapsed().as_secs_f64() * 1_000.0);
        ensure!(answer.to_string().contains("\"started\""), "{key} is not started: {answer}");
    }
    println!("event to activation, ms: {times:.0?}");
    let mut figures = vec![Figure::new("event_to_activation_median", median(&mut times), "ms")];
    figures.push(burst(&s3, &datapipeline, &orchestrator).await?);
    Ok(figures)
}

fn definition(number: usize) -> String {
    json!({"objects": [
        {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
         "workerGroup": GROUP, "maximumRetries": "0", "mySettle": "0 seconds",
         "myDropFile": format!("d{number}/{{set}}/a.csv")},
        {"id": "Work", "type": "ShellCommandActivity", "command": "true"}]})
    .to_string()
}

fn orchestrator(up: &Up) -> Result<Orchestrator> {
    let config = Config {
        definitions_uri: format!("s3://{}/{PREFIX}", up.endpoints.buckets.definitions),
        drop_bucket: Some(DROP.to_owned()),
        topic_arn: up.endpoints.topic_arn.clone(),
        lease: Duration::from_secs(300),
        holder: "bench".to_owned(),
        now: Arc::new(Timestamp::now),
    };
    let clients = Clients { s3: up.s3(), datapipeline: up.datapipeline(), sns: up.sns() };
    Ok(Orchestrator::new(config, clients)?)
}

async fn put(s3: &aws_sdk_s3::Client, key: &str) -> Result<()> {
    s3.put_object().bucket(DROP).key(key).body(key.as_bytes().to_vec().into()).send().await?;
    Ok(())
}

fn event(key: &str) -> Value {
    json!({"Records": [{
        "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": Timestamp::now().to_string(),
        "userIdentity": {"principalId": "AWS:EXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "s3": {"bucket": {"name": DROP}, "object": {"key": key, "size": key.len()}}
    }]})
}

/// The runs of each set.
type Runs = Arc<Mutex<BTreeMap<String, usize>>>;

/// Delivers [`EVENTS`] for [`SETS`], and waits until each set has run once.
async fn burst(
    s3: &aws_sdk_s3::Client,
    datapipeline: &aws_sdk_datapipeline::Client,
    orchestrator: &Arc<Orchestrator>,
) -> Result<Figure> {
    let keys: Vec<String> = (0..SETS).map(|set| format!("d{}/{set}/a.csv", set % DEFINITIONS)).collect();
    stream::iter(&keys).map(|key| put(s3, key)).buffer_unordered(HANDLERS).try_collect::<Vec<_>>().await?;
    let runs = Runs::default();
    let mut runners = JoinSet::new();
    for _ in 0..RUNNERS {
        runners.spawn(run(datapipeline.clone(), Arc::clone(orchestrator), Arc::clone(&runs)));
    }
    let begun = Instant::now();
    // 7 and 300 have no common factor, so the repeated events of a set lie far apart.
    let events = (0..EVENTS).map(|number| orchestrator.handle(event(&keys[number * 7 % SETS])));
    stream::iter(events).buffer_unordered(HANDLERS).try_collect::<Vec<_>>().await?;
    let delivered = begun.elapsed().as_secs_f64();
    // Each set of before, one for each definition, runs too.
    let expected = SETS + DEFINITIONS;
    loop {
        if let Some(ended) = runners.try_join_next() {
            ended??;
        }
        let seen = runs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ensure!(seen.values().all(|count| *count == 1), "a set ran twice: {seen:?}");
        if seen.len() == expected {
            break;
        }
        ensure!(begun.elapsed() < LIMIT, "{} of {expected} sets have run", seen.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{EVENTS} events of {SETS} sets: handled in {delivered:.1} s, every set has run after {seconds:.1} s"
    );
    Ok(Figure::new("burst", EVENTS as f64 / delivered, "ev/s"))
}

/// Does the work of every run, and lets the orchestrator start the next one, as the stack does.
async fn run(
    client: aws_sdk_datapipeline::Client,
    orchestrator: Arc<Orchestrator>,
    runs: Runs,
) -> Result<()> {
    loop {
        let polled = client.poll_for_task().worker_group(GROUP).send().await?;
        let Some(task) = polled.task_object else { continue };
        let (id, pipeline) = task.task_id.zip(task.pipeline_id).context("a task without ids")?;
        let described = client.describe_pipelines().pipeline_ids(&pipeline).send().await?;
        let set = described.pipeline_description_list().first().context("the pipeline at work")?.name();
        *runs.lock().unwrap_or_else(PoisonError::into_inner).entry(set.to_owned()).or_default() += 1;
        client.set_task_status().task_id(id).task_status(TaskStatus::Finished).send().await?;
        let definition = set.split('/').next().unwrap_or_default();
        orchestrator.start_next(definition).await?;
    }
}
