//! EvaluateExpression: text in the context of an object, for workers. Secrets are masked: a task brings its own.

use engine::RunId;

use super::describe_objects::View;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, LONG};
use crate::wire::request::EvaluateExpression;
use crate::wire::response::Evaluated;

pub(super) async fn serve(service: &Service, request: EvaluateExpression) -> Result<Evaluated, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let object = check.required("objectId", request.object_id, ID);
    let expression = check.required("expression", request.expression, LONG);
    check.finish()?;
    let held = service.driver.hold(&id).await?;
    let run = service.driver.run_of(&held, &object).await?;
    let run = run.or_else(|| held.pipeline.latest_run.map(RunId::at));
    let Some(run) = run else {
        let text = format!("pipeline {id} never ran: there is nothing to evaluate in");
        return Err(ServiceError::InvalidRequest(text));
    };
    let mut view = View::new(service, &held);
    let missing = || ServiceError::InvalidRequest(format!("pipeline {id} has no object with id '{object}'"));
    let run = view.run(&run).await?.ok_or_else(missing)?;
    let value = run.evaluate(&object, &expression).map_err(ServiceError::InvalidRequest)?;
    Ok(Evaluated { evaluated_expression: value })
}
