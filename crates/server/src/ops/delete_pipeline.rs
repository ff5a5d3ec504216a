//! DeletePipeline: definition and history go; runners at work learn by their next report, and resources are ended.

use serde::Deserialize;

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<(), ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    check.finish()?;
    let held = match service.driver.hold(&id).await {
        // PipelineDeletedException is not modelled for this operation.
        Err(ServiceError::PipelineDeleted(id)) => return Err(ServiceError::PipelineNotFound(id)),
        held => held?,
    };
    let key = held.pipeline.id.clone();
    service.driver.store.delete_pipeline(&key, service.driver.now()).await?;
    service.driver.note_machines(&held);
    service.driver.forget(held);
    tracing::info!(pipeline.id = id, "deleted a pipeline");
    Ok(())
}
