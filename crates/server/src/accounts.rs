//! The accounts of a service. Each has a store, a driver and background loops of its own, so no call can reach the
//! pipelines of another account.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context as _;
use definition::period::Period;
use store::Location;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::background::start_loops;
use crate::driver::{Driver, Now, RunEnded};
use crate::host::HostOfAccount;
use crate::machine_keys::{MachineKeyring, MachineKeys};
use crate::metrics::Metrics;
use crate::service::Service;

/// Everything that the accounts of a service share.
pub(crate) struct Shared {
    pub(crate) store: Location,
    /// The account whose pipelines are in `store` itself. The other accounts have stores beside it.
    pub(crate) first_account: String,
    pub(crate) sns: Option<aws_sdk_sns::Client>,
    pub(crate) s3: Option<aws_sdk_s3::Client>,
    pub(crate) dynamodb: Option<aws_sdk_dynamodb::Client>,
    pub(crate) host: Option<HostOfAccount>,
    pub(crate) machine_keys: Arc<MachineKeyring>,
    pub(crate) own_runners: Option<String>,
    pub(crate) keep_runs: Period,
    pub(crate) now: Now,
    pub(crate) clock_set: Arc<Notify>,
    pub(crate) run_ended: Option<RunEnded>,
    pub(crate) poll_wait: Duration,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shutdown: CancellationToken,
    /// The operations under way, of all accounts.
    pub(crate) operations: TaskTracker,
}

/// The accounts that are at work.
pub(crate) struct Accounts {
    shared: Shared,
    services: RwLock<HashMap<String, Arc<Service>>>,
}

impl Accounts {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared, services: RwLock::default() }
    }

    /// Returns the service of an account, or `None` if the account is not at work.
    pub(crate) fn get(&self, account: &str) -> Option<Arc<Service>> {
        self.services.read().unwrap_or_else(PoisonError::into_inner).get(account).cloned()
    }

    /// Returns the services of all accounts.
    pub(crate) fn all(&self) -> Vec<Arc<Service>> {
        self.services.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Opens the store of an account, continues its open runs, and starts its background loops in `background`. Does nothing
    /// if the account is at work already.
    pub(crate) async fn start(&self, account: &str, background: &mut JoinSet<()>) -> anyhow::Result<()> {
        if self.get(account).is_some() {
            return Ok(());
        }
        let shared = &self.shared;
        let location = if account == shared.first_account {
            shared.store.clone()
        } else {
            shared.store.of_account(account).context("naming the store of an account")?
        };
        let store = location.open().await.context("opening the pipeline store")?;
        let mut driver =
            Driver::new(store, Arc::clone(&shared.now)).reporting_ends_to(shared.run_ended.clone());
        driver.metrics = Arc::clone(&shared.metrics);
        let secret = driver.store.machine_secret(&MachineKeys::fresh_secret()).await;
        driver.machine_keys =
            Arc::new(MachineKeys::new(account, secret.context("reading the store's secret")?));
        shared.machine_keys.add(Arc::clone(&driver.machine_keys));
        let driver = Arc::new(driver);
        driver.recover(shared.own_runners.as_deref()).await.context("recovering unfinished runs")?;
        let (shutdown, host) = (&shared.shutdown, shared.host.as_ref().map(|host| host(account)));
        let (sns, s3, dynamodb) = (shared.sns.clone(), shared.s3.clone(), shared.dynamodb.clone());
        start_loops(background, &driver, Arc::clone(&shared.clock_set), sns, s3, dynamodb, shutdown);
        background.spawn(Arc::clone(&driver).let_runs_expire(shared.keep_runs, shutdown.clone()));
        background.spawn(Arc::clone(&driver).keep_machines(host.clone(), shutdown.clone()));
        let service = Service {
            driver,
            account_id: account.to_owned(),
            has_dynamodb: shared.dynamodb.is_some(),
            host,
            poll_wait: shared.poll_wait,
            shutdown: shutdown.clone(),
            operations: shared.operations.clone(),
        };
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        services.insert(account.to_owned(), Arc::new(service));
        Ok(())
    }

    /// Waits for the operations under way. No further operation may begin.
    pub(crate) async fn finish(&self) {
        self.shared.operations.close();
        self.shared.operations.wait().await;
    }
}
