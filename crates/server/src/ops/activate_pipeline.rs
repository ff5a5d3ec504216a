//! ActivatePipeline: the latest definition becomes the active one, and a run begins, now or when its time comes.

use std::sync::Arc;

use definition::validate::for_activation;
use definition::{Definition, ParameterValue};
use engine::{Activation, Event, Occasion, PipelineId, PipelineState, Plan, Run, pipeline};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use store::{Batch, DefinitionVersion};

use crate::driver::{Active, Held, Live, StepError};
use crate::error::ServiceError;
use crate::secret;
use crate::service::Service;
use crate::host_check;
use crate::wire::Empty;
use crate::wire::check::{Check, ID};
use crate::wire::object::{WireValue, read_values};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    parameter_values: Option<Vec<WireValue>>,
    start_timestamp: Option<serde_json::Value>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let values = read_values("parameterValues", request.parameter_values, &mut check);
    check.finish()?;
    let start = request.start_timestamp.as_ref().map(time_of).transpose()?.flatten();
    let mut held = service.driver.hold(&id).await?;
    let stored = service.driver.store.definition(&held.pipeline.id, DefinitionVersion::Latest).await?;
    let Some(stored) = stored.filter(|stored| !stored.objects.is_empty()) else {
        return Err(invalid("Pipeline definition is empty: "));
    };
    let definition = valued(stored, values);
    let before = service.driver.store.definition(&held.pipeline.id, DefinitionVersion::Active).await?;
    let before = before.filter(|_| held.pipeline.version > 0);
    refuse_errors(before.as_ref(), &definition)?;
    refuse_state(&held)?;
    let is_new = before.as_ref() != Some(&definition);
    activate(service, &mut held, (definition, is_new), start).await?;
    tracing::info!(pipeline.id = %held.pipeline.id, pipeline.name = held.pipeline.name, "activated a pipeline");
    Ok(Empty {})
}

/// Returns the definition with the values of this activation, which stay its values.
fn valued(mut definition: Definition, mut given: Vec<ParameterValue>) -> Definition {
    secret::unmask_values(&mut given, &definition);
    definition.values.retain(|stored| given.iter().all(|given| given.id != stored.id));
    definition.values.extend(given);
    definition
}

/// Refuses what validation does, and what may not be changed since the activation `before`: both may have been stored.
fn refuse_errors(before: Option<&Definition>, definition: &Definition) -> Result<(), ServiceError> {
    let mut report = for_activation(definition);
    report.errors.extend(before.into_iter().flat_map(|before| definition::edits::check(before, definition)));
    if report.is_ok() {
        return Ok(());
    }
    let list: Vec<String> = report.errors.iter().map(|error| format!("{}: {error}", error.object)).collect();
    Err(ServiceError::InvalidRequest(format!("Pipeline definition has errors: [{}]", list.join("; "))))
}

fn refuse_state(held: &Held) -> Result<(), ServiceError> {
    let activated = pipeline::step(held.pipeline.state, pipeline::Event::Activated);
    activated.map(|_| ()).map_err(|refused| invalid(&refused.to_string()))
}

async fn activate(
    service: &Service,
    held: &mut Held,
    (definition, is_new): (Definition, bool),
    start: Option<Timestamp>,
) -> Result<(), ServiceError> {
    let now = service.driver.now();
    let pipeline = &mut held.pipeline;
    let first = pipeline.first_activation.unwrap_or(now);
    let active = Active::of(definition.clone(), first).map_err(|error| invalid(&error.to_string()))?;
    let upcoming = active.timetable.as_ref().and_then(|timetable| {
        // After runs on demand, a second later: ids tell whole seconds.
        let after_latest = pipeline.latest_run.map(|at| engine::time::later(at, SECOND));
        timetable.next(pipeline.made_until.or(after_latest))
    });
    let occasion = match active.timetable.clone() {
        None => Some(Occasion::OnDemand { latest: pipeline.latest_run }),
        Some(timetable) => {
            upcoming.map(|upcoming| Occasion::Scheduled { timetable, upcoming, is_skipped: false })
        }
    };
    let activation = |occasion| Activation {
        pipeline: pipeline.id.clone(),
        pipeline_name: pipeline.name.clone(),
        version: pipeline.version + u32::from(is_new),
        at: now,
        occasion,
        paused: pipeline.paused.clone(),
    };
    // What cannot begin is told now, not when its time comes.
    let begun = occasion.map(|occasion| engine::expand(Arc::clone(&active.plan), activation(occasion)));
    let begun = begun.transpose().map_err(|error| invalid(&error.to_string()))?;
    refuse_unhosted(service, &active.plan, begun.as_ref().map(|(run, _)| run))?;
    match begun {
        Some((run, step)) if active.timetable.is_none() => {
            refuse_another(held, &active)?;
            if held.open_runs().any(|run| run.header().is_suspended) {
                // It was on a schedule: what that began goes on beside.
                go_on(service, held, None, Batch::new()).await?;
            }
            note(held, now, is_new, active);
            held.pipeline.latest_run = Some(run.header().scheduled);
            let batch = |live: &Live| definitions(&live.pipeline.id, &definition).pipeline(&live.pipeline);
            service.driver.begin(held, run, &step, batch).await?;
        }
        Some(_) | None => {
            if upcoming.is_none() && held.pipeline.state == PipelineState::Finished {
                let text = "the pipeline is FINISHED and its schedule has no interval left: move `endDateTime` or \
                            `occurrences` of its Schedule, put the definition and activate it again";
                return Err(invalid(text));
            }
            note(held, now, is_new, active);
            held.pipeline.next_run = upcoming;
            held.pipeline.skip_until = start;
            let batch = definitions(&held.pipeline.id, &definition);
            // The activation is saved with it; what cannot begin now is tried again.
            go_on(service, held, start, batch).await?;
        }
    }
    Ok(())
}

/// What nobody here can do would wait for ever, or fail later: all of it is named before anything starts.
fn refuse_unhosted(service: &Service, plan: &Plan, run: Option<&Run>) -> Result<(), ServiceError> {
    let host = service.host.as_deref();
    let mut found = host_check::of(plan, host, service.has_dynamodb);
    found.extend(run.and_then(|run| host_check::without_places(host, run)));
    host_check::refuse(&found)
}

/// What tells the ids of two runs apart.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn refuse_another(held: &Held, active: &Active) -> Result<(), ServiceError> {
    let most = active.most_open();
    if held.open_runs().filter(|run| !run.header().is_suspended).count() < most {
        return Ok(());
    }
    Err(invalid(&format!(
        "the number of concurrent executions that maxActiveInstances allows ({most}) is reached: wait until one ends, \
         or cancel it"
    )))
}

/// Notes the activation.
fn note(held: &mut Held, now: Timestamp, is_new: bool, active: Active) {
    let pipeline = &mut held.pipeline;
    pipeline.version += u32::from(is_new);
    pipeline.state = PipelineState::Scheduled;
    pipeline.finished = None;
    pipeline.first_activation.get_or_insert(now);
    pipeline.last_activation = Some(now);
    pipeline.next_run = None;
    pipeline.skip_until = None;
    held.activate(active);
}

/// Lets the runs go on that a deactivation suspended, except for what begins before `start`.
async fn go_on(
    service: &Service,
    held: &mut Held,
    start: Option<Timestamp>,
    batch: Batch,
) -> Result<(), ServiceError> {
    let event = Event::Activated { skip_until: start };
    let events = held.open_runs().map(|run| (run.header().id.clone(), event.clone())).collect();
    service.driver.step_all(held, events, batch).await.map_err(StepError::refuse_command)
}

fn definitions(id: &PipelineId, definition: &Definition) -> Batch {
    let batch = Batch::new().definition(id, DefinitionVersion::Latest, definition);
    batch.definition(id, DefinitionVersion::Active, definition)
}

/// Reads epoch seconds, as SDKs send them, or ISO 8601. On demand it means nothing; it must be a time all the same.
fn time_of(value: &serde_json::Value) -> Result<Option<Timestamp>, ServiceError> {
    let time = match value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::Number(number) => {
            // Whole seconds are what ids tell; a fraction belongs to the second that it is in.
            number.as_f64().and_then(|seconds| Timestamp::from_second(seconds.floor() as i64).ok())
        }
        serde_json::Value::String(text) => text.parse().ok().or_else(|| engine::time::parse(text)),
        _ => None,
    };
    time.map(Some).ok_or_else(|| ServiceError::Serialization(format!("startTimestamp {value} is no time")))
}

fn invalid(text: &str) -> ServiceError {
    ServiceError::InvalidRequest(text.to_owned())
}
