//! The state of the service that all operations share.

use std::sync::Arc;
use std::time::Duration;

use http_front::Hosts;
use sha2::{Digest, Sha256};
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
    /// The user who owns the credentials: `@userId`.
    pub(crate) user_id: String,
    pub(crate) has_dynamodb: bool,
    pub(crate) host: Option<Arc<dyn Host>>,
    pub(crate) poll_wait: Duration,
    pub(crate) shutdown: CancellationToken,
    /// The operations under way. They run to their end even if the client hangs up.
    pub(crate) operations: TaskTracker,
}

/// Returns the id of the user who owns an access key: `AIDA` and 17 letters and digits, as IAM makes the ids of users. The
/// same key always gives the same id, and the id does not tell the key.
pub(crate) fn user_id(access_key_id: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::digest(access_key_id.as_bytes());
    let letters = digest.iter().take(17).map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    "AIDA".chars().chain(letters).collect()
}
