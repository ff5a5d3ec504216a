//! The role of each object in a run: which objects have instances, who works on them, and on which resource.

use std::collections::HashSet;

use definition::kind::{Group, Kind};
use definition::{ObjectId, PipelineObject};

use crate::expand_error::ExpandError;
use crate::instance::Role;
use crate::plan::Plan;

/// Checks that all work for task runners in `plan` has a worker group or a resource.
///
/// # Errors
///
/// [`ExpandError::NoWorkerGroup`] names the first object that has neither.
pub fn check(plan: &Plan) -> Result<(), ExpandError> {
    for object in plan.objects().iter().filter(|object| role(object).is_some()) {
        let preconditions = object.references("precondition").filter_map(|id| plan.object(id.as_str()));
        let kinds = preconditions.filter_map(Kind::of);
        let mut needs_worker = role(object) == Some(Role::Activity);
        for kind in kinds {
            needs_worker |= !kind.is_system_managed();
        }
        let has_worker = object.values("workerGroup").next().is_some() || resource(plan, object).is_some();
        if needs_worker && !has_worker {
            return Err(ExpandError::NoWorkerGroup { object: object.id.clone() });
        }
    }
    Ok(())
}

/// The `runsOn` field of an object that workers work on.
pub(crate) struct RunsOn<'a> {
    /// The object that has the field.
    pub(crate) object: &'a ObjectId,
    /// The resource that the field names.
    pub(crate) resource: &'a ObjectId,
}

/// Returns the objects that run on resources, in the order of the definition.
pub(crate) fn needed_resources(plan: &Plan) -> Vec<RunsOn<'_>> {
    let users = plan.objects().iter().filter(|object| is_worked_on(plan, object));
    let needed = users.filter_map(|object| {
        let resource = resource(plan, object)?;
        Some(RunsOn { object: &object.id, resource: &resource.id })
    });
    needed.collect()
}

/// A piece of work for task runners: an activity, or the checks of a precondition.
#[derive(Clone, Copy, Debug)]
pub struct WorkerTask<'a> {
    /// The activity or precondition.
    pub object: &'a PipelineObject,
    /// The object that the precondition guards. The precondition is checked where that object's work runs.
    pub guards: Option<&'a PipelineObject>,
    /// The resource that the work runs on; without one, the runners of a worker group do the work.
    pub resource: Option<&'a PipelineObject>,
}

/// Returns all work for task runners, in the order of the definition.
#[must_use]
pub fn worker_tasks(plan: &Plan) -> Vec<WorkerTask<'_>> {
    let owners = plan.objects().iter().filter(|object| is_worked_on(plan, object));
    let work = owners.flat_map(|owner| {
        let resource = resource(plan, owner);
        let own = (role(owner) == Some(Role::Activity)).then_some(WorkerTask {
            object: owner,
            guards: None,
            resource,
        });
        let checks = owner.references("precondition").filter(|id| is_checked_by_workers(plan, id.as_str()));
        let checks = checks.filter_map(|id| plan.object(id.as_str()));
        own.into_iter().chain(checks.map(move |object| WorkerTask { object, guards: Some(owner), resource }))
    });
    work.collect()
}

/// Returns whether task runners work on the object: an activity, or a data node with preconditions that they check.
fn is_worked_on(plan: &Plan, object: &PipelineObject) -> bool {
    match role(object) {
        Some(Role::Activity) => true,
        Some(Role::DataNode) => {
            object.references("precondition").any(|id| is_checked_by_workers(plan, id.as_str()))
        }
        Some(Role::Precondition | Role::Resource) | None => false,
    }
}

/// Returns whether task runners check the precondition; the service checks the others itself.
pub(crate) fn is_checked_by_workers(plan: &Plan, precondition: &str) -> bool {
    let kind = plan.object(precondition).and_then(Kind::of);
    kind.is_some_and(|kind| !kind.is_system_managed())
}

/// Returns the resource that `object` runs on; `None` if its field `runsOn` names no resource.
pub(crate) fn resource<'a>(plan: &'a Plan, object: &PipelineObject) -> Option<&'a PipelineObject> {
    let resource = plan.object(object.reference("runsOn")?.as_str())?;
    (role(resource) == Some(Role::Resource)).then_some(resource)
}

/// Returns whether a run has instances of `object`. A resource has instances only if it is among `used`.
pub(crate) fn has_instances(object: &PipelineObject, used: &HashSet<&ObjectId>) -> bool {
    match role(object) {
        Some(Role::Resource) => used.contains(&object.id),
        Some(Role::Activity | Role::DataNode | Role::Precondition) => true,
        None => false,
    }
}

/// Returns the role of the instances of `object`; `None` if the object has no instances of its own.
pub(crate) fn role(object: &PipelineObject) -> Option<Role> {
    match Kind::of(object)?.group() {
        Group::Activity => Some(Role::Activity),
        Group::DataNode => Some(Role::DataNode),
        Group::Resource => Some(Role::Resource),
        Group::Precondition
        | Group::Database
        | Group::DataFormat
        | Group::Action
        | Group::Schedule
        | Group::Utility => None,
    }
}
