//! AddTags: adds tags. If the pipeline has a tag with the same key, the new value replaces the old one.

use serde::Deserialize;
use store::{Batch, Tag};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::Empty;
use crate::wire::check::{Check, ID};
use crate::wire::object::{MOST_TAGS, WireTag, read_tags};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    tags: Option<Vec<WireTag>>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let tags = check.member("tags", request.tags).unwrap_or_default();
    let tags = read_tags("tags", tags, &mut check);
    check.finish()?;
    change(service, &id, |kept| {
        for (key, value) in tags {
            match kept.iter_mut().find(|tag| tag.key == key) {
                Some(tag) => tag.value = value,
                None => kept.push(Tag { key, value }),
            }
        }
    })
    .await
}

/// Changes the tags of a pipeline and saves them. Refuses the change if there would be too many.
pub(super) async fn change(
    service: &Service,
    id: &str,
    change: impl FnOnce(&mut Vec<Tag>),
) -> Result<Empty, ServiceError> {
    let mut live = service.driver.lock_pipeline(id).await?;
    let mut tags = live.pipeline.tags.clone();
    change(&mut tags);
    if tags.len() > MOST_TAGS {
        let text = format!("pipeline {id} would have {} tags; {MOST_TAGS} are allowed", tags.len());
        return Err(ServiceError::InvalidRequest(text));
    }
    live.pipeline.tags = tags;
    let batch = Batch::new().pipeline(&live.pipeline);
    service.driver.save(&mut live, batch).await?;
    Ok(Empty {})
}
