//! Scheduled pipelines: each run is made when its time has come, as many at once as `maxActiveInstances` allows.

use std::sync::Arc;

use engine::{Activation, Occasion, PipelineState, Plan, Timetable, Upcoming};
use store::{Batch, DefinitionVersion, Store};

use super::{Driver, Held};

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

impl Driver {
    /// Makes the runs whose time has come, oldest first, as long as there is room for another.
    pub(crate) async fn catch_up(&self, held: &mut Held) -> anyhow::Result<()> {
        loop {
            let now = self.now();
            held.is_full = false;
            let waiting = held.pipeline.next_run.filter(|_| held.pipeline.state == PipelineState::Scheduled);
            let Some(next) = waiting else { return Ok(()) };
            let is_skipped = held.pipeline.skip_until.is_some_and(|until| next.start < until);
            if next.due > now && !is_skipped {
                return Ok(());
            }
            let active = self.active(held).await?;
            let Some(timetable) = active.timetable.clone() else { return Ok(()) };
            if !is_skipped && held.open_runs().count() >= active.most_open() {
                // The end of a run makes room.
                held.is_full = true;
                return Ok(());
            }
            if is_skipped && next.due > now {
                // What is still to come is passed over without a trace.
                held.pipeline.next_run =
                    held.pipeline.skip_until.and_then(|until| timetable.next_from(until));
                held.settle(now);
                let batch = Batch::new().pipeline(&held.pipeline);
                self.save(held, batch).await?;
                continue;
            }
            self.begin_scheduled(held, &active, timetable, next, is_skipped).await?;
        }
    }

    async fn begin_scheduled(
        &self,
        held: &mut Held,
        active: &Active,
        timetable: Arc<Timetable>,
        next: Upcoming,
        is_skipped: bool,
    ) -> anyhow::Result<()> {
        let pipeline = &mut held.pipeline;
        pipeline.latest_run = Some(next.start);
        pipeline.next_run = timetable.next(Some(next.start));
        let activation = Activation {
            pipeline: pipeline.id.clone(),
            pipeline_name: pipeline.name.clone(),
            version: pipeline.version,
            at: self.now(),
            occasion: Occasion::Scheduled { timetable, start: next.start, is_skipped },
            paused: pipeline.paused.clone(),
        };
        let (run, step) = engine::expand(Arc::clone(&active.plan), activation)?;
        tracing::info!(pipeline.id = %pipeline.id, run.id = %run.header().id, "a scheduled run begins");
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
