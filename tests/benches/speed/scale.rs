//! The cost of size: a large run beside small ones, a restart with much work, and many pipelines that wait.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_datapipeline::types::{Field, PipelineObject};
use engine::{
    Activation, AttemptId, Effect, Event, Occasion, PipelineId, PipelineState, Plan, Run, RunnerId, Step,
    TaskOutcome, Upcoming,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use server::Config;
use store::{Batch, DefinitionVersion, Pipeline, SqliteStore, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{Figure, median};

const GROUP: &str = "bench";
pub(crate) const KEY: &str = "AKIABENCH";
/// The number of instances of the large run, of instances of open runs at a restart, and of pipelines that wait.
const MANY: usize = 100_000;
/// The number of instances of a small run, and of activities in a chain.
const FEW: usize = 100;
const ROUNDS: usize = 3;
/// How long the processor time of an idle server is measured.
const WATCHED: Duration = Duration::from_secs(10);
/// The number of runs that begin while all other pipelines wait.
const PUNCTUAL: usize = 7;
/// The first argument that makes this program a server; the second argument is then the path of its store.
pub(crate) const SERVE: &str = "serve-the-store";

pub(crate) async fn figures() -> Result<Vec<Figure>> {
    let mut figures = vec![instance_cost_scaling().await?];
    figures.push(Figure::new("restart_100k", restart(MANY / FEW, FEW).await?, "s"));
    figures.push(Figure::new("restart_100k_in_one_run", restart(1, MANY).await?, "s"));
    figures.extend(idle().await?);
    Ok(figures)
}

/// Serves the store at `path` until the process is killed, and prints the address.
pub(crate) async fn serve(path: &Path) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    server::serve(config(path)?, listener, CancellationToken::new()).await
}

/// Returns the configuration that `downspout server` has by default.
fn config(path: &Path) -> Result<Config> {
    let (access_key_id, secret_access_key) = (KEY.to_owned(), KEY.to_owned());
    let limits = http_front::Limits::for_files(http_front::raise_file_limit()?, 1);
    let credentials = server::sigv4::Credentials { access_key_id, secret_access_key };
    Ok(Config { limits, ..Config::new(path.to_owned(), credentials) })
}

fn client(address: &str) -> Client {
    let config = aws_sdk_datapipeline::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://{address}"))
        .credentials_provider(Credentials::new(KEY, KEY, None, None, "bench"))
        .build();
    Client::from_conf(config)
}

/// Returns a definition of activities in chains of [`FEW`].
fn definition(activities: usize) -> Result<definition::Definition> {
    let link = |number: usize| {
        let mut object = json!({
            "id": format!("Link{number}"), "type": "ShellCommandActivity", "command": "true", "workerGroup": GROUP,
        });
        if !number.is_multiple_of(FEW) {
            object["dependsOn"] = json!({"ref": format!("Link{}", number - 1)});
        }
        object
    };
    let mut objects = vec![json!({"id": "Default", "scheduleType": "ondemand"})];
    objects.extend((0..activities).map(link));
    Ok(definition::file::parse(&json!({ "objects": objects }).to_string())?)
}

fn begin(id: &str, plan: &Arc<Plan>) -> Result<(Run, Step)> {
    let activation = Activation {
        pipeline: PipelineId::from(id),
        pipeline_name: id.to_owned(),
        version: 1,
        at: now(),
        occasion: Occasion::OnDemand { latest: None },
        paused: Default::default(),
    };
    Ok(engine::expand(Arc::clone(plan), activation)?)
}

pub(crate) fn now() -> Timestamp {
    engine::time::whole_millis(Timestamp::now())
}

/// Measures the time of an instance in a run of [`MANY`], and its ratio to the time in runs of [`FEW`]. Each instance is
/// created, claimed, acknowledged and finished. The store is in memory, so the speed of the disk has no influence.
async fn instance_cost_scaling() -> Result<Figure> {
    let (mut ratios, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (few, many) = (work_off(MANY / FEW, FEW).await?, work_off(1, MANY).await?);
        println!("an instance of a run of {FEW}: {few:.1?}, of {MANY}: {many:.1?}");
        ratios.push(many.as_secs_f64() / few.as_secs_f64());
        costs.push(many.as_secs_f64() * 1e6);
    }
    let (value, ratio) = (median(&mut costs), Some(median(&mut ratios)));
    Ok(Figure { name: "instance_cost_scaling", value, unit: "µs", rival: Some("a run of 100"), ratio })
}

/// Completes `runs` runs of `instances` instances each, and returns the time per instance.
async fn work_off(runs: usize, instances: usize) -> Result<Duration> {
    let store = SqliteStore::in_memory_inline()?;
    let plan = Arc::new(Plan::of(definition(instances)?)?);
    let begun = Instant::now();
    for number in 0..runs {
        let id = format!("df-{number}");
        store.create_pipeline(Pipeline::new(PipelineId::from(id.as_str()), &id, &id, now())).await?;
        let (mut run, step) = begin(&id, &plan)?;
        store.save(Batch::new().new_run(&run, &step)).await?;
        let mut offers = offered(&step);
        while let Some(attempt) = offers.pop() {
            let fields = Vec::new();
            let (handout, outcome) = (1, TaskOutcome::Finished);
            for event in [
                Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("bench") },
                Event::ProgressReported { attempt: attempt.clone(), handout, fields },
                Event::StatusSet { attempt, handout, outcome },
            ] {
                let step = run.step(event, now())?;
                store.save(Batch::new().step(&run, &step)).await?;
                offers.extend(offered(&step));
            }
        }
        ensure!(run.end().is_some(), "the run has not ended");
    }
    Ok(begun.elapsed() / u32::try_from(runs * instances)?)
}

fn offered(step: &Step) -> Vec<AttemptId> {
    let offers = step.effects.iter().filter_map(|effect| match effect {
        Effect::Offer { attempt, .. } => Some(attempt.clone()),
        Effect::Publish(_) | Effect::Resource { .. } | Effect::Ended(_) => None,
    });
    offers.collect()
}

/// Returns the time from the start of a server until a poller gets a task. The store has `runs` open runs of `instances`
/// instances each.
async fn restart(runs: usize, instances: usize) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pipelines.db");
    let store = SqliteStore::open(&path)?;
    let plan = Arc::new(Plan::of(definition(instances)?)?);
    for number in 0..runs {
        let id = format!("df-{number}");
        let mut pipeline = Pipeline::new(PipelineId::from(id.as_str()), &id, &id, now());
        store.create_pipeline(pipeline.clone()).await?;
        let (run, step) = begin(&id, &plan)?;
        pipeline.state = PipelineState::Scheduled;
        pipeline.latest_run = Some(run.header().scheduled);
        store.save(Batch::new().pipeline(&pipeline).new_run(&run, &step)).await?;
    }
    drop(store);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let server = Server::start(&path)?;
        let polled = server.client.poll_for_task().worker_group(GROUP).send().await.context("polling")?;
        times.push(begun.elapsed().as_secs_f64());
        ensure!(polled.task_object.is_some(), "the poll returned no task");
    }
    println!("restart with {runs} open runs of {instances} instances, s: {times:.2?}");
    Ok(median(&mut times))
}

/// A server in a process of its own.
pub(crate) struct Server {
    pub(crate) process: Child,
    /// The address of the server.
    pub(crate) address: String,
    client: Client,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process has no other way to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    pub(crate) fn start(path: &Path) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([SERVE.as_ref(), path])
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let mut address = String::new();
        let stdout = process.stdout.take().context("the server's output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut address)?;
        let address = address.trim().to_owned();
        Ok(Self { process, client: client(&address), address })
    }

    /// Returns the processor time of the process, in seconds.
    fn processor_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
        let ticks = ticks(11).zip(ticks(12)).context("the server's times")?;
        // A tick is a hundredth of a second on Linux.
        Ok((ticks.0 + ticks.1) / 100.0)
    }
}

/// Measures the processor time and the memory of a server with [`MANY`] waiting pipelines, and how late the server begins
/// runs that are due.
async fn idle() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pipelines.db");
    let store = SqliteStore::open(&path)?;
    let definition = definition(1)?;
    let created = (0..MANY).map(|number| {
        let id = format!("df-{number}");
        let mut pipeline = Pipeline::new(PipelineId::from(id.as_str()), &id, &id, now());
        let start = now() + SignedDuration::from_hours(24 * 365);
        pipeline.state = PipelineState::Scheduled;
        pipeline.version = 1;
        pipeline.next_run = Some(Upcoming { start, end: start + SignedDuration::from_hours(1), due: start });
        pipeline
    });
    let (store, definition) = (&store, &definition);
    for group in created.collect::<Vec<_>>().chunks(1_000) {
        let saved = group.iter().map(async |pipeline| {
            store.create_pipeline(pipeline.clone()).await?;
            let batch = Batch::new().pipeline(pipeline);
            store.save(batch.definition(&pipeline.id, DefinitionVersion::Active, definition)).await
        });
        futures::future::try_join_all(saved).await?;
    }
    let server = Server::start(&path)?;
    server.client.list_pipelines().send().await.context("listing")?;
    let before = server.processor_seconds()?;
    tokio::time::sleep(WATCHED).await;
    let share = (server.processor_seconds()? - before) / WATCHED.as_secs_f64() * 100.0;
    let mut late = Vec::new();
    for number in 0..PUNCTUAL {
        late.push(lateness(&server.client, number).await?);
    }
    println!("late, ms: {late:.1?}");
    let memory = crate::native::high_water_mb(&server.process).context("the server's memory")?;
    Ok(vec![
        Figure::new("idle_100k_pipelines_core", share, "%"),
        Figure::new("idle_100k_pipelines_memory", memory, "MB"),
        Figure::new("scheduled_to_held_median", median(&mut late), "ms"),
    ])
}

/// Returns the time from a run's scheduled start until a waiting poller gets its task, in milliseconds.
async fn lateness(client: &Client, number: usize) -> Result<f64> {
    let name = format!("punctual-{number}");
    let created = client.create_pipeline().name(&name).unique_id(&name).send().await.context("creating")?;
    let start = Timestamp::from_second(Timestamp::now().as_second() + 2)?;
    let text = |key: &str, value: &str| Field::builder().key(key).string_value(value).build();
    let refers = |key: &str, to: &str| Field::builder().key(key).ref_value(to).build();
    let object = |id: &str, fields: Vec<Field>| {
        PipelineObject::builder().id(id).name(id).set_fields(Some(fields)).build()
    };
    let objects = vec![
        object("Default", vec![text("scheduleType", "cron")?, refers("schedule", "Hourly")?])?,
        object(
            "Hourly",
            vec![
                text("type", "Schedule")?,
                text("period", "1 hour")?,
                text("startDateTime", &start.strftime("%Y-%m-%dT%H:%M:%S").to_string())?,
            ],
        )?,
        object(
            "Work",
            vec![
                text("type", "ShellCommandActivity")?,
                text("command", "true")?,
                text("workerGroup", &name)?,
            ],
        )?,
    ];
    let id = created.pipeline_id();
    let put = client.put_pipeline_definition().pipeline_id(id).set_pipeline_objects(Some(objects));
    let put = put.send().await.context("putting")?;
    ensure!(!put.errored(), "{:?}", put.validation_errors());
    client.activate_pipeline().pipeline_id(id).send().await.context("activating")?;
    let polled = client.poll_for_task().worker_group(&name).send().await.context("polling")?;
    let late = Timestamp::now().duration_since(start).as_secs_f64() * 1_000.0;
    ensure!(polled.task_object.is_some(), "the poll returned no task");
    Ok(late)
}
