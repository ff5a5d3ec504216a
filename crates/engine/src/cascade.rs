//! Who fails or reruns along with whom.
//!
//! Follows `dependsOn` and data nodes downstream only, and asks each consumer's own
//! `failureAndRerunMode` (reference: cascade). Retries are over by the time we are asked; see
//! [`crate::instance`]. Marking is the caller's work.

use crate::ids::InstanceId;
use crate::instance::{Instance, Status};

/// Decides whether `consumer` falls because `cause` ended otherwise than FINISHED, and what it is then.
#[must_use]
pub(crate) fn falls(consumer: &Instance, cause: &Instance) -> Option<Status> {
    let is_blocked = consumer.status == Status::WaitingOnDependencies;
    if !is_blocked || !cause.is_bad() {
        return None;
    }
    match cause.status {
        // A precondition that does not hold is its owner's own failure.
        Status::Failed if cause.guards.as_ref() == Some(&consumer.id) => Some(Status::Failed),
        _ if !consumer.cascade => None,
        // There is nothing left to look for.
        _ if consumer.guards.is_some() => Some(Status::Canceled { reason: format!("`{}` failed", cause.id) }),
        _ => Some(Status::CascadeFailed { on: chain(cause) }),
    }
}

/// Decides whether `consumer`, which fell with a dependency, gets up again with it.
///
/// A consumer with another bad dependency stays down: the origin has to be rerun first.
pub(crate) fn rises<'a>(consumer: &Instance, mut dependencies: impl Iterator<Item = &'a Instance>) -> bool {
    let fell = match consumer.status {
        Status::CascadeFailed { .. } => true,
        Status::WaitingOnDependencies
        | Status::Trying
        | Status::RetryPause { .. }
        | Status::Finished
        | Status::Failed
        | Status::TimedOut
        | Status::Canceled { .. }
        | Status::Skipped => false,
    };
    fell && consumer.cascade && dependencies.all(|dependency| !dependency.is_bad())
}

/// The chain of causes: what `cause` fell with, then `cause` itself.
fn chain(cause: &Instance) -> Vec<InstanceId> {
    let mut chain = match &cause.status {
        Status::CascadeFailed { on } => on.clone(),
        Status::WaitingOnDependencies
        | Status::Trying
        | Status::RetryPause { .. }
        | Status::Finished
        | Status::Failed
        | Status::TimedOut
        | Status::Canceled { .. }
        | Status::Skipped => Vec::new(),
    };
    chain.push(cause.id.clone());
    chain
}
