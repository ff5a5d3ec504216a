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

mod content;

mod near_miss;

mod step;

mod claim;

mod start;

// The next run after one that has ended, the sweep, and the question about a key, which changes nothing.

mod next_run;

mod sweep;

mod status;

mod operations;

// Parts of a claim.

mod turn;

mod queue;

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

mod raced;

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

mod aws;

// The program that Lambda runs.

pub mod lambda;

#[cfg(test)]
mod model;

use anyhow::Context as _;
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value;

use aws::Aws;
use operations::Operations;

pub use aws::Clients;
pub use config::{Config, ConfigError, ConfigErrors, Now};
pub use handler::Handled;
pub use metrics::Metrics;
pub use report::{Decision, SweepReport, Verdict};

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
    ///
    /// # Errors
    ///
    /// If the definitions cannot be loaded. An error at one set does not stop the others; the report names it.
    pub async fn sweep(&self) -> anyhow::Result<SweepReport> {
        self.operations.sweep().boxed().await
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
