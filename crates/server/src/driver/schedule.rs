//! Scheduled pipelines: each run is made when its time has come, as many at once as `maxActiveInstances` allows.

use std::sync::Arc;

use engine::{Activation, Occasion, PipelineState, Plan, Timetable, Upcoming};
use store::{Batch, DefinitionVersion, Store};

use super::{Driver, Held};

/// Runs that one look at a pipeline makes.
const MOST_AT_ONCE: usize = 100;

/// Intervals passed over by one later start that leave instances, at most: the newest.
const MOST_SKIPPED: i32 = 100;

/// The active definition of a pipeline, made ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Active {
    pub(crate) plan: Arc<Plan>,
    /// Absent on demand.
    pub(crate) timetable: Option<Arc<Timetable>>,
}

impl Active {
    /// Makes a definition ready, whose pipeline was first activated at `first`.
    pub(crate) fn of(
        definition: definition::Definition,
        first: jiff::Timestamp,
    ) -> Result<Self, engine::ExpandError> {
        let plan = Plan::of(definition)?;
        // Whole seconds, as the ids of the instances tell them.
        let timetable = Timetable::of(&plan, engine::time::whole_seconds(first))?.map(Arc::new);
        Ok(Self { plan: Arc::new(plan), timetable })
    }

    /// Returns how many runs may be at work at once.
    pub(crate) fn most_open(&self) -> usize {
        self.plan.max_active_instances(self.timetable.is_some())
    }
}

/// Returns from when on intervals that are passed over until `until` leave SKIPPED instances, when `next` is the first.
fn first_kept(next: Upcoming, until: jiff::Timestamp) -> jiff::Timestamp {
    let length = next.end.duration_since(next.start);
    let kept = length.checked_mul(MOST_SKIPPED).and_then(|kept| until.checked_sub(kept).ok());
    kept.unwrap_or(next.start)
}

impl Driver {
    /// Makes the runs whose time has come, oldest first, as long as there is room for another. Not all of a long past at
    /// once: the clock comes back for the rest, after others had their turn.
    pub(crate) async fn catch_up(&self, held: &mut Held) -> anyhow::Result<()> {
        for _ in 0..MOST_AT_ONCE {
            if !self.make_next(held).await? {
                break;
            }
        }
        Ok(())
    }

    /// Makes or passes over the next run, if it is its time and turn; returns whether it was.
    async fn make_next(&self, held: &mut Held) -> anyhow::Result<bool> {
        let now = self.now();
        held.is_full = false;
        let waiting = held.pipeline.next_run.filter(|_| held.pipeline.state == PipelineState::Scheduled);
        let Some(next) = waiting else { return Ok(false) };
        let skip_until = held.pipeline.skip_until.filter(|until| next.start < *until);
        if next.due > now && skip_until.is_none() {
            return Ok(false);
        }
        let active = self.active(held).await?;
        let Some(timetable) = active.timetable.clone() else { return Ok(false) };
        let Some(until) = skip_until else {
            // Reruns take nobody's room.
            let open = held.open_runs().filter(|run| run.header().generation == 0).count();
            // The end of a run makes room.
            held.is_full = open >= active.most_open();
            if !held.is_full {
                self.begin_scheduled(held, &active, timetable, next, false).await?;
            }
            return Ok(!held.is_full);
        };
        let first_kept = first_kept(next, until);
        match timetable.before(next, until).filter(|part| part.due <= now && part.start >= first_kept) {
            Some(part) => self.begin_scheduled(held, &active, timetable, part, true).await?,
            // What is still to come, and what lies too far back, is passed over without a trace.
            None => {
                let passed = if next.start < first_kept { first_kept } else { until };
                held.pipeline.made_until = Some(passed);
                held.pipeline.next_run = timetable.next(Some(passed));
                held.settle(now);
                let batch = Batch::new().pipeline(&held.pipeline);
                self.save(held, batch).await?;
            }
        }
        Ok(true)
    }

    async fn begin_scheduled(
        &self,
        held: &mut Held,
        active: &Active,
        timetable: Arc<Timetable>,
        upcoming: Upcoming,
        is_skipped: bool,
    ) -> anyhow::Result<()> {
        let pipeline = &mut held.pipeline;
        let activation = Activation {
            pipeline: pipeline.id.clone(),
            pipeline_name: pipeline.name.clone(),
            version: pipeline.version,
            at: self.now(),
            occasion: Occasion::Scheduled { timetable: Arc::clone(&timetable), upcoming, is_skipped },
            paused: pipeline.paused.clone(),
        };
        let (run, step) = engine::expand(Arc::clone(&active.plan), activation)?;
        pipeline.latest_run = Some(upcoming.start);
        pipeline.made_until = Some(upcoming.end);
        pipeline.next_run = timetable.next(Some(upcoming.end));
        tracing::info!(pipeline.id = %pipeline.id, run.id = %run.header().id, is_skipped, "a scheduled run begins");
        self.begin(held, run, &step, |live| Batch::new().pipeline(&live.pipeline)).await?;
        Ok(())
    }

    /// Returns the definition that runs, read once.
    async fn active(&self, held: &mut Held) -> anyhow::Result<Active> {
        if let Some(active) = &held.active {
            return Ok(active.clone());
        }
        let id = held.pipeline.id.clone();
        let stored = self.store.definition(&id, DefinitionVersion::Active).await?.unwrap_or_default();
        let active = Active::of(stored, held.pipeline.first_activation.unwrap_or_else(|| self.now()))?;
        held.active = Some(active.clone());
        Ok(active)
    }

    /// Sets the clock for every pipeline that waits for its next run; none of them is loaded for it.
    pub(super) async fn recover_schedules(&self, store: &dyn Store) -> anyhow::Result<usize> {
        let upcoming = store.upcoming().await?;
        for (id, due) in &upcoming {
            self.timers.set(id, Some(*due));
        }
        Ok(upcoming.len())
    }
}
