//! Preconditions that the service itself looks at: it takes their attempts as a worker takes tasks.

use std::sync::Arc;
use std::time::Duration;

use definition::PipelineObject;
use definition::kind::Kind;
use engine::{Event, RunnerId, TaskError, TaskOutcome, WorkerGroup};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Buckets, Claimed, Driver, Tables, unraced};
use crate::worker_groups::Offer;

/// The host name of the service's own attempts.
const RUNNER: &str = "datapipeline";
/// Looks under way at once.
const MOST_AT_ONCE: usize = 16;
/// A look that takes longer has failed. Shorter than the acknowledgement window, so that nobody looks twice.
const LOOK_WAIT: Duration = Duration::from_secs(60);
/// What could not be read or saved is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// The error id of a look that was refused.
const LOOK_FAILED: &str = "Service_LookFailed";
/// What to do where DynamoDB is to be asked and nobody said where it is.
pub(crate) const NO_DYNAMODB: &str = "no DynamoDB is configured: say where it is with `up --dynamodb-url`, or in \
    AWS_ENDPOINT_URL_DYNAMODB";

impl Driver {
    /// Looks at what is on offer until `shutdown`.
    pub(crate) async fn look(
        self: Arc<Self>,
        s3: Option<impl Buckets>,
        dynamodb: Option<impl Tables>,
        shutdown: CancellationToken,
    ) {
        if s3.is_none() && dynamodb.is_none() {
            tracing::warn!(
                "neither S3 nor DynamoDB is configured: preconditions of the service wait until one is"
            );
            return shutdown.cancelled().await;
        }
        let group = WorkerGroup::service();
        let poller = self.waiting.poll(&group);
        let mut looks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(ended) = looks.join_next() => {
                    if let Err(panic) = ended {
                        // Its lease runs out, and the next one looks.
                        tracing::error!("a look at a precondition broke down: {panic}");
                    }
                }
                offer = poller.take(), if looks.len() < MOST_AT_ONCE => {
                    looks.spawn(Arc::clone(&self).look_at(s3.clone(), dynamodb.clone(), offer));
                }
            }
        }
    }

    async fn look_at(self: Arc<Self>, s3: Option<impl Buckets>, dynamodb: Option<impl Tables>, offer: Offer) {
        let claimed = match self.claim(&offer, RunnerId::from(RUNNER)).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(pipeline.id = %offer.pipeline, "a precondition cannot be taken up: {error:#}");
                tokio::time::sleep(TRY_AGAIN).await;
                return self.offer(&WorkerGroup::service(), offer);
            }
        };
        let Claimed { task, objects } = claimed;
        let object = objects.get(task.attempt.as_str());
        let looked = async {
            match object {
                Some(object) => holds(s3.as_ref(), dynamodb.as_ref(), object).await,
                None => Err("the task lacks its own object".to_owned()),
            }
        };
        let outcome = match tokio::time::timeout(LOOK_WAIT, looked).await {
            Ok(Ok(true)) => TaskOutcome::Finished,
            Ok(Ok(false)) => TaskOutcome::False,
            Ok(Err(reason)) => TaskOutcome::Failed(TaskError::new(LOOK_FAILED, reason)),
            Err(_) => {
                let text = format!("no answer came within {} s", LOOK_WAIT.as_secs());
                TaskOutcome::Failed(TaskError::new(LOOK_FAILED, text))
            }
        };
        // What cannot be saved is looked at again once the attempt is free.
        if let Err(error) = unraced!(self.looked(&task, outcome.clone())) {
            tracing::warn!(pipeline.id = %task.pipeline, "what was seen could not be saved: {error:#}");
        }
    }

    async fn looked(&self, task: &engine::TaskId, outcome: TaskOutcome) -> anyhow::Result<()> {
        let mut held = self.hold(task.pipeline.as_str()).await?;
        let Some(run) = self.run_of(&held, task.attempt.as_str()).await? else { return Ok(()) };
        let event = Event::StatusSet { attempt: task.attempt.clone(), lease: task.lease, outcome };
        self.step(&mut held, &run, event).await?;
        Ok(())
    }
}

/// Returns whether the precondition holds, or a sentence that says why nobody knows.
async fn holds(
    s3: Option<&impl Buckets>,
    dynamodb: Option<&impl Tables>,
    object: &PipelineObject,
) -> Result<bool, String> {
    let s3 = s3.ok_or("no S3 is configured");
    let dynamodb = dynamodb.ok_or(NO_DYNAMODB);
    match Kind::of(object) {
        Some(Kind::S3KeyExists) => {
            let (bucket, key) = place(object, "s3Key")?;
            s3?.key_exists(bucket, key).await
        }
        Some(Kind::S3PrefixNotEmpty) => {
            let (bucket, prefix) = place(object, "s3Prefix")?;
            s3?.prefix_holds_any(bucket, prefix).await
        }
        Some(Kind::DynamoDBTableExists) => dynamodb?.table_exists(table(object)?).await,
        Some(Kind::DynamoDBDataExists) => dynamodb?.holds_any_item(table(object)?).await,
        _ => Err(format!("the service does not look at `{}`", object.type_name().unwrap_or_default())),
    }
}

fn table(object: &PipelineObject) -> Result<&str, String> {
    let name = object.string("tableName").map(str::trim).filter(|name| !name.is_empty());
    name.ok_or_else(|| "field `tableName` is empty".to_owned())
}

fn place<'a>(object: &'a PipelineObject, field: &str) -> Result<(&'a str, &'a str), String> {
    let text = object.string(field).unwrap_or_default();
    let rest = text.strip_prefix("s3://").filter(|rest| !rest.is_empty());
    let rest = rest.ok_or_else(|| format!("field `{field}`: `{text}` is no s3://bucket/key"))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}
