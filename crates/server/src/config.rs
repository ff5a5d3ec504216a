//! The configuration of the service.

use std::sync::Arc;
use std::time::Duration;

use definition::period::Period;
use http_front::{Hosts, Limits, Tls};
use jiff::Timestamp;
use sigv4::Credentials;
use store::Location;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use crate::driver::{Now, RunEnded};
use crate::host::HostOfAccount;
use crate::keys::{AccessKey, Keys};
use crate::throttle::Rate;

/// How long PollForTask waits for work. Clients give up after 90 s, so an empty answer must come before.
const POLL_WAIT: Duration = Duration::from_secs(85);

/// How long runs are kept after their end, unless the configuration says otherwise.
pub const KEEP_RUNS: &str = "90 days";

/// The account that owns the pipelines, unless the configuration says otherwise.
pub const ACCOUNT_ID: &str = "000000000000";

/// The configuration of the service.
pub struct Config {
    /// The store of pipelines, runs and notices.
    pub store: Location,
    /// The keys that clients may sign with. Each belongs to an account; the store of a further account lies beside `store`.
    pub keys: Arc<Keys>,
    /// The region that requests must be signed for.
    pub region: String,
    /// The account whose pipelines are in `store`: `@accountId`.
    pub account_id: String,
    /// The client that publishes notices. Without one, the store keeps the notices.
    pub sns: Option<aws_sdk_sns::Client>,
    /// The client that checks preconditions on S3. Without one, these preconditions wait.
    pub s3: Option<aws_sdk_s3::Client>,
    /// The client that checks preconditions on DynamoDB. Without one, an activation with such preconditions is refused.
    pub dynamodb: Option<aws_sdk_dynamodb::Client>,
    /// Returns the host that supplies machines for the resources (`runsOn`) of an account. Without one, an activation with
    /// resources is refused.
    ///
    /// If several servers share the store, their hosts must see the same machines.
    pub host: Option<HostOfAccount>,
    /// The beginning of the host names of task runners that end together with this process. At its start, the service
    /// frees the tasks of these runners.
    pub own_runners: Option<String>,
    /// How long runs are kept after their end.
    pub keep_runs: Period,
    /// The hosts that the service answers to.
    pub hosts: Hosts,
    /// The certificate of the endpoint. Without one, the service speaks plain HTTP.
    pub tls: Option<Tls>,
    /// The listener for the metrics, which Prometheus reads without signatures. Without it, the service shows no metrics.
    pub metrics: Option<TcpListener>,
    /// How many calls each key may make.
    pub rate: Option<Rate>,
    /// Whether each request gets a line in the log.
    pub logs_access: bool,
    /// The limits of connections. The service sets how long open requests may take at a shutdown.
    pub limits: Limits,
    /// The clock of the service. Signatures are always checked by the system's clock.
    pub now: Now,
    /// Notified after a test has set the clock `now`.
    pub clock_set: Arc<Notify>,
    /// Called for each run that has ended, so that work that waits for the end need not ask again and again.
    pub run_ended: Option<RunEnded>,
    /// How long PollForTask waits for work.
    pub poll_wait: Duration,
    /// Notified when the service has recovered its runs and serves requests.
    pub started: Option<oneshot::Sender<()>>,
}

impl Config {
    /// Returns the configuration of a service in `us-east-1` that uses the system's clock, for the pipelines of one account.
    pub fn new(store: impl Into<Location>, credentials: Credentials) -> Self {
        let keys = Keys::new([AccessKey::unlimited(credentials, ACCOUNT_ID)]);
        Self { keys: Arc::new(keys), ..Self::without_keys(store) }
    }

    /// Returns the same configuration without keys, so that nobody may call the service yet.
    pub fn without_keys(store: impl Into<Location>) -> Self {
        Self {
            store: store.into(),
            keys: Arc::default(),
            region: "us-east-1".to_owned(),
            account_id: ACCOUNT_ID.to_owned(),
            sns: None,
            s3: None,
            dynamodb: None,
            host: None,
            own_runners: None,
            keep_runs: Period::parse(KEEP_RUNS).expect("the constant is a period"),
            hosts: Hosts::default(),
            tls: None,
            metrics: None,
            rate: None,
            logs_access: false,
            limits: Limits::default(),
            now: Arc::new(Timestamp::now),
            clock_set: Arc::new(Notify::new()),
            run_ended: None,
            poll_wait: POLL_WAIT,
            started: None,
        }
    }
}
