//! RemoveTags: removes tags by key. A key without a tag is not an error.

use serde::Deserialize;

use super::add_tags::change;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::Empty;
use crate::wire::check::{Check, ID};
use crate::wire::object::read_ids;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    tag_keys: Option<Vec<String>>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let keys = read_ids("tagKeys", request.tag_keys, &mut check);
    check.finish()?;
    change(service, &id, |kept| kept.retain(|tag| !keys.contains(&tag.key))).await
}
