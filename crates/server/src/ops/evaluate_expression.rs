//! EvaluateExpression: evaluates a text as if it stood in an object. A component has its values in the latest run.
//!
//! The value has a mask in place of each secret, even for a task runner: only PollForTask gives a runner the secrets of
//! its task in clear text.

use engine::RunId;
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::object_view::ObjectView;
use crate::service::Service;
use crate::wire::check::{Check, ID, LONG};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    object_id: Option<String>,
    expression: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    evaluated_expression: String,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let object = check.required("objectId", request.object_id, ID);
    let expression = check.required("expression", request.expression, LONG);
    check.finish()?;
    let live = service.driver.lock_pipeline(&id).await?;
    let run = service.driver.run_of(&live, &object).await?;
    let run = run.or_else(|| live.pipeline.latest_run.map(RunId::at));
    let Some(run) = run else {
        let text = format!("pipeline {id} has no run, and an expression has a value only in a run");
        return Err(ServiceError::InvalidRequest(text));
    };
    let mut view = ObjectView::new(service, &live);
    let missing = || ServiceError::InvalidRequest(format!("pipeline {id} has no object with id '{object}'"));
    let run = view.run(&run).await?.ok_or_else(missing)?;
    let value = run.evaluate(&object, &expression).map_err(ServiceError::InvalidRequest)?;
    Ok(Response { evaluated_expression: value })
}
