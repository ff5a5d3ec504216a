//! ActivatePipeline: the latest definition becomes the active one, and a run begins.

use std::sync::Arc;

use definition::validate::for_activation;
use definition::{Definition, ParameterValue};
use engine::{Activation, PipelineState, Plan};
use store::{Batch, DefinitionVersion};

use crate::driver::Held;
use crate::error::ServiceError;
use crate::secret;
use crate::service::Service;
use crate::wire::check::{Check, ID};
use crate::wire::object::read_values;
use crate::wire::request::ActivatePipeline;
use crate::wire::response::Empty;

/// `maxActiveInstances` of an on-demand pipeline: what it is when nobody says, and at most.
const ACTIVE_INSTANCES: (usize, usize) = (1, 5);

pub(super) async fn serve(service: &Service, request: ActivatePipeline) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let values = read_values("parameterValues", request.parameter_values, &mut check);
    check.finish()?;
    // `startTimestamp` is ignored for on-demand pipelines; it must be a time all the same.
    if let Some(time) = request.start_timestamp.filter(|time| !is_time(time)) {
        return Err(ServiceError::Serialization(format!("startTimestamp {time} is no time")));
    }
    let mut held = service.driver.hold(&id).await?;
    let stored = service.driver.store.definition(&held.pipeline.id, DefinitionVersion::Latest).await?;
    let Some(stored) = stored.filter(|stored| !stored.objects.is_empty()) else {
        return Err(invalid("Pipeline definition is empty: "));
    };
    let definition = valued(stored, values);
    refuse_errors(&definition)?;
    refuse_state(&held, &definition)?;
    begin(service, &mut held, definition).await?;
    Ok(Empty {})
}

/// Returns the definition with the values of this activation, which stay its values.
fn valued(mut definition: Definition, mut given: Vec<ParameterValue>) -> Definition {
    secret::unmask_values(&mut given, &definition);
    definition.values.retain(|stored| given.iter().all(|given| given.id != stored.id));
    definition.values.extend(given);
    definition
}

fn refuse_errors(definition: &Definition) -> Result<(), ServiceError> {
    let report = for_activation(definition);
    if report.is_ok() {
        return Ok(());
    }
    let list: Vec<String> = report.errors.iter().map(|error| format!("{}: {error}", error.object)).collect();
    Err(ServiceError::InvalidRequest(format!("Pipeline definition has errors: [{}]", list.join("; "))))
}

fn refuse_state(held: &Held, definition: &Definition) -> Result<(), ServiceError> {
    match held.pipeline.state {
        PipelineState::Pending
        | PipelineState::Scheduled
        | PipelineState::Inactive
        | PipelineState::Finished => {}
        state @ (PipelineState::Deactivating | PipelineState::Deleting) => {
            return Err(invalid(&format!(
                "the pipeline is {state}: it cannot be activated until that is over"
            )));
        }
    }
    let (default, most) = ACTIVE_INSTANCES;
    let stated = definition.object("Default").and_then(|object| object.string("maxActiveInstances"));
    let bound = stated.and_then(|text| text.trim().parse().ok()).unwrap_or(default).clamp(1, most);
    if held.open_runs().count() >= bound {
        return Err(invalid(&format!(
            "the number of concurrent executions that maxActiveInstances allows ({bound}) is reached: wait until one \
             ends, or cancel it"
        )));
    }
    Ok(())
}

async fn begin(service: &Service, held: &mut Held, definition: Definition) -> Result<(), ServiceError> {
    let now = service.driver.now();
    let store = &service.driver.store;
    let active = store.definition(&held.pipeline.id, DefinitionVersion::Active).await?;
    let is_new = held.pipeline.version == 0 || active.as_ref() != Some(&definition);
    let version = held.pipeline.version + u32::from(is_new);
    let plan = Plan::of(definition.clone()).map_err(|error| invalid(&error.to_string()))?;
    let activation = Activation {
        pipeline: held.pipeline.id.clone(),
        pipeline_name: held.pipeline.name.clone(),
        version,
        at: now,
        latest: held.pipeline.latest_run,
    };
    let (run, step) =
        engine::expand(Arc::new(plan), activation).map_err(|error| invalid(&error.to_string()))?;
    let pipeline = &mut held.pipeline;
    pipeline.version = version;
    pipeline.state = PipelineState::Scheduled;
    pipeline.finished = None;
    pipeline.first_activation.get_or_insert(now);
    pipeline.last_activation = Some(now);
    pipeline.latest_run = Some(run.header().scheduled);
    let batch = |live: &crate::driver::Live| {
        let id = &live.pipeline.id;
        Batch::new()
            .pipeline(&live.pipeline)
            .definition(id, DefinitionVersion::Latest, &definition)
            .definition(id, DefinitionVersion::Active, &definition)
    };
    service.driver.begin(held, run, &step, batch).await?;
    tracing::info!(pipeline.id = %held.pipeline.id, pipeline.name = held.pipeline.name, "activated a pipeline");
    Ok(())
}

/// Epoch seconds, as SDKs send them, or ISO 8601.
fn is_time(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null | serde_json::Value::Number(_) => true,
        serde_json::Value::String(text) => {
            text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok()
        }
        _ => false,
    }
}

fn invalid(text: &str) -> ServiceError {
    ServiceError::InvalidRequest(text.to_owned())
}
