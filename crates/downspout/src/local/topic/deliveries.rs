//! Waits for the deliveries of the topic: mails for a mail server, and messages for HTTP endpoints.
//!
//! The store keeps a delivery until the receiving server has accepted it or no try is left.

use std::fmt::Display;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The wait while the store has no delivery. A new delivery ends the wait.
const IDLE: Duration = Duration::from_secs(3_600);
/// The wait after the store could not be read.
const AFTER_ERROR: Duration = Duration::from_secs(60);

/// Waits until a delivery is due, and returns the delivery, or `None` after `shutdown`.
///
/// `next` returns the delivery that is due first and its time, or `None` if none waits. `added` wakes this function after a new
/// delivery.
pub(super) async fn next_due<D, E: Display>(
    next: impl Fn() -> Result<Option<(Timestamp, D)>, E>,
    added: &Notify,
    shutdown: &CancellationToken,
) -> Option<D> {
    while !shutdown.is_cancelled() {
        let wait = match next() {
            Ok(None) => IDLE,
            Ok(Some((due, delivery))) => {
                let wait = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
                if wait.is_zero() {
                    return Some(delivery);
                }
                wait
            }
            Err(error) => {
                tracing::error!(error = %error, "cannot read the next delivery from the database of the local SNS");
                AFTER_ERROR
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = added.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    None
}

/// Returns the time of the next try after a try has failed now, or `None` if no try is left. `earlier_tries` failed before that
/// try. `pauses` are the pauses between tries, in seconds.
pub(super) fn next_try(earlier_tries: u32, pauses: &[i64]) -> Option<Timestamp> {
    let secs = pauses.get(usize::try_from(earlier_tries).ok()?)?;
    Timestamp::now().checked_add(SignedDuration::from_secs(*secs)).ok()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[tokio::test]
    async fn a_shutdown_ends_the_work_although_deliveries_are_due() {
        let (added, shutdown) = (Notify::new(), CancellationToken::new());
        let next = || Ok::<_, Infallible>(Some((Timestamp::UNIX_EPOCH, "due")));
        assert_eq!(next_due(next, &added, &shutdown).await, Some("due"));
        shutdown.cancel();
        assert_eq!(next_due(next, &added, &shutdown).await, None);
    }
}
