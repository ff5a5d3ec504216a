//! DeactivatePipeline: what runs is canceled or ends by itself, and nothing new begins.

use engine::{Event, PipelineState, pipeline};
use serde::Deserialize;
use store::Batch;

use crate::driver::StepError;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::Empty;
use crate::wire::check::{Check, ID};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pipeline_id: Option<String>,
    cancel_active: Option<bool>,
}

pub(super) async fn serve(service: &Service, request: Request) -> Result<Empty, ServiceError> {
    let mut check = Check::default();
    let id = check.required("pipelineId", request.pipeline_id, ID);
    check.finish()?;
    let mut held = service.driver.hold(&id).await?;
    if matches!(held.pipeline.state, PipelineState::Pending | PipelineState::Inactive) {
        return Ok(Empty {});
    }
    // Activated again, it goes on after its newest run, and with what that still holds.
    held.pipeline.next_run = None;
    held.pipeline.state =
        pipeline::step(held.pipeline.state, pipeline::Event::Deactivated).unwrap_or(held.pipeline.state);
    let reason = request.cancel_active.unwrap_or(true).then(|| "the pipeline was deactivated".to_owned());
    let event = Event::Deactivated { cancel: reason };
    let events = held.open_runs().map(|run| (run.header().id.clone(), event.clone())).collect();
    service.driver.step_all(&mut held, events, Batch::new()).await.map_err(StepError::refuse_command)?;
    Ok(Empty {})
}
