//! ValidatePipelineDefinition: what Put would say; nothing is stored, and fatal errors are errors like others.

use super::put_pipeline_definition::{Request, Response, answer, examine, read};
use crate::error::ServiceError;
use crate::service::Service;

pub(super) async fn serve(service: &Service, request: Request) -> Result<Response, ServiceError> {
    let (id, new) = read(request)?;
    let pipeline = service.driver.hold(&id).await?.pipeline.clone();
    let (_, report) = examine(service, &pipeline, new).await?;
    Ok(answer(report))
}
