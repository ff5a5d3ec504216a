//! The guard that ends an invocation before Lambda's time limit does.
//!
//! Lambda kills a function at its time limit, and the caller then learns nothing. The guard leaves time for an answer: first
//! it stops new work, and shortly before the limit it also stops the work in hand.

use std::time::Duration;

use jiff::Timestamp;

/// The longest time before the limit in which no new work begins. An invocation with a short limit keeps a tenth of its time.
const LAST_START: Duration = Duration::from_secs(10);
/// The longest time before the limit in which the work in hand is stopped, too.
const LAST_WORK: Duration = Duration::from_secs(1);

/// The time limit of one invocation; none for a caller that waits for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guard {
    limits: Option<Limits>,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    last_start: Timestamp,
    last_work: Timestamp,
}

impl Guard {
    /// Returns the guard of an invocation that begins at `now` and is killed at `deadline`.
    ///
    /// A deadline that has already passed at the beginning is ignored: emulators of Lambda send zero, or the length of the limit.
    pub(crate) fn until(deadline: Timestamp, now: Timestamp) -> Self {
        if deadline <= now {
            return Self::default();
        }
        let whole = deadline.duration_since(now);
        let whole = Duration::try_from(whole).unwrap_or_default();
        let before = |longest: Duration| deadline - longest.min(whole / 10);
        Self { limits: Some(Limits { last_start: before(LAST_START), last_work: before(LAST_WORK) }) }
    }

    /// Returns whether no new work may begin.
    pub(crate) fn is_late(&self, now: Timestamp) -> bool {
        self.limits.is_some_and(|limits| now >= limits.last_start)
    }

    /// Returns the moment from which on no new work begins; `None` without a limit.
    pub(crate) fn last_start(&self) -> Option<Timestamp> {
        self.limits.map(|limits| limits.last_start)
    }

    /// Does some work, which is stopped if it takes too long.
    ///
    /// Stopping is safe anywhere, as a kill is, because another invocation continues claimed work after the lease of the claim.
    pub(crate) async fn within<T>(
        &self,
        now: Timestamp,
        work: impl Future<Output = T>,
    ) -> Result<T, OutOfTime> {
        let Some(limits) = self.limits else { return Ok(work.await) };
        let left = Duration::try_from(limits.last_work.duration_since(now)).unwrap_or_default();
        tokio::time::timeout(left, work).await.map_err(|_| OutOfTime)
    }
}

/// The error of work that was not begun or not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the work was stopped shortly before the time limit of the function; it continues when the event is delivered again"
)]
pub(crate) struct OutOfTime;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn no_work_begins_near_the_limit() {
        let long = Guard::until(at(900), at(0));
        assert!(!long.is_late(at(889)) && long.is_late(at(890)));
        let short = Guard::until(at(10), at(0));
        assert!(!short.is_late(at(8)) && short.is_late(at(9)), "a short limit leaves nine tenths");
        assert!(
            !Guard::until(at(600), at(1_795_974_746)).is_late(at(1_795_974_746)),
            "no moment, but a length"
        );
        assert!(!Guard::default().is_late(at(i64::from(u32::MAX))));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_stopped_before_the_limit() {
        let guard = Guard::until(at(900), at(0));
        let work = |seconds| tokio::time::sleep(Duration::from_secs(seconds));
        assert_eq!(guard.within(at(0), work(898)).await, Ok(()));
        assert_eq!(guard.within(at(0), work(900)).await, Err(OutOfTime));
        assert_eq!(guard.within(at(899), work(1)).await, Err(OutOfTime));
        assert_eq!(Guard::default().within(at(0), work(100_000)).await, Ok(()));
    }
}
