//! GetPipelineDefinition: returns the stored definition, unevaluated, with masks in place of secrets.

use serde::{Deserialize, Serialize};
use store::DefinitionVersion;

use crate::error::ServiceError;
use crate::secret;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::object::{WireObject, WireParameter, WireValue};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    version: Option<String>,
}

/// The definition. For a pipeline without one, the response has only an empty `pipelineObjects`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pipeline_objects: Vec<WireObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter_objects: Option<Vec<WireParameter>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter_values: Option<Vec<WireValue>>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    let version = check.optional("version", request.version, STRING);
    check.finish()?;
    let version = match version.map(|version| version.to_ascii_lowercase()).as_deref() {
        None | Some("" | "latest") => DefinitionVersion::Latest,
        Some("active") => DefinitionVersion::Active,
        Some(other) => {
            let text = format!("'{other}' is not a version of a definition: use 'latest' or 'active'");
            return Err(ServiceError::InvalidRequest(text));
        }
    };
    let pipeline = service.driver.lock_pipeline(&id).await?.pipeline.clone();
    if version == DefinitionVersion::Active && pipeline.version == 0 {
        let text = format!("pipeline {id} was never activated: it has no active definition");
        return Err(ServiceError::InvalidRequest(text));
    }
    let Some(stored) = service.driver.store.definition(&pipeline.id, version).await? else {
        // AWS answers in the same way.
        return Ok(Response::default());
    };
    let shown = secret::masked(stored);
    Ok(Response {
        pipeline_objects: shown.objects.into_iter().map(Into::into).collect(),
        parameter_objects: Some(shown.parameters.into_iter().map(Into::into).collect()),
        parameter_values: Some(shown.values.into_iter().map(Into::into).collect()),
    })
}
