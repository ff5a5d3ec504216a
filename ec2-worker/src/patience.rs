//! How long a task keeps trying while its database does not answer.

use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::progress::Progress;

/// The pauses between tries during one outage. Each pause is twice as long as the pause before it, up to the
/// longest pause.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    since: Option<Instant>,
    pause: Duration,
    last: Instant,
}

/// The first pause of an outage.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

impl Patience {
    /// Returns the patience for outages that last up to `limit`.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self { limit, since: None, pause: FIRST_PAUSE, last: Instant::now() }
    }

    /// Pauses before the next try, and returns true. Returns false at once if the outage has reached the limit.
    /// `failure` is written into the log and the notes of `progress`.
    pub async fn wait(&mut self, failure: &Failure, progress: &Progress) -> bool {
        // If the last try was long, it reached the database before it failed, so this failure begins a new outage. A short
        // try may only have waited for a connection.
        if self.since.is_none() || self.last.elapsed() > self.limit * 2 {
            self.since = Some(Instant::now());
            self.pause = FIRST_PAUSE;
            tracing::warn!(error = %failure, "a call of the database failed, trying again");
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
