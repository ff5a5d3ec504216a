//! Calls a second of the Data Pipeline service over one connection and over many, beside the server of moto; the cost of one
//! page of a very long list; and the memory that waiting polls take.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_credential_types::Credentials;
use e2e::program::Up;
use futures::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use server::Config;
use store::{Pipeline, SqliteStore, Store};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::caller::{Caller, DATA_PIPELINE};
use crate::endpoints::Moto;
use crate::native::{Turns, high_water_mb};
use crate::scale::{KEY, Server, now};
use crate::{Figure, PROGRAM, median};

/// DescribePipelines takes 25 pipelines at most.
const PIPELINES: usize = 25;
const CONNECTIONS: [usize; 2] = [1, 64];
/// The calls of one round. moto gets fewer, because it takes more time for a call.
const CALLS: usize = 6_400;
const THEIR_CALLS: usize = 320;
const ROUNDS: usize = 3;
const GROUP: &str = "round-trips";
/// The number of activities without dependencies in a pipeline, each of which a poll receives.
const TASKS: usize = 99;
/// The pipelines whose tasks the polls of a round receive.
const TASK_PIPELINES: usize = 16;
const FEW_STORED: usize = 1_000;
const MANY_STORED: usize = 1_000_000;
/// The pages of a list that a round reads.
const PAGES: usize = 200;
/// The polls that wait at once.
const WAITING: usize = 10_000;
/// How long the service may take to hold all polls.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn figures(target: &Path, runtime: &Runtime) -> Result<Vec<Figure>> {
    let moto = Moto::start(target)?;
    let up = runtime.block_on(Up::start(PROGRAM, &[]));
    let mut figures = describe(&up, &moto, runtime)?;
    figures.extend(runtime.block_on(polls(&up))?);
    drop(up);
    figures.push(list(runtime)?);
    figures.push(runtime.block_on(waiting())?);
    Ok(figures)
}

/// Measures DescribePipelines of one pipeline and of [`PIPELINES`], in turns with moto.
fn describe(up: &Up, moto: &Moto, runtime: &Runtime) -> Result<Vec<Figure>> {
    let ids = runtime.block_on(create(up, &up.endpoints.datapipeline))?;
    let their_ids = runtime.block_on(create(up, &moto.url))?;
    let mut figures = Vec::new();
    for (connections, described, name) in [
        (CONNECTIONS[0], 1, "describe_1_over_1"),
        (CONNECTIONS[1], 1, "describe_1_over_64"),
        (CONNECTIONS[0], PIPELINES, "describe_25_over_1"),
        (CONNECTIONS[1], PIPELINES, "describe_25_over_64"),
    ] {
        let work = |url: &str, ids: &[String], calls: usize| {
            let body = json!({"pipelineIds": ids[..described]}).to_string();
            let seconds =
                runtime.block_on(calls_over(up, url, connections, calls, "DescribePipelines", body))?;
            Ok(seconds / calls as f64)
        };
        let turns = Turns::of(
            ROUNDS,
            &format!("{name}, in seconds a call"),
            || work(&up.endpoints.datapipeline, &ids, CALLS),
            || work(&moto.url, &their_ids, THEIR_CALLS),
        )?;
        let (value, ratio) = (1.0 / turns.own, Some(1.0 / turns.ratio));
        figures.push(Figure { name, value, unit: "1/s", rival: Some("moto"), ratio });
    }
    Ok(figures)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    pipeline_id: String,
}

async fn create(up: &Up, url: &str) -> Result<Vec<String>> {
    let mut caller = Caller::connect_to(&up.endpoints, url, DATA_PIPELINE).await?;
    let mut ids = Vec::new();
    for number in 0..PIPELINES {
        let name = format!("bench-{number}");
        let created: Created =
            caller.call("CreatePipeline", json!({"name": name, "uniqueId": name}).to_string()).await?;
        ids.push(created.pipeline_id);
    }
    Ok(ids)
}

/// Makes `calls` calls over so many connections, and returns the seconds.
async fn calls_over(
    up: &Up,
    url: &str,
    connections: usize,
    calls: usize,
    operation: &'static str,
    body: String,
) -> Result<f64> {
    let callers = (0..connections).map(|_| Caller::connect_to(&up.endpoints, url, DATA_PIPELINE));
    let callers = try_join_all(callers).await?;
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for mut caller in callers {
        let body = body.clone();
        tasks.spawn(async move {
            for _ in 0..calls / connections {
                caller.send(operation, body.clone()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a client broke down")??;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Measures polls that each receive a task. moto has no PollForTask.
async fn polls(up: &Up) -> Result<Vec<Figure>> {
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (index, connections) in CONNECTIONS.into_iter().enumerate() {
            let group = format!("{GROUP}-{round}-{connections}");
            activate(up, &group).await?;
            let calls = TASKS * TASK_PIPELINES / connections * connections;
            let body = json!({"workerGroup": group, "hostname": "bench"}).to_string();
            let url = &up.endpoints.datapipeline;
            let seconds = calls_over(up, url, connections, calls, "PollForTask", body).await?;
            rates[index].push(calls as f64 / seconds);
        }
    }
    println!("polls a second over {CONNECTIONS:?} connections: {rates:.0?}");
    let [mut one, mut many] = rates;
    Ok(vec![
        Figure::new("poll_over_1", median(&mut one), "1/s"),
        Figure::new("poll_over_64", median(&mut many), "1/s"),
    ])
}

/// Activates pipelines of activities that a worker group can poll at once.
async fn activate(up: &Up, group: &str) -> Result<()> {
    let mut caller = Caller::connect(&up.endpoints).await?;
    let activity = |number: usize| {
        let field = |key: &str, value: &str| json!({"key": key, "stringValue": value});
        let id = format!("Task{number}");
        json!({"id": id, "name": id, "fields": [
            field("type", "ShellCommandActivity"), field("command", "true"), field("scheduleType", "ondemand"),
            field("workerGroup", group),
        ]})
    };
    let objects: Vec<Value> = (0..TASKS).map(activity).collect();
    for number in 0..TASK_PIPELINES {
        let name = format!("{group}-{number}");
        let created: Created =
            caller.call("CreatePipeline", json!({"name": name, "uniqueId": name}).to_string()).await?;
        let id = created.pipeline_id;
        let put = json!({"pipelineId": id, "pipelineObjects": objects}).to_string();
        caller.send("PutPipelineDefinition", put).await?;
        caller.send("ActivatePipeline", json!({"pipelineId": id}).to_string()).await?;
    }
    Ok(())
}

/// Measures a page of ListPipelines with [`MANY_STORED`] pipelines, in turns with [`FEW_STORED`].
fn list(runtime: &Runtime) -> Result<Figure> {
    let folder = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for stored in [FEW_STORED, MANY_STORED] {
        let path = folder.path().join(format!("{stored}.db"));
        runtime.block_on(store_pipelines(&path, stored))?;
        servers.push(Server::start(&path)?);
    }
    let work = |server: &Server| {
        let (url, pages) = (format!("http://{}", server.address), PAGES);
        runtime.block_on(async {
            let mut caller = caller(&url).await?;
            let start = Instant::now();
            for _ in 0..pages {
                caller.send("ListPipelines", "{}".to_owned()).await?;
            }
            Ok(start.elapsed().as_secs_f64() / pages as f64)
        })
    };
    let turns =
        Turns::of(ROUNDS, "a page of ListPipelines, in seconds", || work(&servers[1]), || work(&servers[0]))?;
    Ok(turns.figure("list_page_of_1m_pipelines", "1,000 pipelines"))
}

async fn caller(url: &str) -> Result<Caller> {
    let region = Config::new(Path::new("").to_owned(), keys()).region;
    let credentials = Credentials::new(KEY, KEY, None, None, "bench");
    Caller::connect_as(credentials, &region, url, DATA_PIPELINE).await
}

fn keys() -> server::sigv4::Credentials {
    let (access_key_id, secret_access_key) = (KEY.to_owned(), KEY.to_owned());
    server::sigv4::Credentials { access_key_id, secret_access_key }
}

async fn store_pipelines(path: &Path, count: usize) -> Result<()> {
    let store = SqliteStore::open(path)?;
    let numbers: Vec<usize> = (0..count).collect();
    for group in numbers.chunks(5_000) {
        let saved = group.iter().map(|number| {
            let id = format!("df-{number:07}");
            store.create_pipeline(Pipeline::new(engine::PipelineId::from(id.as_str()), &id, &id, now()))
        });
        try_join_all(saved).await?;
    }
    Ok(())
}

/// Measures the memory of a service at which [`WAITING`] polls wait.
async fn waiting() -> Result<Figure> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&folder.path().join("pipelines.db"))?;
    let url = format!("http://{}", server.address);
    let before = high_water_mb(&server.process).context("the memory of the service")?;
    let start = Instant::now();
    let mut polls = JoinSet::new();
    for _ in 0..WAITING {
        let mut caller = caller(&url).await?;
        let body = json!({"workerGroup": GROUP, "hostname": "bench"}).to_string();
        polls.spawn(async move { caller.send("PollForTask", body).await });
    }
    // Another client is served meanwhile, after all of the polls that were sent before.
    let mut other = caller(&url).await?;
    other.send("ListPipelines", "{}".to_owned()).await?;
    let mut held = high_water_mb(&server.process).context("the memory of the service")?;
    // The memory has its final size when it stays the same for a second.
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = high_water_mb(&server.process).context("the memory of the service")?;
        if now <= held {
            break;
        }
        held = now;
        ensure!(start.elapsed() < PATIENCE, "the polls do not come to rest");
    }
    let answered = std::iter::from_fn(|| polls.try_join_next()).count();
    ensure!(answered == 0, "{answered} of {WAITING} polls do not wait");
    println!("memory of a service: {before:.0} MB, with {WAITING} waiting polls {held:.0} MB");
    Ok(Figure::new("waiting_polls_memory", held, "MB"))
}
