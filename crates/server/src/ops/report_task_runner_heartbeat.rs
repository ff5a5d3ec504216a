//! ReportTaskRunnerHeartbeat: unknown ids are welcome; only runners on managed resources are ever told to end.

use crate::error::ServiceError;
use crate::service::Service;
use crate::wire::check::{Check, ID, STRING};
use crate::wire::request::ReportTaskRunnerHeartbeat;
use crate::wire::response::Beaten;

pub(super) async fn serve(_: &Service, request: ReportTaskRunnerHeartbeat) -> Result<Beaten, ServiceError> {
    let mut check = Check::default();
    let runner = check.required("taskrunnerId", request.taskrunner_id, ID);
    let group = check.optional("workerGroup", request.worker_group, STRING);
    check.optional("hostname", request.hostname, ID);
    check.finish()?;
    tracing::debug!(runner.id = runner, worker.group = group.unwrap_or_default(), "heartbeat");
    Ok(Beaten { terminate: false })
}
