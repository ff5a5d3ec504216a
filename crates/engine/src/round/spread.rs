//! The consequences of instances that became final: consumers become ready, or fall.

use crate::effect::Effect;
use crate::instance::{Ending, Role, Status};
use crate::instance_index::InstanceIndex;
use crate::round::{Round, Settled};
use crate::{alarm, cascade, late};

impl Round<'_> {
    /// Tells the consumers of each instance that became final, until no instance changes any more.
    pub(super) fn spread(&mut self) {
        while let Some(Settled { at, is_silent }) = self.settled.pop_front() {
            if !is_silent {
                let notices = alarm::of_instance(self.run, at);
                self.step.effects.extend(notices.into_iter().map(Effect::Publish));
            }
            self.cancel_preconditions_of(at);
            self.user_settled(at);
            self.resource_settled(at);
            let is_finished = self.run[at].is_finished();
            for consumer in self.run.consumers(at).to_vec() {
                if is_finished {
                    self.run.count_met(consumer);
                    if self.run.unmet(consumer) == 0 {
                        self.ready(consumer);
                    }
                } else {
                    self.fall(consumer, at);
                }
            }
        }
    }

    /// Lets a consumer fall with a dependency that ended badly, if its `failureAndRerunMode` says so.
    pub(super) fn fall(&mut self, consumer: InstanceIndex, cause: InstanceIndex) {
        if let Some(fallen) = cascade::falls(&self.run[consumer], &self.run[cause]) {
            self.end(consumer, fallen);
        }
    }

    /// Notes that the time of an instance has come. The instance may start as soon as it waits for no dependency.
    pub(super) fn release(&mut self, at: InstanceIndex) {
        if self.run[at].release.is_some() {
            self.change(at, |instance| instance.release = None);
        }
        let late_at = late::after_release(self.run, at, self.now);
        if late_at.is_some() {
            self.change(at, |instance| instance.late_at = late_at);
        }
        if self.run.unmet(at) == 0 {
            self.ready(at);
        }
    }

    /// Starts an instance that waits for no dependency, unless its time, a pause or its resource keeps it.
    pub(super) fn ready(&mut self, at: InstanceIndex) {
        let instance = &self.run[at];
        if instance.status != Status::WaitingOnDependencies {
            return;
        }
        // A resource without open users ends here even if it is paused, or waits for its time.
        if self.run.is_unneeded(at) {
            return self.finish_silently(at);
        }
        if instance.release.is_some() {
            return;
        }
        if instance.is_paused {
            return self.change(at, |instance| instance.is_withheld = true);
        }
        match instance.role {
            Role::DataNode => self.end(at, Ending::Finished),
            Role::Resource => self.start_if_wanted(at),
            Role::Activity | Role::Precondition => match self.run.missing_resource(at) {
                Some(resource) => self.want(resource),
                None => self.try_once(at),
            },
        }
    }
}
