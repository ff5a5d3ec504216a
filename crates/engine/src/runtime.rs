//! The runtime fields of instances and attempts, as the wire shows them.

use std::collections::HashSet;

use definition::{Field, ObjectId, PipelineObject};

use crate::attempt::Attempt;
use crate::ids::InstanceId;
use crate::instance::{Ending, Instance, Role};
use crate::run::Run;
use crate::task_error::TaskError;
use crate::time::wire;

/// Returns the runtime fields of an instance.
pub(crate) fn of_instance(run: &Run, instance: &Instance) -> Vec<Field> {
    let mut fields = common(run, instance, "INSTANCE");
    fields.push(Field::string("@id", instance.id.as_str()));
    fields.push(Field::string("@status", instance.wire_status().as_str()));
    fields.push(Field::string("@actualStartTime", wire(instance.started)));
    if let Some(ended) = instance.ended {
        fields.push(Field::string("@actualEndTime", wire(ended)));
        fields.push(Field::string("@finishedTime", wire(ended)));
    }
    fields.extend(references("@waitingOn", run.waiting_on(instance)));
    match instance.ending() {
        Some(Ending::CascadeFailed { on }) => fields.extend(references("@cascadeFailedOn", on.clone())),
        Some(Ending::Canceled { reason }) => fields.push(Field::string("cancellationReason", reason)),
        Some(Ending::Finished | Ending::Failed | Ending::TimedOut | Ending::Skipped) | None => {}
    }
    fields.extend(instance.guards.iter().map(|node| Field::reference("node", node.object_id())));
    if instance.role != Role::DataNode {
        fields.push(Field::string("@attemptCount", instance.attempts.len().to_string()));
        fields.push(Field::string("@triesLeft", instance.tries_left().to_string()));
    }
    // The fields of the newest attempt are also shown on the instance, so that alarms can use them.
    if let Some(newest) = instance.newest_attempt() {
        fields.push(Field::reference("@headAttempt", newest.id.object_id()));
        fields.extend(said(newest));
    }
    fields
}

/// Returns the runtime fields of an attempt.
pub(crate) fn of_attempt(run: &Run, instance: &Instance, attempt: &Attempt) -> Vec<Field> {
    let mut fields = common(run, instance, "ATTEMPT");
    fields.push(Field::string("@id", attempt.id.as_str()));
    fields.push(Field::reference("@instanceParent", instance.id.object_id()));
    fields.extend(instance.guards.iter().map(|node| Field::reference("node", node.object_id())));
    fields.push(Field::string("@status", attempt.status.wire_status().as_str()));
    fields.push(Field::string("@attemptCount", attempt.number.to_string()));
    fields.push(Field::string("@actualStartTime", wire(attempt.created)));
    if let Some(ended) = attempt.ended {
        fields.push(Field::string("@actualEndTime", wire(ended)));
    }
    // AWS does not have these two fields. The times of AWS have whole seconds, and a local run may take less than one.
    fields.push(Field::string("startedAt", format!("{:.3}", attempt.created)));
    if let Some(ended) = attempt.ended {
        fields.push(Field::string("endedAt", format!("{ended:.3}")));
    }
    fields.extend(said(attempt));
    fields
}

/// Returns an object with its own fields and its runtime fields; the latter win if both have the same key.
pub(crate) fn with_runtime(id: ObjectId, mut fields: Vec<Field>, runtime: Vec<Field>) -> PipelineObject {
    let keys: HashSet<_> = runtime.iter().map(|field| field.key.as_str()).collect();
    fields.retain(|field| !keys.contains(field.key.as_str()));
    fields.extend(runtime);
    PipelineObject { name: id.to_string(), id, fields }
}

fn common(run: &Run, instance: &Instance, sphere: &str) -> Vec<Field> {
    let (header, interval) = (run.header(), run.interval(instance));
    let mut fields = vec![
        Field::reference("@componentParent", instance.component.clone()),
        Field::string("@pipelineId", header.pipeline.as_str()),
        Field::string("@scheduledStartTime", wire(interval.start)),
        Field::string("@scheduledEndTime", wire(interval.end)),
        Field::string("@sphere", sphere),
        Field::string("@version", header.version.to_string()),
    ];
    if instance.is_live() {
        fields.push(Field::reference("@activeInstances", instance.id.object_id()));
    }
    fields
}

/// Returns the fields that a runner or a host reported for an attempt, and its error.
fn said(attempt: &Attempt) -> Vec<Field> {
    let mut fields = Vec::new();
    if let Some(hostname) = &attempt.hostname {
        fields.push(Field::string("hostname", hostname.as_str()));
    }
    if attempt.is_precondition_check {
        fields.push(Field::string("currentRetryCount", attempt.checks.to_string()));
        fields.extend(attempt.checked_at.map(|at| Field::string("lastRetryTime", wire(at))));
    }
    if let Some(at) = attempt.reported_at {
        fields.push(Field::string("reportProgressTime", wire(at)));
    }
    let error = attempt.status.error();
    if let Some(TaskError { id, message, stack_trace }) = error {
        let given = [("errorId", id), ("errorMessage", message), ("errorStackTrace", stack_trace)];
        let given = given.into_iter().filter_map(|(key, text)| Some(Field::string(key, text.as_deref()?)));
        fields.extend(given);
    }
    let machine = attempt.machine();
    if let Some(reason) = error.and_then(|error| error.message.as_deref()).filter(|_| machine.is_some()) {
        fields.push(Field::string("@failureReason", reason));
    }
    // A runner may report any key but those that begin with `@`, which belong to the service. A host may report all.
    let own = |field: &&Field| machine.is_some() || !field.key.as_str().starts_with('@');
    fields.extend(attempt.reported.iter().filter(own).cloned());
    fields
}

fn references(key: &'static str, ids: Vec<InstanceId>) -> impl Iterator<Item = Field> {
    ids.into_iter().map(move |id| Field::reference(key, ObjectId::from(id.as_str())))
}
