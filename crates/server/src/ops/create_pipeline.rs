//! CreatePipeline: creates an empty pipeline, and returns its id.

use engine::PipelineId;
use serde::{Deserialize, Serialize};
use store::{Pipeline, Tag};

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::object::{WireTag, read_tags};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    name: Option<String>,
    unique_id: Option<String>,
    description: Option<String>,
    tags: Option<Vec<WireTag>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pipeline_id: String,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let name = check.required("name", request.name, ID);
    let unique_id = check.required("uniqueId", request.unique_id, ID);
    let description = check.optional("description", request.description, STRING);
    let tags = read_tags("tags", request.tags.unwrap_or_default(), &mut check);
    check.finish()?;
    let mut pipeline = Pipeline::new(new_id(), &name, &unique_id, service.driver.now());
    pipeline.description = description;
    pipeline.tags = distinct(tags);
    // A repeated request, with the same name and unique id, returns the first pipeline unchanged.
    let pipeline = service.driver.store.create_pipeline(pipeline).await?;
    Ok(Response { pipeline_id: pipeline.id.to_string() })
}

/// Returns the tags without doubles: the last value of a key counts.
fn distinct(tags: Vec<(String, String)>) -> Vec<Tag> {
    let mut distinct: Vec<Tag> = Vec::new();
    for (key, value) in tags {
        distinct.retain(|tag| tag.key != key);
        distinct.push(Tag { key, value });
    }
    distinct
}

/// Returns a new id of the form that AWS uses: `df-0`, seven digits, twelve capital letters and digits.
fn new_id() -> PipelineId {
    const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut random = uuid::Uuid::new_v4().as_u128() ^ uuid::Uuid::new_v4().as_u128().rotate_left(64);
    let mut next = |base: usize| {
        let base_wide = base as u128;
        let digit = random % base_wide;
        random /= base_wide;
        usize::try_from(digit).unwrap_or_default()
    };
    let digits: String = (0..7).map(|_| char::from(LETTERS[26 + next(10)])).collect();
    let letters: String = (0..12).map(|_| char::from(LETTERS[next(36)])).collect();
    PipelineId::from(format!("df-0{digits}{letters}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_that_aws_uses() {
        let id = new_id();
        let text = id.as_str();
        assert_eq!(text.len(), "df-04654872H25YEAGKG08Q".len());
        assert!(text.starts_with("df-0") && text[4..11].bytes().all(|byte| byte.is_ascii_digit()));
        assert!(text[3..].bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()));
        assert_ne!(id, new_id());
    }
}
