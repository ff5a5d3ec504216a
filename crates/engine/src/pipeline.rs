//! The state of a pipeline, and how activation, deactivation and its runs change the state.
//!
//! The table shows the state after each event (a dash: the request is refused). `docs/state-machine.md` explains the words.
//!
//! |              | activate  | deactivate   | runs active  | runs at rest | runs over | runs over, more | runs stuck |
//! |--------------|-----------|--------------|--------------|--------------|-----------|-----------------|------------|
//! | PENDING      | SCHEDULED | PENDING      | PENDING      | PENDING      | PENDING   | PENDING         | PENDING    |
//! | SCHEDULED    | SCHEDULED | DEACTIVATING | SCHEDULED    | SCHEDULED    | FINISHED  | SCHEDULED       | SCHEDULED  |
//! | DEACTIVATING | -         | DEACTIVATING | DEACTIVATING | INACTIVE     | INACTIVE  | INACTIVE        | INACTIVE   |
//! | INACTIVE     | SCHEDULED | INACTIVE     | INACTIVE     | INACTIVE     | INACTIVE  | INACTIVE        | INACTIVE   |
//! | FINISHED     | SCHEDULED | DEACTIVATING | SCHEDULED    | SCHEDULED    | FINISHED  | FINISHED        | FINISHED   |
//! | DELETING     | -         | DELETING     | DELETING     | DELETING     | DELETING  | DELETING        | DELETING   |

use crate::status::PipelineState;

/// An event of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A user activates the pipeline.
    Activated,
    /// A user deactivates the pipeline.
    Deactivated,
    /// The runs of the pipeline changed: one began, ended, was rerun, or has no active instance any more.
    RunsChanged {
        /// Whether at least one run is open: it has not ended. A stuck run has ended.
        moving: bool,
        /// Whether a run has an active instance: one at work, or ready for a runner to take. An instance that waits for a time
        /// or for a resumption does not count.
        active: bool,
        /// Whether a run is stuck: it has ended, but instances still wait for a failed instance. Only a rerun by a user can free
        /// them.
        stuck: bool,
        /// Whether runs are still to come.
        more: bool,
    },
}

/// The request is refused in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pipeline is {0}: {remedy}", remedy = remedy(.0))]
pub struct Refused(pub PipelineState);

/// Returns what a user can do in a state that refuses an activation.
fn remedy(state: &PipelineState) -> &'static str {
    if *state == PipelineState::Deleting { "create a new one" } else { "activate it once it is INACTIVE" }
}

/// Returns the state of a pipeline after `event`.
///
/// # Errors
///
/// [`Refused`] if a user activates a pipeline that is being deactivated or deleted.
pub fn step(state: PipelineState, event: Event) -> Result<PipelineState, Refused> {
    match event {
        Event::Activated => match state {
            PipelineState::Pending
            | PipelineState::Scheduled
            | PipelineState::Inactive
            | PipelineState::Finished => Ok(PipelineState::Scheduled),
            PipelineState::Deactivating | PipelineState::Deleting => Err(Refused(state)),
        },
        Event::Deactivated => Ok(match state {
            PipelineState::Pending | PipelineState::Inactive | PipelineState::Deleting => state,
            PipelineState::Scheduled | PipelineState::Deactivating | PipelineState::Finished => {
                PipelineState::Deactivating
            }
        }),
        Event::RunsChanged { moving, active, stuck, more } => Ok(match (state, moving) {
            (PipelineState::Deactivating, _) if !active => PipelineState::Inactive,
            // A stuck run may still be rerun, so its pipeline is not finished.
            (PipelineState::Scheduled, false) if !stuck && !more => PipelineState::Finished,
            (PipelineState::Finished, true) => PipelineState::Scheduled,
            (
                PipelineState::Pending
                | PipelineState::Scheduled
                | PipelineState::Deactivating
                | PipelineState::Inactive
                | PipelineState::Finished
                | PipelineState::Deleting,
                _,
            ) => state,
        }),
    }
}
