//! Pauses in a round: what is held back, and what goes on when a user lets it.

use definition::ObjectId;

use crate::attempt::Attempt;
use crate::effect::Effect;
use crate::instance::Instance;
use crate::round::Round;

impl Round<'_> {
    /// Nothing of the component starts until it is resumed.
    pub(super) fn pause(&mut self, component: &ObjectId) {
        for place in self.of_component(component) {
            let is_free = self.run.instances[place].head().is_some_and(Attempt::is_free);
            self.change(place, false, |instance| {
                instance.is_paused = true;
                instance.is_held_back |= is_free;
            });
            self.note_offer(place);
        }
    }

    pub(super) fn resume(&mut self, component: &ObjectId) {
        // What is over may be tried again.
        let over =
            |(_, it): &(usize, &mut Instance)| it.component == *component && it.is_final() && it.is_paused;
        for (place, instance) in self.run.instances.iter_mut().enumerate().filter(over) {
            instance.is_paused = false;
            self.step.instances.insert(place);
        }
        for place in self.of_component(component) {
            if !self.run.instances[place].is_paused {
                continue;
            }
            self.change(place, false, |instance| {
                instance.is_paused = false;
                instance.is_held_back = false;
            });
            self.note_offer(place);
            let instance = &self.run.instances[place];
            let free = instance.head().filter(|head| head.is_free() && self.run.may_be_taken(instance));
            let offer =
                free.map(|head| Effect::Offer { attempt: head.id.clone(), group: head.group.clone() });
            self.step.effects.extend(offer);
            self.want_again(place);
            if self.run.unmet[place] == 0 {
                self.ready(place);
            }
        }
    }

    /// The instances of a component that are not over, paused or not.
    fn of_component(&self, component: &ObjectId) -> Vec<usize> {
        let is_open =
            |(_, instance): &(usize, &Instance)| instance.component == *component && !instance.is_final();
        self.run.instances.iter().enumerate().filter(is_open).map(|(place, _)| place).collect()
    }
}
