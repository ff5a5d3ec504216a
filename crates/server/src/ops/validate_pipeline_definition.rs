//! ValidatePipelineDefinition: returns the same errors and warnings as PutPipelineDefinition, and stores nothing. Fatal
//! errors are among the errors.

use super::put_pipeline_definition::{Request, Response, answer, examine, read};
use crate::error::ServiceError;
use crate::service::Service;

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let (id, new) = read(request)?;
    let pipeline = service.driver.lock_pipeline(&id).await?.pipeline.clone();
    let (_, report) = examine(service, &pipeline, new).await?;
    Ok(answer(report))
}
