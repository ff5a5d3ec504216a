//! The service as one thing: configuration in, a server until shutdown.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use definition::period::Period;
use jiff::Timestamp;
use store::Location;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::{Buckets, Driver, Now, Tables, Topic};
use crate::host::Host;
use crate::http_front;
use crate::sigv4::{Credentials, Verifier};

/// The signing name of the service.
const SERVICE: &str = "datapipeline";
/// Clients give up after 90 s: an empty answer must come before.
const POLL_WAIT: Duration = Duration::from_secs(85);
/// How long answers that are under way at shutdown may take.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// How long runs are kept after they ended, where nothing is said.
pub const KEEP_RUNS: &str = "90 days";

/// What the service needs to know.
pub struct Config {
    /// Where everything is kept.
    pub store: Location,
    /// Who may call.
    pub credentials: Vec<Credentials>,
    /// The region that requests must be signed for.
    pub region: String,
    /// The account that owns the pipelines: `@accountId`.
    pub account_id: String,
    /// Where notices are published; without it they are kept.
    pub sns: Option<aws_sdk_sns::Client>,
    /// Where the service looks whether preconditions hold; without it they wait.
    pub s3: Option<aws_sdk_s3::Client>,
    /// Where the service looks at tables; without it, definitions that ask for one are refused at activation.
    pub dynamodb: Option<aws_sdk_dynamodb::Client>,
    /// Who supplies workers for resources (`runsOn`); without it such pipelines are refused. Only for a store that no
    /// other server shares: of machines that another server wants, this one hears when it next uses their pipeline.
    pub host: Option<Arc<dyn Host>>,
    /// Task runners whose host names begin so end with this process: what they hold at start is free again.
    pub own_runners: Option<String>,
    /// How long runs are kept after they ended.
    pub keep_runs: Period,
    /// The clock. Signatures are checked by the wall clock all the same.
    pub now: Now,
    /// Notified when `now` was wound.
    pub wound: Arc<Notify>,
    /// How long PollForTask waits for work.
    pub poll_wait: Duration,
}

impl Config {
    /// Returns the configuration of a service in `us-east-1` with the wall clock.
    pub fn new(store: impl Into<Location>, credentials: Credentials) -> Self {
        Self {
            store: store.into(),
            credentials: vec![credentials],
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            sns: None,
            s3: None,
            dynamodb: None,
            host: None,
            own_runners: None,
            keep_runs: Period::parse(KEEP_RUNS).expect("it is a period"),
            now: Arc::new(Timestamp::now),
            wound: Arc::new(Notify::new()),
            poll_wait: POLL_WAIT,
        }
    }
}

/// What the operations work with.
pub(crate) struct Service {
    pub(crate) driver: Arc<Driver>,
    pub(crate) verifier: Verifier,
    pub(crate) account_id: String,
    pub(crate) has_dynamodb: bool,
    pub(crate) host: Option<Arc<dyn Host>>,
    pub(crate) poll_wait: Duration,
    pub(crate) shutdown: CancellationToken,
    /// Operations under way, which a client that hangs up does not stop.
    pub(crate) operations: TaskTracker,
}

/// Serves the Data Pipeline API on `listener` until `shutdown`, and brings unfinished runs on.
///
/// Long polls end at once at shutdown; everything is saved by then, so that stopping loses nothing.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let store = config.store.open().await.context("opening the pipeline store")?;
    let driver = Arc::new(Driver::new(store, config.now));
    driver.recover(config.own_runners.as_deref()).await.context("recovering unfinished runs")?;
    let has_dynamodb = config.dynamodb.is_some();
    let mut background = start(&driver, config.wound, config.sns, config.s3, config.dynamodb, &shutdown);
    background.spawn(Arc::clone(&driver).let_runs_expire(config.keep_runs, shutdown.clone()));
    background.spawn(Arc::clone(&driver).keep_machines(config.host.clone(), shutdown.clone()));
    let service = Arc::new(Service {
        driver,
        verifier: Verifier::new(config.region, SERVICE, config.credentials),
        account_id: config.account_id,
        has_dynamodb,
        host: config.host,
        poll_wait: config.poll_wait,
        shutdown: shutdown.clone(),
        operations: TaskTracker::new(),
    });
    let served = tokio::select! {
        served = listen(Arc::clone(&service), listener, &shutdown) => served,
        // Without them nothing retries, times out or is told: better no service than half a one.
        Some(Err(panic)) = background.join_next() => Err(panic).context("a background loop broke down"),
    };
    shutdown.cancel();
    service.operations.close();
    let loops_end = async { while background.join_next().await.is_some() {} };
    let ended = async { tokio::join!(loops_end, service.operations.wait()) };
    if tokio::time::timeout(DRAIN_WAIT, ended).await.is_err() {
        tracing::warn!("stopped with work under way; it goes on at the next start");
    }
    served
}

/// Sets the background loops of a driver going that has recovered; they end at `shutdown`.
pub(crate) fn start(
    driver: &Arc<Driver>,
    wound: Arc<Notify>,
    sns: Option<impl Topic>,
    s3: Option<impl Buckets>,
    dynamodb: Option<impl Tables>,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn({
        let (driver, shutdown) = (Arc::clone(driver), shutdown.clone());
        async move { driver.keep_time(wound, shutdown).await }
    });
    background.spawn(Arc::clone(driver).publish_notices(sns, shutdown.clone()));
    background.spawn(Arc::clone(driver).keep_company(shutdown.clone()));
    background.spawn(Arc::clone(driver).look(s3, dynamodb, shutdown.clone()));
    background
}

async fn listen(
    service: Arc<Service>,
    listener: TcpListener,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    // Answers are small and callers wait for each: Nagle's algorithm would only delay them.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("a connection keeps Nagle's delay: {error}");
        }
    });
    let app = Router::new().fallback(http_front::answer).with_state(service);
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_WAIT).await;
    };
    tokio::select! {
        ended = async { server.await } => ended.context("serving the Data Pipeline API"),
        // A client that keeps its connection busy does not keep us.
        () = drained => Ok(()),
    }
}
