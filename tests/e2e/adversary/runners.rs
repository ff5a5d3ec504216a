//! Task runners of a story: they do the work of all definitions at once, and watch which runs are at work together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::types::TaskStatus;
use orchestrator::Orchestrator;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;

/// The worker group of the definitions.
pub(super) const GROUP: &str = "adversary";

/// A run that a task runner has done.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// The definition and the captured values, `d0/set=1`.
    pub(super) set: String,
    pub(super) run_key: String,
    pub(super) has_failed: bool,
}

/// The observations of the task runners.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) runs: Vec<Run>,
    /// The pipeline at work of each definition.
    at_work: BTreeMap<String, String>,
    /// How many task runners let the orchestrator start a next run.
    starting: usize,
    pub(super) violations: Vec<String>,
}

/// Task runners, which end when the value is dropped.
pub(super) struct Runners {
    seen: Arc<Mutex<Seen>>,
    tasks: JoinSet<()>,
}

impl Runners {
    /// Starts task runners. Each lets the orchestrator start the next run after a run has ended, as the service does.
    pub(super) fn start(
        count: usize,
        client: &Client,
        orchestrators: &[Arc<Orchestrator>],
        seed: u64,
    ) -> Self {
        let (seen, mut tasks) = (Arc::new(Mutex::new(Seen::default())), JoinSet::new());
        for number in 0..count {
            let orchestrator = Arc::clone(&orchestrators[number % orchestrators.len()]);
            let random = StdRng::seed_from_u64(seed + number as u64);
            tasks.spawn(work(client.clone(), orchestrator, Arc::clone(&seen), random));
        }
        Self { seen, tasks }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether no run is at work, and none is about to start after another one.
    pub(super) fn are_idle(&self) -> bool {
        assert!(!self.tasks.is_empty(), "the task runners go on");
        let seen = self.seen();
        seen.at_work.is_empty() && seen.starting == 0
    }
}

async fn work(client: Client, orchestrator: Arc<Orchestrator>, seen: Arc<Mutex<Seen>>, mut random: StdRng) {
    loop {
        let polled = client.poll_for_task().worker_group(GROUP).send().await;
        let task = polled.ok().and_then(|polled| polled.task_object);
        let Some((id, pipeline)) = task.and_then(|task| Some((task.task_id?, task.pipeline_id?))) else {
            continue;
        };
        let described =
            client.describe_pipelines().pipeline_ids(&pipeline).send().await.expect("a description");
        let description = described.pipeline_description_list().first().expect("the pipeline at work");
        let set = description.name().to_owned();
        let tag = description.tags().iter().find(|tag| tag.key() == "downspout:run-key");
        let run_key = tag.map(|tag| tag.value().to_owned()).unwrap_or_default();
        let definition = set.split('/').next().unwrap_or_default().to_owned();
        let has_failed = random.random_range(0..5) == 0;
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(other) =
                seen.at_work.insert(definition.clone(), pipeline.clone()).filter(|it| *it != pipeline)
            {
                seen.violations.push(format!("{pipeline} ({set}) and {other} are at work together"));
            }
            seen.runs.push(Run { set, run_key, has_failed });
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.at_work.remove(&definition);
            seen.starting += 1;
        }
        let status = if has_failed { TaskStatus::Failed } else { TaskStatus::Finished };
        let set = client.set_task_status().task_id(id).task_status(status).send().await;
        set.expect("the service takes the outcome");
        // The stack of the story tells its own orchestrator. A call that a service stops is made up by the next sweep.
        let _ = orchestrator.start_next(&definition).await;
        seen.lock().unwrap_or_else(PoisonError::into_inner).starting -= 1;
    }
}
