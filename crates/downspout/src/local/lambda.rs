//! Runs the Lambda: feeds S3 events to the orchestrator, asynchronously and several at once, as AWS does.
//!
//! The events arrive in one of the forms in which AWS delivers them. An event that fails is tried twice more, and then
//! becomes a dead letter. At the start and once a minute, the orchestrator
//! gets a scheduled event for a sweep, which starts everything that no event has started.

mod form;
pub mod next_runs;
mod runner;

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

pub use form::EventForm;
pub use runner::LambdaRunner;

/// An event in the queue.
#[derive(Clone, Debug)]
pub struct QueuedEvent {
    /// The number of the event, which also gives the order of events.
    pub id: i64,
    /// The number of tries that failed.
    pub failed_tries: u32,
    /// The notification as S3 would send it.
    pub event: Value,
}

/// The queue in which events wait until they are handled.
pub trait EventQueue: Send + Sync + 'static {
    /// Returns the oldest events that are not dead letters, at most `limit`.
    fn waiting(&self, limit: usize) -> impl Future<Output = anyhow::Result<Vec<QueuedEvent>>> + Send;
    /// Removes an event that was handled.
    fn handled(&self, id: i64) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Notes a failed try. If `dead`, the try was the last one, and the event becomes a dead letter.
    fn failed(&self, id: i64, error: &str, dead: bool) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Returns a counter that changes whenever an event starts to wait.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// The handler of events: the orchestrator, or a fake in tests.
pub trait Handler: Send + Sync + 'static {
    /// Handles one event.
    fn handle(&self, event: Value) -> impl Future<Output = anyhow::Result<Value>> + Send;
}

impl Handler for orchestrator::Orchestrator {
    async fn handle(&self, event: Value) -> anyhow::Result<Value> {
        orchestrator::Orchestrator::handle(self, event).await
    }
}

/// The limits of the runner.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many invocations run at the same time.
    pub at_once: usize,
    /// The pauses before the second and the third try. AWS waits one and two minutes, which is too long on a laptop.
    pub pauses: [Duration; 2],
    /// The time limit of one invocation. The lease of a claim is a little longer.
    pub invocation: Duration,
    /// The time between two sweeps.
    pub sweep_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 8,
            pauses: [Duration::from_secs(1), Duration::from_secs(5)],
            invocation: Duration::from_secs(60),
            sweep_every: Duration::from_secs(60),
        }
    }
}
