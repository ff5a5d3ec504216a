//! The configuration of the server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_front::{Hosts, Limits};
use jiff::Timestamp;
use sigv4::Credentials;
use stream::objects::Homes;
use tokio::sync::watch;

use crate::log::BeforeFlush;

/// The clock of the server.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The memory for the bodies of requests, unless the configuration says otherwise: six requests of the largest size, and
/// thousands of usual ones.
const BODY_BYTES: usize = 64 << 20;

/// The configuration of the server.
pub struct Config {
    /// The folder of the logs. It is created if it is missing.
    pub folder: PathBuf,
    /// The client that puts objects.
    pub s3: aws_sdk_s3::Client,
    /// The buckets of streams whose files name none.
    pub homes: Homes,
    /// The key that signs requests of the AWS protocols.
    pub credentials: Credentials,
    /// The API key of the HTTP door.
    pub api_key: String,
    /// The region that requests must be signed for.
    pub region: String,
    /// The account in ARNs.
    pub account_id: String,
    /// The hosts that the server answers to.
    pub hosts: Hosts,
    /// The limits of connections.
    pub limits: Limits,
    /// The clock of arrivals and deliveries. Signatures are always checked by the system's clock.
    pub now: Now,
    /// Changes after a test has set the clock `now`.
    pub clock_set: watch::Receiver<u64>,
    /// How long a delivery that failed waits before it is tried again.
    pub pauses: Pauses,
    /// The bytes of memory for the bodies of all requests together.
    pub body_bytes: usize,
    /// The limit of undelivered bytes for each stream whose file allows more. It is meant for a small disk.
    pub backlog_bytes: u64,
    /// Runs before every flush of a log, so that tests can let a flush fail.
    pub before_flush: Option<BeforeFlush>,
}

/// How long a delivery that failed waits before it is tried again: twice as long each time.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

impl Default for Pauses {
    /// One second, and then up to half a minute: short enough that nobody waits long after a trouble, and long enough that
    /// many streams do not burden an S3 that is in trouble.
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(30) }
    }
}

impl Config {
    /// Returns the configuration of a server in `us-east-1` that uses the system's clock.
    #[must_use]
    pub fn new(
        folder: PathBuf,
        s3: aws_sdk_s3::Client,
        homes: Homes,
        credentials: Credentials,
        api_key: String,
    ) -> Self {
        let (_, clock_set) = watch::channel(0);
        Self {
            folder,
            s3,
            homes,
            credentials,
            api_key,
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            hosts: Hosts::default(),
            limits: Limits::default(),
            now: Arc::new(Timestamp::now),
            clock_set,
            pauses: Pauses::default(),
            body_bytes: BODY_BYTES,
            backlog_bytes: u64::MAX,
            before_flush: None,
        }
    }
}
