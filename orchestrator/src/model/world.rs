//! The world of a model: the services around the orchestrator, in memory. These are objects with conditional puts,
//! pipelines, and a topic.
//!
//! Each call waits once before and once after its effect, so that a handler can die between the effect and the answer.

mod service;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;

use crate::digest::digest;
use crate::ports::{
    Busy, Condition, Depth, Listed, NewPipeline, Notice, Page, Pauses, PipelineError, Put, Storage, Stored,
};

/// 2026-11-20T08:00:00Z.
const START_MILLISECONDS: i64 = 1_795_161_600_000;

/// How many objects or pipelines a page of a listing has, so that short lists have several pages.
const LISTED: usize = 2;

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
    trouble: Option<Trouble>,
}

/// Calls that get no answer but that the service is busy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// The number of the first of these calls.
    pub from: usize,
    /// How many calls these are.
    pub calls: usize,
    /// Whether the service does the call all the same.
    pub is_done: bool,
}

impl WorldState {
    /// Counts a call, and returns the trouble that stops it.
    fn trouble_of_call(&mut self) -> Option<Trouble> {
        let number = self.calls;
        self.calls += 1;
        self.trouble.filter(|trouble| number >= trouble.from && number - trouble.from < trouble.calls)
    }
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

    pub(super) fn advance_milliseconds(&self, milliseconds: i64) {
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

    /// Makes trouble, or ends it.
    pub(super) fn make(&self, trouble: Option<Trouble>) {
        self.contents().trouble = trouble;
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
    async fn act<T: Send>(&self, action: impl FnOnce(&mut WorldState) -> T + Send) -> Result<T, Busy> {
        self.act_unless_busy(action, true).await
    }

    /// Changes the world as [`act`](Self::act) does. If the answer is that the service is busy, the world is as before, unless
    /// the call may be made again after it was done.
    async fn act_unless_busy<T: Send>(
        &self,
        action: impl FnOnce(&mut WorldState) -> T + Send,
        is_repeatable: bool,
    ) -> Result<T, Busy> {
        moment().await;
        let trouble = self.0.contents().trouble_of_call();
        let answer = match trouble {
            Some(trouble) if !trouble.is_done || !is_repeatable => None,
            _ => Some(action(&mut self.0.contents())),
        };
        moment().await;
        answer.filter(|_| trouble.is_none()).ok_or_else(|| Busy(anyhow::anyhow!("Rate exceeded")))
    }
}

impl From<Busy> for PipelineError {
    fn from(Busy(error): Busy) -> Self {
        Self::Busy(error)
    }
}

impl Pauses for WorldEdges {
    async fn pause(&self, length: Duration) {
        moment().await;
        self.0.advance_milliseconds(i64::try_from(length.as_millis()).unwrap());
        moment().await;
    }
}

fn listed(key: &str, stored: &Stored, modified: Timestamp) -> Listed {
    Listed { key: key.to_owned(), etag: stored.etag.clone(), modified, size: stored.body.len() as u64 }
}

impl Storage for WorldEdges {
    async fn get(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Stored>> {
        let location = (bucket.to_owned(), key.to_owned());
        Ok(self.act(|world| world.objects.get(&location).map(|(stored, _)| stored.clone())).await?)
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
            .await?)
    }

    /// Lists two objects a page.
    async fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        depth: Depth,
        token: Option<String>,
    ) -> anyhow::Result<Page<Listed>> {
        let is_listed = |location: &(String, String)| {
            let rest = location.1.strip_prefix(prefix).filter(|_| location.0 == bucket);
            let is_after = token.as_ref().is_none_or(|token| location.1 > *token);
            is_after && rest.is_some_and(|rest| depth == Depth::All || !rest.contains('/'))
        };
        let list = |world: &mut WorldState| {
            let objects = world.objects.iter().filter(|(location, _)| is_listed(location)).take(LISTED + 1);
            objects.map(|(location, (stored, modified))| listed(&location.1, stored, *modified)).collect()
        };
        let mut page: Vec<Listed> = self.act(list).await?;
        let has_more = page.len() > LISTED;
        page.truncate(LISTED);
        let token = page.last().map(|last| last.key.clone()).filter(|_| has_more);
        Ok((page, token))
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
        Ok(self.act(list).await?)
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        let location = (bucket.to_owned(), key.to_owned());
        self.act(|world| world.objects.remove(&location)).await?;
        Ok(())
    }

    async fn find(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Listed>> {
        let location = (bucket.to_owned(), key.to_owned());
        let find = |world: &mut WorldState| {
            world.objects.get(&location).map(|(stored, modified)| listed(key, stored, *modified))
        };
        Ok(self.act(find).await?)
    }
}
