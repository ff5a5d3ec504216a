//! Calls to the pipeline service. Reports are repeated until the service answers; polls and heartbeats are not.

use std::time::Duration;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datapipeline::types::{TaskObject, TaskStatus};
use tokio_util::sync::CancellationToken;

use crate::activity::TaskOutcome;
use crate::failure::Failure;
use crate::progress::Fields;
use crate::report;

/// The first pause between two tries of a call. Each further pause is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two tries of a call.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The pipeline service, for one worker.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    client: Client,
    hostname: String,
    runner_id: String,
    /// Ends every pause, so that nothing is repeated any more.
    stop: CancellationToken,
}

/// The outcome of sending a report or the final status of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportReply {
    /// The service accepted the call. After a report, the task goes on; after a final status, the task has ended.
    Taken,
    /// The task is cancelled.
    Canceled,
    /// The task belongs to another worker, or is gone.
    Gone,
    /// The service refuses the content of the report, for this reason. The service would refuse the same report again.
    Refused(String),
    /// The worker stopped before the service answered.
    Unheard,
}

impl ReportReply {
    /// Returns the failure of a task whose report was refused.
    pub(crate) fn failure(reason: &str) -> Failure {
        let message = format!("the service refused the worker's report of this attempt: {reason}");
        Failure::new("Worker:ReportRefused", message)
    }
}

impl Service {
    pub(crate) fn new(client: Client, hostname: &str, runner_id: &str, stop: CancellationToken) -> Self {
        Self { client, hostname: hostname.to_owned(), runner_id: runner_id.to_owned(), stop }
    }

    /// Asks once for a task of the worker group; returns `None` if there is none. The service holds the call for up to
    /// 90 s. An error is the reason in one line.
    pub(crate) async fn poll(&self, group: &str) -> Result<Option<TaskObject>, String> {
        let poll = self.client.poll_for_task().worker_group(group).hostname(&self.hostname);
        match poll.send().await {
            Ok(output) => Ok(output.task_object),
            // The socket timed out before the service answered that there is no work.
            Err(SdkError::TimeoutError(_)) => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    /// Reports progress, and repeats the report until the service answers.
    pub(crate) async fn report(&self, task: &str, fields: &Fields) -> ReportReply {
        let fields = report::fields(fields);
        let mut pause = PAUSE;
        loop {
            let call = self.client.report_task_progress().task_id(task).set_fields(Some(fields.clone()));
            match call.send().await {
                Ok(output) if output.canceled() => return ReportReply::Canceled,
                Ok(_) => return ReportReply::Taken,
                Err(error) => match self.after(&error, &mut pause).await {
                    Some(reply) => return reply,
                    None => continue,
                },
            }
        }
    }

    /// Ends the task, and repeats the call until the service answers. If the service refuses the content of the
    /// result, the task fails with a message that says so.
    pub(crate) async fn finish(&self, task: &str, result: &Result<TaskOutcome, Failure>) -> ReportReply {
        match self.set_status(task, result).await {
            ReportReply::Refused(reason) => self.set_status(task, &Err(ReportReply::failure(&reason))).await,
            reply => reply,
        }
    }

    async fn set_status(&self, task: &str, result: &Result<TaskOutcome, Failure>) -> ReportReply {
        let mut pause = PAUSE;
        loop {
            let call = self.client.set_task_status().task_id(task);
            let call = match result {
                Ok(TaskOutcome::Finished) => call.task_status(TaskStatus::Finished),
                Ok(TaskOutcome::False) => call.task_status(TaskStatus::False),
                Err(failure) => call
                    .task_status(TaskStatus::Failed)
                    .error_id(report::error_id(&failure.id))
                    .error_message(report::error_message(&failure.message))
                    .error_stack_trace(report::stack_trace(&format!("{}: {failure}", failure.id))),
            };
            match call.send().await {
                Ok(_) => return ReportReply::Taken,
                Err(error) => match self.after(&error, &mut pause).await {
                    Some(reply) => return reply,
                    None => continue,
                },
            }
        }
    }

    /// Sends a heartbeat. Returns whether the service asks the worker to end. An error is the reason in one line.
    pub(crate) async fn heartbeat(&self, group: &str) -> Result<bool, String> {
        let beat = self.client.report_task_runner_heartbeat().taskrunner_id(&self.runner_id);
        let sent = beat.worker_group(group).hostname(&self.hostname).send().await;
        sent.map(|output| output.terminate()).map_err(|error| reason(&error))
    }

    /// Returns the outcome of a call that failed with `error`; `None` if the caller must send the call again.
    ///
    /// Before `None`, waits for `pause` and then doubles `pause` for the next time.
    async fn after<E>(&self, error: &SdkError<E>, pause: &mut Duration) -> Option<ReportReply>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let reason = reason(error);
        match verdict(error) {
            Verdict::Gone => return Some(ReportReply::Gone),
            Verdict::Refused => {
                tracing::error!(error = %reason, "the service refuses a report");
                return Some(ReportReply::Refused(reason));
            }
            Verdict::TryAgain => {}
        }
        tracing::warn!(error = %reason, "the service did not accept a report, trying again");
        let next = (*pause * 2).min(LONGEST_PAUSE);
        let pause = std::mem::replace(pause, next);
        tokio::select! {
            () = self.stop.cancelled() => Some(ReportReply::Unheard),
            () = tokio::time::sleep(pause) => None,
        }
    }
}

/// Whether the same call may succeed if it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    TryAgain,
    /// The service no longer has the task.
    Gone,
    /// The same call is refused every time.
    Refused,
}

fn verdict<E>(error: &SdkError<E>) -> Verdict
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        // The SDK cannot build a request from this content.
        SdkError::ConstructionFailure(_) => Verdict::Refused,
        SdkError::ServiceError(refusal) => {
            of_refusal(refusal.raw().status().as_u16(), refusal.err().code().unwrap_or_default())
        }
        _ => Verdict::TryAgain,
    }
}

fn of_refusal(status: u16, code: &str) -> Verdict {
    match code.trim_end_matches("Exception") {
        "TaskNotFound" | "PipelineNotFound" | "PipelineDeleted" => Verdict::Gone,
        // The service refuses a signature if the clock is wrong or a key is being replaced. Somebody may correct this
        // before the next try (AWS General Reference, Common Errors).
        "AccessDenied"
        | "ExpiredToken"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignature"
        | "MissingAuthenticationToken"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClient" => Verdict::TryAgain,
        _ if code.starts_with("Throttl") || code.starts_with("TooManyRequests") => Verdict::TryAgain,
        _ => match status {
            401 | 403 | 408 | 429 => Verdict::TryAgain,
            400..500 => Verdict::Refused,
            _ => Verdict::TryAgain,
        },
    }
}

/// Returns an SDK error as one line.
fn reason<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.as_service_error() {
        Some(refusal) => {
            let code = refusal.code().unwrap_or("unknown error");
            format!("{code}: {}", refusal.message().unwrap_or_default())
        }
        None => {
            let text = aws_sdk_datapipeline::error::DisplayErrorContext(error).to_string();
            text.split(" (").next().unwrap_or_default().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_content_is_not_sent_again_and_all_other_errors_are_retried() {
        for code in ["ValidationException", "InvalidRequestException", "SerializationException", "Unheard-of"]
        {
            assert_eq!(of_refusal(400, code), Verdict::Refused, "{code}");
        }
        assert_eq!(of_refusal(413, "RequestEntityTooLargeException"), Verdict::Refused);
        for code in ["ThrottlingException", "Throttling", "TooManyRequestsException", "ExpiredTokenException"]
        {
            assert_eq!(of_refusal(400, code), Verdict::TryAgain, "{code}");
        }
        for status in [403, 408, 429, 500, 502, 503] {
            assert_eq!(of_refusal(status, ""), Verdict::TryAgain, "{status}");
        }
        assert_eq!(of_refusal(400, "TaskNotFoundException"), Verdict::Gone);
    }
}
