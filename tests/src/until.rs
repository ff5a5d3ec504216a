//! Waiting for a condition, with a limit.

use std::time::{Duration, Instant};

/// How long a story waits for what must come; generous, because machines that run tests are busy.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Waits until `look` answers `Ok`, at most [`LIMIT`], and returns what it answered.
///
/// # Panics
/// When the limit has passed: with `what` and the last state that `look` saw.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Result<T, String>) -> T {
    until_within(LIMIT, what, look).await
}

/// Like [`until`], with a limit of its own.
///
/// # Panics
/// When the limit has passed.
pub async fn until_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    loop {
        pace.tick().await;
        match look().await {
            Ok(found) => return found,
            Err(state) if start.elapsed() > limit => {
                panic!("{what}: not within {limit:?}; last seen: {state}")
            }
            Err(_) => {}
        }
    }
}
