//! Reruns in a round: decides which other instances are tried again along with the named ones.

use std::collections::{BTreeSet, VecDeque};

use crate::cascade;
use crate::instance::{Instance, Status};
use crate::instance_index::InstanceIndex;
use crate::round::Round;

impl Round<'_> {
    /// Tries final instances again, and with them the consumers that fell because of them.
    ///
    /// All of them are reset before the first goes on, so that an instance waits again for each of the others that it
    /// depends on.
    pub(super) fn rerun(&mut self, named: &BTreeSet<InstanceIndex>) {
        let with_owner = |at: &InstanceIndex| self.final_owner(*at).into_iter().chain([*at]);
        let mut again: VecDeque<_> = named.iter().flat_map(with_owner).collect();
        let mut reset = Vec::new();
        while let Some(at) = again.pop_front() {
            if !self.run[at].is_final() {
                continue;
            }
            self.reset(at);
            reset.push(at);
            let consumers = self.run.consumers(at).iter().copied();
            again.extend(consumers.filter(|consumer| self.rises(*consumer)));
            again.extend(self.run.preconditions(at).filter(|it| self.run[*it].is_bad()));
            // Rerunning a resource also reruns the instances on it that ended badly. A precondition on it stands for its
            // owner, whose rerun also reruns the preconditions that ended badly.
            let users = self.run.users(at).iter().map(|user| self.run.owner(*user).unwrap_or(*user));
            again.extend(users.filter(|user| self.run[*user].is_bad()));
        }
        for at in reset {
            self.go_on(at);
        }
    }

    /// Returns the owner of a precondition if it is final: rerunning the precondition also reruns its owner.
    fn final_owner(&self, precondition: InstanceIndex) -> Option<InstanceIndex> {
        self.run.owner(precondition).filter(|owner| self.run[*owner].is_final())
    }

    /// Returns the owner of a precondition if it is final, did not fail, and is not among `named`.
    ///
    /// The owner needs no answer of the precondition any more, so a rerun of the precondition alone is refused.
    pub(super) fn done_owner(
        &self,
        precondition: InstanceIndex,
        named: &BTreeSet<InstanceIndex>,
    ) -> Option<InstanceIndex> {
        let is_done = |owner: &InstanceIndex| !self.run[*owner].is_bad() && !named.contains(owner);
        self.final_owner(precondition).filter(is_done)
    }

    /// Returns whether a consumer that fell is tried again with its dependency.
    fn rises(&self, consumer: InstanceIndex) -> bool {
        let instance = &self.run[consumer];
        // The consumer's own preconditions are tried again along with it.
        let is_own = |it: &&Instance| it.guards.as_ref() == Some(&instance.id);
        let dependencies = self.run.dependencies(consumer).map(|dependency| &self.run[dependency]);
        cascade::rises(instance, dependencies.filter(|it| !is_own(it)))
    }

    /// Lets a final instance wait again, in its next generation.
    pub(super) fn reset(&mut self, at: InstanceIndex) {
        let was_finished = self.run[at].is_finished();
        self.change(at, |instance| {
            instance.generation += 1;
            instance.status = Status::WaitingOnDependencies;
            // A late alarm fires once per instance, and a rerun by hand is not late.
            instance.late_at = None;
            // The instance may have ended while it was paused, and been resumed since.
            instance.is_withheld = false;
        });
        if was_finished {
            self.run.count_unmet(at);
        }
    }

    /// Lets a reset instance start, wait, or fall again with a dependency that is still bad.
    fn go_on(&mut self, at: InstanceIndex) {
        if self.run.unmet(at) == 0 {
            return self.ready(at);
        }
        for cause in self.run.dependencies(at).collect::<Vec<_>>() {
            self.fall(at, cause);
        }
    }
}
