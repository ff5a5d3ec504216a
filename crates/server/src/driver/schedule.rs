//! Scheduled pipelines: begins each run when it is due, as many at once as `maxActiveInstances` allows.

use std::sync::Arc;

use engine::{Activation, Occasion, PipelineState, Timetable, Upcoming};
use jiff::Timestamp;
use store::{Batch, DefinitionVersion, Store};

use super::{ActiveDefinition, Driver, PipelineGuard};

/// The limit of runs that one wake-up of a pipeline begins or skips.
const MOST_AT_ONCE: usize = 100;

/// When an activation with a later start skips intervals, only this number of the newest ones get SKIPPED instances.
const MOST_SKIPPED: i32 = 100;

/// Returns the time from which on skipped intervals get SKIPPED instances, if the intervals from `next` up to `until` are
/// skipped. Intervals that begin before this time get none. If few intervals are skipped, the time is before all of them.
fn first_kept(next: Upcoming, until: Timestamp) -> Timestamp {
    let length = next.end.duration_since(next.start);
    let kept = length.checked_mul(MOST_SKIPPED).and_then(|kept| until.checked_sub(kept).ok());
    kept.unwrap_or(next.start)
}

impl Driver {
    /// Begins the runs that are due, the oldest first, as long as `maxActiveInstances` allows.
    ///
    /// One call begins a limited number of runs. If more are due, the timer wakes the pipeline again, and other pipelines
    /// are woken in between.
    pub(crate) async fn catch_up(&self, live: &mut PipelineGuard) -> anyhow::Result<()> {
        for _ in 0..MOST_AT_ONCE {
            if !self.begin_next(live).await? {
                break;
            }
        }
        Ok(())
    }

    /// Skips the next run if an activation with a later start passed over it, whether the run is due or not. Otherwise
    /// begins the next run if it is due and `maxActiveInstances` allows one more open run. Returns whether a run began or
    /// was skipped.
    async fn begin_next(&self, live: &mut PipelineGuard) -> anyhow::Result<bool> {
        let now = self.now();
        live.is_full = false;
        let waiting = live.pipeline.next_run.filter(|_| live.pipeline.state == PipelineState::Scheduled);
        let Some(next) = waiting else { return Ok(false) };
        let skip_until = live.pipeline.skip_until.filter(|until| next.start < *until);
        if next.due > now && skip_until.is_none() {
            return Ok(false);
        }
        let active = self.active(live).await?;
        let Some(timetable) = active.timetable.clone() else { return Ok(false) };
        let Some(until) = skip_until else {
            // A run that is open because of a rerun does not count.
            let open = live.open_runs().filter(|run| run.header().generation == 0).count();
            // While the pipeline is full, no timer is set for the next run. The next run begins when an open run ends.
            live.is_full = open >= active.most_open();
            if !live.is_full {
                self.begin_scheduled(live, &active, timetable, next, false).await?;
            }
            return Ok(!live.is_full);
        };
        let first_kept = first_kept(next, until);
        match timetable.before(next, until).filter(|part| part.due <= now && part.start >= first_kept) {
            Some(part) => self.begin_scheduled(live, &active, timetable, part, true).await?,
            // Intervals that are not due yet, and those too far back, are skipped without instances.
            None => {
                let passed = if next.start < first_kept { first_kept } else { until };
                live.pipeline.made_until = Some(passed);
                live.pipeline.next_run = timetable.next(Some(passed));
                live.derive_state(now);
                let batch = Batch::new().pipeline(&live.pipeline);
                self.save(live, batch).await?;
            }
        }
        Ok(true)
    }

    async fn begin_scheduled(
        &self,
        live: &mut PipelineGuard,
        active: &ActiveDefinition,
        timetable: Arc<Timetable>,
        upcoming: Upcoming,
        is_skipped: bool,
    ) -> anyhow::Result<()> {
        let pipeline = &mut live.pipeline;
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
        self.begin(live, run, &step, |live| Batch::new().pipeline(&live.pipeline)).await?;
        Ok(())
    }

    /// Returns the active definition. Reads it from the store at its first use.
    async fn active(&self, live: &mut PipelineGuard) -> anyhow::Result<ActiveDefinition> {
        if let Some(active) = &live.active {
            return Ok(active.clone());
        }
        let id = live.pipeline.id.clone();
        let stored = self.store.definition(&id, DefinitionVersion::Active).await?.unwrap_or_default();
        let first = live.pipeline.first_activation.unwrap_or_else(|| self.now());
        let active = ActiveDefinition::of(stored, first)?;
        live.active = Some(active.clone());
        Ok(active)
    }

    /// Sets the timer of every pipeline that waits for its next run, without loading the pipelines. Returns their number.
    pub(super) async fn recover_schedules(&self, store: &dyn Store) -> anyhow::Result<usize> {
        let upcoming = store.upcoming().await?;
        for (id, due) in &upcoming {
            self.timers.set(id, Some(*due));
        }
        Ok(upcoming.len())
    }
}
