//! The Lambda host: feeds S3 events to the real handler, asynchronously and several at once, as AWS would.
//!
//! An event that fails is tried twice more and then becomes a dead letter. Once a minute, and at start, the
//! handler gets a scheduled event: the sweep, which starts what no event did.

mod runner;

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

pub use runner::LambdaRunner;

/// One waiting invocation: the event as AWS would send it.
#[derive(Clone, Debug)]
pub struct QueuedEvent {
    /// Orders events and names them.
    pub id: i64,
    /// Tries that failed already.
    pub failed_tries: u32,
    /// What the handler is called with.
    pub event: Value,
}

/// Where events wait until they are handled: the local S3's own table of them.
pub trait EventQueue: Send + Sync + 'static {
    /// Returns the oldest events that are no dead letters.
    fn waiting(&self, limit: usize) -> impl Future<Output = anyhow::Result<Vec<QueuedEvent>>> + Send;
    /// Drops an event that is handled.
    fn handled(&self, id: i64) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Notes a failed try; with `dead`, it was the last.
    fn failed(&self, id: i64, error: &str, dead: bool) -> impl Future<Output = anyhow::Result<()>> + Send;
    /// Changes whenever an event has come or was set free again.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// What handles events: the orchestrator.
pub trait Handler: Send + Sync + 'static {
    /// Handles one event.
    fn handle(&self, event: Value) -> impl Future<Output = anyhow::Result<Value>> + Send;
}

impl Handler for orchestrator::Orchestrator {
    async fn handle(&self, event: Value) -> anyhow::Result<Value> {
        orchestrator::Orchestrator::handle(self, event).await
    }
}

/// The numbers of the host.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Events handled at the same time.
    pub at_once: usize,
    /// Pauses before the second and the third try. AWS waits one and two minutes; nobody at a laptop does.
    pub pauses: [Duration; 2],
    /// One invocation may take this long; a claim's lease is a little longer.
    pub invocation: Duration,
    /// Time between two sweeps.
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
