//! Commands of users that name several instances: a command happens to all of them, or to none.
//!
//! A command is refused if the state of one instance forbids it before anything changed. It happens to the instances in
//! order of creation; the order in which the user named them has no meaning.

use std::collections::BTreeSet;

use definition::ObjectId;

use crate::ids::InstanceId;
use crate::instance_index::InstanceIndex;
use crate::round::{IllegalEvent, Round};

impl Round<'_> {
    /// Cancels the named instances.
    pub(super) fn cancel_named(
        &mut self,
        named: &BTreeSet<InstanceId>,
        reason: &str,
    ) -> Result<(), IllegalEvent> {
        let instances = self.find_all(named)?;
        self.refuse_any(instances.iter().find(|at| self.run[**at].is_final()))?;
        for at in instances {
            // An instance may be final by now, because canceling a resource also cancels the instances that run on it.
            let _ = self.cancel(at, reason.to_owned());
        }
        Ok(())
    }

    /// Marks the named instances as finished.
    pub(super) fn mark_named(&mut self, named: &BTreeSet<InstanceId>) -> Result<(), IllegalEvent> {
        let instances = self.find_all(named)?;
        // A resource with a machine can be canceled, but not marked, because marking does not end its machine.
        self.refuse_any(instances.iter().find(|at| self.run.has_machine(**at)))?;
        instances.into_iter().for_each(|at| self.mark_finished(at));
        Ok(())
    }

    fn mark_finished(&mut self, at: InstanceIndex) {
        if !self.run[at].is_finished() {
            self.abandon_newest_attempt(at);
            self.finish_silently(at);
        }
    }

    /// Tries the named instances again; `paused` are the components that are paused now.
    pub(super) fn rerun_named(
        &mut self,
        named: &BTreeSet<InstanceId>,
        paused: &BTreeSet<ObjectId>,
    ) -> Result<(), IllegalEvent> {
        let instances = self.find_all(named)?;
        self.refuse_any(instances.iter().find(|at| !self.run[**at].is_final()))?;
        for at in &instances {
            self.refuse_any(self.done_owner(*at, &instances).as_ref())?;
        }
        self.run.begin_generation();
        self.pause_only(paused);
        self.rerun(&instances);
        Ok(())
    }

    fn find_all(&self, named: &BTreeSet<InstanceId>) -> Result<BTreeSet<InstanceIndex>, IllegalEvent> {
        let find = |id: &InstanceId| {
            self.run.find(id.as_str()).ok_or_else(|| IllegalEvent::NoSuchInstance(id.clone()))
        };
        named.iter().map(find).collect()
    }

    /// Refuses the command if `at` names an instance whose state forbids it.
    fn refuse_any(&self, at: Option<&InstanceIndex>) -> Result<(), IllegalEvent> {
        let Some(instance) = at.map(|at| &self.run[*at]) else { return Ok(()) };
        Err(IllegalEvent::Instance { instance: instance.id.clone(), status: instance.wire_status() })
    }
}
