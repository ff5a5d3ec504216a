//! The three operations of an orchestrator: handle an event, sweep, and answer a question about a key.

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::config::{Config, ConfigErrors};
use crate::event::{self, Event};
use crate::guard::Guard;
use crate::handler::Handled;
use crate::metrics::Metrics;
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
    /// Returns the operations; the error names all wrong settings.
    pub(crate) fn new(config: Config, edges: E) -> Result<Self, ConfigErrors> {
        Ok(Self { edges, setup: Setup::new(config)? })
    }

    /// Handles one event before `deadline`. The answer has the decisions about its keys and the messages that failed, or is
    /// the report of the sweep if the event is from a schedule.
    pub(crate) async fn handle(&self, event: &Value, deadline: Option<Timestamp>) -> Handled {
        let now = self.setup.now();
        let guard = deadline.map(|deadline| Guard::until(deadline, now)).unwrap_or_default();
        match event::parse(event) {
            Event::Sweep => self.sweep_within(guard).await,
            Event::Messages(messages) => handler::handle(&self.edges, &self.setup, &messages, guard).await,
        }
    }

    /// Starts the next run of a definition after one has ended.
    pub(crate) async fn start_next(&self, definition: &str) -> anyhow::Result<SweepReport> {
        next_run::start(&self.edges, &self.setup, definition).await
    }

    async fn sweep_within(&self, guard: Guard) -> Handled {
        let swept = guard.within(self.setup.now(), self.sweep()).await;
        let swept = swept.context("a sweep was stopped").and_then(|swept| swept);
        let mut metrics = Metrics::default();
        match &swept {
            Ok(report) => {
                for decision in &report.decisions {
                    metrics.count(decision, None, self.setup.now());
                }
                metrics.failures += report.failures.len() as u64;
            }
            Err(_) => metrics.failures += 1,
        }
        Handled { answer: swept.and_then(|report| Ok(serde_json::to_value(report)?)), metrics }
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
