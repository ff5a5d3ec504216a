//! Wake-ups: which pipeline wants to be woken next, and when.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::PipelineId;
use jiff::Timestamp;
use tokio::sync::Notify;

/// The longest sleep: the machine's clock may be set, or its sleep may stop ours.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Wake-ups in order of time, one per pipeline.
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
    /// Sets, moves or (by `None`) drops the wake-up of a pipeline.
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

    /// Takes the pipelines whose wake-up is due.
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

    /// Waits until something may be due, by `now`'s clock, or until a sooner wake-up was set.
    pub(super) async fn wait(&self, now: Timestamp) {
        let first = self.lock().order.first().map(|(at, _)| *at);
        let left = first.map(|at| at.duration_since(now));
        // A millisecond more than it takes, so that the clock has passed it then.
        let left = left.map(|left| Duration::try_from(left).unwrap_or_default() + Duration::from_millis(1));
        let sleep = left.map_or(LONGEST_SLEEP, |left| left.min(LONGEST_SLEEP));
        tokio::select! {
            biased;
            () = tokio::time::sleep(sleep) => {}
            () = self.earlier.notified() => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Due> {
        // Times only tell when to look: an unfinished change makes a wake-up early or is set anew.
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
    fn the_last_word_of_a_pipeline_counts() {
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
