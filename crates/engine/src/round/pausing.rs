//! Pauses in a round: which instances are withheld, and which go on when a user resumes them.

use std::collections::BTreeSet;

use definition::ObjectId;

use crate::instance::Status;
use crate::instance_index::InstanceIndex;
use crate::round::Round;

impl Round<'_> {
    /// Pauses the components: none of their instances starts until a user resumes them.
    pub(super) fn pause(&mut self, components: &BTreeSet<ObjectId>) {
        for at in self.instances_of(components) {
            if self.run[at].is_final() {
                continue;
            }
            let is_free = self.run[at].has_free_attempt();
            self.change(at, |instance| {
                instance.is_paused = true;
                instance.is_withheld |= is_free;
            });
            self.note_offer(at);
        }
    }

    /// Lets the paused instances of the components go on.
    pub(super) fn resume(&mut self, components: &BTreeSet<ObjectId>) {
        let paused = |round: &Self, at: &InstanceIndex| round.run[*at].is_paused;
        let all = self.instances_of(components);
        let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|at| self.run[*at].is_final());
        // A final instance starts nothing now, but a later rerun must not find it paused.
        for at in over.into_iter().filter(|at| paused(self, at)).collect::<Vec<_>>() {
            self.change(at, |instance| instance.is_paused = false);
        }
        for at in open {
            if !paused(self, &at) {
                continue;
            }
            self.change(at, |instance| {
                instance.is_paused = false;
                instance.is_withheld = false;
            });
            self.note_offer(at);
            self.offer_newest_attempt(at);
            self.want_again(at);
            if self.run.unmet(at) == 0 {
                self.ready(at);
            }
        }
    }

    /// Pauses those final and waiting instances that belong to `components`, and ends the pause of the others.
    pub(super) fn pause_only(&mut self, components: &BTreeSet<ObjectId>) {
        for at in self.run.indices() {
            let instance = &self.run[at];
            let is_paused = components.contains(&instance.component);
            // `is_paused` of a final or waiting instance may be outdated, because a run that has ended hears of no pause. A
            // withheld instance keeps its run from ending, so its `is_paused` is right.
            let waits = instance.status == Status::WaitingOnDependencies && !instance.is_withheld;
            if instance.is_paused != is_paused && (instance.is_final() || waits) {
                self.change(at, |instance| instance.is_paused = is_paused);
            }
        }
    }

    fn instances_of(&self, components: &BTreeSet<ObjectId>) -> Vec<InstanceIndex> {
        self.run.indices().filter(|at| components.contains(&self.run[*at].component)).collect()
    }
}
