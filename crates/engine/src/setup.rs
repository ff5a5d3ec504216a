//! The setup of an attempt: decides its worker group and its limits before it is offered.
//!
//! All fields that the work will see are evaluated once here. An attempt with a field that cannot be evaluated fails with an
//! error that names the object and the field, and is never offered to a runner.

use definition::PipelineObject;
use definition::kind::Kind;
use definition::kind::field::{self, FieldError};
use definition::period::Period;
use jiff::{SignedDuration, Timestamp};

use crate::attempt::Limits;
use crate::ids::WorkerGroup;
use crate::instance::{Instance, Role};
use crate::instance_index::InstanceIndex;
use crate::run::Run;
use crate::scope::Context;
use crate::task_error::{INVALID_FIELD, TaskError};
use crate::{needed_objects, resource, time};

/// The shortest time between two checks by the service, in milliseconds.
const SHORTEST_CHECK_DELAY_MS: i64 = 60_000;

/// The worker group and limits of a new attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) group: WorkerGroup,
    pub(crate) limits: Limits,
}

impl Default for Setup {
    fn default() -> Self {
        Self { group: WorkerGroup::from(""), limits: Limits::default() }
    }
}

/// Evaluates the instance at `at` for a new attempt that is made at `now`.
///
/// # Errors
///
/// The error of the attempt if a field cannot be evaluated or read, or if `workerGroup` is missing.
pub(crate) fn of(run: &Run, at: InstanceIndex, now: Timestamp) -> Result<Setup, TaskError> {
    let instance = &run[at];
    let object = evaluated(run, instance)?;
    needed_objects::needed(run, instance).map_err(invalid)?;
    let millis = |period: Period| period.after(now).as_millisecond() - now.as_millisecond();
    let is_check = instance.role == Role::Precondition;
    let is_resource = instance.role == Role::Resource;
    let timeout = field::PRECONDITION_TIMEOUT.of(&object)?.filter(|_| is_check);
    let began = instance.attempts.iter().find(|attempt| attempt.generation == instance.generation);
    let gives_up_at = timeout.map(|timeout| {
        let began = began.map_or(now, |first| first.created);
        time::later(began, SignedDuration::from_millis(millis(timeout)))
    });
    let mut retry_delay_ms = millis(field::RETRY_DELAY.of(&object)?);
    let is_service_check = is_check && is_checked_by_service(run, instance);
    if is_service_check {
        retry_delay_ms = retry_delay_ms.max(SHORTEST_CHECK_DELAY_MS);
    }
    let limits = Limits {
        silence_ms: millis(field::REPORT_PROGRESS_TIMEOUT.of(&object)?),
        whole_ms: field::ATTEMPT_TIMEOUT.of(&object)?.map(millis),
        retry_delay_ms,
        maximum_retries: field::MAXIMUM_RETRIES.of(&object)?,
        gives_up_at,
        machine: is_resource.then(|| resource::Limits::of(&object, now)).transpose()?,
        ..Limits::default()
    };
    let of_resource = |id| WorkerGroup::of_resource(&run.header().pipeline, id);
    if let Some(resource) = instance.runs_on.as_ref().or(is_resource.then_some(&instance.id)) {
        return Ok(Setup { group: of_resource(resource), limits });
    }
    if is_service_check {
        return Ok(Setup { group: WorkerGroup::service(), limits });
    }
    // A precondition is checked by the worker group of the object that it guards.
    let owner = instance.guards.as_ref().and_then(|id| run.instance(id.as_str()));
    let object = owner.map_or(Ok(object), |owner| evaluated(run, owner))?;
    let group = object.string("workerGroup").filter(|group| !group.is_empty()).ok_or_else(|| {
        let (object, reason) = (instance.component.clone(), "it is empty".to_owned());
        FieldError { object, field: "workerGroup", reason }
    })?;
    Ok(Setup { group: WorkerGroup::from(group), limits })
}

/// Returns the object of `instance` with its fields evaluated.
fn evaluated(run: &Run, instance: &Instance) -> Result<PipelineObject, TaskError> {
    let evaluation = Default::default();
    let fields = Context::of_instance(run, instance, None, &evaluation).fields().map_err(invalid)?;
    let id = instance.component.clone();
    Ok(PipelineObject { name: id.to_string(), id, fields })
}

impl From<FieldError> for TaskError {
    fn from(error: FieldError) -> Self {
        invalid(error.to_string())
    }
}

fn invalid(reason: String) -> TaskError {
    TaskError::new(INVALID_FIELD, reason)
}

/// Returns whether the service itself checks the precondition.
fn is_checked_by_service(run: &Run, instance: &Instance) -> bool {
    let kind = run.plan().object(instance.component.as_str()).and_then(Kind::of);
    kind.is_some_and(Kind::is_system_managed)
}
