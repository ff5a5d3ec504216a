//! PollForTask: which work is on offer in which worker group, and who waits for it.
//!
//! Offers are hints: taking one decides nothing, only the claim that follows does (see
//! [`crate::driver`]). So an offer may be out of date without harm; what must not happen is that one is lost.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{AttemptId, PipelineId, WorkerGroup};
use jiff::Timestamp;
use tokio::sync::Notify;

/// An attempt that may be taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    pub(crate) pipeline: PipelineId,
    pub(crate) attempt: AttemptId,
}

/// What is on offer, by worker group.
#[derive(Default)]
pub(crate) struct Waiting {
    groups: Mutex<HashMap<WorkerGroup, Arc<Group>>>,
    /// When a group was polled last.
    polled: Mutex<HashMap<WorkerGroup, Timestamp>>,
}

/// So many groups' polls are remembered: names that somebody made up must not fill the memory.
const MOST_REMEMBERED: usize = 10_000;

/// One worker group: its offers, oldest first, and its pollers, in the order in which they came.
#[derive(Default)]
struct Group {
    offers: Mutex<Offers>,
    arrived: Notify,
    pollers: AtomicUsize,
}

/// Offers in the order in which they came, each once: a pipeline that is loaded again offers all its work again.
#[derive(Default)]
struct Offers {
    queue: VecDeque<Offer>,
    known: HashSet<Offer>,
}

impl Offers {
    fn push(&mut self, offer: Offer) {
        if self.known.insert(offer.clone()) {
            self.queue.push_back(offer);
        }
    }

    fn pop(&mut self) -> Option<Offer> {
        let offer = self.queue.pop_front()?;
        self.known.remove(&offer);
        Some(offer)
    }
}

impl Waiting {
    /// Puts work on offer and wakes one poller of its group.
    pub(crate) fn offer(&self, group: &WorkerGroup, offer: Offer) {
        let group = self.group(group);
        lock(&group.offers).push(offer);
        group.arrived.notify_one();
    }

    /// Puts work on offer if as many poll its group as there is work; returns whether they do.
    pub(crate) fn offer_to_pollers(&self, group: &WorkerGroup, offer: Offer) -> bool {
        let Some(group) = lock(&self.groups).get(group).cloned() else { return false };
        let mut offers = lock(&group.offers);
        let is_wanted = offers.queue.len() < group.pollers.load(Ordering::SeqCst);
        if is_wanted {
            offers.push(offer);
            group.arrived.notify_one();
        }
        is_wanted
    }

    /// Returns the groups that somebody polls now.
    pub(crate) fn polled(&self) -> Vec<WorkerGroup> {
        let is_polled = |group: &Group| group.pollers.load(Ordering::SeqCst) > 0;
        let groups = lock(&self.groups);
        let mut polled: Vec<_> =
            groups.iter().filter(|(_, group)| is_polled(group)).map(|(name, _)| name.clone()).collect();
        polled.sort_unstable();
        polled
    }

    /// Returns whether there is no work on offer for the group.
    pub(crate) fn is_empty(&self, group: &WorkerGroup) -> bool {
        lock(&self.groups).get(group).is_none_or(|group| lock(&group.offers).queue.is_empty())
    }

    /// Notes that somebody polls the group.
    pub(crate) fn note_poll(&self, group: &WorkerGroup, now: Timestamp) {
        let mut polled = lock(&self.polled);
        if polled.len() < MOST_REMEMBERED || polled.contains_key(group) {
            polled.insert(group.clone(), now);
        }
    }

    /// Returns when somebody polled the group last; not known of the time before the service began.
    pub(crate) fn polled_at(&self, group: &str) -> Option<Timestamp> {
        lock(&self.polled).get(group).copied()
    }

    /// Makes the caller a poller of the group, as long as it keeps what it gets.
    pub(crate) fn poll<'a>(&'a self, name: &'a WorkerGroup) -> Poller<'a> {
        let mut groups = lock(&self.groups);
        let group = Arc::clone(groups.entry(name.clone()).or_default());
        // Counted while the map is locked, so that whoever is counted is found.
        group.pollers.fetch_add(1, Ordering::SeqCst);
        Poller { waiting: self, name, group }
    }

    fn group(&self, name: &WorkerGroup) -> Arc<Group> {
        Arc::clone(lock(&self.groups).entry(name.clone()).or_default())
    }
}

/// A poller of a group; the last one to leave an empty group takes it away.
pub(crate) struct Poller<'a> {
    waiting: &'a Waiting,
    name: &'a WorkerGroup,
    group: Arc<Group>,
}

impl Poller<'_> {
    /// Takes the oldest offer, waiting for one if there is none.
    ///
    /// A poller that goes away while it waits takes nothing: a wake-up meant for it goes to the next.
    pub(crate) async fn take(&self) -> Offer {
        loop {
            let mut arrived = pin!(self.group.arrived.notified());
            // Counted as waiting before the look, so that no wake-up falls between the two.
            arrived.as_mut().enable();
            if let Some(offer) = lock(&self.group.offers).pop() {
                return offer;
            }
            arrived.await;
        }
    }
}

impl Drop for Poller<'_> {
    fn drop(&mut self) {
        self.group.pollers.fetch_sub(1, Ordering::SeqCst);
        let mut groups = lock(&self.waiting.groups);
        // Ours and the map's: nobody else can come to hold it while the map is locked.
        let alone = Arc::strong_count(&self.group) == 2;
        if alone && lock(&self.group.offers).queue.is_empty() {
            groups.remove(self.name);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section here is a single change: a panic cannot leave half of one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(attempt: &str) -> Offer {
        Offer { pipeline: PipelineId::from("df-1"), attempt: AttemptId::from(attempt) }
    }

    #[tokio::test]
    async fn an_offer_waits_for_its_poller_and_a_poller_for_its_offer() {
        let waiting = Arc::new(Waiting::default());
        let group = WorkerGroup::from("g");
        waiting.offer(&group, offer("a"));
        assert_eq!(waiting.poll(&group).take().await, offer("a"));
        let poller = tokio::spawn({
            let (waiting, group) = (Arc::clone(&waiting), group.clone());
            async move { waiting.poll(&group).take().await }
        });
        tokio::task::yield_now().await;
        waiting.offer(&WorkerGroup::from("G"), offer("other group"));
        waiting.offer(&group, offer("b"));
        assert_eq!(poller.await.unwrap(), offer("b"));
    }

    #[tokio::test]
    async fn an_offer_made_twice_is_taken_once() {
        let waiting = Waiting::default();
        let group = WorkerGroup::from("g");
        for attempt in ["a", "a", "b"] {
            waiting.offer(&group, offer(attempt));
        }
        assert_eq!(
            (waiting.poll(&group).take().await, waiting.poll(&group).take().await),
            (offer("a"), offer("b"))
        );
        waiting.offer(&group, offer("a"));
        assert_eq!(waiting.poll(&group).take().await, offer("a"));
    }

    #[tokio::test]
    async fn a_poller_that_hung_up_takes_nothing() {
        let waiting = Waiting::default();
        let group = WorkerGroup::from("g");
        for _ in 0..3 {
            let mut gone = Box::pin(taken(&waiting, &group));
            assert!(futures_poll(&mut gone).await.is_none());
        }
        assert!(lock(&waiting.groups).is_empty());
        let mut first = Box::pin(taken(&waiting, &group));
        assert!(futures_poll(&mut first).await.is_none());
        let mut second = Box::pin(taken(&waiting, &group));
        assert!(futures_poll(&mut second).await.is_none());
        // The wake-up goes to the first; it leaves before it acts on it.
        waiting.offer(&group, offer("a"));
        drop(first);
        assert_eq!(second.await, offer("a"));
    }

    async fn taken(waiting: &Waiting, group: &WorkerGroup) -> Offer {
        waiting.poll(group).take().await
    }

    #[tokio::test]
    async fn no_more_is_offered_to_pollers_than_there_are() {
        let waiting = Waiting::default();
        let group = WorkerGroup::from("g");
        assert!(!waiting.offer_to_pollers(&group, offer("a")));
        let (first, second) = (waiting.poll(&group), waiting.poll(&group));
        let wanted = ["a", "b", "c"].map(|attempt| waiting.offer_to_pollers(&group, offer(attempt)));
        assert_eq!(wanted, [true, true, false]);
        assert_eq!((first.take().await, second.take().await), (offer("a"), offer("b")));
        assert_eq!((waiting.polled(), waiting.is_empty(&group)), (vec![group.clone()], true));
        drop((first, second));
        assert!(waiting.polled().is_empty());
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
