//! Reads the files of keys and certificates again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_front::Tls;
use server::Keys;
use tokio_util::sync::CancellationToken;

/// The pause between two checks of the files.
const PERIOD: Duration = Duration::from_secs(2);

/// The time and the length of a file. If one of them differs, the file was replaced or written.
type Look = Option<(SystemTime, u64)>;

/// Reads the files again when they change, until `shutdown`. A file that cannot be used changes nothing, and the log has one
/// line about it.
pub(super) async fn keep_fresh(
    keys_file: Option<PathBuf>,
    keys: Arc<Keys>,
    tls: Option<Tls>,
    shutdown: CancellationToken,
) {
    let looks = || {
        let certificate = tls.as_ref().map(|tls| (look(&tls.files().certificate), look(&tls.files().key)));
        (keys_file.as_deref().and_then(look), certificate)
    };
    let mut known = looks();
    while shutdown.run_until_cancelled(tokio::time::sleep(PERIOD)).await.is_some() {
        let now = looks();
        if now.0 != known.0
            && let Some(file) = &keys_file
        {
            match server::read_keys(file) {
                Ok(new) => {
                    tracing::info!(keys = new.len(), "the access keys were read again");
                    keys.replace(new);
                }
                Err(error) => {
                    tracing::error!("the old access keys stay in use: {}", http_front::with_causes(&error))
                }
            }
        }
        if now.1 != known.1
            && let Some(tls) = &tls
        {
            match tls.reload() {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => {
                    tracing::error!("the old certificate stays in use: {}", http_front::with_causes(&error))
                }
            }
        }
        known = now;
    }
}

fn look(file: &Path) -> Look {
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
