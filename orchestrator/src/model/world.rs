//! The world of a model: the services around the orchestrator, in memory. These are objects with conditional puts,
//! pipelines, and a topic.
//!
//! Each call waits once before and once after its effect, so that a handler can die between the effect and the answer.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use definition::Definition;
use jiff::Timestamp;

use crate::digest::digest;
use crate::ledger::Facts;
use crate::ports::{
    Condition, Depth, Description, InstanceStatus, Listed, NewPipeline, Notice, PipelineError, PipelineName,
    Pipelines, Put, Refusal, Storage, Stored, Topic,
};

/// 2026-11-20T08:00:00Z.
const START_MILLISECONDS: i64 = 1_795_161_600_000;

/// An activation of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    pub id: String,
    pub name: String,
    pub run_key: String,
    /// Seconds since 1970.
    pub at: i64,
    pub failed: bool,
}

#[derive(Clone, Debug)]
struct Pipeline {
    id: String,
    new: NewPipeline,
    state: &'static str,
    is_deleted: bool,
    has_definition: bool,
    activated_at: Option<i64>,
    failed: bool,
    /// `errorId` of the instance.
    error_id: Option<&'static str>,
}

impl Pipeline {
    /// Returns the status of the pipeline's only instance.
    fn instance_status(&self) -> &'static str {
        match (self.state, self.failed) {
            ("FINISHED", false) => "FINISHED",
            ("FINISHED", true) => "FAILED",
            _ => "RUNNING",
        }
    }
}

#[derive(Debug, Default)]
struct WorldState {
    milliseconds: i64,
    objects: BTreeMap<(String, String), (Stored, Timestamp)>,
    pipelines: Vec<Pipeline>,
    notices: Vec<Notice>,
    violations: Vec<String>,
    calls: usize,
    refuses_definitions: bool,
    answers_no_definitions: bool,
    lets_runs_be_replaced: bool,
}

#[derive(Debug, Default)]
pub(super) struct World(Mutex<WorldState>);

impl World {
    pub(super) fn new() -> Self {
        Self(Mutex::new(WorldState { milliseconds: START_MILLISECONDS, ..WorldState::default() }))
    }

    fn contents(&self) -> MutexGuard<'_, WorldState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.contents().milliseconds).unwrap()
    }

    pub(super) fn seconds(&self) -> i64 {
        self.contents().milliseconds / 1000
    }

    pub(super) fn wind_milliseconds(&self, milliseconds: i64) {
        self.contents().milliseconds += milliseconds;
    }

    pub(super) fn put(&self, bucket: &str, key: &str, body: &str) -> String {
        let modified = self.now();
        let etag = digest(&[body])[..16].to_owned();
        let stored = Stored { body: body.as_bytes().to_vec(), etag: etag.clone() };
        self.contents().objects.insert((bucket.to_owned(), key.to_owned()), (stored, modified));
        etag
    }

    pub(super) fn remove(&self, bucket: &str, key: &str) {
        self.contents().objects.remove(&(bucket.to_owned(), key.to_owned()));
    }

    pub(super) fn body(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let location = (bucket.to_owned(), key.to_owned());
        self.contents().objects.get(&location).map(|(stored, _)| stored.body.clone())
    }

    pub(super) fn listed(&self, bucket: &str, key: &str) -> Option<Listed> {
        let location = (bucket.to_owned(), key.to_owned());
        self.contents().objects.get(&location).map(|(stored, modified)| listed(key, stored, *modified))
    }

    /// Returns how many calls the services have had.
    pub(super) fn calls(&self) -> usize {
        self.contents().calls
    }

    /// Returns the keys of a bucket that begin with `prefix`.
    pub(super) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let contents = self.contents();
        let locations = contents.objects.keys().filter(|(of, key)| of == bucket && key.starts_with(prefix));
        locations.map(|(_, key)| key.clone()).collect()
    }

    /// Ends one of the runs at work, if there is one. `number` chooses the run, and the run fails if `fails` is true.
    pub(super) fn end_run(&self, number: usize, fails: bool) {
        let mut contents = self.contents();
        let mut at_work: Vec<_> =
            contents.pipelines.iter_mut().filter(|it| it.state == "SCHEDULED" && !it.is_deleted).collect();
        let count = at_work.len();
        if count > 0 {
            at_work[number % count].state = "FINISHED";
            at_work[number % count].failed = fails;
        }
    }

    pub(super) fn end_all_runs(&self) {
        for pipeline in &mut self.contents().pipelines {
            if pipeline.state == "SCHEDULED" {
                pipeline.state = "FINISHED";
            }
        }
    }

    /// Ends all runs at work with this error.
    pub(super) fn fail_all_runs(&self, error_id: &'static str) {
        for pipeline in &mut self.contents().pipelines {
            if pipeline.state == "SCHEDULED" {
                (pipeline.state, pipeline.failed, pipeline.error_id) = ("FINISHED", true, Some(error_id));
            }
        }
    }

    pub(super) fn refuse_definitions(&self, refuses: bool) {
        self.contents().refuses_definitions = refuses;
    }

    pub(super) fn answer_no_definitions(&self, answers_none: bool) {
        self.contents().answers_no_definitions = answers_none;
    }

    pub(super) fn let_runs_be_replaced(&self) {
        self.contents().lets_runs_be_replaced = true;
    }

    /// Returns all activations, oldest first.
    pub(super) fn activations(&self) -> Vec<Activation> {
        let contents = self.contents();
        let mut activations: Vec<_> = contents
            .pipelines
            .iter()
            .filter_map(|pipeline| {
                let tag = pipeline.new.tags.iter().find(|(key, _)| key == "downspout:run-key")?;
                Some(Activation {
                    id: pipeline.id.clone(),
                    name: pipeline.new.name.clone(),
                    run_key: tag.1.clone(),
                    at: pipeline.activated_at? / 1000,
                    failed: pipeline.failed,
                })
            })
            .collect();
        activations.sort_by_key(|activation| activation.at);
        activations
    }

    pub(super) fn pipelines(&self) -> usize {
        self.contents().pipelines.iter().filter(|pipeline| !pipeline.is_deleted).count()
    }

    pub(super) fn notices(&self) -> Vec<Notice> {
        let mut notices = self.contents().notices.clone();
        // The topic delivers notices with the same id once.
        notices.dedup_by(|one, other| one.id == other.id);
        notices
    }

    pub(super) fn violations(&self) -> Vec<String> {
        self.contents().violations.clone()
    }
}

/// The edges of a handler, which act on the world.
pub(super) struct WorldEdges(pub Arc<World>);

/// Waits once, so that at this point other handlers may act, or the present handler may die.
async fn moment() {
    let mut has_waited = false;
    poll_fn(|context| {
        if has_waited {
            return Poll::Ready(());
        }
        has_waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl WorldEdges {
    /// Changes the world, with one wait before the change and one after it.
    async fn act<T>(&self, action: impl FnOnce(&mut WorldState) -> T + Send) -> T
    where
        T: Send,
    {
        moment().await;
        self.0.contents().calls += 1;
        let answer = action(&mut self.0.contents());
        moment().await;
        answer
    }
}

fn listed(key: &str, stored: &Stored, modified: Timestamp) -> Listed {
    Listed { key: key.to_owned(), etag: stored.etag.clone(), modified, size: stored.body.len() as u64 }
}

impl Storage for WorldEdges {
    async fn get(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Stored>> {
        let location = (bucket.to_owned(), key.to_owned());
        Ok(self.act(|world| world.objects.get(&location).map(|(stored, _)| stored.clone())).await)
    }

    async fn put(&self, bucket: &str, key: &str, body: String, condition: Condition) -> anyhow::Result<Put> {
        let location = (bucket.to_owned(), key.to_owned());
        Ok(self
            .act(|world| {
                let there = world.objects.get(&location).map(|(stored, _)| stored.etag.clone());
                let holds = match condition {
                    Condition::Absent => there.is_none(),
                    Condition::Unchanged(etag) => there == Some(etag),
                };
                if !holds {
                    return Put::Conflict;
                }
                let etag = digest(&[&body])[..16].to_owned();
                let modified = Timestamp::from_millisecond(world.milliseconds).unwrap();
                let stored = Stored { body: body.into_bytes(), etag: etag.clone() };
                world.objects.insert(location, (stored, modified));
                Put::Stored(etag)
            })
            .await)
    }

    async fn list(&self, bucket: &str, prefix: &str, depth: Depth) -> anyhow::Result<Vec<Listed>> {
        let is_listed = |location: &(String, String)| {
            let rest = location.1.strip_prefix(prefix).filter(|_| location.0 == bucket);
            rest.is_some_and(|rest| depth == Depth::All || !rest.contains('/'))
        };
        let list = |world: &mut WorldState| {
            let objects = world.objects.iter().filter(|(location, _)| is_listed(location));
            objects.map(|(location, (stored, modified))| listed(&location.1, stored, *modified)).collect()
        };
        Ok(self.act(list).await)
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<Listed>> {
        let is_listed = |location: &(String, String)| {
            let is_after = after.is_none_or(|after| location.1.as_str() > after);
            location.0 == bucket && location.1.starts_with(prefix) && is_after
        };
        let list = |world: &mut WorldState| {
            let objects = world.objects.iter().filter(|(location, _)| is_listed(location)).take(limit);
            objects.map(|(location, (stored, modified))| listed(&location.1, stored, *modified)).collect()
        };
        Ok(self.act(list).await)
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        let location = (bucket.to_owned(), key.to_owned());
        self.act(|world| world.objects.remove(&location)).await;
        Ok(())
    }

    async fn find(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Listed>> {
        let location = (bucket.to_owned(), key.to_owned());
        let find = |world: &mut WorldState| {
            world.objects.get(&location).map(|(stored, modified)| listed(key, stored, *modified))
        };
        Ok(self.act(find).await)
    }
}

fn gone(id: &str) -> PipelineError {
    PipelineError::Gone(format!("Pipeline with id: {id} does not exist"))
}

impl WorldState {
    fn pipeline(&mut self, id: &str) -> Result<&mut Pipeline, PipelineError> {
        let mut existing = self.pipelines.iter_mut().filter(|pipeline| !pipeline.is_deleted);
        existing.find(|pipeline| pipeline.id == id).ok_or_else(|| gone(id))
    }

    fn activate(&mut self, id: &str) -> Result<(), PipelineError> {
        let milliseconds = self.milliseconds;
        let pipeline = self.pipeline(id)?;
        if !pipeline.has_definition {
            return Err(PipelineError::Refused("Pipeline definition is empty: ".to_owned()));
        }
        let second_time = pipeline.activated_at.is_some();
        pipeline.activated_at.get_or_insert(milliseconds);
        pipeline.state = "SCHEDULED";
        let name = pipeline.new.name.clone();
        if second_time {
            self.violations.push(format!("{id} ({name}) was activated twice"));
        }
        let definition = |name: &str| name.split('/').next().map(str::to_owned);
        let is_at_work = |it: &&Pipeline| {
            it.state == "SCHEDULED" && !it.is_deleted && definition(&it.new.name) == definition(&name)
        };
        let at_work: Vec<_> = self.pipelines.iter().filter(is_at_work).collect();
        if at_work.len() > 1 {
            let names: Vec<_> = at_work.iter().map(|it| it.new.name.as_str()).collect();
            self.violations
                .push(format!("runs of one definition are at work together: {}", names.join(", ")));
        }
        Ok(())
    }
}

impl Pipelines for WorldEdges {
    async fn names(&self) -> Result<Vec<PipelineName>, PipelineError> {
        let names = |world: &mut WorldState| {
            let existing = world.pipelines.iter().filter(|pipeline| !pipeline.is_deleted);
            existing.map(|it| PipelineName { id: it.id.clone(), name: it.new.name.clone() }).collect()
        };
        Ok(self.act(names).await)
    }

    async fn describe(&self, ids: &[String]) -> Result<Vec<Description>, PipelineError> {
        let describe = |world: &mut WorldState| {
            let existing = world.pipelines.iter().filter(|it| !it.is_deleted && ids.contains(&it.id));
            let description = |pipeline: &Pipeline| Description {
                id: pipeline.id.clone(),
                name: pipeline.new.name.clone(),
                state: pipeline.state.to_owned(),
                tags: pipeline.new.tags.clone(),
            };
            existing.map(description).collect()
        };
        Ok(self.act(describe).await)
    }

    async fn has_failures(&self, id: &str) -> Result<bool, PipelineError> {
        self.act(|world| Ok(world.pipeline(id)?.instance_status() == "FAILED")).await
    }

    async fn instances(&self, id: &str) -> Result<Vec<InstanceStatus>, PipelineError> {
        self.act(|world| {
            let pipeline = world.pipeline(id)?;
            let status = pipeline.instance_status().to_owned();
            let error_id = pipeline.error_id.map(str::to_owned);
            Ok(vec![InstanceStatus { id: "@Say".to_owned(), status, needs: Vec::new(), error_id }])
        })
        .await
    }

    async fn facts(&self, id: &str) -> Result<Facts, PipelineError> {
        self.act(|world| world.pipeline(id).map(|_| Facts { rows_loaded: 1, ..Facts::default() })).await
    }

    async fn create(&self, new: &NewPipeline) -> Result<String, PipelineError> {
        self.act(|world| {
            let mut existing = world.pipelines.iter().filter(|pipeline| !pipeline.is_deleted);
            let same = |it: &&Pipeline| it.new.name == new.name && it.new.unique_id == new.unique_id;
            if let Some(known) = existing.find(same) {
                return Ok(known.id.clone());
            }
            let id = format!("df-{}", world.pipelines.len());
            world.pipelines.push(Pipeline {
                id: id.clone(),
                new: new.clone(),
                state: "PENDING",
                is_deleted: false,
                has_definition: false,
                activated_at: None,
                failed: false,
                error_id: None,
            });
            Ok(id)
        })
        .await
    }

    async fn put_definition(&self, id: &str, _: &Definition) -> Result<Vec<Refusal>, PipelineError> {
        self.act(|world| {
            if world.answers_no_definitions {
                return Err(PipelineError::Unanswered(anyhow::anyhow!("no answer")));
            }
            if world.refuses_definitions {
                return Ok(vec![Refusal { object: "Say".to_owned(), message: "no".to_owned() }]);
            }
            world.pipeline(id)?.has_definition = true;
            Ok(Vec::new())
        })
        .await
    }

    async fn activate(&self, id: &str) -> Result<(), PipelineError> {
        self.act(|world| world.activate(id)).await
    }

    async fn delete(&self, id: &str) -> Result<(), PipelineError> {
        self.act(|world| {
            if let Ok(pipeline) = world.pipeline(id) {
                let is_at_work = pipeline.state == "SCHEDULED";
                pipeline.is_deleted = true;
                if is_at_work && !world.lets_runs_be_replaced {
                    world.violations.push(format!("{id} was deleted at work"));
                }
            }
        })
        .await;
        Ok(())
    }
}

impl Topic for WorldEdges {
    async fn publish(&self, notice: &Notice) -> anyhow::Result<()> {
        self.act(|world| world.notices.push(notice.clone())).await;
        Ok(())
    }
}
