//! What a user asks of several instances in one word: it happens to all of them, or to none.
//!
//! Whether it may is decided by how they stand before the first of them is changed, and it happens to them in the order of
//! their creation: the order in which they were named means nothing.

use std::collections::BTreeSet;

use definition::ObjectId;

use crate::ids::InstanceId;
use crate::instance::{Instance, Status};
use crate::round::{IllegalEvent, Round};

impl Round<'_> {
    pub(super) fn cancel_named(
        &mut self,
        named: &BTreeSet<InstanceId>,
        reason: &str,
    ) -> Result<(), IllegalEvent> {
        let places = self.places(named)?;
        self.refuse(places.iter().find(|place| self.run.instances[**place].is_final()))?;
        for place in places {
            // One may be over by now, with the resource that it ran on.
            let _ = self.cancel(place, reason.to_owned());
        }
        Ok(())
    }

    pub(super) fn mark_named(&mut self, named: &BTreeSet<InstanceId>) -> Result<(), IllegalEvent> {
        let places = self.places(named)?;
        // The word of a user does not end a machine; a cancellation does.
        self.refuse(places.iter().find(|place| self.has_machine(**place)))?;
        places.into_iter().for_each(|place| self.mark_finished(place));
        Ok(())
    }

    fn mark_finished(&mut self, place: usize) {
        let now = self.now;
        let instance = &mut self.run.instances[place];
        if instance.status == Status::Finished {
            return;
        }
        if let Some(head) = instance.attempts.last_mut() {
            head.abandon(now);
            self.step.attempts.insert((place, instance.attempts.len() - 1));
        }
        self.set(place, Status::Finished, true);
    }

    pub(super) fn rerun_named(
        &mut self,
        named: &BTreeSet<InstanceId>,
        paused: &BTreeSet<ObjectId>,
    ) -> Result<(), IllegalEvent> {
        let places = self.places(named)?;
        self.refuse(places.iter().find(|place| !self.run.instances[**place].is_final()))?;
        for place in &places {
            self.refuse(self.done_owner(*place, &places).as_ref())?;
        }
        self.run.header.generation += 1;
        self.pause_only(paused);
        self.rerun(&places);
        Ok(())
    }

    fn places(&self, named: &BTreeSet<InstanceId>) -> Result<BTreeSet<usize>, IllegalEvent> {
        let place = |id: &InstanceId| {
            let place = self.run.index.get(id).copied();
            place.ok_or_else(|| IllegalEvent::NoSuchInstance(id.clone()))
        };
        named.iter().map(place).collect()
    }

    /// Refuses the command because of how the instance at `place` stands.
    fn refuse(&self, place: Option<&usize>) -> Result<(), IllegalEvent> {
        let instance: Option<&Instance> = place.map(|place| &self.run.instances[*place]);
        instance
            .map_or(Ok(()), |it| Err(IllegalEvent::Instance { instance: it.id.clone(), status: it.word() }))
    }
}
