//! Lateness (`lateAfterTimeout`): decides when an instance is late, and whether it is stopped then.
//!
//! Only instances on a schedule can be late. The time counts from the moment at which an instance may start. For a resource
//! the time counts from the moment at which an instance needs the resource, because the interval may begin long before.

use definition::kind::{Kind, field};
use jiff::Timestamp;

use crate::instance::{Instance, Role};
use crate::instance_index::InstanceIndex;
use crate::run::Run;
use crate::scope::Context;

/// The field that names the actions for a late object.
pub(crate) const LATE: &str = "onLateAction";

/// Returns when the instance at `at` is late, if it may start from `now` on; `None` for a resource, or if it is never late.
pub(crate) fn after_release(run: &Run, at: InstanceIndex, now: Timestamp) -> Option<Timestamp> {
    if run[at].role == Role::Resource { None } else { after(run, at, now) }
}

/// Returns when the resource at `at` is late, if it is needed from `now` on; `None` after its first attempt, or if it is never
/// late.
pub(crate) fn after_need(run: &Run, at: InstanceIndex, now: Timestamp) -> Option<Timestamp> {
    let is_first = run[at].attempts.is_empty();
    is_first.then(|| after(run, at, now)).flatten()
}

fn after(run: &Run, at: InstanceIndex, now: Timestamp) -> Option<Timestamp> {
    let instance = &run[at];
    let is_scheduled = run.interval(instance).start != run.interval(instance).end;
    // A precondition is never late by itself; only its owner is.
    if !is_scheduled || instance.guards.is_some() || instance.is_final() {
        return None;
    }
    let object = run.plan().object(instance.component.as_str())?;
    object.reference(LATE)?;
    let evaluation = Default::default();
    let context = Context::of_instance(run, instance, None, &evaluation);
    // A value that cannot be read sets no time. Validation has reported the value.
    let period = field::LATE_AFTER_TIMEOUT.of(&context.reading(object)).ok()??;
    Some(period.after(now))
}

/// Returns whether the instance has a `Terminate` action for lateness.
pub(crate) fn is_terminated(run: &Run, instance: &Instance) -> bool {
    let component = run.plan().object(instance.component.as_str());
    let mut actions = component.into_iter().flat_map(|component| component.references(LATE));
    actions.any(|id| run.plan().object(id.as_str()).and_then(Kind::of) == Some(Kind::Terminate))
}
