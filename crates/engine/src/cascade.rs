//! Cascades: decides which consumers fail along with an instance, and which are tried again along with it.
//!
//! A cascade follows `dependsOn` and data nodes to the consumers only. Each consumer's own `failureAndRerunMode` decides
//! (developer guide, cascading failures and reruns). All retries are over by then; see [`crate::instance`]. This module
//! decides; its caller changes the instances.

use crate::ids::InstanceId;
use crate::instance::{Ending, Instance, Status};

/// Decides how `consumer` ends because `cause` ended badly.
///
/// Returns `None` if `consumer` keeps its status, because `consumer` waits for no dependency, because `cause` did not end badly, or
/// because `consumer` goes on waiting.
#[must_use]
pub(crate) fn falls(consumer: &Instance, cause: &Instance) -> Option<Ending> {
    let ending = cause.ending().filter(|ending| ending.is_bad())?;
    if consumer.status != Status::WaitingOnDependencies {
        return None;
    }
    let is_own_precondition = cause.guards.as_ref() == Some(&consumer.id);
    if is_own_precondition && *ending == Ending::Failed {
        // A failed precondition is a failure of its owner, not a cascade, so `failureAndRerunMode` of the owner has no effect.
        Some(Ending::Failed)
    } else if !consumer.cascade {
        None
    } else if consumer.guards.is_some() {
        // The owner of this precondition falls too, so nothing needs the check any more.
        Some(Ending::Canceled { reason: format!("`{}` failed", cause.id) })
    } else {
        Some(Ending::CascadeFailed { on: chain(cause) })
    }
}

/// Decides whether `consumer`, which fell with a dependency, is tried again with it.
///
/// A consumer with another bad dependency is not tried again: the other dependency has to be rerun first.
pub(crate) fn rises<'a>(consumer: &Instance, mut dependencies: impl Iterator<Item = &'a Instance>) -> bool {
    let fell = matches!(consumer.ending(), Some(Ending::CascadeFailed { .. }));
    fell && consumer.cascade && dependencies.all(|dependency| !dependency.is_bad())
}

/// Returns the chain of causes: the instances that `cause` fell with, then `cause` itself.
fn chain(cause: &Instance) -> Vec<InstanceId> {
    let mut chain = match cause.ending() {
        Some(Ending::CascadeFailed { on }) => on.clone(),
        Some(
            Ending::Finished | Ending::Failed | Ending::TimedOut | Ending::Canceled { .. } | Ending::Skipped,
        )
        | None => Vec::new(),
    };
    chain.push(cause.id.clone());
    chain
}
