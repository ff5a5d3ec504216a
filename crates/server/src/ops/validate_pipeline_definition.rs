//! ValidatePipelineDefinition: what Put would say; nothing is stored, and fatal errors are errors like others.

use super::put_pipeline_definition::{answer, examine, read};
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::request::PutPipelineDefinition;
use crate::wire::response::Validated;

pub(super) async fn serve(
    service: &Service,
    request: PutPipelineDefinition,
) -> Result<Validated, ServiceError> {
    let (id, new) = read(request)?;
    let pipeline = service.driver.hold(&id).await?.pipeline.clone();
    let (_, report) = examine(service, &pipeline, new).await?;
    Ok(answer(report))
}
