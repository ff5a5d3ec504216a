//! A pipeline in memory, with those of its runs that time may still change.

use std::collections::{BTreeMap, BTreeSet};

use engine::pipeline::{self, Event};
use engine::{PipelineId, PipelineState, Run, RunId};
use jiff::Timestamp;
use store::{Pipeline, Store, StoreError};

use super::ActiveDefinition;

/// The properties of a run on which the state of its pipeline depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunState {
    is_open: bool,
    is_stuck: bool,
    is_active: bool,
}

impl RunState {
    pub(super) fn of(run: &Run) -> Self {
        let is_stuck = run.end().is_some_and(|end| end.stuck);
        Self { is_open: run.end().is_none(), is_stuck, is_active: run.is_active() }
    }
}

/// A pipeline as the store holds it. The owner of the pipeline's lock keeps it equal to the store.
pub(crate) struct LivePipeline {
    pub(crate) pipeline: Pipeline,
    /// The awake runs: those that time may still change. The oldest comes first, as its work is offered first. Other
    /// runs are here only while an operation works on them.
    runs: BTreeMap<RunId, Run>,
    /// The stuck runs of the pipeline, including those that are not in memory.
    stuck: BTreeSet<RunId>,
    /// The active definition; `None` until an activation sets it or a schedule first needs it.
    pub(super) active: Option<ActiveDefinition>,
    /// The next scheduled run is due, but has to wait until another run has ended.
    pub(super) is_full: bool,
    /// The revision of the pipeline in the store whose state is in memory.
    pub(super) revision: u64,
    /// A save failed: memory may differ from the store, so the pipeline is loaded again before its next use.
    pub(super) must_reload: bool,
}

impl LivePipeline {
    /// Loads the pipeline and its awake runs. Returns `None` if there is no such pipeline.
    pub(super) async fn load(store: &dyn Store, id: &PipelineId) -> Result<Option<Self>, StoreError> {
        // The revision comes first: if the pipeline changes while the rest is read, the next save finds the difference.
        let Some(revision) = store.revision(id).await? else { return Ok(None) };
        let Some(pipeline) = store.pipeline(id).await? else { return Ok(None) };
        let (runs, stuck) = (BTreeMap::new(), BTreeSet::new());
        let mut live =
            Self { pipeline, runs, stuck, active: None, is_full: false, revision, must_reload: false };
        // A pipeline that was never activated has no runs.
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

    /// Loads the run `id` if it is not in memory. Returns whether the pipeline has this run.
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
    pub(crate) fn activate(&mut self, active: ActiveDefinition) {
        self.active = Some(active);
    }

    /// Returns the id of the run in memory that has the instance `id`.
    pub(super) fn run_of(&self, id: &str) -> Option<&RunId> {
        let by_start = RunId::of_object(id).and_then(|run| self.runs.get(&run));
        let has_it = |run: &&Run| run.instance(id).is_some();
        by_start.filter(has_it).or_else(|| self.runs.values().find(has_it)).map(|run| &run.header().id)
    }

    /// Returns the runs that have not ended.
    pub(crate) fn open_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| run.end().is_none())
    }

    /// Returns the ids of the runs that are open or stuck.
    pub(crate) fn unsettled_runs(&self) -> BTreeSet<RunId> {
        let open = self.open_runs().map(|run| run.header().id.clone());
        open.chain(self.stuck.iter().cloned()).collect()
    }

    /// Returns the runs that time may still change.
    pub(super) fn awake_runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(|run| run.header().is_awake())
    }

    /// Drops the idle runs from memory. The store keeps them.
    pub(super) fn drop_idle_runs(&mut self) {
        self.runs.retain(|_, run| run.header().is_awake());
    }

    /// Returns when the pipeline must be woken next: at a deadline of a run, or for the next run of its schedule.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        let scheduled = self.pipeline.next_run.filter(|_| !self.is_full);
        let scheduled = scheduled.filter(|_| self.pipeline.state == PipelineState::Scheduled);
        self.runs.values().filter_map(Run::next_wake).chain(scheduled.map(|next| next.due)).min()
    }

    /// Returns whether a run was due at the last activation and has not begun yet: `SCHEDULING` of AWS.
    ///
    /// An activation begins such a run before it is answered. Only if that fails, the driver tries again later.
    pub(crate) fn is_scheduling(&self) -> bool {
        let pipeline = &self.pipeline;
        let due = pipeline.next_run.map(|next| next.due);
        let was_due = due.zip(pipeline.last_activation).is_some_and(|(due, activated)| due <= activated);
        pipeline.state == PipelineState::Scheduled && was_due && !self.is_full
    }

    /// Sets the pipeline's state to the one that follows from its runs, and the time at which the pipeline finished or was
    /// deactivated. Returns whether the state changed. The caller saves the pipeline.
    pub(crate) fn derive_state(&mut self, now: Timestamp) -> bool {
        for (id, run) in &self.runs {
            match RunState::of(run).is_stuck {
                true => self.stuck.insert(id.clone()),
                false => self.stuck.remove(id),
            };
        }
        let moving = self.open_runs().next().is_some();
        let before = self.pipeline.state;
        let changed = Event::RunsChanged {
            moving,
            active: self.runs.values().any(Run::is_active),
            stuck: !self.stuck.is_empty(),
            more: self.pipeline.next_run.is_some(),
        };
        let after = pipeline::step(before, changed).unwrap_or(before);
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

#[cfg(test)]
mod tests {
    use engine::Upcoming;

    use super::*;

    #[test]
    fn a_pipeline_passes_scheduling_before_scheduled() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let pipeline = Pipeline::new(PipelineId::from("df-1"), "p", "p", at(0));
        let (runs, stuck) = (BTreeMap::new(), BTreeSet::new());
        let mut live = LivePipeline {
            pipeline,
            runs,
            stuck,
            active: None,
            is_full: false,
            revision: 0,
            must_reload: false,
        };
        assert!(!live.is_scheduling(), "it was never activated");
        // An activation finds a run that is due, and the run has not begun yet.
        live.pipeline.state = PipelineState::Scheduled;
        live.pipeline.last_activation = Some(at(100));
        live.pipeline.next_run = Some(Upcoming { start: at(60), end: at(120), due: at(60) });
        assert!(live.is_scheduling());
        // The run has begun, and the next one is due after the activation.
        live.pipeline.next_run = Some(Upcoming { start: at(120), end: at(180), due: at(120) });
        assert!(!live.is_scheduling(), "it is scheduled");
        // A run that waits for the end of another one is not part of the activation.
        live.pipeline.next_run = Some(Upcoming { start: at(60), end: at(120), due: at(60) });
        live.is_full = true;
        assert!(!live.is_scheduling());
    }
}
