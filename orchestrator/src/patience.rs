//! Patience with busy services: makes a call again for which a service had no room.
//!
//! AWS throttles its callers, and a sweep or a removal of many pipelines makes many calls at once. The pauses between the tries
//! grow. The patience ends with the time of the invocation; the error then ends the work, and the event comes again.

use std::future::Future;
use std::time::Duration;

use definition::Definition;
use jiff::Timestamp;

use crate::config::Now;
use crate::ledger::{Facts, after};
use crate::ports::{
    Busy, Condition, Depth, Description, Edges, InstanceStatus, Listed, NewPipeline, Notice, Page, Pauses,
    PipelineError, PipelineName, Pipelines, Put, Refusal, Storage, Stored, Topic,
};
use crate::report::log;

/// The longest first pause. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The edges of one invocation, which make a call again while its service is busy.
pub(crate) struct Patient<'e, E> {
    edges: &'e E,
    now: Now,
    until: Timestamp,
}

/// An error that may mean that a service is busy.
trait MayBeBusy: std::fmt::Display {
    fn is_busy(&self) -> bool;
}

impl MayBeBusy for anyhow::Error {
    fn is_busy(&self) -> bool {
        self.downcast_ref::<Busy>().is_some()
    }
}

impl MayBeBusy for PipelineError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

impl<'e, E: Edges> Patient<'e, E> {
    /// Returns edges that make no call again after `until`.
    pub(crate) fn new(edges: &'e E, now: Now, until: Timestamp) -> Self {
        Self { edges, now, until }
    }

    /// Makes a call until its service is not busy, or until the patience ends.
    async fn patiently<T, X: MayBeBusy, F>(&self, call: impl Fn(&'e E) -> F + Send + Sync) -> Result<T, X>
    where
        F: Future<Output = Result<T, X>> + Send,
    {
        let mut longest = FIRST_PAUSE;
        loop {
            let error = match call(self.edges).await {
                Err(error) if error.is_busy() => error,
                answer => return answer,
            };
            let now = (self.now)();
            let pause = part_of(longest, now);
            if after(now, pause) >= self.until {
                return Err(error);
            }
            log::service_busy(&error, pause);
            self.edges.pause(pause).await;
            longest = (longest * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Returns a part of a pause, from a half to all of it, so that callers that were throttled together do not come again
/// together.
fn part_of(longest: Duration, now: Timestamp) -> Duration {
    let thousandths = now.subsec_nanosecond().unsigned_abs() / 1_000 % 1_000;
    longest / 2 + longest / 2 * thousandths / 1_000
}

impl<E: Edges> Storage for Patient<'_, E> {
    async fn get(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Stored>> {
        self.patiently(|edges| edges.get(bucket, key)).await
    }

    async fn put(&self, bucket: &str, key: &str, body: String, condition: Condition) -> anyhow::Result<Put> {
        self.patiently(|edges| edges.put(bucket, key, body.clone(), condition.clone())).await
    }

    async fn list_page(
        &self,
        bucket: &str,
        prefix: &str,
        depth: Depth,
        token: Option<String>,
    ) -> anyhow::Result<Page<Listed>> {
        self.patiently(|edges| edges.list_page(bucket, prefix, depth, token.clone())).await
    }

    async fn page(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<Listed>> {
        self.patiently(|edges| edges.page(bucket, prefix, after, limit)).await
    }

    async fn delete_object(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        self.patiently(|edges| edges.delete_object(bucket, key)).await
    }

    async fn find(&self, bucket: &str, key: &str) -> anyhow::Result<Option<Listed>> {
        self.patiently(|edges| edges.find(bucket, key)).await
    }
}

impl<E: Edges> Pipelines for Patient<'_, E> {
    async fn names_page(&self, marker: Option<String>) -> Result<Page<PipelineName>, PipelineError> {
        self.patiently(|edges| edges.names_page(marker.clone())).await
    }

    async fn describe(&self, ids: &[String]) -> Result<Vec<Description>, PipelineError> {
        self.patiently(|edges| edges.describe(ids)).await
    }

    async fn has_failures(&self, id: &str) -> Result<bool, PipelineError> {
        self.patiently(|edges| edges.has_failures(id)).await
    }

    async fn instances(&self, id: &str) -> Result<Vec<InstanceStatus>, PipelineError> {
        self.patiently(|edges| edges.instances(id)).await
    }

    async fn facts(&self, id: &str) -> Result<Facts, PipelineError> {
        self.patiently(|edges| edges.facts(id)).await
    }

    async fn create(&self, pipeline: &NewPipeline) -> Result<String, PipelineError> {
        self.patiently(|edges| edges.create(pipeline)).await
    }

    async fn put_definition(&self, id: &str, definition: &Definition) -> Result<Vec<Refusal>, PipelineError> {
        self.patiently(|edges| edges.put_definition(id, definition)).await
    }

    async fn activate(&self, id: &str) -> Result<(), PipelineError> {
        self.patiently(|edges| edges.activate(id)).await
    }

    async fn delete(&self, id: &str) -> Result<(), PipelineError> {
        self.patiently(|edges| edges.delete(id)).await
    }
}

impl<E: Edges> Topic for Patient<'_, E> {
    async fn publish(&self, notice: &Notice) -> anyhow::Result<()> {
        self.patiently(|edges| edges.publish(notice)).await
    }
}

impl<E: Edges> Pauses for Patient<'_, E> {
    async fn pause(&self, length: Duration) {
        self.edges.pause(length).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_from_a_half_to_all_of_the_longest() {
        for nanosecond in [0, 1_000, 500_000, 999_999_999] {
            let now = Timestamp::new(1_800_000_000, nanosecond).expect("a time");
            let pause = part_of(FIRST_PAUSE, now);
            assert!((FIRST_PAUSE / 2..=FIRST_PAUSE).contains(&pause), "{pause:?}");
        }
    }
}
