//! The orchestrator: from a dropped file to an activated pipeline.
//!
//! The orchestrator reaches the pipeline service, S3 and SNS through the AWS SDK only. The SDK's own configuration
//! contains their addresses.
//!
//! This file lists the modules in the order in which to read them. On the way from a drop to a started run, each stage
//! makes one of these values:
//!
//! ```text
//! event -> sets -> content -> step -> claim -> started run
//! ```
//!
//! Each arrow is a free function over the edges (`ports.rs`) that takes the value before it and returns the value after
//! it. `handler` connects them for an event; `sweep` connects the same functions for sets whose events were lost or
//! were handled long ago.

// From an event to a started run, stage by stage.

mod handler;

mod guard;

mod event;

mod loading;

mod sets;

mod sets_of;

mod content;

mod near_miss;

mod step;

mod claim;

mod start;

// The next run after one that has ended, the sweep, and the question about a key, which changes nothing.

mod next_run;

mod sweep;

mod status;

mod rerun;

mod retention;

mod history;

mod incomplete;

mod proof;

mod gone;

mod taken_by;

mod operations;

// Parts of a claim.

mod turn;

mod queue;

mod give_up;

mod caps;

mod slot_return;

// Parts of a start.

mod cleaning;

mod stale;

mod progress;

mod prepare;

mod failure;

// The ledger: its values, and the code that reads and writes it.

mod ledger;

mod book;

mod first_seen;

mod outcome;

mod conditional;

// The definitions, and the names of things.

mod definitions;

mod home;

mod set_name;

mod digest;

// All text for people: decisions, notices and log lines. Numbers about them.

mod report;

mod telling;

mod metrics;

// The configuration, and the edges: the services outside.

mod config;

mod setup;

mod ports;

mod patience;

mod aws;

// The program that Lambda runs.

pub mod lambda;

#[cfg(test)]
mod model;

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::FutureExt as _;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

use aws::Aws;
use operations::Operations;
use sweep::Coverage;

pub use aws::Clients;
pub use config::{Config, ConfigError, ConfigErrors, Now};
pub use handler::Handled;
pub use history::{History, PastRun};
pub use metrics::Metrics;
pub use proof::Proof;
pub use report::{Decision, SweepReport, Verdict};
pub use taken_by::TakenBy;

/// Starts pipelines for dropped files.
pub struct Orchestrator {
    operations: Operations<Aws>,
    drop_bucket: Option<String>,
}

impl Orchestrator {
    /// Returns an orchestrator without calling any service.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] if settings cannot be used.
    pub fn new(config: Config, clients: Clients) -> Result<Self, ConfigErrors> {
        let aws = Aws { clients, topic_arn: config.topic_arn.clone() };
        let drop_bucket = config.drop_bucket.clone();
        Ok(Self { operations: Operations::new(config, aws)?, drop_bucket })
    }

    /// Handles one event: S3 notifications, also inside SQS, SNS or EventBridge events. A scheduled event is a sweep.
    ///
    /// The answer is `{"decisions": [...]}`, with one [`Decision`] for each key and definition. For a batch of SQS, the
    /// member `batchItemFailures` also names the messages that failed, and `errors` says why each of them did.
    ///
    /// # Errors
    ///
    /// If a service failed or a set could not be started. The caller should deliver the event again.
    pub async fn handle(&self, event: Value) -> anyhow::Result<Value> {
        self.handle_until(event, None).await.answer
    }

    /// Handles one event as [`Orchestrator::handle`] does, but stops in time for an answer before `deadline`. What was not
    /// handled then counts as failed.
    pub async fn handle_until(&self, event: Value, deadline: Option<Timestamp>) -> Handled {
        // The future is boxed, because callers may spawn it, and the compiler then refuses the type of the unboxed future
        // as too deeply nested.
        self.operations.handle(&event, deadline).boxed().await
    }

    /// Advances every set for which no event will come: whole sets without a run, next and deferred content, and claims
    /// whose lease has ended. Writes the outcomes of runs that have ended into the ledger.
    /// The sweep reads a limited number of keys of the drop bucket, and goes on where the last one ended.
    ///
    /// # Errors
    ///
    /// If the definitions cannot be loaded. An error at one set does not stop the others; the report names it.
    pub async fn sweep(&self) -> anyhow::Result<SweepReport> {
        self.operations.sweep(Coverage::Part).boxed().await
    }

    /// Sweeps as [`Orchestrator::sweep`] does, but reads every key of the drop bucket, however many there are.
    ///
    /// # Errors
    ///
    /// If the definitions cannot be loaded.
    pub async fn sweep_whole(&self) -> anyhow::Result<SweepReport> {
        self.operations.sweep(Coverage::Whole).boxed().await
    }

    /// Starts the next run of a definition, because one of its runs has ended: writes the outcome of that run into the
    /// ledger, and starts the set that has waited longest.
    ///
    /// A caller that is not sure whether a run has ended may call this, too. A lost call does no harm, because the next sweep
    /// does the same.
    ///
    /// # Errors
    ///
    /// If the definitions cannot be loaded, or the queue cannot be read. An error at one set does not stop the others; the
    /// report names it.
    pub async fn start_next(&self, definition: &str) -> anyhow::Result<SweepReport> {
        self.operations.start_next(definition).boxed().await
    }

    /// Runs the set of a definition with these captured values again, however its earlier runs ended. With `force`, the run
    /// starts although `myMaxRunsPerDay` is reached.
    ///
    /// If another run of the definition is at work, the wish is noted, and the run starts after it.
    ///
    /// # Errors
    ///
    /// If there is no such definition, if the values are not those of its patterns, or if a service failed.
    pub async fn rerun(
        &self,
        definition: &str,
        values: &BTreeMap<String, String>,
        force: bool,
    ) -> anyhow::Result<Decision> {
        self.operations.rerun(definition, values, force).boxed().await
    }

    /// Runs the sets of a definition whose day lies in `days` again, or for the first time, as [`Orchestrator::rerun`] does. A
    /// captured value that is a date is the day of its set.
    ///
    /// # Errors
    ///
    /// If there is no such definition, or if the drop bucket cannot be listed. A set that cannot start does not stop the others.
    pub async fn backfill(
        &self,
        definition: &str,
        days: (Date, Date),
        force: bool,
    ) -> anyhow::Result<Vec<Decision>> {
        self.operations.backfill(definition, days, force).boxed().await
    }

    /// Pauses a definition, so that no run of it starts, or resumes it. A run that is at work goes on.
    ///
    /// # Errors
    ///
    /// If drops start no definition of this name, or if a service failed.
    pub async fn set_paused(&self, definition: &str, is_paused: bool) -> anyhow::Result<()> {
        self.operations.set_paused(definition, is_paused).boxed().await
    }

    /// Returns a proof of every object that landed in the drop bucket on this UTC day: which run took it, or why no run did.
    ///
    /// # Errors
    ///
    /// If the configuration has no drop bucket, or if a service cannot be read.
    pub async fn proof(&self, day: Date) -> anyhow::Result<Vec<Proof>> {
        self.operations.proof(day).boxed().await
    }

    /// Deletes old objects that were last changed before `before`: cap slots, records of published notices, and the ledgers of sets that
    /// are at rest and whose files are gone from the bucket. Returns how many objects were deleted.
    ///
    /// The time must lie more than a day back, because the cap slots of a day are needed until its end.
    ///
    /// # Errors
    ///
    /// If a service failed. The next call continues.
    pub async fn forget(&self, before: Timestamp) -> anyhow::Result<usize> {
        self.operations.forget(before).boxed().await
    }

    /// Returns the newest runs of all definitions, or of one, and the sets that wait: at most `limit` of each. The runs are
    /// known also after their pipelines were deleted. `with_incomplete` asks for the sets that wait for files, too.
    ///
    /// # Errors
    ///
    /// If a service cannot be read.
    pub async fn history(
        &self,
        definition: Option<&str>,
        limit: usize,
        with_incomplete: bool,
    ) -> anyhow::Result<History> {
        self.operations.history(definition, limit, with_incomplete).boxed().await
    }

    /// Returns the decision that was made, or would be made, about `key` of the drop bucket: one for each set that the key
    /// belongs to. Changes nothing.
    ///
    /// # Errors
    ///
    /// If the configuration has no drop bucket, or if a service cannot be read.
    pub async fn status_of(&self, key: &str) -> anyhow::Result<Vec<Decision>> {
        let bucket = self.drop_bucket.as_deref().context("no drop bucket is configured")?;
        self.operations.status_of(bucket, key).boxed().await
    }
}
