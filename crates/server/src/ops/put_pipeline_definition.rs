//! PutPipelineDefinition: replaces the stored definition. A definition with errors is stored too, unless an error is fatal.

use definition::Definition;
use definition::inherit::DEFAULT_ID;
use definition::kind::field;
use definition::parameters::Parameters;
use definition::preview::Preview;
use definition::schedule::ScheduleType;
use definition::validate::{Problem, Report, validate};
use engine::{PipelineState, Plan};
use serde::{Deserialize, Serialize};
use store::{Batch, DefinitionVersion};

use crate::error::ServiceError;
use crate::host_check;
use crate::secret;
use crate::service::Service;
use crate::wire::check::{Check, ID};
use crate::wire::object::{WireObject, WireParameter, WireValue, read_objects, read_parameters, read_values};

/// The request of PutPipelineDefinition and of ValidatePipelineDefinition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    pipeline_objects: Option<Vec<WireObject>>,
    parameter_objects: Option<Vec<WireParameter>>,
    parameter_values: Option<Vec<WireValue>>,
}

/// The response of both operations. Both lists are always present, since clients iterate over them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    validation_errors: Vec<ValidationError>,
    validation_warnings: Vec<ValidationWarning>,
    errored: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidationError {
    id: String,
    errors: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidationWarning {
    id: String,
    warnings: Vec<String>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let (id, new) = read(request)?;
    let mut live = service.driver.lock_pipeline(&id).await?;
    let (new, report) = examine(service, &live.pipeline, new).await?;
    if report.is_fatal() {
        return Err(refuse_fatal(&report));
    }
    if live.pipeline.state == PipelineState::Finished && !is_on_demand(&new) {
        let store = &service.driver.store;
        let active = store.definition(&live.pipeline.id, DefinitionVersion::Active).await?;
        if !active.is_some_and(|active| definition::edits::only_move_the_end(&active, &new)) {
            let text = "the pipeline is FINISHED and on a schedule: in its definition, only `endDateTime` and `occurrences` \
                        of the Schedule can change";
            return Err(ServiceError::InvalidRequest(text.to_owned()));
        }
    }
    live.pipeline.has_new_definition = true;
    let batch = Batch::new().definition(&live.pipeline.id, DefinitionVersion::Latest, &new);
    let batch = batch.pipeline(&live.pipeline);
    service.driver.save(&mut live, batch).await?;
    Ok(answer(report))
}

/// Reads the request of both operations.
pub(super) fn read(request: Request) -> Result<(String, Definition), ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let objects = read_objects("pipelineObjects", request.pipeline_objects, &mut check);
    let parameters = read_parameters("parameterObjects", request.parameter_objects, &mut check);
    let values = read_values("parameterValues", request.parameter_values, &mut check);
    check.finish()?;
    Ok((id, Definition { objects, parameters, values }))
}

/// Replaces masks by the stored secrets, and validates the definition.
pub(super) async fn examine(
    service: &Service,
    pipeline: &store::Pipeline,
    new: Definition,
) -> Result<(Definition, Report), ServiceError> {
    let store = &service.driver.store;
    let stored = store.definition(&pipeline.id, DefinitionVersion::Latest).await?;
    let new = match stored {
        Some(stored) => secret::unmasked(new, &stored),
        None => new,
    };
    let mut report = validate(&new);
    if pipeline.version > 0 {
        let active = store.definition(&pipeline.id, DefinitionVersion::Active).await?;
        report.errors.extend(active.iter().flat_map(|active| definition::edits::check(active, &new)));
    }
    // A definition with errors cannot be activated, so a warning about the activation would not help.
    if report.is_ok()
        && let Ok(plan) = Plan::of(new.clone())
    {
        let found = host_check::check(&plan, service.host.as_deref(), service.has_dynamodb);
        report.warnings.extend(found.into_iter().map(host_check::warning));
    }
    Ok((new, report))
}

fn refuse_fatal(report: &Report) -> ServiceError {
    let fatal = report.errors.iter().filter(|problem| problem.fatal);
    let list: Vec<String> = fatal.map(|problem| format!("{}: {problem}", problem.object)).collect();
    ServiceError::InvalidRequest(format!(
        "Pipeline definition has errors: Could not save the pipeline definition due to FATAL errors: [{}] Please call \
         Validate to validate your pipeline",
        list.join("; ")
    ))
}

/// Returns whether the pipeline runs on demand. `Default` decides that for the whole pipeline.
pub(super) fn is_on_demand(definition: &Definition) -> bool {
    let parameters = Parameters::of(definition);
    let preview = Preview::new(&definition.objects, &parameters, None);
    let default = definition.object(DEFAULT_ID).map(|default| preview.object(default));
    default.is_some_and(|default| field::SCHEDULE_TYPE.of(&default) == Ok(ScheduleType::OnDemand))
}

pub(super) fn answer(report: Report) -> Response {
    let errored = !report.is_ok();
    let errors = by_object(report.errors).into_iter().map(|(id, errors)| ValidationError { id, errors });
    let warnings = by_object(report.warnings).into_iter();
    let warnings = warnings.map(|(id, warnings)| ValidationWarning { id, warnings });
    Response { validation_errors: errors.collect(), validation_warnings: warnings.collect(), errored }
}

fn by_object(problems: Vec<Problem>) -> Vec<(String, Vec<String>)> {
    let mut grouped: Vec<(String, Vec<String>)> = Vec::new();
    for problem in problems {
        let text = problem.to_string();
        match grouped.iter_mut().find(|(id, _)| problem.object == *id.as_str()) {
            Some((_, texts)) => texts.push(text),
            None => grouped.push((problem.object.to_string(), vec![text])),
        }
    }
    grouped
}
