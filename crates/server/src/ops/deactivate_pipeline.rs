//! DeactivatePipeline: what runs is canceled or ends by itself, and nothing new begins.

use engine::{Event, PipelineState};
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
    // Activated again, it goes on after its newest run.
    held.pipeline.next_run = None;
    let runs: Vec<_> = held.open_runs().map(|run| run.header().id.clone()).collect();
    if runs.is_empty() {
        held.pipeline.state = PipelineState::Inactive;
        held.pipeline.last_deactivated = Some(service.driver.now());
    } else {
        held.pipeline.state = PipelineState::Deactivating;
    }
    let cancel = request.cancel_active.unwrap_or(true);
    if cancel && !runs.is_empty() {
        let event = Event::RunCanceled { reason: "the pipeline was deactivated".to_owned() };
        let events = runs.into_iter().map(|run| (run, event.clone())).collect();
        service.driver.step_all(&mut held, events).await.map_err(refuse)?;
    } else {
        let batch = Batch::new().pipeline(&held.pipeline);
        service.driver.save(&mut held, batch).await?;
    }
    Ok(Empty {})
}
