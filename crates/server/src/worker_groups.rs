//! The work on offer in each worker group, and the pollers that wait for it.
//!
//! An offer is a hint: only the claim that follows decides who gets the attempt (see [`crate::driver`]). So an outdated
//! offer does no harm. But an offer must not be lost, because then no poller would take its attempt.

use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{AttemptId, PipelineId, WorkerGroup};
use jiff::Timestamp;
use tokio::sync::Notify;

/// An attempt that a poller may claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Offer {
    pub(crate) pipeline: PipelineId,
    pub(crate) attempt: AttemptId,
}

/// The worker groups with offers or pollers.
#[derive(Default)]
pub(crate) struct WorkerGroups {
    groups: Mutex<HashMap<WorkerGroup, Arc<Group>>>,
    /// The time at which each group was polled last.
    last_polls: Mutex<HashMap<WorkerGroup, Timestamp>>,
}

/// The limit of groups whose last poll is remembered, so that clients with ever new names cannot fill the memory.
const MOST_REMEMBERED: usize = 10_000;

/// A worker group: its offers, oldest first, and its pollers, in the order in which they arrived.
#[derive(Default)]
struct Group {
    offers: Mutex<Offers>,
    arrived: Notify,
    pollers: AtomicUsize,
}

/// The offers of a group, oldest first. A pipeline that is loaded again offers all its work again, but no offer is in the
/// queue twice.
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

impl WorkerGroups {
    /// Adds an offer, and wakes one poller of its group.
    pub(crate) fn offer(&self, group: &WorkerGroup, offer: Offer) {
        let group = self.group(group);
        lock(&group.offers).push(offer);
        group.arrived.notify_one();
    }

    /// Adds an offer if its group has more pollers than offers. Returns whether the offer was added.
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

    /// Returns the groups that have a poller now.
    pub(crate) fn polled(&self) -> Vec<WorkerGroup> {
        let mut polled: Vec<_> = self.pollers().into_iter().map(|(name, _)| name).collect();
        polled.sort_unstable();
        polled
    }

    /// Returns the number of pollers of each group that has one now.
    pub(crate) fn pollers(&self) -> Vec<(WorkerGroup, usize)> {
        let groups = lock(&self.groups);
        let counted = groups.iter().map(|(name, group)| (name.clone(), group.pollers.load(Ordering::SeqCst)));
        counted.filter(|(_, pollers)| *pollers > 0).collect()
    }

    /// Returns whether the group has no offers.
    pub(crate) fn is_empty(&self, group: &WorkerGroup) -> bool {
        lock(&self.groups).get(group).is_none_or(|group| lock(&group.offers).queue.is_empty())
    }

    /// Notes that the group is polled at `now`.
    pub(crate) fn note_poll(&self, group: &WorkerGroup, now: Timestamp) {
        let mut last_polls = lock(&self.last_polls);
        if last_polls.len() < MOST_REMEMBERED || last_polls.contains_key(group) {
            last_polls.insert(group.clone(), now);
        }
    }

    /// Returns when the group was polled last. Polls before the start of the service are not known.
    pub(crate) fn polled_at(&self, group: &str) -> Option<Timestamp> {
        lock(&self.last_polls).get(group).copied()
    }

    /// Makes the caller a poller of the group until it drops the returned value.
    pub(crate) fn poll<'a>(&'a self, name: &'a WorkerGroup) -> Poller<'a> {
        let mut groups = lock(&self.groups);
        let group = Arc::clone(groups.entry(name.clone()).or_default());
        // The map stays locked until the poller is counted, so that no other call finds a new group without its poller.
        group.pollers.fetch_add(1, Ordering::SeqCst);
        Poller { groups: self, name, group }
    }

    fn group(&self, name: &WorkerGroup) -> Arc<Group> {
        Arc::clone(lock(&self.groups).entry(name.clone()).or_default())
    }
}

/// A poller of a group. The last poller to leave a group without offers removes the group.
pub(crate) struct Poller<'a> {
    groups: &'a WorkerGroups,
    name: &'a WorkerGroup,
    group: Arc<Group>,
}

impl Poller<'_> {
    /// Takes the oldest offer. Waits for one if there is none.
    ///
    /// A poller that leaves while it waits takes nothing: the next poller gets its wake-up.
    pub(crate) async fn take(&self) -> Offer {
        loop {
            let mut arrived = pin!(self.group.arrived.notified());
            // The poller registers before it reads the queue, so that an offer between the two steps still wakes it.
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
        let mut groups = lock(&self.groups.groups);
        // The two references are this poller's and the map's. While the map is locked, no other reference can be made.
        let alone = Arc::strong_count(&self.group) == 2;
        if alone && lock(&self.group.offers).queue.is_empty() {
            groups.remove(self.name);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section here makes a single change, so a panic cannot leave half of one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(attempt: &str) -> Offer {
        Offer { pipeline: PipelineId::from("df-1"), attempt: AttemptId::from(attempt) }
    }

    #[tokio::test]
    async fn an_offer_waits_for_a_poller_and_a_poller_for_an_offer() {
        let groups = Arc::new(WorkerGroups::default());
        let group = WorkerGroup::from("g");
        groups.offer(&group, offer("a"));
        assert_eq!(groups.poll(&group).take().await, offer("a"));
        let poller = tokio::spawn({
            let (groups, group) = (Arc::clone(&groups), group.clone());
            async move { groups.poll(&group).take().await }
        });
        tokio::task::yield_now().await;
        groups.offer(&WorkerGroup::from("G"), offer("other group"));
        groups.offer(&group, offer("b"));
        assert_eq!(poller.await.unwrap(), offer("b"));
    }

    #[tokio::test]
    async fn an_offer_made_twice_is_taken_once() {
        let groups = WorkerGroups::default();
        let group = WorkerGroup::from("g");
        for attempt in ["a", "a", "b"] {
            groups.offer(&group, offer(attempt));
        }
        assert_eq!(
            (groups.poll(&group).take().await, groups.poll(&group).take().await),
            (offer("a"), offer("b"))
        );
        groups.offer(&group, offer("a"));
        assert_eq!(groups.poll(&group).take().await, offer("a"));
    }

    #[tokio::test]
    async fn a_poller_that_hung_up_takes_nothing() {
        let groups = WorkerGroups::default();
        let group = WorkerGroup::from("g");
        for _ in 0..3 {
            let mut gone = Box::pin(taken(&groups, &group));
            assert!(futures_poll(&mut gone).await.is_none());
        }
        assert!(lock(&groups.groups).is_empty());
        let mut first = Box::pin(taken(&groups, &group));
        assert!(futures_poll(&mut first).await.is_none());
        let mut second = Box::pin(taken(&groups, &group));
        assert!(futures_poll(&mut second).await.is_none());
        // The first poller gets the wake-up, and leaves before it acts on it.
        groups.offer(&group, offer("a"));
        drop(first);
        assert_eq!(second.await, offer("a"));
    }

    async fn taken(groups: &WorkerGroups, group: &WorkerGroup) -> Offer {
        groups.poll(group).take().await
    }

    #[tokio::test]
    async fn a_group_gets_no_more_offers_than_it_has_pollers() {
        let groups = WorkerGroups::default();
        let group = WorkerGroup::from("g");
        assert!(!groups.offer_to_pollers(&group, offer("a")));
        let (first, second) = (groups.poll(&group), groups.poll(&group));
        let wanted = ["a", "b", "c"].map(|attempt| groups.offer_to_pollers(&group, offer(attempt)));
        assert_eq!(wanted, [true, true, false]);
        assert_eq!((first.take().await, second.take().await), (offer("a"), offer("b")));
        assert_eq!((groups.polled(), groups.is_empty(&group)), (vec![group.clone()], true));
        drop((first, second));
        assert!(groups.polled().is_empty());
    }

    /// Polls a future once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
