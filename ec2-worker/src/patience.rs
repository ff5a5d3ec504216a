//! How long work is begun again while its database is away.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::progress::Progress;

/// Waits between tries, longer each time, up to a limit.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    since: Option<Instant>,
    pause: Duration,
    last: Instant,
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

impl Patience {
    /// Returns patience for an outage of `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, since: None, pause: FIRST_PAUSE, last: Instant::now() }
    }

    /// Waits a little; false when the database has been away for too long.
    pub async fn wait(&mut self, failure: &Failure, progress: &Progress) -> bool {
        // A try that went on for long before it failed had reached the database: a new outage. Shorter ones may have
        // done no more than wait for a connection.
        if self.since.is_none() || self.last.elapsed() > self.limit * 2 {
            self.since = Some(Instant::now());
            self.pause = FIRST_PAUSE;
            tracing::warn!(error = %failure, "the database is away, trying again");
            progress.note(format!("{failure}; tried again"));
        }
        progress.log(&format!("{failure}; trying again"));
        let waited = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        if waited >= self.limit {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.last = Instant::now();
        true
    }
}
