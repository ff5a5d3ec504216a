//! Preconditions that the service itself looks at: it takes their attempts as a worker takes tasks.

use std::sync::Arc;
use std::time::Duration;

use definition::PipelineObject;
use engine::{Event, RunnerId, TaskError, TaskOutcome, WorkerGroup};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Buckets, Claimed, Driver, unraced};
use crate::waiting::Offer;

/// The host name of the service's own attempts.
const RUNNER: &str = "datapipeline";
/// Looks under way at once.
const MOST_AT_ONCE: usize = 16;
/// A look that takes longer has failed. Shorter than the acknowledgement window, so that nobody looks twice.
const LOOK_WAIT: Duration = Duration::from_secs(60);
/// What could not be read or saved is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// The error id of a look that S3 refused.
const LOOK_FAILED: &str = "Service_LookFailed";

impl Driver {
    /// Looks at what is on offer until `shutdown`.
    pub(crate) async fn look(self: Arc<Self>, s3: Option<impl Buckets>, shutdown: CancellationToken) {
        let Some(s3) = s3 else {
            tracing::warn!(
                "no S3 client is configured: preconditions of the service wait until there is one"
            );
            return shutdown.cancelled().await;
        };
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
                    looks.spawn(Arc::clone(&self).look_at(s3.clone(), offer));
                }
            }
        }
    }

    async fn look_at(self: Arc<Self>, s3: impl Buckets, offer: Offer) {
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
                Some(object) => holds(&s3, object).await,
                None => Err("the task lacks its own object".to_owned()),
            }
        };
        let outcome = match tokio::time::timeout(LOOK_WAIT, looked).await {
            Ok(Ok(true)) => TaskOutcome::Finished,
            Ok(Ok(false)) => TaskOutcome::False,
            Ok(Err(reason)) => TaskOutcome::Failed(TaskError::new(LOOK_FAILED, reason)),
            Err(_) => {
                let text = format!("S3 did not answer within {} s", LOOK_WAIT.as_secs());
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
async fn holds(s3: &impl Buckets, object: &PipelineObject) -> Result<bool, String> {
    let kind = object.type_name().unwrap_or_default();
    match kind {
        "S3KeyExists" => {
            let (bucket, key) = place(object, "s3Key")?;
            s3.key_exists(bucket, key).await
        }
        "S3PrefixNotEmpty" => {
            let (bucket, prefix) = place(object, "s3Prefix")?;
            s3.prefix_holds_any(bucket, prefix).await
        }
        other => Err(format!("the service does not look at `{other}`")),
    }
}

fn place<'a>(object: &'a PipelineObject, field: &str) -> Result<(&'a str, &'a str), String> {
    let text = object.string(field).unwrap_or_default();
    let rest = text.strip_prefix("s3://").filter(|rest| !rest.is_empty());
    let rest = rest.ok_or_else(|| format!("field `{field}`: `{text}` is no s3://bucket/key"))?;
    Ok(rest.split_once('/').unwrap_or((rest, "")))
}
