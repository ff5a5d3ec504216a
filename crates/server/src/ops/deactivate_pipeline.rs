//! DeactivatePipeline: what runs is canceled or ends by itself, and nothing new begins.

use engine::{Event, PipelineState, pipeline};
use store::Batch;

use super::set_status::refuse;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID};
use crate::wire::request::DeactivatePipeline;
use crate::wire::response::Empty;

pub(super) async fn serve(service: &Service, request: DeactivatePipeline) -> Result<Empty, ServiceError> {
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
    service.driver.step_all(&mut held, events, Batch::new()).await.map_err(refuse)?;
    Ok(Empty {})
}
