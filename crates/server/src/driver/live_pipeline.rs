//! A pipeline in memory, with those of its runs in which something moves.

use std::collections::{BTreeMap, BTreeSet};

use engine::pipeline::{self, Event};
use engine::{PipelineId, PipelineState, Run, RunId};
use jiff::Timestamp;
use store::{Pipeline, Store, StoreError};

use super::schedule::Active;

/// What of a run the state of its pipeline follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    is_open: bool,
    is_stuck: bool,
    is_active: bool,
}

impl Standing {
    pub(super) fn of(run: &Run) -> Self {
        let is_stuck = run.end().is_some_and(|end| end.stuck);
        Self { is_open: run.end().is_none(), is_stuck, is_active: run.is_active() }
    }
}

/// What the store holds of a pipeline, kept in step with it by whoever holds the pipeline's lock.
pub(crate) struct Live {
    pub(crate) pipeline: Pipeline,
    /// The runs that time may still change, and no others for long; oldest first, as their work is offered.
    runs: BTreeMap<RunId, Run>,
    /// Those that ended while something in them waits for ever, be they in memory or not.
    stuck: BTreeSet<RunId>,
    /// The definition that runs, once a schedule asked for it.
    pub(super) active: Option<Active>,
    /// The next run's time has come, but not its turn.
    pub(super) is_full: bool,
    /// What the pipeline's revision was in the store when all this was what the store holds.
    pub(super) revision: u64,
    /// A save failed: what is here is ahead of the store, and must be loaded anew.
    pub(super) is_stale: bool,
}

impl Live {
    /// Loads the pipeline and its open runs; `None` if there is no such pipeline.
    pub(super) async fn load(store: &dyn Store, id: &PipelineId) -> Result<Option<Self>, StoreError> {
        // Before the rest: what is saved while that is read shows at the next save, if not before.
        let Some(revision) = store.revision(id).await? else { return Ok(None) };
        let Some(pipeline) = store.pipeline(id).await? else { return Ok(None) };
        let (runs, stuck) = (BTreeMap::new(), BTreeSet::new());
        let mut live =
            Self { pipeline, runs, stuck, active: None, is_full: false, revision, is_stale: false };
        // A pipeline that was never activated has no runs to look for.
        if live.pipeline.latest_run.is_some() {
            for header in store.unsettled_runs(id).await? {
                if header.is_awake() {
                    live.fetch(store, &header.id).await?;
                }
                if header.ended.is_some() {
                    live.stuck.insert(header.id);
                }
            }
        }
        Ok(Some(live))
    }

    /// Brings the run `id` to memory if it is not there; returns whether the pipeline has it.
    pub(super) async fn fetch(&mut self, store: &dyn Store, id: &RunId) -> Result<bool, StoreError> {
        if self.runs.contains_key(id) {
            return Ok(true);
        }
        let run = store.load_run(&self.pipeline.id, id).await?;
        let found = run.is_some();
        self.runs.extend(run.map(|run| (id.clone(), run)));
        Ok(found)
    }

    /// Returns a run that is in memory.
    pub(crate) fn run(&self, id: &RunId) -> Option<&Run> {
        self.runs.get(id)
    }

    pub(super) fn run_mut(&mut self, id: &RunId) -> Option<&mut Run> {
        self.runs.get_mut(id)
    }

    pub(super) fn keep(&mut self, run: Run) {
        self.runs.insert(run.header().id.clone(), run);
    }

    /// Makes a definition the active one.
    pub(crate) fn activate(&mut self, active: Active) {
        self.active = Some(active);
    }

    /// Returns the run in memory that holds the instance `id`.
    pub(super) fn run_of(&self, id: &str) -> Option<&RunId> {
        let by_start = RunId::of_object(id).and_then(|run| self.runs.get(&run));
        let holds = |run: &&Run| run.instance(id).is_some();
        by_start.filter(holds).or_else(|| self.runs.values().find(holds)).map(|run| &run.header().id)
    }

    /// Returns the runs in which something moves.
    pub(crate) fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| run.end().is_none())
    }

    /// Returns the ids of the runs that have not ended, or have while something in them waits for ever.
    pub(crate) fn unsettled_runs(&self) -> BTreeSet<RunId> {
        let open = self.open_runs().map(|run| run.header().id.clone());
        open.chain(self.stuck.iter().cloned()).collect()
    }

    /// Returns the runs that time may still change.
    pub(super) fn awake_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| run.header().is_awake())
    }

    /// Forgets the runs that rest: the store has them.
    pub(super) fn forget_ended(&mut self) {
        self.runs.retain(|_, run| run.header().is_awake());
    }

    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let scheduled = self.pipeline.next_run.filter(|_| !self.is_full);
        let scheduled = scheduled.filter(|_| self.pipeline.state == PipelineState::Scheduled);
        self.runs.values().filter_map(Run::next_wake).chain(scheduled.map(|next| next.due)).min()
    }

    /// Lets the pipeline's state follow from its runs; returns whether it changed.
    pub(crate) fn settle(&mut self, now: Timestamp) -> bool {
        for (id, run) in &self.runs {
            match Standing::of(run).is_stuck {
                true => self.stuck.insert(id.clone()),
                false => self.stuck.remove(id),
            };
        }
        let moving = self.open_runs().next().is_some();
        let before = self.pipeline.state;
        let turned = Event::RunsChanged {
            moving,
            active: self.runs.values().any(Run::is_active),
            stuck: !self.stuck.is_empty(),
            more: self.pipeline.next_run.is_some(),
        };
        let after = pipeline::step(before, turned).unwrap_or(before);
        if after == before {
            return false;
        }
        self.pipeline.state = after;
        match after {
            PipelineState::Inactive => self.pipeline.last_deactivated = Some(now),
            PipelineState::Finished => self.pipeline.finished = Some(now),
            PipelineState::Scheduled => self.pipeline.finished = None,
            PipelineState::Pending | PipelineState::Deactivating | PipelineState::Deleting => {}
        }
        true
    }
}
