//! Repeats an action that failed because another server changed the same pipeline meanwhile.

use std::time::Duration;

use store::StoreError;

use super::StepError;
use crate::error::ServiceError;

/// The limit of tries. Each time that one server has to try again, another one has made progress.
const MOST_TRIES: u32 = 50;
/// The longest pause before a try.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// An error that may say that another server changed the same pipeline first.
pub(crate) trait RaceError {
    /// Returns whether another server changed the pipeline first. In this case, the same action may succeed after the
    /// pipeline was loaded again.
    fn is_race(&self) -> bool;
}

impl RaceError for anyhow::Error {
    fn is_race(&self) -> bool {
        self.chain().any(|cause| match cause.downcast_ref::<StepError>() {
            // `StepError::Store` is a transparent error, so the chain does not list the store's error by itself.
            Some(StepError::Store(error)) => error.is_conflict(),
            _ => cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_conflict),
        })
    }
}

impl RaceError for ServiceError {
    fn is_race(&self) -> bool {
        matches!(self, Self::Internal(error) if error.is_race())
    }
}

/// The tries at one action.
#[derive(Default)]
pub(crate) struct Tries(u32);

impl Tries {
    /// Returns true, after a pause, if the action should be tried again after this error. Returns false at once if the
    /// error is not a race, or if all tries are used up.
    pub(crate) async fn another(&mut self, error: &impl RaceError) -> bool {
        self.0 += 1;
        if self.0 == MOST_TRIES || !error.is_race() {
            return false;
        }
        // There is no pause before the second try. The second try loads the pipeline again, so it usually succeeds.
        tokio::time::sleep((Duration::from_millis(1) * (self.0 - 1)).min(LONGEST_PAUSE)).await;
        true
    }
}

/// Evaluates `$work` and awaits its future, again and again as long as another server changes the same pipeline first.
// This is a macro, because the future of a function that takes an async closure cannot be spawned
// (rust-lang/rust#100013).
macro_rules! retry_on_race {
    ($work:expr) => {{
        let mut tries = $crate::driver::Tries::default();
        loop {
            match $work.await {
                Err(error) if tries.another(&error).await => {}
                result => break result,
            }
        }
    }};
}
pub(crate) use retry_on_race;

#[cfg(test)]
mod tests {
    use engine::PipelineId;

    use super::*;

    #[test]
    fn a_race_is_recognized_in_every_kind_of_error() {
        let raced = || StoreError::PipelineChanged(PipelineId::from("df-1"));
        assert!(anyhow::Error::from(raced()).is_race());
        assert!(anyhow::Error::from(raced()).context("waking").is_race());
        assert!(anyhow::Error::from(StepError::from(raced())).is_race());
        assert!(ServiceError::from(raced()).is_race());
        // Another server deleted the pipeline: the next try finds that out.
        assert!(ServiceError::from(StoreError::NoPipeline(PipelineId::from("df-1"))).is_race());
        assert!(!anyhow::Error::from(StepError::from(StoreError::Closed)).is_race());
        assert!(!ServiceError::from(StoreError::Closed).is_race());
    }
}
