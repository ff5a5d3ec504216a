//! The memory for the bodies of all requests together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory is counted in pieces of so many bytes.
const PIECE: usize = 1024;

/// How long a request waits for memory before it is refused.
const WAIT: Duration = Duration::from_secs(10);

/// The memory for the bodies of all requests together.
#[derive(Clone)]
pub(crate) struct Budget {
    pieces: Arc<Semaphore>,
}

/// The memory of one request. Dropping it gives the memory back.
#[derive(Debug)]
pub(crate) struct Share {
    permit: OwnedSemaphorePermit,
    bytes: usize,
}

impl Budget {
    /// Returns a budget of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { pieces: Arc::new(Semaphore::new((bytes / PIECE).min(Semaphore::MAX_PERMITS))) }
    }

    /// Takes memory for a request that has none yet. Waits for other requests if there is none left, but not for long.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Share> {
        let permit = Arc::clone(&self.pieces).acquire_many_owned(pieces(bytes));
        let permit = tokio::time::timeout(WAIT, permit).await.ok()?.ok()?;
        Some(Share { permit, bytes })
    }

    /// Takes more memory for a request that has some, if there is any. Requests that have memory must not wait for each
    /// other.
    pub(crate) fn grow(&self, share: &mut Share, bytes: usize) -> bool {
        let more = pieces(bytes).saturating_sub(pieces(share.bytes));
        if more > 0 {
            match Arc::clone(&self.pieces).try_acquire_many_owned(more) {
                Ok(permit) => share.permit.merge(permit),
                Err(_) => return false,
            }
        }
        share.bytes = share.bytes.max(bytes);
        true
    }
}

fn pieces(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_memory_and_is_refused_in_the_end() {
        let budget = Budget::new(10 * PIECE);
        let first = budget.take(9 * PIECE).await.unwrap();
        assert!(budget.take(2 * PIECE).await.is_none());
        drop(first);
        assert!(budget.take(10 * PIECE).await.is_some());
    }

    #[tokio::test]
    async fn a_request_grows_as_long_as_there_is_memory() {
        let budget = Budget::new(10 * PIECE);
        let mut share = budget.take(1).await.unwrap();
        assert!(budget.grow(&mut share, PIECE) && budget.grow(&mut share, 10 * PIECE));
        assert!(!budget.grow(&mut share, 10 * PIECE + 1));
        assert_eq!(budget.pieces.available_permits(), 0);
        drop(share);
        assert_eq!(budget.pieces.available_permits(), 10);
    }
}
