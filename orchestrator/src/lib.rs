//! The orchestrator: from a dropped file to an activated pipeline.
//!
//! It knows the pipeline service, S3 and SNS through the AWS SDK alone; where they are is the SDK's configuration.

mod aws;
mod book;
mod caps;
mod definitions;
mod event;
mod failure;
mod handler;
mod ledger;
#[cfg(test)]
mod model;
mod ports;
mod prepare;
mod report;
mod sets;
mod stale;
mod start;
mod status;
mod step;
mod sweep;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::Value;

use aws::Aws;
use definitions::Home;
use handler::Handler;

pub use report::{Decision, SweepReport, Verdict};

/// The clock; tests wind it by hand.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What an orchestrator is told about its surroundings.
#[derive(Clone)]
pub struct Config {
    /// Where the definitions are, `s3://bucket` or `s3://bucket/prefix`; the ledger stands beside them.
    pub definitions_uri: String,
    /// The watched bucket. Without it, events of any bucket count, and sweeps see only sets that the ledger knows.
    pub drop_bucket: Option<String>,
    /// The topic for notices.
    pub topic_arn: String,
    /// How long a claim holds: a little longer than one invocation may take.
    pub lease: Duration,
    /// Who claims. In `name#incarnation`, earlier incarnations of the same name are taken to be gone, and their
    /// leases with them: for a process that knows itself to be the only one of its name.
    pub holder: String,
    /// The clock.
    pub now: Now,
}

/// The services, as the AWS SDK knows them.
#[derive(Clone)]
pub struct Clients {
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// AWS Data Pipeline, or an engine that speaks its protocol.
    pub datapipeline: aws_sdk_datapipeline::Client,
    /// SNS.
    pub sns: aws_sdk_sns::Client,
}

/// Starts pipelines for dropped files.
pub struct Orchestrator {
    handler: Result<Handler<Aws>, String>,
    drop_bucket: Option<String>,
}

impl Orchestrator {
    /// Returns an orchestrator; nothing is called yet.
    #[must_use]
    pub fn new(config: Config, clients: Clients) -> Self {
        let aws = Aws { clients, topic_arn: config.topic_arn.clone() };
        let drop_bucket = config.drop_bucket.clone();
        let home = Home::parse(&config.definitions_uri).map_err(|error| error.to_string());
        Self { handler: home.map(|home| Handler::new(config, home, aws)), drop_bucket }
    }

    /// Handles one event: S3 notifications, also inside SQS, SNS or EventBridge events; a scheduled event is a sweep.
    ///
    /// The answer is `{"decisions": [...]}`, one [`Decision`] for each key and definition. An error means that the
    /// event is worth delivering again.
    pub async fn handle(&self, event: Value) -> anyhow::Result<Value> {
        // Boxed, because the futures inside make a type that compilers find too deep; and hosts may spawn them.
        self.handler()?.handle(&event).boxed().await
    }

    /// Brings on everything that events did not: whole sets, `next` and deferred ones, expired leases, outcomes.
    pub async fn sweep(&self) -> anyhow::Result<SweepReport> {
        self.handler()?.sweep().boxed().await
    }

    /// Returns what happened, or would happen, with `key` of the drop bucket; changes nothing.
    pub async fn status_of(&self, key: &str) -> anyhow::Result<Vec<Decision>> {
        let bucket = self.drop_bucket.as_deref().context("no drop bucket is configured")?;
        self.handler()?.status_of(bucket, key).boxed().await
    }

    fn handler(&self) -> anyhow::Result<&Handler<Aws>> {
        self.handler.as_ref().map_err(|why| anyhow::anyhow!("{why}"))
    }
}
