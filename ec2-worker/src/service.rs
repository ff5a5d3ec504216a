//! Calls to the pipeline service, each with its own idea of what may be repeated.

use std::time::Duration;

use aws_sdk_datapipeline::Client;
use aws_sdk_datapipeline::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_datapipeline::types::{Field, TaskObject, TaskStatus};
use tokio_util::sync::CancellationToken;

use crate::activity::Outcome;
use crate::failure::Failure;

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

/// What the service made of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Go on.
    Taken,
    /// The task is cancelled: stop.
    Canceled,
    /// The task is not ours any more: drop it.
    Gone,
    /// The worker ended before the service answered.
    Unheard,
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
    pub(crate) async fn report(&self, task: &str, fields: &[Field]) -> Answer {
        let mut pause = PAUSE;
        loop {
            let report = self.client.report_task_progress().task_id(task).set_fields(Some(fields.to_vec()));
            match report.send().await {
                Ok(output) if output.canceled() => return Answer::Canceled,
                Ok(_) => return Answer::Taken,
                Err(error) => match self.again(&error, &mut pause).await {
                    Some(answer) => return answer,
                    None => continue,
                },
            }
        }
    }

    /// Ends the task; repeated until the service answers.
    pub(crate) async fn finish(&self, task: &str, result: &Result<Outcome, Failure>) -> Answer {
        let mut pause = PAUSE;
        loop {
            let set = self.client.set_task_status().task_id(task);
            let set = match result {
                Ok(Outcome::Finished) => set.task_status(TaskStatus::Finished),
                Ok(Outcome::False) => set.task_status(TaskStatus::False),
                Err(failure) => set
                    .task_status(TaskStatus::Failed)
                    .error_id(&failure.id)
                    .error_message(cut(&failure.message, 5000))
                    .error_stack_trace(cut(&format!("{}: {}", failure.id, failure.message), 1024)),
            };
            match set.send().await {
                Ok(_) => return Answer::Taken,
                Err(error) => match self.again(&error, &mut pause).await {
                    Some(answer) => return answer,
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

    /// Returns none when the call is worth another try, which it has waited for.
    async fn again<E>(&self, error: &SdkError<E>, pause: &mut Duration) -> Option<Answer>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if let Some(refusal) = error.as_service_error() {
            match refusal.code() {
                Some("TaskNotFoundException" | "PipelineNotFoundException" | "PipelineDeletedException") => {
                    return Some(Answer::Gone);
                }
                Some("InvalidRequestException") => {
                    tracing::error!(error = %reason(error), "the service refuses a report");
                    return Some(Answer::Gone);
                }
                _ => {}
            }
        }
        tracing::warn!(error = %reason(error), "the service does not answer a report, trying again");
        let next = (*pause * 2).min(LONGEST_PAUSE);
        let pause = std::mem::replace(pause, next);
        tokio::select! {
            () = self.stop.cancelled() => Some(Answer::Unheard),
            () = tokio::time::sleep(pause) => None,
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
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
