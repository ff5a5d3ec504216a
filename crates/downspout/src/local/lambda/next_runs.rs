//! Starts the next run of a definition as soon as a run of it has ended.
//!
//! On AWS, the next sweep does this. Here the pipeline service says when a run ends, so no set has to wait for a sweep. A
//! call that is lost in a crash does no harm, because the sweep at the next start does the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Starts the next run of a definition: the orchestrator, or a fake in tests.
pub trait NextRuns: Send + Sync + 'static {
    /// Starts the set of the definition that has waited longest, if the definition has no run at work.
    fn start_next(&self, definition: &str) -> impl Future<Output = anyhow::Result<()>> + Send;
}

impl NextRuns for orchestrator::Orchestrator {
    async fn start_next(&self, definition: &str) -> anyhow::Result<()> {
        orchestrator::Orchestrator::start_next(self, definition).await.map(drop)
    }
}

/// Starts the next run of each definition that `ended` names, until `shutdown`. `ended` gives the names of the pipelines
/// whose runs have ended.
///
/// Each definition has a task of its own, so that a definition whose call takes long does not delay the others. Ends that
/// come while a call is under way lead to one more call.
pub async fn follow(
    starter: Arc<impl NextRuns>,
    mut ended: mpsc::UnboundedReceiver<String>,
    limit: Duration,
    shutdown: CancellationToken,
) {
    let mut definitions: HashMap<String, Arc<Notify>> = HashMap::new();
    // The tasks end when the set is dropped.
    let mut tasks = JoinSet::new();
    loop {
        let name = tokio::select! {
            () = shutdown.cancelled() => return,
            name = ended.recv() => name,
        };
        let Some(name) = name else { return };
        // The name of a pipeline that a drop started is `<definition>/<set>`.
        let Some((definition, _)) = name.split_once('/') else { continue };
        let has_ended = definitions.entry(definition.to_owned()).or_insert_with(|| {
            let has_ended = Arc::new(Notify::new());
            tasks.spawn(start_again(
                Arc::clone(&starter),
                definition.to_owned(),
                Arc::clone(&has_ended),
                limit,
            ));
            has_ended
        });
        has_ended.notify_one();
    }
}

async fn start_again(
    starter: Arc<impl NextRuns>,
    definition: String,
    has_ended: Arc<Notify>,
    limit: Duration,
) {
    loop {
        has_ended.notified().await;
        let error = match tokio::time::timeout(limit, starter.start_next(&definition)).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("the call took longer than {} s", limit.as_secs()),
        };
        tracing::warn!(definition, error, "could not start the next run; the next sweep tries again");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Records the calls, and waits in each of them until the test lets it go on.
    #[derive(Default)]
    struct Recorded {
        calls: Mutex<Vec<String>>,
        has_called: Notify,
        may_go_on: Notify,
    }

    impl NextRuns for Recorded {
        async fn start_next(&self, definition: &str) -> anyhow::Result<()> {
            self.calls.lock().expect("no test panicked").push(definition.to_owned());
            self.has_called.notify_one();
            if definition == "slow" {
                self.may_go_on.notified().await;
            }
            Ok(())
        }
    }

    impl Recorded {
        async fn called(&self, times: usize) -> Vec<String> {
            loop {
                let calls = self.calls.lock().expect("no test panicked").clone();
                if calls.len() >= times {
                    return calls;
                }
                tokio::time::timeout(Duration::from_secs(10), self.has_called.notified())
                    .await
                    .expect("a call");
            }
        }
    }

    #[tokio::test]
    async fn ends_during_a_call_make_one_more_call_and_do_not_delay_another_definition() {
        let (recorded, stop) = (Arc::new(Recorded::default()), CancellationToken::new());
        let (sender, ended) = mpsc::unbounded_channel();
        let following =
            tokio::spawn(follow(Arc::clone(&recorded), ended, Duration::from_secs(60), stop.clone()));
        let end = |name: &str| sender.send(name.to_owned()).expect("the follower listens");
        end("slow/day=1");
        assert_eq!(recorded.called(1).await, ["slow"]);
        for name in ["slow/day=2", "slow/day=3", "by-hand", "other/day=1"] {
            end(name);
        }
        assert_eq!(recorded.called(2).await, ["slow", "other"]);
        recorded.may_go_on.notify_one();
        assert_eq!(recorded.called(3).await, ["slow", "other", "slow"]);
        recorded.may_go_on.notify_one();
        stop.cancel();
        following.await.expect("the follower ends");
        assert_eq!(recorded.called(3).await.len(), 3, "two ends during a call make one more call");
    }
}
