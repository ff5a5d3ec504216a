//! The three operations of an orchestrator: handle an event, sweep, and answer a question about a key.

use anyhow::Context as _;
use jiff::Timestamp;
use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use crate::config::{Config, ConfigErrors};
use crate::event::{self, Event};
use crate::guard::Guard;
use crate::handler::Handled;
use crate::history::{self, History};
use crate::metrics::Metrics;
use crate::ports::Edges;
use crate::proof::{self, Proof};
use crate::report::{Decision, SweepReport};
use crate::setup::Setup;
use crate::sweep::Extent;
use crate::{handler, next_run, rerun, retention, status, sweep, turn};

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
        let swept = guard.within(self.setup.now(), self.sweep(Extent::Part)).await;
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
    pub(crate) async fn sweep(&self, extent: Extent) -> anyhow::Result<SweepReport> {
        sweep::sweep(&self.edges, &self.setup, extent).await
    }

    /// Runs a set again because a person wishes so.
    pub(crate) async fn rerun(
        &self,
        definition: &str,
        values: &BTreeMap<String, String>,
        force: bool,
    ) -> anyhow::Result<Decision> {
        rerun::rerun(&self.edges, &self.setup, definition, values, force).await
    }

    /// Runs the sets of some days again.
    pub(crate) async fn backfill(
        &self,
        definition: &str,
        days: (Date, Date),
        force: bool,
    ) -> anyhow::Result<Vec<Decision>> {
        rerun::backfill(&self.edges, &self.setup, definition, days, force).await
    }

    /// Pauses or resumes a definition. Returns false if there is no definition of this name.
    pub(crate) async fn set_paused(&self, definition: &str, is_paused: bool) -> anyhow::Result<bool> {
        let definitions = self.setup.definitions.load(&self.edges, &self.setup.book.home).await?;
        if definitions.triggered().all(|(file, ..)| file.name != definition) {
            return Ok(false);
        }
        turn::set_paused(&self.edges, &self.setup, definition, is_paused).await?;
        Ok(true)
    }

    /// Returns what became of every object that landed on this day.
    pub(crate) async fn proof(&self, day: Date) -> anyhow::Result<Vec<Proof>> {
        proof::of_day(&self.edges, &self.setup, day).await
    }

    /// Forgets what is old.
    pub(crate) async fn forget(&self, before: Timestamp) -> anyhow::Result<usize> {
        retention::forget(&self.edges, &self.setup, before).await
    }

    /// Returns what ran and what waits.
    pub(crate) async fn history(&self, definition: Option<&str>, limit: usize) -> anyhow::Result<History> {
        history::read(&self.edges, &self.setup, definition, limit).await
    }

    /// Returns the decisions about a key without changing anything.
    pub(crate) async fn status_of(&self, bucket: &str, key: &str) -> anyhow::Result<Vec<Decision>> {
        status::of_key(&self.edges, &self.setup, bucket, key).await
    }
}
