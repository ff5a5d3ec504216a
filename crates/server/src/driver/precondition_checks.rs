//! Checks the preconditions that the service itself evaluates. The service claims their attempts as a task runner claims tasks.

use std::sync::Arc;
use std::time::Duration;

use definition::PipelineObject;
use definition::kind::Kind;
use engine::{Event, RunnerId, TaskError, TaskOutcome, WorkerGroup};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Buckets, Claimed, Driver, Tables, retry_on_race};
use crate::worker_groups::Offer;

/// The host name of the service as a runner.
const RUNNER: &str = "datapipeline";
/// The limit of checks under way at once.
const MOST_AT_ONCE: usize = 16;
/// The time limit of a check. It is shorter than the time to acknowledge a task, so that no other server begins the same
/// check meanwhile.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause before a claim that failed is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The error id of a check that failed. Stored runs hold it.
const CHECK_FAILED: &str = "Service_LookFailed";
/// The error of a check in DynamoDB if the service has no DynamoDB, with the remedy.
pub(crate) const NO_DYNAMODB: &str = "no DynamoDB is configured: set its address with `up --dynamodb-url`, or in \
    AWS_ENDPOINT_URL_DYNAMODB";

impl Driver {
    /// Checks the preconditions that are on offer, again and again until `shutdown`. If neither S3 nor DynamoDB is
    /// configured, checks none.
    pub(crate) async fn check_preconditions(
        self: Arc<Self>,
        s3: Option<impl Buckets>,
        dynamodb: Option<impl Tables>,
        shutdown: CancellationToken,
    ) {
        if s3.is_none() && dynamodb.is_none() {
            tracing::warn!("neither S3 nor DynamoDB is configured: preconditions on them are not checked");
            return shutdown.cancelled().await;
        }
        let group = WorkerGroup::service();
        let poller = self.worker_groups.poll(&group);
        let mut checks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some(ended) = checks.join_next() => {
                    if let Err(panic) = ended {
                        // When the attempt's time to acknowledge is over, the check is offered again.
                        tracing::error!("a precondition check panicked: {panic}");
                    }
                }
                offer = poller.take(), if checks.len() < MOST_AT_ONCE => {
                    checks.spawn(Arc::clone(&self).check(s3.clone(), dynamodb.clone(), offer));
                }
            }
        }
    }

    async fn check(self: Arc<Self>, s3: Option<impl Buckets>, dynamodb: Option<impl Tables>, offer: Offer) {
        let claimed = match self.claim(&offer, RunnerId::from(RUNNER)).await {
            Ok(Some(claimed)) => claimed,
            Ok(None) => return,
            Err(error) => {
                let id = &offer.pipeline;
                tracing::warn!(pipeline.id = %id, "a precondition check cannot begin, trying again: {error:#}");
                tokio::time::sleep(RETRY_PAUSE).await;
                return self.offer(&WorkerGroup::service(), offer);
            }
        };
        let Claimed { task, objects } = claimed;
        let object = objects.get(task.attempt.as_str());
        let holds = async {
            match object {
                Some(object) => holds(s3.as_ref(), dynamodb.as_ref(), object).await,
                None => Err("the task lacks its own object".to_owned()),
            }
        };
        let outcome = match tokio::time::timeout(CHECK_TIMEOUT, holds).await {
            Ok(Ok(true)) => TaskOutcome::Finished,
            Ok(Ok(false)) => TaskOutcome::False,
            Ok(Err(reason)) => TaskOutcome::Failed(TaskError::new(CHECK_FAILED, reason)),
            Err(_) => {
                let text = format!("no answer came within {} s", CHECK_TIMEOUT.as_secs());
                TaskOutcome::Failed(TaskError::new(CHECK_FAILED, text))
            }
        };
        // If the result cannot be saved, the check is repeated once its attempt is free again.
        if let Err(error) = retry_on_race!(self.save_check(&task, outcome.clone())) {
            let id = &task.pipeline;
            tracing::warn!(pipeline.id = %id, "the result of a precondition check could not be saved: {error:#}");
        }
    }

    async fn save_check(&self, task: &engine::TaskId, outcome: TaskOutcome) -> anyhow::Result<()> {
        let mut live = self.lock_pipeline(task.pipeline.as_str()).await?;
        let Some(run) = self.run_of(&live, task.attempt.as_str()).await? else { return Ok(()) };
        let event = Event::StatusSet { attempt: task.attempt.clone(), handout: task.handout, outcome };
        self.step(&mut live, &run, event).await?;
        Ok(())
    }
}

/// Returns whether the precondition holds, or a sentence that says why that is unknown.
async fn holds(
    s3: Option<&impl Buckets>,
    dynamodb: Option<&impl Tables>,
    object: &PipelineObject,
) -> Result<bool, String> {
    let s3 = s3.ok_or("no S3 is configured");
    let dynamodb = dynamodb.ok_or(NO_DYNAMODB);
    match Kind::of(object) {
        Some(Kind::S3KeyExists) => {
            let (bucket, key) = bucket_and_key(object, "s3Key")?;
            s3?.key_exists(bucket, key).await
        }
        Some(Kind::S3PrefixNotEmpty) => {
            let (bucket, prefix) = bucket_and_key(object, "s3Prefix")?;
            s3?.prefix_holds_any(bucket, prefix).await
        }
        Some(Kind::DynamoDBTableExists) => dynamodb?.table_exists(table(object)?).await,
        Some(Kind::DynamoDBDataExists) => dynamodb?.holds_any_item(table(object)?).await,
        _ => Err(format!("the service does not check `{}`", object.type_name().unwrap_or_default())),
    }
}

fn table(object: &PipelineObject) -> Result<&str, String> {
    let name = object.string("tableName").map(str::trim).filter(|name| !name.is_empty());
    name.ok_or_else(|| "field `tableName` is empty".to_owned())
}

fn bucket_and_key<'a>(object: &'a PipelineObject, field: &str) -> Result<(&'a str, &'a str), String> {
    let text = object.string(field).unwrap_or_default();
    let rest = text.strip_prefix("s3://").filter(|rest| !rest.is_empty());
    let rest = rest.ok_or_else(|| format!("field `{field}`: `{text}` is not of the form s3://bucket/key"))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}
