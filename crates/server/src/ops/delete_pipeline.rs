//! DeletePipeline: deletes a pipeline with its definition and history, and ends its resources. Runners at work learn of
//! the deletion from the answer to their next report.

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
    let live = match service.driver.lock_pipeline(&id).await {
        // The model has no PipelineDeletedException for this operation.
        Err(ServiceError::PipelineDeleted(id)) => return Err(ServiceError::PipelineNotFound(id)),
        live => live?,
    };
    let key = live.pipeline.id.clone();
    service.driver.store.delete_pipeline(&key, service.driver.now()).await?;
    service.driver.note_machines(&live);
    // The runs of an idle pipeline have ended earlier, and their end was reported then.
    if live.open_runs().next().is_some() {
        service.driver.report_end(&live.pipeline.name);
    }
    service.driver.forget(live);
    tracing::info!(pipeline.id = id, "deleted a pipeline");
    Ok(())
}
