//! PollForTask: hands a task to the task runner. If there is none, waits for one, but only for a limited time.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{RunnerId, WorkerGroup};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::driver::Claimed;
use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::object::WireObject;
use crate::worker_groups::Offer;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    worker_group: Option<String>,
    hostname: Option<String>,
}

/// The task. The response is `{}` if there was none in time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(skip_serializing_if = "Option::is_none")]
    task_object: Option<TaskObject>,
}

/// `TaskObject`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TaskObject {
    task_id: String,
    pipeline_id: String,
    attempt_id: String,
    objects: BTreeMap<String, WireObject>,
}

pub(super) async fn serve(service: &Arc<Service>, request: Request) -> Result<Response, ServiceError> {
    let mut check = Check::default();
    let group = check.required("workerGroup", request.worker_group, STRING);
    let hostname = check.optional("hostname", request.hostname, ID);
    check.finish()?;
    let group = WorkerGroup::from(group);
    let runner = RunnerId::from(hostname.unwrap_or_else(|| "unknown".to_owned()));
    service.driver.worker_groups.note_poll(&group, service.driver.now());
    tokio::select! {
        // `biased`, so that a task that is ready at the last moment is still handed out.
        biased;
        claimed = next_task(service, &group, runner) => claimed.map(|task| answer(Some(task))),
        () = tokio::time::sleep(service.poll_wait) => Ok(answer(None)),
        () = service.shutdown.cancelled() => Ok(answer(None)),
    }
}

async fn next_task(
    service: &Arc<Service>,
    group: &WorkerGroup,
    runner: RunnerId,
) -> Result<Claimed, ServiceError> {
    loop {
        let offer = next_offer(service, group).await?;
        if let Some(claimed) = claim(service, group, offer, runner.clone()).await? {
            return Ok(claimed);
        }
    }
}

async fn next_offer(service: &Service, group: &WorkerGroup) -> Result<Offer, ServiceError> {
    let poller = service.driver.worker_groups.poll(group);
    service.driver.read_free_work(group).await?;
    Ok(poller.take().await)
}

/// Claims the attempt of an offer. The claim runs in a task of its own: if the client hangs up meanwhile, the task
/// undoes the claim.
async fn claim(
    service: &Arc<Service>,
    group: &WorkerGroup,
    offer: Offer,
    runner: RunnerId,
) -> Result<Option<Claimed>, ServiceError> {
    let (sender, receiver) = oneshot::channel();
    let (claimer, group) = (Arc::clone(service), group.clone());
    let work = async move {
        let driver = &claimer.driver;
        let claimed = driver.claim(&offer, runner).await;
        if claimed.is_err() {
            // The attempt is still free, so the next poller may try.
            driver.offer(&group, offer);
        }
        if let Err(Ok(Some(unheard))) = sender.send(claimed) {
            driver.take_back(&unheard.task).await;
        }
    };
    service.operations.spawn(work.in_current_span());
    receiver.await.map_err(|lost| ServiceError::Internal(lost.into()))?
}

fn answer(claimed: Option<Claimed>) -> Response {
    let task = claimed.map(|Claimed { task, objects }| TaskObject {
        task_id: task.to_string(),
        pipeline_id: task.pipeline.to_string(),
        attempt_id: task.attempt.to_string(),
        objects: objects.into_iter().map(|(id, object)| (id.to_string(), object.into())).collect(),
    });
    Response { task_object: task }
}
