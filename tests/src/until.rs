//! Waits for a condition, with a time limit.

use std::time::{Duration, Instant};

/// How long a story waits for a condition. The limit is generous, because machines that run tests are busy.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Waits until `check` answers `Ok`, at most [`LIMIT`], and returns the value.
///
/// # Panics
/// If the limit has passed. The message names `what` and the last state that `check` returned.
pub async fn until<T>(what: &str, check: impl AsyncFnMut() -> Result<T, String>) -> T {
    until_within(LIMIT, what, check).await
}

/// Waits as [`until`] does, with another limit.
///
/// # Panics
/// If the limit has passed.
pub async fn until_within<T>(
    limit: Duration,
    what: &str,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let start = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    loop {
        pace.tick().await;
        match check().await {
            Ok(found) => return found,
            Err(state) if start.elapsed() > limit => {
                panic!("{what}: not within {limit:?}; last seen: {state}")
            }
            Err(_) => {}
        }
    }
}
