//! Checks the changes of a run: rules between two states of a run, one write apart.

use definition::period::Period;
use engine::attempt::Status as AttemptStatus;
use engine::instance::Role;
use engine::{ATTEMPT_TIMEOUT, Attempt, Instance, Run, RunOutcome, STALLED, Status, TaskId, WorkerGroup};
use jiff::{SignedDuration, Timestamp};

use super::super::server::OWN_RUNNERS;
use super::super::{World, since};
use super::Requests;

/// The time that a step may take until it is on the disk.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// Checks the change of a run.
pub(super) fn check(
    world: &World,
    requests: &Requests,
    before: Option<&Run>,
    after: &Run,
) -> Result<(), String> {
    let change = RunChange { world, requests, before, run: after };
    for instance in after.instances() {
        let old = before.and_then(|run| run.instance(instance.id.as_str()));
        if old == Some(instance) {
            continue;
        }
        world.trace().count(&format!("instance {}", instance.wire_status()));
        if instance.is_paused && !old.is_some_and(|old| old.is_paused) {
            world.trace().count("instance paused");
        }
        let checked = change.instance(old, instance);
        checked.map_err(|text| format!("{} of {}: {text}", instance.id, after.header().pipeline))?;
    }
    if let Some(end) = after.end() {
        // The state of a precondition shows in the object that it guards.
        let mut counted = after.instances().iter().filter(|it| it.guards.is_none());
        let is_done = counted.all(|it| matches!(it.wire_status(), Status::Finished | Status::Skipped));
        if is_done != matches!(end.outcome, RunOutcome::Finished | RunOutcome::Skipped) {
            return Err(format!(
                "the run has ended as {}, and all its work is done: {is_done}",
                end.outcome.wire_status()
            ));
        }
    }
    // In a stuck run, every waiting instance waits for one that has not FINISHED.
    if after.end().is_some() {
        let waits = |it: &&Instance| it.wire_status() == Status::WaitingOnDependencies;
        let lost = after.instances().iter().filter(waits).find(|it| after.waiting_on(it).is_empty());
        if let Some(lost) = lost {
            return Err(format!("the run has ended and {} waits for nothing", lost.id));
        }
    }
    Ok(())
}

/// A run before and after a write, and the requests that may have caused the change.
struct RunChange<'a> {
    world: &'a World,
    requests: &'a Requests,
    before: Option<&'a Run>,
    run: &'a Run,
}

impl RunChange<'_> {
    fn instance(&self, old: Option<&Instance>, new: &Instance) -> Result<(), String> {
        if let Some(old) = old {
            self.final_stays_final(old, new)?;
        }
        self.tries_are_counted(new)?;
        let known = old.map_or(0, |old| old.attempts.len());
        for (index, attempt) in new.attempts.iter().enumerate() {
            let before = old.and_then(|old| old.attempts.get(index));
            if before == Some(attempt) {
                continue;
            }
            self.world.trace().count(&format!("attempt {}", word(attempt)));
            if index + 1 < new.attempts.len() && !attempt.status.is_settled() {
                return Err(format!("{} is open, and so is a newer one", attempt.id));
            }
            if index >= known {
                self.may_be_tried(new, index, attempt)?;
            }
            self.attempt(new, before, attempt)?;
        }
        self.may_cascade_fail(old, new)
    }

    fn final_stays_final(&self, old: &Instance, new: &Instance) -> Result<(), String> {
        let key = (self.run.header().pipeline.clone(), new.id.clone());
        if new.generation < old.generation || new.attempts.len() < old.attempts.len() {
            return Err("it went back in time".to_owned());
        }
        if new.generation > old.generation && !self.requests.reruns.contains(&key.0) {
            return Err("it was rerun, and nobody asked for it".to_owned());
        }
        if old.generation != new.generation || !old.is_final() || new.wire_status() == old.wire_status() {
            return Ok(());
        }
        let is_marked = new.wire_status() == Status::Finished && self.requests.marked.contains(&key);
        if is_marked {
            Ok(())
        } else {
            Err(format!("it was {} and is {}", old.wire_status(), new.wire_status()))
        }
    }

    fn tries_are_counted(&self, new: &Instance) -> Result<(), String> {
        let tries = new.attempts.iter().filter(|it| it.generation == new.generation).count();
        let most = self.number(new, "maximumRetries", 2) + 1;
        if tries > most {
            return Err(format!("it has {tries} attempts; {most} are allowed"));
        }
        let error = new.error().filter(|_| new.wire_status() == Status::Failed && tries > 0);
        if error.is_some_and(|error| error.is_retryable()) && tries < most {
            return Err(format!("it is FAILED after {tries} attempts; {most} are allowed"));
        }
        Ok(())
    }

    /// The first attempt of a generation may begin when the dependencies of the instance are FINISHED and the time of
    /// the instance has come. Later attempts may begin when `retryDelay` is over.
    fn may_be_tried(&self, new: &Instance, index: usize, attempt: &Attempt) -> Result<(), String> {
        let previous = index.checked_sub(1).and_then(|index| new.attempts.get(index));
        if let Some(previous) = previous.filter(|it| it.generation == attempt.generation) {
            let delay = SignedDuration::from_millis(previous.limits.retry_delay_ms);
            let pause = self.period(new, "retryDelay").unwrap_or(SignedDuration::from_mins(10));
            let ended = previous.ended.unwrap_or(Timestamp::MAX);
            if attempt.created < ended + pause.min(delay) || delay < pause {
                return Err(format!("{} began before retryDelay was over", attempt.id));
            }
            return Ok(());
        }
        for id in self.needs(new) {
            let is_unmet =
                |run: &Run| run.instance(&id).is_some_and(|need| need.wire_status() != Status::Finished);
            // One command may rerun both instances. Then `id` was FINISHED before the write, and is no longer.
            if is_unmet(self.run) && self.before.is_none_or(is_unmet) {
                return Err(format!("{} began before {id} was FINISHED", attempt.id));
            }
        }
        let interval = self.run.interval(new);
        let kind = self.text(new, "scheduleType").unwrap_or_default();
        // A run on demand waits for no time. If two runs begin in the same second, the second one has an id of the next
        // second, so its start may be in the future.
        if kind == "ondemand" {
            return Ok(());
        }
        let release = if kind == "timeseries" { interval.end } else { interval.start };
        if release > self.world.highest() {
            return Err(format!("{} began before its time, {release}", attempt.id));
        }
        Ok(())
    }

    /// Returns the ids of the instances that must be FINISHED first, by the definition and by the run.
    fn needs(&self, new: &Instance) -> Vec<String> {
        let start = self.run.interval(new).start;
        let object = self.run.plan().object(new.component.as_str());
        let targets =
            object.into_iter().flat_map(|it| it.references("dependsOn").chain(it.references("input")));
        let same_start = targets.map(|target| engine::InstanceId::new(target, start).to_string());
        same_start.chain(new.depends_on.iter().map(ToString::to_string)).collect()
    }

    fn attempt(&self, new: &Instance, old: Option<&Attempt>, attempt: &Attempt) -> Result<(), String> {
        let id = &attempt.id;
        if let Some(old) = old.filter(|old| old.status.is_settled() && old.status != attempt.status) {
            return Err(format!("{id} was {:?} and is {:?}", old.status, attempt.status));
        }
        let was_open = old.is_none_or(|old| !old.status.is_settled());
        if was_open && attempt.status.is_settled() {
            self.may_settle(new, old, attempt)?;
        }
        let Some(old) = old else { return Ok(()) };
        if attempt.handouts > old.handouts + 1 {
            return Err(format!("{id} was handed out twice in one write"));
        }
        if attempt.handouts > old.handouts && !old.is_free() {
            return Err(format!("{id} was handed out while {:?} had it", old.runner()));
        }
        if attempt.handouts > old.handouts && new.is_paused {
            return Err(format!("{id} was handed out while it is paused"));
        }
        if attempt.is_free() && old.runner().is_some() {
            self.may_be_free(old)?;
        }
        match &attempt.status {
            AttemptStatus::WaitingForRunner { held: Some(lease) } if attempt.handouts > old.handouts => {
                let window = since(lease.until, self.world.now());
                let is_short = window < SignedDuration::from_mins(2) - SLACK;
                match is_short && !self.world.has_jumped() {
                    true => Err(format!("{id} must be acknowledged within {window:#}")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// A task may become free when its runner is gone, has not acknowledged it in time, or never received it.
    fn may_be_free(&self, old: &Attempt) -> Result<(), String> {
        let runner = old.runner().map(|runner| runner.as_str().to_owned()).unwrap_or_default();
        let is_gone = self.requests.deaths > 0
            && (runner.starts_with(OWN_RUNNERS) || old.group == WorkerGroup::service());
        let is_over = match &old.status {
            AttemptStatus::WaitingForRunner { held: Some(lease) } => lease.until <= self.world.highest(),
            _ => false,
        };
        // The poller may have hung up before it received the task.
        let task = task(self.run, old);
        let is_unheard = !self.requests.handed.contains(&task);
        match is_gone || is_over || is_unheard {
            true => Ok(()),
            false => Err(format!("{task} became free, and {runner} is at work on it")),
        }
    }

    /// An attempt ends as its runner reported, because a time limit passed, or with another error of the service.
    fn may_settle(&self, new: &Instance, old: Option<&Attempt>, attempt: &Attempt) -> Result<(), String> {
        let id = &attempt.id;
        let said = |word: &str| {
            let ends = self.requests.ends.get(&task(self.run, attempt));
            attempt.group == WorkerGroup::service() || ends.is_some_and(|ends| ends.contains(word))
        };
        let error = match &attempt.status {
            AttemptStatus::Finished if said("FINISHED") => return Ok(()),
            AttemptStatus::Finished => {
                return Err(format!("{id} is FINISHED, and its runner never reported that"));
            }
            AttemptStatus::Failed(error) => error.id.clone().unwrap_or_default(),
            _ => return Ok(()),
        };
        let begun = old.and_then(|old| old.reported_at);
        let after = |field: &str, usual: Option<SignedDuration>| {
            self.period(new, field).or(usual).zip(begun).map(|(period, begun)| begun + period)
        };
        let due = match error.as_str() {
            STALLED => after("reportProgressTimeout", Some(SignedDuration::from_mins(15))),
            // The service counts this limit from the creation of the attempt or from a later time.
            ATTEMPT_TIMEOUT => self.period(new, "attemptTimeout").map(|period| attempt.created + period),
            text if text.starts_with("Service_") => return Ok(()),
            _ if said("FAILED") => return Ok(()),
            _ => return Err(format!("{id} is FAILED, and its runner never reported that")),
        };
        match due {
            Some(due) if due <= self.world.highest() => Ok(()),
            due => Err(format!("{id} has {error} too early: {due:?}")),
        }
    }

    /// Only an instance whose failure mode is `cascade` may be CASCADE_FAILED.
    fn may_cascade_fail(&self, old: Option<&Instance>, new: &Instance) -> Result<(), String> {
        if new.wire_status() != Status::CascadeFailed
            || old.is_some_and(|old| old.wire_status() == new.wire_status())
        {
            return Ok(());
        }
        let mode = self.text(new, "failureAndRerunMode").unwrap_or_default();
        let is_bad = |id: &engine::InstanceId| self.run.instance(id.as_str()).is_some_and(Instance::is_bad);
        match mode == "cascade" && new.depends_on.iter().any(is_bad) && new.role != Role::Precondition {
            true => Ok(()),
            false => Err("it is CASCADE_FAILED without a cause, or must not cascade".to_owned()),
        }
    }

    fn text(&self, instance: &Instance, field: &str) -> Option<&str> {
        self.run.plan().object(instance.component.as_str())?.string(field)
    }

    fn number(&self, instance: &Instance, field: &str, usual: usize) -> usize {
        self.text(instance, field).and_then(|text| text.parse().ok()).unwrap_or(usual)
    }

    fn period(&self, instance: &Instance, field: &str) -> Option<SignedDuration> {
        let period = Period::parse(self.text(instance, field)?).ok()?;
        let begin = Timestamp::UNIX_EPOCH;
        Some(since(period.after(begin), begin))
    }
}

fn task(run: &Run, attempt: &Attempt) -> String {
    let (pipeline, handout) = (run.header().pipeline.clone(), attempt.handouts);
    TaskId { pipeline, attempt: attempt.id.clone(), handout }.to_string()
}

fn word(attempt: &Attempt) -> &'static str {
    match &attempt.status {
        AttemptStatus::WaitingForRunner { held: None } => "free",
        AttemptStatus::WaitingForRunner { held: Some(_) } => "held",
        AttemptStatus::Running { cancel_requested: false, .. } => "running",
        AttemptStatus::Running { cancel_requested: true, .. } => "to be canceled",
        AttemptStatus::NotYet { .. } => "not yet",
        // The simulation has no host, so no machine occurs.
        AttemptStatus::Machine(_) => "a machine",
        AttemptStatus::Finished => "finished",
        AttemptStatus::Failed(error) if error.id.as_deref() == Some(STALLED) => "stalled",
        AttemptStatus::Failed(error) if error.id.as_deref() == Some(ATTEMPT_TIMEOUT) => "timed out",
        AttemptStatus::Failed(_) => "failed",
        AttemptStatus::Canceled => "canceled",
    }
}
