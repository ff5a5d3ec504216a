//! The limit of calls per key: a bucket of tokens for each, as AWS has it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many keys the service remembers. Only keys that it knows get a bucket, so this is a safeguard.
const MOST_KEYS: usize = 10_000;

/// How many calls a key may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The calls per second in the long run.
    pub per_second: u32,
    /// The calls that may come at once after a pause.
    pub burst: u32,
}

/// Counts the calls of each key.
pub(crate) struct Throttle {
    rate: Rate,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Throttle {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Returns whether the key may make one more call now, and counts it if so.
    pub(crate) fn admit(&self, access_key_id: &str) -> bool {
        let (now, burst) = (Instant::now(), f64::from(self.rate.burst));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_KEYS && !buckets.contains_key(access_key_id) {
            let full = Duration::from_secs_f64(burst / f64::from(self.rate.per_second.max(1)));
            buckets.retain(|_, bucket| now - bucket.filled_at < full);
        }
        let new = || Bucket { tokens: burst, filled_at: now };
        let bucket = buckets.entry(access_key_id.to_owned()).or_insert_with(new);
        let gained = (now - bucket.filled_at).as_secs_f64() * f64::from(self.rate.per_second);
        *bucket = Bucket { tokens: (bucket.tokens + gained).min(burst), filled_at: now };
        let may = bucket.tokens >= 1.0;
        if may {
            bucket.tokens -= 1.0;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_key_has_its_burst_and_then_its_rate() {
        let throttle = Throttle::new(Rate { per_second: 2, burst: 3 });
        let admitted = |key: &str, calls: usize| (0..calls).filter(|_| throttle.admit(key)).count();
        assert_eq!(admitted("one", 10), 3);
        assert_eq!(admitted("other", 10), 3);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(admitted("one", 10), 2);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(admitted("one", 10), 3);
    }
}
