//! ListPipelines: returns the ids and names of all pipelines, 50 per page.

use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::marker::read_marker;

/// The number of pipelines per page. AWS does not document how many it returns.
const PAGE: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    marker: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pipeline_id_list: Vec<IdName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    marker: Option<String>,
    has_more_results: bool,
}

/// `PipelineIdName`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IdName {
    id: String,
    name: String,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let from = read_marker(request.marker)?;
    let page = service.driver.store.list_pipelines(from, PAGE).await?;
    let list = page.items.into_iter().map(|(id, name)| IdName { id: id.to_string(), name }).collect();
    let marker = page.next.map(|next| next.to_string());
    Ok(Response { pipeline_id_list: list, has_more_results: marker.is_some(), marker })
}
