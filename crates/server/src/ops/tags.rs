//! AddTags and RemoveTags.

use store::{Batch, Tag};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID};
use crate::wire::object::{MOST_TAGS, read_ids, read_tags};
use crate::wire::request::{AddTags, RemoveTags};
use crate::wire::response::Empty;

/// Adds tags, or overwrites those of the same key.
pub(super) async fn add(service: &Service, request: AddTags) -> Result<Empty, ServiceError> {
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

/// Removes tags by key; one that is not there is no error.
pub(super) async fn remove(service: &Service, request: RemoveTags) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let keys = read_ids("tagKeys", request.tag_keys, &mut check);
    check.finish()?;
    change(service, &id, |kept| kept.retain(|tag| !keys.contains(&tag.key))).await
}

async fn change(
    service: &Service,
    id: &str,
    change: impl FnOnce(&mut Vec<Tag>),
) -> Result<Empty, ServiceError> {
    let mut held = service.driver.hold(id).await?;
    let mut tags = held.pipeline.tags.clone();
    change(&mut tags);
    if tags.len() > MOST_TAGS {
        let text = format!("pipeline {id} would have {} tags; {MOST_TAGS} are allowed", tags.len());
        return Err(ServiceError::InvalidRequest(text));
    }
    held.pipeline.tags = tags;
    let batch = Batch::new().pipeline(&held.pipeline);
    service.driver.save(&mut held, batch).await?;
    Ok(Empty {})
}
