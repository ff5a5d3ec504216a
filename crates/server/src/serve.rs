//! Starts the service, and serves requests until it is shut down.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::body::Body;
use http::Request;
use http_front::Limits;
use sigv4::Verifier;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accounts::{Accounts, Shared};
use crate::config::Config;
use crate::machine_keys::{MachineKeyring, SigningKeys};
use crate::metrics::Metrics;
use crate::request::{self, Front};
use crate::scrape;
use crate::throttle::Throttle;

/// The signing name of the service.
const SERVICE: &str = "datapipeline";
/// How long requests and background work that are under way at a shutdown may take.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// Serves the Data Pipeline API on `listener` until `shutdown`, and continues open runs of every account that has a key.
///
/// A shutdown ends long polls at once. Every change is saved before it is answered, so a shutdown loses nothing.
///
/// # Errors
///
/// If a store cannot be opened, open runs cannot be recovered, or a background loop panics.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::default());
    let machine_keys = Arc::new(MachineKeyring::default());
    let shared = Shared {
        store: config.store,
        first_account: config.account_id.clone(),
        sns: config.sns,
        s3: config.s3,
        dynamodb: config.dynamodb,
        host: config.host,
        machine_keys: Arc::clone(&machine_keys),
        own_runners: config.own_runners,
        keep_runs: config.keep_runs,
        now: config.now,
        clock_set: config.clock_set,
        run_ended: config.run_ended,
        poll_wait: config.poll_wait,
        metrics: Arc::clone(&metrics),
        shutdown: shutdown.clone(),
        operations: TaskTracker::new(),
    };
    let front = Arc::new(Front {
        accounts: Accounts::new(shared),
        verifier: Verifier::new(
            config.region,
            SERVICE,
            SigningKeys { keys: Arc::clone(&config.keys), machines: machine_keys },
        ),
        keys: config.keys,
        hosts: config.hosts,
        throttle: config.rate.map(Throttle::new),
        metrics,
        logs_access: config.logs_access,
    });
    let mut background = JoinSet::new();
    front.accounts.start(&config.account_id, &mut background).await?;
    for account in front.keys.accounts() {
        front
            .accounts
            .start(&account, &mut background)
            .await
            .with_context(|| format!("account {account}"))?;
    }
    let limits = Limits { drain_wait: DRAIN_WAIT, ..config.limits };
    if let Some(listener) = config.metrics {
        let (front, shutdown) = (Arc::clone(&front), shutdown.clone());
        let answer = move |request: Request<Body>| scrape::answer(Arc::clone(&front), request);
        background.spawn(http_front::serve(listener, None, limits, shutdown, answer, request::full));
    }
    let answering = Arc::clone(&front);
    let answer = move |request| request::answer(Arc::clone(&answering), request);
    let served = http_front::serve(listener, config.tls, limits, shutdown.clone(), answer, request::full);
    let mut served = tokio::spawn(served);
    if let Some(started) = config.started {
        // The receiver may have been dropped.
        let _ = started.send(());
    }
    let ended = loop {
        tokio::select! {
            served = &mut served => break served.context("the endpoint panicked"),
            // Without its background loops, the service would neither retry nor time out nor notify. It stops instead. A loop
            // that has nothing to do, such as that of notices without a topic, ends at once.
            Some(ended) = background.join_next() => if let Err(panic) = ended {
                break Err(panic).context("a background loop panicked");
            },
            () = front.keys.replaced() => start_new_accounts(&front, &mut background).await,
        }
    };
    shutdown.cancel();
    drain(&front, background).await;
    ended
}

/// Waits until all work has ended, at most [`DRAIN_WAIT`].
async fn drain(front: &Front, mut background: JoinSet<()>) {
    let loops_end = async { while background.join_next().await.is_some() {} };
    let all_end = async { tokio::join!(loops_end, front.accounts.finish()) };
    if tokio::time::timeout(DRAIN_WAIT, all_end).await.is_err() {
        tracing::warn!("stopped while work was under way; the work continues at the next start");
    }
}

/// Starts the accounts that the keys name now and did not name before. A failure of one does not stop the others.
async fn start_new_accounts(front: &Front, background: &mut JoinSet<()>) {
    for account in front.keys.accounts() {
        if let Err(error) = front.accounts.start(&account, background).await {
            tracing::error!(
                account,
                "the account cannot start; change the file of keys to try again: {error:#}"
            );
        }
    }
}
