//! ActivatePipeline: makes the latest definition the active one, and begins a run, now or when it is due.

use std::sync::Arc;

use definition::validate::for_activation;
use definition::{Definition, ParameterValue};
use engine::{Activation, Event, Occasion, PipelineId, PipelineState, Plan, Run, pipeline};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use store::{Batch, DefinitionVersion, ScheduleSpan};

use crate::driver::{ActiveDefinition, LivePipeline, PipelineGuard, StepError};
use crate::error::ServiceError;
use crate::host_check;
use crate::secret;
use crate::service::Service;
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
    let mut live = service.driver.lock_pipeline(&id).await?;
    let stored = service.driver.store.definition(&live.pipeline.id, DefinitionVersion::Latest).await?;
    let Some(stored) = stored.filter(|stored| !stored.objects.is_empty()) else {
        return Err(invalid("Pipeline definition is empty: "));
    };
    let definition = with_values(stored, values);
    let before = service.driver.store.definition(&live.pipeline.id, DefinitionVersion::Active).await?;
    let before = before.filter(|_| live.pipeline.version > 0);
    refuse_errors(before.as_ref(), &definition)?;
    refuse_state(&live)?;
    // AWS counts every definition that was put, even one that is equal to the one before.
    let is_new = live.pipeline.has_new_definition || before.as_ref() != Some(&definition);
    activate(service, &mut live, (definition, is_new), start).await?;
    tracing::info!(pipeline.id = %live.pipeline.id, pipeline.name = live.pipeline.name, "activated a pipeline");
    Ok(Empty {})
}

/// Returns the definition with the parameter values `given` by this activation instead of its own values for the same
/// parameters. Later activations keep these values.
fn with_values(mut definition: Definition, mut given: Vec<ParameterValue>) -> Definition {
    secret::unmask_values(&mut given, &definition);
    definition.values.retain(|stored| given.iter().all(|given| given.id != stored.id));
    definition.values.extend(given);
    definition
}

/// Refuses a definition with errors, or with changes that are not allowed after the activation of `before`. The store may
/// contain such definitions.
fn refuse_errors(before: Option<&Definition>, definition: &Definition) -> Result<(), ServiceError> {
    let mut report = for_activation(definition);
    report.errors.extend(before.into_iter().flat_map(|before| definition::edits::check(before, definition)));
    if report.is_ok() {
        return Ok(());
    }
    let list: Vec<String> = report.errors.iter().map(|error| format!("{}: {error}", error.object)).collect();
    Err(ServiceError::InvalidRequest(format!("Pipeline definition has errors: [{}]", list.join("; "))))
}

fn refuse_state(live: &PipelineGuard) -> Result<(), ServiceError> {
    let activated = pipeline::step(live.pipeline.state, pipeline::Event::Activated);
    activated.map(|_| ()).map_err(|refused| invalid(&refused.to_string()))
}

async fn activate(
    service: &Service,
    live: &mut PipelineGuard,
    (definition, is_new): (Definition, bool),
    start: Option<Timestamp>,
) -> Result<(), ServiceError> {
    let now = service.driver.now();
    let pipeline = &mut live.pipeline;
    let first = pipeline.first_activation.unwrap_or(now);
    let active =
        ActiveDefinition::of(definition.clone(), first).map_err(|error| invalid(&error.to_string()))?;
    let upcoming = active.timetable.as_ref().and_then(|timetable| {
        // After a run on demand, the schedule begins at least a second later, because ids of runs contain whole seconds.
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
    // A definition that cannot be expanded is refused now, not when its first run is due.
    let begun = occasion.map(|occasion| engine::expand(Arc::clone(&active.plan), activation(occasion)));
    let begun = begun.transpose().map_err(|error| invalid(&error.to_string()))?;
    refuse_host_problems(service, &active.plan, begun.as_ref().map(|(run, _)| run))?;
    match begun {
        Some((run, step)) if active.timetable.is_none() => {
            refuse_another(live, &active)?;
            if live.open_runs().any(|run| run.header().is_suspended) {
                // The pipeline was on a schedule before. The runs of that schedule continue beside the new run.
                resume_runs(service, live, None, Batch::new()).await?;
            }
            record(live, now, is_new, active);
            live.pipeline.latest_run = Some(run.header().scheduled);
            let batch =
                |live: &LivePipeline| definitions(&live.pipeline.id, &definition).pipeline(&live.pipeline);
            service.driver.begin(live, run, &step, batch).await?;
        }
        Some(_) | None => {
            if upcoming.is_none() && live.pipeline.state == PipelineState::Finished {
                let text = "the pipeline is FINISHED and its schedule has no interval left: change `endDateTime` or \
                            `occurrences` of its Schedule, put the definition and activate it again";
                return Err(invalid(text));
            }
            record(live, now, is_new, active);
            live.pipeline.next_run = upcoming;
            live.pipeline.skip_until = start;
            let batch = definitions(&live.pipeline.id, &definition);
            // This call also saves the activation, and begins the next run if it is due. If the run cannot begin now, the
            // driver tries again later, and the activation still succeeds.
            resume_runs(service, live, start, batch).await?;
        }
    }
    Ok(())
}

/// Refuses work that neither the host nor the service can do, because such work would wait for ever or fail later.
fn refuse_host_problems(service: &Service, plan: &Plan, run: Option<&Run>) -> Result<(), ServiceError> {
    let host = service.host.as_deref();
    let mut found = host_check::check(plan, host, service.has_dynamodb);
    found.extend(run.and_then(|run| host_check::check_places(host, run)));
    host_check::refuse(&found)
}

/// The least difference between the scheduled times of two runs, so that their ids differ.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Refuses an activation if as many runs are open as `maxActiveInstances` allows.
fn refuse_another(live: &PipelineGuard, active: &ActiveDefinition) -> Result<(), ServiceError> {
    let most = active.most_open();
    if live.open_runs().filter(|run| !run.header().is_suspended).count() < most {
        return Ok(());
    }
    Err(invalid(&format!(
        "as many runs are open as maxActiveInstances allows ({most}): wait until one of them has ended, or cancel it"
    )))
}

/// Records the activation in the pipeline.
fn record(live: &mut PipelineGuard, now: Timestamp, is_new: bool, active: ActiveDefinition) {
    let pipeline = &mut live.pipeline;
    pipeline.version += u32::from(is_new);
    pipeline.has_new_definition = false;
    pipeline.schedule = active.timetable.as_ref().map(|timetable| {
        let (start, end, period) = timetable.span();
        ScheduleSpan { start, end, period: period.to_string() }
    });
    pipeline.state = PipelineState::Scheduled;
    pipeline.finished = None;
    pipeline.first_activation.get_or_insert(now);
    pipeline.last_activation = Some(now);
    pipeline.next_run = None;
    pipeline.skip_until = None;
    live.activate(active);
}

/// Resumes the runs that a deactivation suspended. Instances that would begin before `start` are skipped.
async fn resume_runs(
    service: &Service,
    live: &mut PipelineGuard,
    start: Option<Timestamp>,
    batch: Batch,
) -> Result<(), ServiceError> {
    let event = Event::Activated { skip_until: start };
    let events = live.open_runs().map(|run| (run.header().id.clone(), event.clone())).collect();
    service.driver.step_all(live, events, batch).await.map_err(StepError::refuse_command)
}

fn definitions(id: &PipelineId, definition: &Definition) -> Batch {
    let batch = Batch::new().definition(id, DefinitionVersion::Latest, definition);
    batch.definition(id, DefinitionVersion::Active, definition)
}

/// Reads `startTimestamp`: epoch seconds, as SDKs send them, or ISO 8601. Returns `None` for null. A value
/// that is not a time is refused even for a pipeline on demand, where the time has no effect.
fn time_of(value: &serde_json::Value) -> Result<Option<Timestamp>, ServiceError> {
    let time = match value {
        serde_json::Value::Null => return Ok(None),
        serde_json::Value::Number(number) => {
            // A fraction is rounded down, because ids contain whole seconds.
            number.as_f64().and_then(|seconds| Timestamp::from_second(seconds.floor() as i64).ok())
        }
        serde_json::Value::String(text) => text.parse().ok().or_else(|| engine::time::parse(text)),
        _ => None,
    };
    time.map(Some).ok_or_else(|| ServiceError::Serialization(format!("startTimestamp {value} is not a time")))
}

fn invalid(text: &str) -> ServiceError {
    ServiceError::InvalidRequest(text.to_owned())
}
