//! The places for connections of one endpoint.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The value of [`State::waiting_since`] while a request is under way.
const BUSY: u64 = 0;

/// The places of one endpoint.
pub(crate) struct Slots {
    most: usize,
    begun: Instant,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    states: HashMap<u64, Arc<State>>,
}

/// The state of one connection.
struct State {
    /// Since when the endpoint waits for the head of a request, in milliseconds after [`Slots::begun`], plus one.
    waiting_since: AtomicU64,
    /// How many requests are under way: with HTTP/2, a connection may have several.
    requests: Mutex<u64>,
    /// Notified when another connection has taken the place.
    evicted: Notify,
}

/// The place of one connection. Dropping it frees the place.
pub(crate) struct Slot {
    number: u64,
    state: Arc<State>,
    slots: Arc<Slots>,
}

/// A request that is under way. When the request and its answer have ended, the connection waits for the next one.
pub(crate) struct Busy {
    state: Arc<State>,
    slots: Arc<Slots>,
}

impl Slots {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, begun: Instant::now(), taken: Mutex::default() }
    }

    /// Takes a place for a new connection. If none is free, the connection that has been waiting for the longest time loses
    /// its place. Returns `None` if every connection has a request under way.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Slot> {
        let state = Arc::new(State {
            waiting_since: AtomicU64::new(self.now()),
            requests: Mutex::new(0),
            evicted: Notify::new(),
        });
        let mut taken = self.taken();
        if taken.states.len() >= self.most {
            let waiting = |(number, state): (&u64, &Arc<State>)| {
                Some((state.waiting_since.load(Ordering::Relaxed), *number))
                    .filter(|(since, _)| *since != BUSY)
            };
            let (_, longest) = taken.states.iter().filter_map(waiting).min()?;
            if let Some(evicted) = taken.states.remove(&longest) {
                evicted.evicted.notify_one();
            }
        }
        let number = taken.next;
        taken.next += 1;
        taken.states.insert(number, Arc::clone(&state));
        Some(Slot { number, state, slots: Arc::clone(self) })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn requests(&self) -> MutexGuard<'_, u64> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Marks the connection as busy until the returned value is dropped.
    pub(crate) fn busy(&self) -> Busy {
        // The number and the time change together, under the lock.
        let mut requests = self.state.requests();
        *requests += 1;
        self.state.waiting_since.store(BUSY, Ordering::Relaxed);
        drop(requests);
        Busy { state: Arc::clone(&self.state), slots: Arc::clone(&self.slots) }
    }

    /// Returns whether the endpoint waits for the head of a request.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state.waiting_since.load(Ordering::Relaxed) != BUSY
    }

    /// Waits until the connection must end, because it has been waiting for `limit`, or because another connection got its slot.
    pub(crate) async fn must_end(&self, limit: Duration) {
        let overdue = async {
            loop {
                let since = match self.state.waiting_since.load(Ordering::Relaxed) {
                    BUSY => Instant::now(),
                    since => self.slots.begun + Duration::from_millis(since - 1),
                };
                if self.is_waiting() && since + limit <= Instant::now() {
                    return;
                }
                sleep_until(since + limit).await;
            }
        };
        tokio::select! {
            () = overdue => {}
            () = self.state.evicted.notified() => {}
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.taken().states.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut requests = self.state.requests();
        *requests -= 1;
        if *requests == 0 {
            self.state.waiting_since.store(self.slots.now(), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_waited_longest_loses_its_place() {
        let slots = Arc::new(Slots::new(2));
        let begun = Instant::now();
        let first = slots.take().expect("a place is free");
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = slots.take().expect("a place is free");
        let _busy = first.busy();
        let _third = slots.take().expect("the second connection waits");
        second.must_end(Duration::from_secs(3600)).await;
        assert!(begun.elapsed() < Duration::from_secs(3600), "it lost its place before that time");
        assert!(!first.is_waiting());
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_loses_its_place() {
        let slots = Arc::new(Slots::new(1));
        let only = slots.take().expect("a place is free");
        let busy = only.busy();
        assert!(slots.take().is_none());
        drop(busy);
        assert!(slots.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_when_the_last_of_its_requests_has_ended() {
        let slots = Arc::new(Slots::new(1));
        let only = slots.take().expect("a place is free");
        let (first, second) = (only.busy(), only.busy());
        drop(first);
        assert!(!only.is_waiting());
        drop(second);
        assert!(only.is_waiting());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_ends_when_it_has_waited_long_enough() {
        let slots = Arc::new(Slots::new(1));
        let only = slots.take().expect("a place is free");
        let begun = Instant::now();
        let busy = only.busy();
        let later = async {
            tokio::time::sleep(Duration::from_secs(90)).await;
            drop(busy);
        };
        tokio::join!(only.must_end(Duration::from_secs(60)), later);
        assert!(begun.elapsed() >= Duration::from_secs(150), "{:?}", begun.elapsed());
    }
}
