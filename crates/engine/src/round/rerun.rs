//! Reruns in a round: who is tried again along with whom.

use std::collections::{BTreeSet, VecDeque};

use crate::cascade;
use crate::instance::{Instance, Status};
use crate::round::Round;

impl Round<'_> {
    /// Tries final instances again, and with them the consumers that fell because of them. All are reset before the first
    /// goes on: what waits for one of the others waits for it anew.
    pub(super) fn rerun(&mut self, places: &BTreeSet<usize>) {
        let mut again: VecDeque<_> =
            places.iter().flat_map(|place| self.final_owner(*place).into_iter().chain([*place])).collect();
        let mut reset = Vec::new();
        while let Some(place) = again.pop_front() {
            if !self.run.instances[place].is_final() {
                continue;
            }
            self.reset(place);
            reset.push(place);
            let consumers = self.run.dependants[place].iter().copied();
            again.extend(consumers.filter(|consumer| self.rises(*consumer)));
            again.extend(self.preconditions(place).filter(|place| self.run.instances[*place].is_bad()));
            // Rerunning a resource also tries what runs on it, looks along with their owners.
            let users = self.users(place).into_iter().map(|user| self.owner(user).unwrap_or(user));
            again.extend(users.filter(|user| self.run.instances[*user].is_bad()));
        }
        for place in reset {
            self.go_on(place);
        }
    }

    /// A look is for its owner, which is tried again along with it.
    fn final_owner(&self, look: usize) -> Option<usize> {
        self.owner(look).filter(|owner| self.run.instances[*owner].is_final())
    }

    /// The owner of a look that is among `named`, if it is over and wants no other: it did not fail, and nobody wants it
    /// tried again.
    pub(super) fn done_owner(&self, look: usize, named: &BTreeSet<usize>) -> Option<usize> {
        let is_done = |owner: &usize| !self.run.instances[*owner].is_bad() && !named.contains(owner);
        self.final_owner(look).filter(is_done)
    }

    fn rises(&self, consumer: usize) -> bool {
        let instance = &self.run.instances[consumer];
        // Its preconditions get up along with it.
        let own = |it: &&Instance| it.guards.as_ref() == Some(&instance.id);
        let dependencies = instance.depends_on.iter().filter_map(|id| self.run.instance(id.as_str()));
        cascade::rises(instance, dependencies.filter(|it| !own(it)))
    }

    pub(super) fn reset(&mut self, place: usize) {
        let was_finished = self.run.instances[place].status == Status::Finished;
        self.run.instances[place].generation += 1;
        // Told once: a rerun is somebody's wish, late as it may be.
        self.run.instances[place].late_at = None;
        self.change(place, false, |instance| {
            instance.status = Status::WaitingOnDependencies;
            // It was stopped while it was paused, and may have been resumed since.
            instance.is_withheld = false;
        });
        if was_finished {
            for consumer in &self.run.dependants[place] {
                self.run.unmet[*consumer] += 1;
            }
        }
    }

    /// A reset instance is ready, waits, or falls again with a dependency that is still bad.
    fn go_on(&mut self, place: usize) {
        if self.run.unmet[place] == 0 {
            return self.ready(place);
        }
        let dependencies = &self.run.instances[place].depends_on;
        let places: Vec<_> = dependencies.iter().filter_map(|id| self.run.index.get(id).copied()).collect();
        for cause in places {
            self.fall(place, cause);
        }
    }
}
