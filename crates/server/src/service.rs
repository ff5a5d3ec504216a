//! The state of the service that all operations share.

use std::sync::Arc;
use std::time::Duration;

use http_front::Hosts;
use sigv4::Verifier;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::Driver;
use crate::host::Host;

/// The state of the service that all operations share.
pub(crate) struct Service {
    pub(crate) driver: Arc<Driver>,
    pub(crate) verifier: Verifier,
    /// The hosts that the service answers to.
    pub(crate) hosts: Hosts,
    pub(crate) account_id: String,
    pub(crate) has_dynamodb: bool,
    pub(crate) host: Option<Arc<dyn Host>>,
    pub(crate) poll_wait: Duration,
    pub(crate) shutdown: CancellationToken,
    /// The operations under way. They run to their end even if the client hangs up.
    pub(crate) operations: TaskTracker,
}
