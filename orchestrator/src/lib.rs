//! The orchestrator: from a dropped file to an activated pipeline.
//!
//! It knows the pipeline service, S3 and SNS through the AWS SDK alone; where they are is the SDK's configuration.

mod decision;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

pub use decision::{Decision, SweepReport, Verdict};

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
    /// Who claims, for people who read the ledger.
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
    _config: Config,
    _clients: Clients,
}

impl Orchestrator {
    /// Returns an orchestrator; nothing is called yet.
    #[must_use]
    pub fn new(config: Config, clients: Clients) -> Self {
        Self { _config: config, _clients: clients }
    }

    /// Handles one event of any kind that design and AWS know; the answer says what was decided.
    pub async fn handle(&self, _event: Value) -> anyhow::Result<Value> {
        anyhow::bail!("the orchestrator is still being built")
    }

    /// Brings on everything that events did not: whole sets, `next` and deferred ones, expired leases, outcomes.
    pub async fn sweep(&self) -> anyhow::Result<SweepReport> {
        anyhow::bail!("the orchestrator is still being built")
    }

    /// Returns what happened, or would happen, with `key` of the drop bucket; changes nothing.
    pub async fn status_of(&self, _key: &str) -> anyhow::Result<Vec<Decision>> {
        anyhow::bail!("the orchestrator is still being built")
    }
}
