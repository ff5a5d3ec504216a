//! The state of one account's service that all operations share.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::driver::Driver;
use crate::host::Host;

/// The state of one account's service that all operations share.
pub(crate) struct Service {
    pub(crate) driver: Arc<Driver>,
    pub(crate) account_id: String,
    pub(crate) has_dynamodb: bool,
    pub(crate) host: Option<Arc<dyn Host>>,
    pub(crate) poll_wait: Duration,
    pub(crate) shutdown: CancellationToken,
    /// The operations under way. They run to their end even if the client hangs up.
    pub(crate) operations: TaskTracker,
}

/// Returns the id of the user who owns the pipelines of an account (`@userId`): `AIDA` and 17 letters and digits, as IAM
/// makes the ids of users. It does not depend on the keys, so that it stays when they are replaced.
pub(crate) fn user_id(account_id: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(account_id.as_bytes());
    let letters = digest.iter().take(17).map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    "AIDA".chars().chain(letters).collect()
}
