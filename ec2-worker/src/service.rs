//! Calls to the pipeline service, each with its own idea of what may be repeated.

use std::time::Duration;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datapipeline::types::{TaskObject, TaskStatus};
use tokio_util::sync::CancellationToken;

use crate::activity::Outcome;
use crate::failure::Failure;
use crate::progress::Fields;
use crate::report;

/// First and longest pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The service as one runner sees it.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    client: Client,
    hostname: String,
    runner_id: String,
    /// Ends every wait: nothing is repeated after it.
    stop: CancellationToken,
}

/// What the service answered to a report, in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReportReply {
    /// Go on.
    Taken,
    /// The task is cancelled: stop.
    Canceled,
    /// The task is not ours any more: drop it.
    Gone,
    /// The service refuses the content of the report, and why: it will never take it.
    Refused(String),
    /// The worker ended before the service answered.
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

    /// Asks once for a task; the service holds the call for up to 90 s.
    pub(crate) async fn poll(&self, group: &str) -> Result<Option<TaskObject>, String> {
        let poll = self.client.poll_for_task().worker_group(group).hostname(&self.hostname);
        match poll.send().await {
            Ok(output) => Ok(output.task_object),
            // The answer to a poll that nobody had work for, when a socket gave up first.
            Err(SdkError::TimeoutError(_)) => Ok(None),
            Err(error) => Err(reason(&error)),
        }
    }

    /// Says that the task is being worked on; repeated until the service answers.
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

    /// Ends the task; repeated until the service answers. When it refuses the result for its content, the task fails
    /// with a message that says so.
    pub(crate) async fn finish(&self, task: &str, result: &Result<Outcome, Failure>) -> ReportReply {
        match self.set_status(task, result).await {
            ReportReply::Refused(reason) => {
                tracing::error!(task.id = task, error = %reason, "the service refuses the end of a task");
                self.set_status(task, &Err(ReportReply::failure(&reason))).await
            }
            reply => reply,
        }
    }

    async fn set_status(&self, task: &str, result: &Result<Outcome, Failure>) -> ReportReply {
        let mut pause = PAUSE;
        loop {
            let call = self.client.set_task_status().task_id(task);
            let call = match result {
                Ok(Outcome::Finished) => call.task_status(TaskStatus::Finished),
                Ok(Outcome::False) => call.task_status(TaskStatus::False),
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

    /// Says that the runner lives; returns whether it shall end.
    pub(crate) async fn heartbeat(&self, group: &str) -> Result<bool, String> {
        let beat = self.client.report_task_runner_heartbeat().taskrunner_id(&self.runner_id);
        let sent = beat.worker_group(group).hostname(&self.hostname).send().await;
        sent.map(|output| output.terminate()).map_err(|error| reason(&error))
    }

    /// Returns none when the call is worth another try, after the pause before it.
    async fn after<E>(&self, error: &SdkError<E>, pause: &mut Duration) -> Option<ReportReply>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let reason = reason(error);
        match verdict(error) {
            Verdict::Gone => return Some(ReportReply::Gone),
            Verdict::Refused => return Some(ReportReply::Refused(reason)),
            Verdict::TryAgain => {}
        }
        tracing::warn!(error = %reason, "the service does not answer a report, trying again");
        let next = (*pause * 2).min(LONGEST_PAUSE);
        let pause = std::mem::replace(pause, next);
        tokio::select! {
            () = self.stop.cancelled() => Some(ReportReply::Unheard),
            () = tokio::time::sleep(pause) => None,
        }
    }
}

/// What an error says about sending the same call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    TryAgain,
    /// The service has no such task any more.
    Gone,
    /// The same call is refused every time.
    Refused,
}

fn verdict<E>(error: &SdkError<E>) -> Verdict
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error {
        // The SDK itself could not make a request of it.
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
        // Signatures are refused while a clock is wrong or a key is being replaced; both may be mended meanwhile
        // (AWS General Reference, Common Errors).
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
    fn content_that_is_refused_once_is_refused_for_ever_and_all_else_may_pass() {
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
