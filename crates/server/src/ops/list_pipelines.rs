//! ListPipelines: ids and names of all but the deleted, 50 a page.

use store::Marker;

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::request::ListPipelines;
use crate::wire::response::{IdName, Listed};

/// AWS does not document its page size.
const PAGE: usize = 50;

pub(super) async fn serve(service: &Service, request: ListPipelines) -> Result<Listed, ServiceError> {
    let from = marker(request.marker)?;
    let page = service.driver.store.list_pipelines(from, PAGE).await?;
    let list = page.items.into_iter().map(|(id, name)| IdName { id: id.to_string(), name }).collect();
    let marker = page.next.map(|next| next.to_string());
    Ok(Listed { pipeline_id_list: list, has_more_results: marker.is_some(), marker })
}

/// Reads a marker; an empty one is the first page.
pub(super) fn marker(text: Option<String>) -> Result<Option<Marker>, ServiceError> {
    let read = |text: String| {
        let unknown = || ServiceError::InvalidRequest(format!("'{text}' is no marker of ours"));
        Marker::parse(&text).ok_or_else(unknown)
    };
    text.filter(|text| !text.is_empty()).map(read).transpose()
}
