//! The deadlines of a run's instances: the time at which each has to be woken next.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::instance_index::InstanceIndex;

/// The next deadline of each instance, found by time and by instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(Timestamp, InstanceIndex)>,
    by_instance: Vec<Option<Timestamp>>,
}

impl Deadlines {
    /// Takes the deadline of each instance, in order of creation.
    pub(super) fn of(by_instance: Vec<Option<Timestamp>>) -> Self {
        let due =
            |(position, due): (usize, &Option<Timestamp>)| due.map(|due| (due, InstanceIndex::new(position)));
        Self { by_time: by_instance.iter().enumerate().filter_map(due).collect(), by_instance }
    }

    /// Replaces the deadline of one instance.
    pub(super) fn set(&mut self, at: InstanceIndex, due: Option<Timestamp>) {
        let kept = &mut self.by_instance[at.position()];
        if *kept == due {
            return;
        }
        if let Some(old) = kept.take() {
            self.by_time.remove(&(old, at));
        }
        if let Some(new) = due {
            self.by_time.insert((new, at));
        }
        *kept = due;
    }

    /// Returns the earliest deadline.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// Returns the instances that are due at `now`, the most overdue first.
    pub(super) fn due(&self, now: Timestamp) -> Vec<InstanceIndex> {
        self.by_time.iter().take_while(|(due, _)| *due <= now).map(|(_, at)| *at).collect()
    }
}
