//! Starts the service, and serves requests until it is shut down.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_front::Limits;
use sigv4::Verifier;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::driver::{Buckets, Driver, Tables, Topic};
use crate::request;
use crate::service::{Service, user_id};

/// The signing name of the service.
const SERVICE: &str = "datapipeline";
/// How long requests and background work that are under way at a shutdown may take.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// Serves the Data Pipeline API on `listener` until `shutdown`, and continues open runs.
///
/// A shutdown ends long polls at once. Every change is saved before it is answered, so a shutdown loses nothing.
///
/// # Errors
///
/// If the store cannot be opened, the open runs cannot be recovered, or a background loop panics.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let store = config.store.open().await.context("opening the pipeline store")?;
    let driver = Arc::new(Driver::new(store, config.now).telling(config.run_ended));
    driver.recover(config.own_runners.as_deref()).await.context("recovering unfinished runs")?;
    let has_dynamodb = config.dynamodb.is_some();
    let mut background =
        start_loops(&driver, config.clock_set, config.sns, config.s3, config.dynamodb, &shutdown);
    background.spawn(Arc::clone(&driver).let_runs_expire(config.keep_runs, shutdown.clone()));
    background.spawn(Arc::clone(&driver).keep_machines(config.host.clone(), shutdown.clone()));
    let limits = Limits { drain_wait: DRAIN_WAIT, ..config.limits };
    let user_id = user_id(config.credentials.first().map_or("", |first| first.access_key_id.as_str()));
    let service = Arc::new(Service {
        driver,
        verifier: Verifier::new(config.region, SERVICE, config.credentials),
        hosts: config.hosts,
        account_id: config.account_id,
        user_id,
        has_dynamodb,
        host: config.host,
        poll_wait: config.poll_wait,
        shutdown: shutdown.clone(),
        operations: TaskTracker::new(),
    });
    let answering = Arc::clone(&service);
    let answer = move |request| request::answer(Arc::clone(&answering), request);
    let served = tokio::select! {
        () = http_front::serve(listener, limits, shutdown.clone(), answer, request::full) => Ok(()),
        // Without its background loops, the service would neither retry nor time out nor notify. It stops instead.
        Some(Err(panic)) = background.join_next() => Err(panic).context("a background loop panicked"),
    };
    shutdown.cancel();
    service.operations.close();
    let loops_end = async { while background.join_next().await.is_some() {} };
    let ended = async { tokio::join!(loops_end, service.operations.wait()) };
    if tokio::time::timeout(DRAIN_WAIT, ended).await.is_err() {
        tracing::warn!("stopped while work was under way; the work continues at the next start");
    }
    served
}

/// Starts the background loops of a driver that has recovered. They end at `shutdown`.
pub(crate) fn start_loops(
    driver: &Arc<Driver>,
    clock_set: Arc<Notify>,
    sns: Option<impl Topic>,
    s3: Option<impl Buckets>,
    dynamodb: Option<impl Tables>,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let mut background = JoinSet::new();
    background.spawn({
        let (driver, shutdown) = (Arc::clone(driver), shutdown.clone());
        async move { driver.keep_time(clock_set, shutdown).await }
    });
    background.spawn(Arc::clone(driver).publish_notices(sns, shutdown.clone()));
    background.spawn(Arc::clone(driver).share_store(shutdown.clone()));
    background.spawn(Arc::clone(driver).check_preconditions(s3, dynamodb, shutdown.clone()));
    background
}
