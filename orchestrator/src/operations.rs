//! The three operations of an orchestrator: handle an event, sweep, and answer a question about a key.

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde_json::Value;

use crate::config::{Config, ConfigErrors};
use crate::event::{self, Event};
use crate::guard::Guard;
use crate::handler::Handled;
use crate::history::{self, History};
use crate::ledger::after;
use crate::metrics::Metrics;
use crate::patience::Patient;
use crate::ports::Edges;
use crate::proof::{self, Proof};
use crate::report::{Decision, SweepReport};
use crate::setup::Setup;
use crate::sweep::Coverage;
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

    /// Returns the edges for one operation. Their patience with busy services ends before the time of the operation, and before
    /// the lease of any claim that the operation makes.
    fn patient(&self, guard: Guard) -> Patient<'_, E> {
        let usual = || after(self.setup.now(), self.setup.config.lease * 3 / 4);
        let until = guard.last_start().unwrap_or_else(usual);
        Patient::new(&self.edges, Arc::clone(&self.setup.config.now), until)
    }

    /// Handles one event before `deadline`. The answer has the decisions about its keys and the messages that failed, or is
    /// the report of the sweep if the event is from a schedule.
    pub(crate) async fn handle(&self, event: &Value, deadline: Option<Timestamp>) -> Handled {
        let now = self.setup.now();
        let guard = deadline.map(|deadline| Guard::until(deadline, now)).unwrap_or_default();
        match event::parse(event) {
            Event::Sweep => self.sweep_within(guard).await,
            Event::Messages(messages) => {
                handler::handle(&self.patient(guard), &self.setup, &messages, guard).await
            }
        }
    }

    /// Starts the next run of a definition after one has ended.
    pub(crate) async fn start_next(&self, definition: &str) -> anyhow::Result<SweepReport> {
        next_run::start(&self.patient(Guard::default()), &self.setup, definition).await
    }

    async fn sweep_within(&self, guard: Guard) -> Handled {
        let edges = self.patient(guard);
        let swept = guard.within(self.setup.now(), sweep::sweep(&edges, &self.setup, Coverage::Part)).await;
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
    pub(crate) async fn sweep(&self, coverage: Coverage) -> anyhow::Result<SweepReport> {
        sweep::sweep(&self.patient(Guard::default()), &self.setup, coverage).await
    }

    /// Runs a set again because a person wishes so.
    pub(crate) async fn rerun(
        &self,
        definition: &str,
        values: &BTreeMap<String, String>,
        force: bool,
    ) -> anyhow::Result<Decision> {
        rerun::rerun(&self.patient(Guard::default()), &self.setup, definition, values, force).await
    }

    /// Runs the sets of some days again.
    pub(crate) async fn backfill(
        &self,
        definition: &str,
        days: (Date, Date),
        force: bool,
    ) -> anyhow::Result<Vec<Decision>> {
        rerun::backfill(&self.patient(Guard::default()), &self.setup, definition, days, force).await
    }

    /// Pauses or resumes a definition. The error says so if drops start no definition of this name.
    pub(crate) async fn set_paused(&self, definition: &str, is_paused: bool) -> anyhow::Result<()> {
        let definitions =
            self.setup.definitions.load(&self.patient(Guard::default()), &self.setup.book.home).await?;
        if let Some(why) = definitions.why_not_triggered(definition) {
            bail!("{why}");
        }
        turn::set_paused(&self.patient(Guard::default()), &self.setup, definition, is_paused).await
    }

    /// Returns a proof of every object that landed on this day.
    pub(crate) async fn proof(&self, day: Date) -> anyhow::Result<Vec<Proof>> {
        proof::of_day(&self.patient(Guard::default()), &self.setup, day).await
    }

    /// Deletes old cap slots, records of published notices, manifests and ledgers.
    pub(crate) async fn forget(&self, before: Timestamp) -> anyhow::Result<usize> {
        retention::forget(&self.patient(Guard::default()), &self.setup, before).await
    }

    /// Returns the runs of the past and the sets that wait.
    pub(crate) async fn history(
        &self,
        definition: Option<&str>,
        limit: usize,
        with_incomplete: bool,
    ) -> anyhow::Result<History> {
        let edges = self.patient(Guard::default());
        history::read(&edges, &self.setup, definition, limit, with_incomplete).await
    }

    /// Returns the decisions about a key without changing anything.
    pub(crate) async fn status_of(&self, bucket: &str, key: &str) -> anyhow::Result<Vec<Decision>> {
        status::of_key(&self.patient(Guard::default()), &self.setup, bucket, key).await
    }
}
