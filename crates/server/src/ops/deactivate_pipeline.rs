//! DeactivatePipeline: begins nothing new, and cancels the tasks at work or lets them end by themselves.

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
    let mut live = service.driver.lock_pipeline(&id).await?;
    if matches!(live.pipeline.state, PipelineState::Pending | PipelineState::Inactive) {
        return Ok(Empty {});
    }
    // A later activation continues after the newest run, and with the rest of that run.
    live.pipeline.next_run = None;
    live.pipeline.state =
        pipeline::step(live.pipeline.state, pipeline::Event::Deactivated).unwrap_or(live.pipeline.state);
    let reason = request.cancel_active.unwrap_or(true).then(|| "the pipeline was deactivated".to_owned());
    let event = Event::Deactivated { cancel: reason };
    let events = live.open_runs().map(|run| (run.header().id.clone(), event.clone())).collect();
    service.driver.step_all(&mut live, events, Batch::new()).await.map_err(StepError::refuse_command)?;
    service.driver.report_end(&live.pipeline.name);
    Ok(Empty {})
}
