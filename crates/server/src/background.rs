//! The loops of a service that work while nobody calls: timers, notices, work of other servers, and preconditions.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::driver::{Buckets, Driver, Tables, Topic};

/// Starts the background loops of a driver that has recovered. They end at `shutdown`.
pub(crate) fn start_loops(
    background: &mut JoinSet<()>,
    driver: &Arc<Driver>,
    clock_set: Arc<Notify>,
    sns: Option<impl Topic>,
    s3: Option<impl Buckets>,
    dynamodb: Option<impl Tables>,
    shutdown: &CancellationToken,
) {
    background.spawn({
        let (driver, shutdown) = (Arc::clone(driver), shutdown.clone());
        async move { driver.keep_time(clock_set, shutdown).await }
    });
    background.spawn(Arc::clone(driver).publish_notices(sns, shutdown.clone()));
    background.spawn(Arc::clone(driver).share_store(shutdown.clone()));
    background.spawn(Arc::clone(driver).check_preconditions(s3, dynamodb, shutdown.clone()));
}
