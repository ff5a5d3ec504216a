//! What an attempt needs before it can be offered: its worker group and its limits.
//!
//! Every field that its work will see is evaluated once here, so that a text that cannot be
//! evaluated fails the attempt with object and field, and never reaches a runner.

use definition::kind::Kind;
use definition::period::Period;
use definition::{Field, FieldValue};
use jiff::{SignedDuration, Timestamp};

use crate::attempt::Limits;
use crate::event::{INVALID_FIELD, TaskError};
use crate::ids::WorkerGroup;
use crate::instance::{Instance, Role};
use crate::run::Run;
use crate::scope::Context;
use crate::{time, wire_objects};

/// The service looks at most this often, in milliseconds.
const SHORTEST_LOOK_MS: i64 = 60_000;

/// What an attempt needs to be offered.
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

/// Evaluates the instance at `place` for a new attempt.
pub(crate) fn of(run: &Run, place: usize, now: Timestamp) -> Result<Setup, TaskError> {
    let instance = &run.instances[place];
    let trouble = Default::default();
    let context = Context::of_instance(run, instance, None, &trouble);
    let invalid = |reason: String| TaskError::new(INVALID_FIELD, reason);
    let fields = context.fields().map_err(invalid)?;
    wire_objects::needed(run, instance).map_err(invalid)?;
    let text = |key: &str| text(&fields, key);
    let wrong = |key: &str, reason: String| {
        invalid(format!("object `{}`, field `{key}`: {reason}", instance.component))
    };
    let millis = |key: &str| match text(key) {
        Some(text) => match Period::parse(text) {
            Ok(period) => Ok(Some(period.after(now).as_millisecond() - now.as_millisecond())),
            Err(error) => Err(wrong(key, error.to_string())),
        },
        None => Ok(None),
    };
    let usual = Limits::default();
    let maximum_retries = match text("maximumRetries") {
        Some(text) => {
            let number = text.trim().parse();
            number.map_err(|_| wrong("maximumRetries", format!("`{text}` is not a whole number")))?
        }
        None => usual.maximum_retries,
    };
    let is_look = instance.role == Role::Precondition;
    let timeout = millis("preconditionTimeout")?.filter(|_| is_look);
    let began = instance.attempts.iter().find(|attempt| attempt.generation == instance.generation);
    let gives_up_at = timeout.map(|timeout| {
        let began = began.map_or(now, |first| first.created);
        time::later(began, SignedDuration::from_millis(timeout))
    });
    let mut retry_delay_ms = millis("retryDelay")?.unwrap_or(usual.retry_delay_ms);
    let service = is_look && is_looked_at_by_service(run, instance);
    if service {
        retry_delay_ms = retry_delay_ms.max(SHORTEST_LOOK_MS);
    }
    let limits = Limits {
        acknowledge_ms: usual.acknowledge_ms,
        silence_ms: millis("reportProgressTimeout")?.unwrap_or(usual.silence_ms),
        whole_ms: millis("attemptTimeout")?,
        retry_delay_ms,
        maximum_retries,
        gives_up_at,
    };
    if service {
        return Ok(Setup { group: WorkerGroup::service(), limits });
    }
    // A worker looks where the guarded object is worked on.
    let owner = instance.guards.as_ref().and_then(|id| run.instance(id.as_str()));
    let fields = match owner {
        Some(owner) => Context::of_instance(run, owner, None, &trouble).fields().map_err(invalid)?,
        None => fields,
    };
    let group = self::text(&fields, "workerGroup").filter(|group| !group.is_empty());
    let group = group.ok_or_else(|| wrong("workerGroup", "it is empty".to_owned()))?;
    Ok(Setup { group: WorkerGroup::from(group), limits })
}

/// Returns whether the service itself looks whether the precondition holds.
fn is_looked_at_by_service(run: &Run, instance: &Instance) -> bool {
    let kind = run.plan.object(instance.component.as_str()).and_then(Kind::of);
    kind.is_some_and(Kind::is_looked_at_by_service)
}

fn text<'a>(fields: &'a [Field], key: &str) -> Option<&'a str> {
    fields.iter().find(|field| field.key == *key).and_then(|field| match &field.value {
        FieldValue::String(text) => Some(text.as_str()),
        FieldValue::Ref(_) => None,
    })
}
