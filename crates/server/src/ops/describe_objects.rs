//! DescribeObjects: returns components, instances and attempts with their fields, in the order of the request.

use engine::wire_objects::Form;
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::object_view::ObjectView;
use crate::service::Service;
use crate::wire::check::{Check, ID};
use crate::wire::object::{WireObject, read_ids};

/// The limit of ids per request. AWS documents 25, but the AWS CLI's `list-runs` sends 100 and reads one page.
const MOST: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    object_ids: Option<Vec<String>>,
    evaluate_expressions: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pipeline_objects: Vec<WireObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
    has_more_results: bool,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let ids = read_ids("objectIds", request.object_ids, &mut check);
    check.finish()?;
    if ids.len() > MOST {
        let text = format!("{} object ids were given; DescribeObjects takes {MOST} at most", ids.len());
        return Err(ServiceError::InvalidRequest(text));
    }
    let form = Form { evaluated: request.evaluate_expressions.unwrap_or(false), secrets_clear: false };
    let live = service.driver.lock_pipeline(&id).await?;
    let mut view = ObjectView::new(service, &live);
    let mut objects = Vec::with_capacity(ids.len());
    for object in &ids {
        let found = view.object(object, form).await?;
        let missing =
            || ServiceError::InvalidRequest(format!("pipeline {id} has no object with id '{object}'"));
        objects.push(found.ok_or_else(missing)?.into());
    }
    Ok(Response { pipeline_objects: objects, marker: None, has_more_results: false })
}
