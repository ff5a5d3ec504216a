//! The three operations of an orchestrator: handle an event, sweep, and answer a question about a key.

use serde_json::Value;

use crate::config::{Config, ConfigError};
use crate::event::{self, Event};
use crate::ports::Edges;
use crate::report::{Decision, SweepReport};
use crate::setup::Setup;
use crate::{handler, next_run, status, sweep};

/// The operations on one home of definitions.
pub(crate) struct Operations<E> {
    edges: E,
    setup: Setup,
}

impl<E: Edges> Operations<E> {
    /// Returns the operations; the error names a wrong setting.
    pub(crate) fn new(config: Config, edges: E) -> Result<Self, ConfigError> {
        Ok(Self { edges, setup: Setup::new(config)? })
    }

    /// Handles one event. Returns the decisions about its keys and the messages that failed, or the report of the sweep
    /// if the event is from a schedule.
    pub(crate) async fn handle(&self, event: &Value) -> anyhow::Result<Value> {
        match event::parse(event) {
            Event::Sweep => Ok(serde_json::to_value(self.sweep().await?)?),
            Event::Messages(messages) => handler::handle(&self.edges, &self.setup, &messages).await,
        }
    }

    /// Starts the next run of a definition after one has ended.
    pub(crate) async fn start_next(&self, definition: &str) -> anyhow::Result<SweepReport> {
        next_run::start(&self.edges, &self.setup, definition).await
    }

    /// Advances every set without an event.
    pub(crate) async fn sweep(&self) -> anyhow::Result<SweepReport> {
        sweep::sweep(&self.edges, &self.setup).await
    }

    /// Returns the decisions about a key without changing anything.
    pub(crate) async fn status_of(&self, bucket: &str, key: &str) -> anyhow::Result<Vec<Decision>> {
        status::of_key(&self.edges, &self.setup, bucket, key).await
    }
}
