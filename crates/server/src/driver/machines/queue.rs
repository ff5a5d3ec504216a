//! Decides which machine is reconciled next. At most one task at a time reconciles a machine, and no machine waits for ever.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::Party;

use crate::host::ResourceId;

/// The pause before a reconciliation that failed is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// The machines that runs want or wanted, until they are gone.
#[derive(Default)]
pub(super) struct Queue(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    by_id: BTreeMap<ResourceId, Entry>,
    /// The last number that was given. A machine that becomes due gets the next number.
    last_number: u64,
}

/// The state of one machine in the queue.
#[derive(Default)]
struct Entry {
    is_under_way: bool,
    /// The number that the machine got when it became due. The smallest goes first, whatever the machine's name.
    due: Option<u64>,
    /// Whether the machine goes before all others, because it is RUNNING for its run. If the host lost the machine at a
    /// restart, the host replaces it before it creates any other.
    is_first: bool,
    /// The time at which a failed reconciliation is tried again.
    retry_at: Option<Instant>,
    /// The party of the machine. It never changes, and is expensive to derive in a large run.
    party: Option<Party>,
}

/// The consequence of a reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// No further reconciliation: the machine is gone, and no run wants it.
    Forget,
    /// Another reconciliation after a change.
    Wait,
    /// Another reconciliation soon, because this one failed.
    Retry,
}

impl Queue {
    /// Makes a machine due.
    pub(super) fn note(&self, id: ResourceId) {
        self.lock().note(id);
    }

    /// Makes a machine that is RUNNING for its run due, before all machines that are not.
    pub(super) fn note_first(&self, id: ResourceId) {
        self.lock().note(id).is_first = true;
    }

    /// Makes every machine due.
    pub(super) fn note_all(&self) {
        let mut entries = self.lock();
        let number = entries.next_number();
        entries.by_id.values_mut().for_each(|entry| entry.due = entry.due.or(Some(number)));
    }

    /// Takes up to `most` machines that are due. As long as a machine that goes first is due or under way, takes no others.
    pub(super) fn take(&self, most: usize, now: Instant) -> Vec<ResourceId> {
        let mut entries = self.lock();
        let some_go_first = entries.by_id.values().any(|entry| entry.is_first);
        let number = |entry: &Entry| {
            // A failed reconciliation is late already, so it goes before all others.
            let failed = entry.retry_at.filter(|at| *at <= now).map(|_| 0);
            let due = failed.or(entry.due).filter(|_| !entry.is_under_way);
            due.filter(|_| entry.is_first == some_go_first)
        };
        let due = entries.by_id.iter_mut().filter_map(|(id, entry)| Some((number(entry)?, id, entry)));
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(number, ..)| *number);
        let taken = due.into_iter().take(most).map(|(_, id, entry)| {
            (entry.is_under_way, entry.due, entry.retry_at) = (true, None, None);
            id.clone()
        });
        taken.collect()
    }

    /// Notes that the reconciliation of a machine has ended.
    pub(super) fn done(&self, id: &ResourceId, next: Next, now: Instant) {
        let mut entries = self.lock();
        let Some(entry) = entries.by_id.get_mut(id) else { return };
        (entry.is_under_way, entry.is_first) = (false, false);
        match next {
            // A machine that became due meanwhile stays in the queue and is reconciled once more.
            Next::Forget if entry.due.is_none() => {
                entries.by_id.remove(id);
            }
            Next::Forget | Next::Wait => {}
            Next::Retry => entry.retry_at = Some(now + RETRY_PAUSE),
        }
    }

    /// Returns when the next failed reconciliation is tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.lock().by_id.values().filter_map(|entry| entry.retry_at).min()
    }

    /// Returns the party of a machine. Calls `find` only the first time.
    pub(super) fn party(&self, id: &ResourceId, find: impl FnOnce() -> Option<Party>) -> Option<Party> {
        let known = self.lock().by_id.get(id).and_then(|entry| entry.party.clone());
        let party = known.or_else(find);
        if let Some(entry) = self.lock().by_id.get_mut(id) {
            entry.party.clone_from(&party);
        }
        party
    }

    /// Removes every machine.
    pub(super) fn clear(&self) {
        self.lock().by_id.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // A panic inside a critical section here cannot leave the map in a state that does harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn note(&mut self, id: ResourceId) -> &mut Entry {
        let number = self.next_number();
        let entry = self.by_id.entry(id).or_default();
        entry.due.get_or_insert(number);
        entry
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ResourceId {
        ResourceId { pipeline: "df-1".into(), attempt: name.into() }
    }

    #[test]
    fn a_machine_has_one_task_at_a_time_and_another_if_it_is_due_again() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.note(id("a"));
        assert_eq!(queue.take(9, now), [id("a")]);
        queue.note(id("a"));
        assert_eq!(queue.take(9, now), []);
        queue.done(&id("a"), Next::Forget, now);
        assert_eq!(queue.take(9, now), [id("a")], "it became due after it was taken");
        queue.done(&id("a"), Next::Forget, now);
        queue.note_all();
        assert_eq!(queue.take(9, now), []);
    }

    #[test]
    fn a_machine_in_use_is_replaced_before_any_machine_is_created() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.note(id("a"));
        queue.note_first(id("b"));
        assert_eq!(queue.take(9, now), [id("b")]);
        assert_eq!(queue.take(9, now), []);
        queue.done(&id("b"), Next::Retry, now);
        assert_eq!(queue.take(9, now), [id("a")]);
    }

    #[test]
    fn the_machine_that_waits_longest_is_taken_first_whatever_its_name() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.note(id("b"));
        queue.note(id("a"));
        assert_eq!(queue.take(1, now), [id("b")]);
        queue.done(&id("b"), Next::Wait, now);
        queue.note_all();
        assert_eq!(queue.take(1, now), [id("a")]);
        queue.done(&id("a"), Next::Wait, now);
        queue.note_all();
        assert_eq!(queue.take(1, now), [id("b")]);
    }

    #[test]
    fn a_failed_reconciliation_is_repeated_after_a_pause() {
        let (queue, now) = (Queue::default(), Instant::now());
        queue.note(id("a"));
        queue.take(9, now);
        queue.done(&id("a"), Next::Retry, now);
        assert_eq!((queue.take(9, now), queue.next_retry()), (vec![], Some(now + RETRY_PAUSE)));
        assert_eq!(queue.take(9, now + RETRY_PAUSE), [id("a")]);
        assert_eq!(queue.next_retry(), None);
    }
}
