//! Task runners of a story. They do the work of all definitions at once, look at the definition of each run, and watch which runs
//! are at work together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::Duration;

use aws_sdk_datapipeline::types::{Field, PipelineDescription, TaskStatus};
use orchestrator::Orchestrator;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::kinds::Files;
use super::network::{self, Life, Network};
use super::services::Services;

/// The worker group of the definitions.
pub(super) const GROUP: &str = "adversary";
/// How often a story looks again.
const PACE: Duration = Duration::from_millis(10);

/// A run that a task runner has done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) pipeline: String,
    /// The definition and the captured values, `d0/set=1`.
    pub(super) name: String,
    pub(super) run_key: String,
    pub(super) generation: String,
    pub(super) has_failed: bool,
    /// The files of each data node, with their ETags.
    pub(super) nodes: BTreeMap<usize, Files>,
    /// The values of parameters, if the service returns them.
    pub(super) values: BTreeMap<String, String>,
}

/// The observations of the task runners.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) runs: Vec<Run>,
    /// The pipeline at work of each definition.
    at_work: BTreeMap<String, String>,
    pub(super) violations: Vec<String>,
}

/// The state that the task runners share.
struct Shared {
    services: Arc<Services>,
    network: Arc<Network>,
    seen: Mutex<Seen>,
    /// Whether the task runners wait before they do any work.
    is_held: AtomicBool,
    /// How many task runners let the orchestrator start a next run, and how many have done so.
    starting: AtomicUsize,
    started: AtomicUsize,
}

/// Task runners, which end when the value is dropped.
pub(super) struct Runners {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Runners {
    /// Starts task runners. Each lets an orchestrator start the next run after a run has ended, as the service does.
    pub(super) fn start(
        count: usize,
        services: &Arc<Services>,
        network: &Arc<Network>,
        orchestrators: Vec<Arc<Orchestrator>>,
        seed: u64,
    ) -> Self {
        let shared = Arc::new(Shared {
            services: Arc::clone(services),
            network: Arc::clone(network),
            seen: Mutex::default(),
            is_held: AtomicBool::new(false),
            starting: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
        });
        let mut tasks = Vec::new();
        // Only one can do the work of moto, which has no tasks.
        let count = if network.moto.is_some() { 1 } else { count };
        for (number, orchestrator) in orchestrators.into_iter().cycle().take(count).enumerate() {
            let random = StdRng::seed_from_u64(seed + number as u64);
            let shared = Arc::clone(&shared);
            if network.moto.is_some() {
                tasks.push(tokio::spawn(async move { shared.work_for_moto(&orchestrator, random).await }));
            } else {
                tasks.push(tokio::spawn(async move { shared.work(&orchestrator, random).await }));
            }
        }
        Self { shared, tasks }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen()
    }

    /// Lets the task runners do no work until [`Self::release`], and waits until none is at work.
    pub(super) async fn hold(&self) {
        self.shared.is_held.store(true, Ordering::SeqCst);
        while !self.seen().at_work.is_empty() || self.shared.starting.load(Ordering::SeqCst) > 0 {
            self.must_run();
            tokio::time::sleep(PACE).await;
        }
    }

    pub(super) fn release(&self) {
        self.shared.is_held.store(false, Ordering::SeqCst);
    }

    /// Waits until every run that was activated has ended, and no task runner is about to let another start.
    pub(super) async fn idle(&self) {
        loop {
            self.must_run();
            let started = || self.shared.started.load(Ordering::SeqCst);
            let is_quiet = || {
                let starting = self.shared.starting.load(Ordering::SeqCst);
                starting == 0 && self.seen().at_work.is_empty()
            };
            let before = started();
            if is_quiet() && !self.shared.is_any_at_work().await && is_quiet() && started() == before {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    fn must_run(&self) {
        assert!(self.tasks.iter().all(|task| !task.is_finished()), "the task runners go on");
    }
}

impl Drop for Runners {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_released(&self) {
        while self.is_held.load(Ordering::SeqCst) {
            tokio::time::sleep(PACE).await;
        }
    }

    async fn is_any_at_work(&self) -> bool {
        let pipelines = self.services.pipelines().await;
        pipelines.iter().any(|pipeline| self.is_at_work(pipeline))
    }

    fn is_at_work(&self, pipeline: &PipelineDescription) -> bool {
        let has_ended = self.network.moto.as_ref().is_some_and(|moto| moto.has_ended(pipeline.pipeline_id()));
        state(pipeline) == "SCHEDULED" && !has_ended
    }

    /// Does the work of tasks.
    async fn work(&self, orchestrator: &Orchestrator, mut random: StdRng) {
        let client = &self.services.datapipeline;
        loop {
            let polled = client.poll_for_task().worker_group(GROUP).send().await;
            let task = polled.ok().and_then(|polled| polled.task_object);
            let Some((id, pipeline)) = task.and_then(|task| Some((task.task_id?, task.pipeline_id?))) else {
                continue;
            };
            self.until_released().await;
            let described =
                client.describe_pipelines().pipeline_ids(&pipeline).send().await.expect("a description");
            let description = described.pipeline_description_list().first().expect("the pipeline at work");
            let has_failed = random.random_range(0..5) == 0;
            let definition = self.begin(description, has_failed).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
            let status = if has_failed { TaskStatus::Failed } else { TaskStatus::Finished };
            let life = self.life(&mut random);
            self.end(&definition, orchestrator, life, async {
                let set = client.set_task_status().task_id(id).task_status(status).send().await;
                set.expect("the service takes the outcome");
            })
            .await;
        }
    }

    /// Ends the runs of moto, one after the other.
    async fn work_for_moto(&self, orchestrator: &Orchestrator, mut random: StdRng) {
        let moto = self.network.moto.as_ref().expect("what moto lacks");
        loop {
            tokio::time::sleep(PACE).await;
            self.until_released().await;
            let pipelines = self.services.pipelines().await;
            let at_work: Vec<_> = pipelines.iter().filter(|pipeline| self.is_at_work(pipeline)).collect();
            let definitions: BTreeSet<&str> = at_work.iter().map(|it| definition_of(it.name())).collect();
            if definitions.len() < at_work.len() {
                self.seen()
                    .violations
                    .push(format!("runs of a definition are at work together: {at_work:#?}"));
            }
            for pipeline in at_work {
                let definition = self.begin(pipeline, false).await;
                let life = self.life(&mut random);
                self.end(&definition, orchestrator, life, async { moto.end(pipeline.pipeline_id()) }).await;
            }
        }
    }

    /// Returns the life of the handler that starts a next run, if it is killed: only in a storm.
    fn life(&self, random: &mut StdRng) -> Option<Life> {
        let is_killed = self.network.is_stormy.load(Ordering::Relaxed) && random.random_range(0..3) == 0;
        is_killed.then(|| Life::random(random))
    }

    /// Notes a run that begins, and returns its definition.
    async fn begin(&self, pipeline: &PipelineDescription, has_failed: bool) -> String {
        let run = self.run(pipeline, has_failed).await;
        let definition = definition_of(&run.name).to_owned();
        let mut seen = self.seen();
        let other = seen.at_work.insert(definition.clone(), run.pipeline.clone());
        if let Some(other) = other.filter(|other| *other != run.pipeline) {
            seen.violations.push(format!("{} ({}) and {other} are at work together", run.pipeline, run.name));
        }
        if seen.runs.iter().any(|earlier| earlier.pipeline == run.pipeline) {
            seen.violations.push(format!("{} ({}) was activated twice", run.pipeline, run.name));
        }
        seen.runs.push(run);
        definition
    }

    /// Ends a run, and lets the orchestrator start the next one.
    async fn end(
        &self,
        definition: &str,
        orchestrator: &Orchestrator,
        life: Option<Life>,
        ending: impl Future<Output = ()>,
    ) {
        self.starting.fetch_add(1, Ordering::SeqCst);
        self.seen().at_work.remove(definition);
        ending.await;
        // A call that a service or a death stops is made up by the next sweep.
        let _ = network::live(life, orchestrator.start_next(definition)).await;
        self.started.fetch_add(1, Ordering::SeqCst);
        self.starting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Reads the definition of a run, as the service has it.
    async fn run(&self, pipeline: &PipelineDescription, has_failed: bool) -> Run {
        let tag = |name: &str| {
            let tag = pipeline.tags().iter().find(|tag| tag.key() == name);
            tag.map(|tag| tag.value().to_owned()).unwrap_or_default()
        };
        let id = pipeline.pipeline_id();
        let got = self.services.datapipeline.get_pipeline_definition().pipeline_id(id).send().await;
        let got = got.expect("the definition of a run");
        let mut nodes = BTreeMap::new();
        for object in got.pipeline_objects() {
            let Some(number) = object.id().strip_prefix("In").and_then(|number| number.parse().ok()) else {
                continue;
            };
            nodes.insert(number, self.files(object.fields()).await);
        }
        let values = got.parameter_values().iter();
        let values = values.map(|value| (value.id().to_owned(), unescaped(value.string_value())));
        Run {
            pipeline: id.to_owned(),
            name: pipeline.name().to_owned(),
            run_key: tag("downspout:run-key"),
            generation: tag("downspout:generation"),
            has_failed,
            nodes,
            values: values.collect(),
        }
    }

    /// Returns the files to which a data node is pinned.
    async fn files(&self, fields: &[Field]) -> Files {
        let text = |key: &str| {
            let field = fields.iter().find(|field| field.key() == key);
            field.and_then(Field::string_value).map(unescaped)
        };
        if let Some(manifest) = text("myManifest") {
            let manifest: Value =
                serde_json::from_slice(&self.services.object(&manifest).await).expect("a list");
            let entries = manifest["entries"].as_array().expect("entries").iter();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            return entries.map(|entry| (key_of(&text(&entry["url"])), text(&entry["etag"]))).collect();
        }
        let pinned = text("filePath").zip(text("myETag"));
        pinned.map(|(path, etag)| (key_of(&path), etag)).into_iter().collect()
    }
}

/// Returns the key in the location of a dropped file.
fn key_of(location: &str) -> String {
    let key = location.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
    key.map(|(_, key)| key.to_owned()).unwrap_or_default()
}

/// Returns the text whose `#{` was written as an expression, so that the service does not evaluate it.
fn unescaped(text: &str) -> String {
    text.replace("#{'#' + '{'}", "#{")
}

pub(super) fn definition_of(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
}

/// Returns `@pipelineState`.
pub(super) fn state(pipeline: &PipelineDescription) -> &str {
    let state = pipeline.fields().iter().find(|field| field.key() == "@pipelineState");
    state.and_then(|field| field.string_value()).unwrap_or_default()
}
