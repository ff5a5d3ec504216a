//! The addresses and keys of a running stack, and SDK clients for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use serde::{Deserialize, Serialize};

use super::data_dir::{DataDirError, read_json, write_json};

/// The file in the data directory from which other programs read the addresses of the stack.
pub const FILE_NAME: &str = "endpoints.json";

/// The addresses and keys of a stack.
#[derive(Clone, Serialize, Deserialize)]
pub struct Endpoints {
    /// The AWS region of everything.
    pub region: String,
    /// The public part of the access key.
    pub access_key_id: String,
    /// The secret part of the access key.
    pub secret_access_key: String,
    /// The URL of S3.
    pub s3: String,
    /// The URL of the Data Pipeline service.
    pub datapipeline: String,
    /// The URL of SNS.
    pub sns: String,
    /// The URL of the streams: their HTTP doors, Kinesis and Firehose.
    pub streams: String,
    /// The key for the HTTP doors of the streams.
    pub api_key: String,
    /// The URL of the admin endpoint: the status of a key, sweeps, dead letters and streams.
    pub admin: String,
    /// The URL of the database, with the password.
    pub postgres: String,
    /// The buckets of the stack.
    pub buckets: Buckets,
    /// The ARN of the topic for notices.
    pub topic_arn: String,
    /// The folder of the mails.
    pub outbox: PathBuf,
    /// The process id of the stack.
    pub pid: u32,
}

/// The names of the stack's buckets.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Buckets {
    /// The bucket for files that start runs.
    pub drop: String,
    /// The bucket for definitions, their SQL, and the orchestrator's ledger.
    pub definitions: String,
    /// The bucket for results as CSV.
    pub results: String,
    /// The bucket for the logs of runs.
    pub logs: String,
    /// The bucket for the records of streams as they came.
    pub raw: String,
}

impl Default for Buckets {
    fn default() -> Self {
        let name = |purpose: &str| format!("downspout-{purpose}");
        Self {
            drop: name("drop"),
            definitions: name("definitions"),
            results: name("results"),
            logs: name("logs"),
            raw: name("raw"),
        }
    }
}

impl Buckets {
    /// Returns all names.
    #[must_use]
    pub fn all(&self) -> [&str; 5] {
        [&self.drop, &self.definitions, &self.results, &self.logs, &self.raw]
    }
}

impl Endpoints {
    /// Reads the endpoints that a stack wrote into its data directory. Returns `None` if there is no file of endpoints.
    ///
    /// # Errors
    ///
    /// [`DataDirError`] if the file cannot be read or is not valid.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, DataDirError> {
        read_json(&data_dir.join(FILE_NAME))
    }

    /// Writes the endpoints into the data directory, as a whole.
    pub(super) fn write(&self, data_dir: &Path) -> Result<(), DataDirError> {
        write_json(&data_dir.join(FILE_NAME), self)
    }

    /// Returns the configuration that all SDK clients share: the region and the credentials.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let keys = Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "downspout");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .build()
    }

    /// Returns an S3 client for the stack.
    #[must_use]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config())
            .endpoint_url(&self.s3)
            .force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Returns a client for the DynamoDB at `url`, with the keys of the stack.
    #[must_use]
    pub(super) fn dynamodb(&self, url: &str) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::config::Builder::from(&self.sdk_config()).endpoint_url(url);
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// Returns a Data Pipeline client for the stack.
    #[must_use]
    pub fn datapipeline(&self) -> aws_sdk_datapipeline::Client {
        let config =
            aws_sdk_datapipeline::config::Builder::from(&self.sdk_config()).endpoint_url(&self.datapipeline);
        aws_sdk_datapipeline::Client::from_conf(config.build())
    }

    /// Returns an SNS client for the stack.
    #[must_use]
    pub fn sns(&self) -> aws_sdk_sns::Client {
        let config = aws_sdk_sns::config::Builder::from(&self.sdk_config()).endpoint_url(&self.sns);
        aws_sdk_sns::Client::from_conf(config.build())
    }

    /// Returns the environment variables with which AWS tools use the stack.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", self.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
            ("AWS_REGION", self.region.clone()),
            ("AWS_DEFAULT_REGION", self.region.clone()),
            ("AWS_ENDPOINT_URL_S3", self.s3.clone()),
            ("AWS_ENDPOINT_URL_DATA_PIPELINE", self.datapipeline.clone()),
            ("AWS_ENDPOINT_URL_SNS", self.sns.clone()),
            ("AWS_ENDPOINT_URL_KINESIS", self.streams.clone()),
            ("AWS_ENDPOINT_URL_FIREHOSE", self.streams.clone()),
            // The stack does not need the metadata service of EC2, and a search for it takes seconds.
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// Returns whether a program listens at the address of the stack.
    pub async fn are_alive(&self) -> bool {
        let Some(address) = self.admin.strip_prefix("http://") else { return false };
        let connected =
            tokio::time::timeout(Duration::from_secs(2), tokio::net::TcpStream::connect(address)).await;
        matches!(connected, Ok(Ok(_)))
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { s3, datapipeline, sns, streams, admin, .. } = self;
        f.debug_struct("Endpoints")
            .field("s3", s3)
            .field("datapipeline", datapipeline)
            .field("sns", sns)
            .field("streams", streams)
            .field("admin", admin)
            .finish_non_exhaustive()
    }
}
