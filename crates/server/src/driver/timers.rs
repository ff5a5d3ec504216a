//! Timers: when each pipeline must be woken next.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::PipelineId;
use jiff::Timestamp;
use tokio::sync::Notify;

/// The longest sleep. A timer must also fire if the machine's clock was set, or if the machine was suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The wake-ups in order of time, one per pipeline.
#[derive(Default)]
pub(super) struct Timers {
    due: Mutex<Due>,
    earlier: Notify,
}

#[derive(Default)]
struct Due {
    order: BTreeSet<(Timestamp, PipelineId)>,
    of: HashMap<PipelineId, Timestamp>,
}

impl Timers {
    /// Sets or moves the wake-up of a pipeline, or removes it if `at` is `None`.
    pub(super) fn set(&self, pipeline: &PipelineId, at: Option<Timestamp>) {
        let mut due = self.lock();
        let kept = match at {
            Some(at) => due.of.insert(pipeline.clone(), at),
            None => due.of.remove(pipeline),
        };
        if kept == at {
            return;
        }
        if let Some(old) = kept {
            due.order.remove(&(old, pipeline.clone()));
        }
        let Some(at) = at else { return };
        due.order.insert((at, pipeline.clone()));
        let is_first = due.order.first().is_some_and(|(_, first)| first == pipeline);
        drop(due);
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// Removes and returns the pipelines whose wake-up is due.
    pub(super) fn take(&self, now: Timestamp) -> Vec<PipelineId> {
        let mut due = self.lock();
        let mut taken = Vec::new();
        while due.order.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, pipeline)) = due.order.pop_first() {
                due.of.remove(&pipeline);
                taken.push(pipeline);
            }
        }
        taken
    }

    /// Waits until a wake-up may be due, counted from `now`, or until an earlier wake-up was set.
    pub(super) async fn wait(&self, now: Timestamp) {
        let first = self.lock().order.first().map(|(at, _)| *at);
        let left = first.map(|at| at.duration_since(now));
        // One millisecond more than needed, so that the clock has passed the wake-up by then.
        let left = left.map(|left| Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1));
        let sleep = left.map_or(LONGEST_SLEEP, |left| left.min(LONGEST_SLEEP));
        tokio::select! {
            biased;
            () = tokio::time::sleep(sleep) => {}
            () = self.earlier.notified() => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Due> {
        // If a panic left a change of `Due` unfinished, a wake-up comes early, or the pipeline's next change sets it.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_the_wake_up_that_was_set_last_counts() {
        let timers = Timers::default();
        let [a, b] = ["a", "b"].map(PipelineId::from);
        timers.set(&a, Some(at(10)));
        timers.set(&b, Some(at(5)));
        timers.set(&b, Some(at(20)));
        assert_eq!(timers.take(at(10)), std::slice::from_ref(&a));
        assert_eq!(timers.take(at(10)), []);
        timers.set(&a, Some(at(15)));
        timers.set(&a, None);
        assert_eq!(timers.take(at(30)), [b]);
    }
}
