//! The reason why an instance waits: one sentence for people. Programs read `@waitingOn`.

use std::collections::{HashSet, VecDeque};

use definition::FieldValue;

use crate::attempt;
use crate::attempt::Attempt;
use crate::ids::WorkerGroup;
use crate::instance::{Ending, Instance, Role, Status};
use crate::resource;
use crate::run::Run;
use crate::time::wire;

/// The field of an instance that holds the sentence.
pub const WHY: &str = "waitReason";
/// The maximum number of dependencies that are visited for one sentence. The sentence may be incomplete, but must be
/// found quickly.
const MOST_VISITED: usize = 1_000;
/// The maximum number of dependencies that a sentence names. The sentence only counts the others.
const MOST_NAMED: usize = 3;

impl Run {
    /// Returns why the instance waits, as a sentence without its subject, the instance. `None` if the instance is at
    /// work or final.
    #[must_use]
    pub fn why_it_waits(&self, instance: &Instance) -> Option<String> {
        match &instance.status {
            Status::WaitingOnDependencies => Some(self.why_it_does_not_start(instance)),
            _ if instance.is_paused
                && !instance.is_final()
                && instance.wire_status() != crate::Status::Running =>
            {
                Some(paused(instance))
            }
            Status::RetryPause { .. } | Status::Trying => {
                let is_free = instance.status == Status::Trying && instance.has_free_attempt();
                let resource = self.resource_of(instance).map(|resource| &self[resource]);
                let resource = resource.filter(|resource| is_free && !resource.is_up());
                resource
                    .map(|resource| format!("waits for {}", what_is_waited_for(resource)))
                    .or_else(|| why_it_does_not_run(instance))
            }
            Status::Final(_) => None,
        }
    }

    fn why_it_does_not_start(&self, instance: &Instance) -> String {
        if let Some(release) = instance.release {
            let after =
                if self.header().is_suspended { ", and for the pipeline to be activated again" } else { "" };
            return format!("waits for its time, {}{after}", wire(release));
        }
        if instance.is_withheld {
            return paused(instance);
        }
        if instance.role == Role::Resource {
            return "waits until an instance that runs on it is ready".to_owned();
        }
        let causes = self.what_holds_up(instance);
        let named: Vec<_> = causes.iter().take(MOST_NAMED).map(|cause| what_is_waited_for(cause)).collect();
        let more = causes.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!("; and for {more} more") } else { String::new() };
        format!("waits for {}{more}", named.join("; "))
    }

    /// Returns the instances that hold this one up: those at the end of its chains of unmet dependencies.
    fn what_holds_up(&self, instance: &Instance) -> Vec<&Instance> {
        let unmet = |instance: &Instance| self.waiting_on(instance).into_iter();
        let mut open: VecDeque<_> = unmet(instance).collect();
        let mut seen: HashSet<_> = open.iter().cloned().collect();
        let mut causes = Vec::new();
        while let Some(id) = open.pop_front() {
            let Some(dependency) = self.instance(id.as_str()) else { continue };
            // A resource that no instance is ready for holds up nothing.
            if dependency.role == Role::Resource && !dependency.is_live() {
                continue;
            }
            let further: Vec<_> = unmet(dependency).collect();
            if further.is_empty() || seen.len() > MOST_VISITED {
                causes.push(dependency);
            }
            open.extend(further.into_iter().filter(|id| seen.insert(id.clone())));
        }
        causes
    }
}

fn paused(instance: &Instance) -> String {
    format!("is withheld: `{}` is PAUSED until a user resumes it", instance.component)
}

/// Returns the name of an instance that others wait for, and why it is not FINISHED.
fn what_is_waited_for(instance: &Instance) -> String {
    let what = if instance.role == Role::Resource { "resource " } else { "" };
    let id = format!("{what}{}", instance.id);
    match &instance.status {
        Status::Final(Ending::Finished) => id,
        Status::Final(ending) => {
            format!("{id}, which is {}: rerun it, or mark it as finished", ending.wire_status())
        }
        Status::WaitingOnDependencies => match instance.release {
            Some(release) => format!("{id}, which waits for its time, {}", wire(release)),
            None if instance.is_withheld => format!("{id}, which {}", paused(instance)),
            None => format!("{id}, which waits too"),
        },
        Status::Trying | Status::RetryPause { .. } => match why_it_does_not_run(instance) {
            Some(why) => format!("{id}, which {why}"),
            None => format!("{id}, which is RUNNING"),
        },
    }
}

fn why_it_does_not_run(instance: &Instance) -> Option<String> {
    let newest = instance.newest_attempt()?;
    if let Status::RetryPause { until } = instance.status {
        let error = instance.error().and_then(|error| error.message.as_deref());
        let error = error.map(|message| format!(": {message}")).unwrap_or_default();
        let (number, next) = (newest.number, wire(until));
        if instance.role == Role::Resource {
            return Some(format!("is created again at {next}, because attempt {number} failed{error}"));
        }
        return Some(format!(
            "waits until {next} for its next attempt, because attempt {number} failed{error}"
        ));
    }
    match &newest.status {
        attempt::Status::WaitingForRunner { held: Some(lease) } => {
            Some(format!("waits for the task runner on {} to acknowledge it", lease.runner))
        }
        attempt::Status::WaitingForRunner { held: None } => Some(waits_for_runner(instance, newest)),
        attempt::Status::NotYet { until } => {
            let times =
                if newest.checks == 1 { "once".to_owned() } else { format!("{} times", newest.checks) };
            Some(format!("does not hold yet: checked {times}, the next time at {}", wire(*until)))
        }
        attempt::Status::Machine(resource::MachineStatus::Creating { .. }) => {
            Some(format!("is being created{}", hosts_words(newest)))
        }
        attempt::Status::Machine(resource::MachineStatus::ShuttingDown { .. }) => {
            Some("is being ended, and is created again if it is needed".to_owned())
        }
        attempt::Status::Machine(_)
        | attempt::Status::Running { .. }
        | attempt::Status::Finished
        | attempt::Status::Failed(_)
        | attempt::Status::Canceled => None,
    }
}

/// Returns the host's last description of a machine.
fn hosts_words(newest: &Attempt) -> String {
    let said = newest.reported.iter().rfind(|field| field.key == "@resourceStatus");
    match said.map(|field| &field.value) {
        Some(FieldValue::String(text)) => format!(": {text}"),
        Some(FieldValue::Ref(_)) | None => String::new(),
    }
}

fn waits_for_runner(instance: &Instance, newest: &Attempt) -> String {
    if let Some(resource) = &instance.runs_on {
        return format!("waits for a worker of resource {resource}");
    }
    if newest.group == WorkerGroup::service() {
        "waits for the service to check it".to_owned()
    } else {
        format!("waits for a task runner that polls worker group `{}`", newest.group)
    }
}
