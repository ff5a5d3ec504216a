//! Pauses in a round: what is held back, and what goes on when a user lets it.

use std::collections::BTreeSet;

use definition::ObjectId;

use crate::attempt::Attempt;
use crate::effect::Effect;
use crate::instance::{Instance, Status};
use crate::round::Round;

impl Round<'_> {
    /// Nothing of the components starts until they are resumed.
    pub(super) fn pause(&mut self, components: &BTreeSet<ObjectId>) {
        for place in self.open_of(components) {
            let is_free = self.run.instances[place].newest_attempt().is_some_and(Attempt::is_free);
            self.change(place, false, |instance| {
                instance.is_paused = true;
                instance.is_withheld |= is_free;
            });
            self.note_offer(place);
        }
    }

    pub(super) fn resume(&mut self, components: &BTreeSet<ObjectId>) {
        // What is over may be tried again.
        let over = |(_, it): &(usize, &mut Instance)| {
            components.contains(&it.component) && it.is_final() && it.is_paused
        };
        for (place, instance) in self.run.instances.iter_mut().enumerate().filter(over) {
            instance.is_paused = false;
            self.step.instances.insert(place);
        }
        for place in self.open_of(components) {
            if !self.run.instances[place].is_paused {
                continue;
            }
            self.change(place, false, |instance| {
                instance.is_paused = false;
                instance.is_withheld = false;
            });
            self.note_offer(place);
            let instance = &self.run.instances[place];
            let free =
                instance.newest_attempt().filter(|head| head.is_free() && self.run.may_be_taken(instance));
            let offer =
                free.map(|head| Effect::Offer { attempt: head.id.clone(), group: head.group.clone() });
            self.step.effects.extend(offer);
            self.want_again(place);
            if self.run.unmet[place] == 0 {
                self.ready(place);
            }
        }
    }

    /// Lets what is over, or waits, be paused as its component is.
    pub(super) fn pause_only(&mut self, components: &BTreeSet<ObjectId>) {
        for (place, instance) in self.run.instances.iter_mut().enumerate() {
            let is_paused = components.contains(&instance.component);
            // What is held back is ready, in a run that was told.
            let waits = instance.status == Status::WaitingOnDependencies && !instance.is_withheld;
            if instance.is_paused != is_paused && (instance.is_final() || waits) {
                instance.is_paused = is_paused;
                self.step.instances.insert(place);
            }
        }
    }

    /// The instances of components that are not over, paused or not.
    fn open_of(&self, components: &BTreeSet<ObjectId>) -> Vec<usize> {
        let is_open = |(_, instance): &(usize, &Instance)| {
            components.contains(&instance.component) && !instance.is_final()
        };
        self.run.instances.iter().enumerate().filter(is_open).map(|(place, _)| place).collect()
    }
}
