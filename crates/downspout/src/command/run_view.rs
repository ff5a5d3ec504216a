//! A run as the operations of the service describe it: instances, attempts, rows, errors.

mod load;

use std::collections::BTreeMap;

use definition::status::Status;
use jiff::Timestamp;
use serde::Serialize;

use super::output;

pub(super) use load::list;

/// A pipeline with the instances of its runs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunView {
    pub(super) pipeline_id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) created: Option<Timestamp>,
    /// The time of the last activation.
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    /// The scheduled start of the next run.
    pub(super) next_run: Option<String>,
    pub(super) instances: Vec<InstanceView>,
}

/// One instance.
#[derive(Clone, Debug, Serialize)]
pub(super) struct InstanceView {
    pub(super) id: String,
    pub(super) component: String,
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) scheduled: Option<String>,
    /// The worker group whose task runners do the work.
    pub(super) worker_group: Option<String>,
    pub(super) waiting_on: Vec<String>,
    /// Programs know the sentence by the name of the service's field.
    #[serde(rename = "waitReason")]
    pub(super) wait_reason: Option<String>,
    pub(super) cascade_failed_on: Vec<String>,
    pub(super) cancellation_reason: Option<String>,
    pub(super) error_id: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) tries_left: Option<u32>,
    pub(super) fields: BTreeMap<String, Vec<String>>,
    pub(super) attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AttemptView {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) hostname: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) log_location: Option<String>,
}

/// A run with its outcome, for programs: `state` is that of the pipeline, and does not tell whether the run failed.
#[derive(Debug, Serialize)]
pub(super) struct WithOutcome<'a> {
    outcome: ShownOutcome,
    #[serde(flatten)]
    run: &'a RunView,
}

/// The outcome of a run, as commands show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ShownOutcome {
    /// The run was not activated yet.
    Pending,
    /// An instance is running, or will run.
    Running,
    /// No instance can go on, and none failed, timed out or was cancelled.
    Finished,
    /// No instance can go on, and an instance failed, timed out or had a cascade failure.
    Failed,
    /// Instances were cancelled, and no instance failed or timed out.
    Canceled,
}

impl ShownOutcome {
    /// Returns whether the run has ended.
    pub(super) fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Running => false,
            Self::Finished | Self::Failed | Self::Canceled => true,
        }
    }

    /// Returns the word for the outcome, in its colour.
    pub(super) fn painted(self) -> String {
        match self {
            Self::Pending => output::paint("PENDING", output::Style::Dim),
            Self::Running => output::paint_status("RUNNING"),
            Self::Finished => output::paint_status("FINISHED"),
            Self::Failed => output::paint_status("FAILED"),
            Self::Canceled => output::paint_status("CANCELED"),
        }
    }
}

impl RunView {
    /// Returns whether the instances belong to more than one interval. Only their times then tell two instances of one
    /// component apart.
    pub(super) fn has_intervals(&self) -> bool {
        let mut starts = self.instances.iter().map(|instance| &instance.scheduled);
        let first = starts.next();
        self.next_run.is_some() || starts.any(|start| Some(start) != first)
    }

    /// Returns the outcome of the pipeline: running while any instance can go on, else the outcome of the newest interval.
    pub(super) fn outcome(&self) -> ShownOutcome {
        let is_final = |instance: &InstanceView| instance.status.parse().is_ok_and(Status::is_final);
        let all_final = self.instances.iter().all(is_final);
        match (self.instances.is_empty(), all_final) {
            (true, _) if self.started.is_none() => ShownOutcome::Pending,
            (true, _) => ShownOutcome::Running,
            (false, true) => ending(self.newest()),
            (false, false) if self.is_stuck() => ending(self.instances.iter()),
            (false, false) => ShownOutcome::Running,
        }
    }

    /// Returns the run with its outcome, for programs.
    pub(super) fn with_outcome(&self) -> WithOutcome<'_> {
        WithOutcome { outcome: self.outcome(), run: self }
    }

    /// Returns the instances of the newest interval, or of the newest run on demand.
    fn newest(&self) -> impl Iterator<Item = &InstanceView> {
        let newest = self.instances.iter().map(|instance| &instance.scheduled).max();
        self.instances.iter().filter(move |instance| Some(&instance.scheduled) == newest)
    }

    /// Returns whether an instance failed and every instance that has not ended waits on another instance.
    ///
    /// If `failureAndRerunMode` is `none`, the instances that wait on a failed instance wait for ever.
    fn is_stuck(&self) -> bool {
        let failed = self.instances.iter().any(|instance| has_failed(&instance.status));
        let waits = |instance: &&InstanceView| instance.status == "WAITING_ON_DEPENDENCIES";
        let is_final = |instance: &InstanceView| instance.status.parse().is_ok_and(Status::is_final);
        let moves = self.instances.iter().any(|instance| !waits(&instance) && !is_final(instance));
        let free = self.instances.iter().filter(waits).any(|instance| instance.waiting_on.is_empty());
        failed && !moves && !free
    }

    /// Returns when the first instance of the newest interval started and when the last one ended. If no instance has
    /// started, the first time is the last activation of the pipeline.
    ///
    /// A pipeline that is running has no end.
    pub(super) fn span(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let first = self.newest().filter_map(|instance| instance.started).min().or(self.started);
        let last = self.newest().filter_map(|instance| instance.ended).max();
        (first, last.filter(|_| self.outcome().is_over()))
    }

    /// Returns the sum of a number over all instances.
    pub(super) fn sum(&self, field: &str) -> u64 {
        self.instances.iter().filter_map(|instance| instance.number(field)).sum()
    }

    /// Returns the part of the name before the slash: the definition.
    pub(super) fn definition(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(definition, _)| definition)
    }
}

/// Returns the outcome of instances that are final or can never go on.
fn ending<'a>(instances: impl Iterator<Item = &'a InstanceView>) -> ShownOutcome {
    let ended: Vec<&str> = instances.map(|instance| instance.status.as_str()).collect();
    let has = |status: &str| ended.contains(&status);
    match ended.iter().any(|status| has_failed(status)) {
        false => ShownOutcome::Finished,
        true if has("CANCELED") && !has("FAILED") && !has("TIMEDOUT") => ShownOutcome::Canceled,
        true => ShownOutcome::Failed,
    }
}

/// Returns whether a status is final and means a failure, a cascade failure, a timeout or a cancellation.
fn has_failed(status: &str) -> bool {
    status.parse().is_ok_and(Status::has_failed)
}

impl InstanceView {
    /// Returns the number in a field.
    pub(super) fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.first()?.parse().ok()
    }

    /// Returns the first value of a field.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.first().map(String::as_str)
    }

    /// Returns whether a timeline shows the instance. A data node without a problem only connects activities.
    pub(super) fn is_worth_showing(&self) -> bool {
        !self.kind.ends_with("DataNode")
            || (self.status != "FINISHED" && self.status != "WAITING_ON_DEPENDENCIES")
    }

    /// Returns whether the instance itself failed, timed out or was cancelled. A cascade failure does not count.
    pub(super) fn failed_itself(&self) -> bool {
        matches!(self.status.as_str(), "FAILED" | "TIMEDOUT" | "CANCELED")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a run whose instances have these statuses and wait on these ids.
    pub(in super::super) fn run(statuses: &[(&str, &[&str])]) -> RunView {
        let instance = |(status, waiting): &(&str, &[&str])| InstanceView {
            id: "@A_2026".to_owned(),
            component: "A".to_owned(),
            kind: "ShellCommandActivity".to_owned(),
            status: (*status).to_owned(),
            started: None,
            ended: None,
            scheduled: None,
            worker_group: None,
            waiting_on: waiting.iter().map(|id| (*id).to_owned()).collect(),
            wait_reason: None,
            cascade_failed_on: vec![],
            cancellation_reason: None,
            error_id: None,
            error_message: None,
            tries_left: None,
            fields: BTreeMap::new(),
            attempts: vec![],
        };
        RunView {
            pipeline_id: "df-1".to_owned(),
            name: "orders/day=2026-03-01".to_owned(),
            state: "SCHEDULED".to_owned(),
            created: None,
            started: None,
            ended: None,
            next_run: None,
            instances: statuses.iter().map(instance).collect(),
        }
    }

    #[test]
    fn a_run_is_over_when_every_instance_is_final() {
        assert_eq!(run(&[("FINISHED", &[]), ("RUNNING", &[])]).outcome(), ShownOutcome::Running);
        assert_eq!(run(&[("FINISHED", &[]), ("FINISHED", &[])]).outcome(), ShownOutcome::Finished);
        assert_eq!(run(&[("FAILED", &[]), ("CASCADE_FAILED", &["a"])]).outcome(), ShownOutcome::Failed);
        let begins = RunView { started: Some(Timestamp::UNIX_EPOCH), ..run(&[]) };
        assert_eq!(begins.outcome(), ShownOutcome::Running);
    }

    #[test]
    fn a_pipeline_that_was_never_activated_is_pending() {
        assert_eq!(run(&[]).outcome(), ShownOutcome::Pending);
        assert!(!ShownOutcome::Pending.is_over());
    }

    #[test]
    fn a_pipeline_stands_as_its_newest_interval_ended() {
        let after = |second: &str| {
            let mut run = run(&[("FAILED", &[]), (second, &[])]);
            for (instance, hour) in run.instances.iter_mut().zip(["10", "11"]) {
                instance.scheduled = Some(format!("2026-03-01T{hour}:00:00"));
            }
            run.outcome()
        };
        assert_eq!(
            [after("FINISHED"), after("CANCELED"), after("RUNNING")],
            [ShownOutcome::Finished, ShownOutcome::Canceled, ShownOutcome::Running]
        );
    }

    #[test]
    fn a_cancelled_run_did_not_fail() {
        assert_eq!(run(&[("CANCELED", &[]), ("CASCADE_FAILED", &["a"])]).outcome(), ShownOutcome::Canceled);
        assert_eq!(run(&[("CANCELED", &[]), ("FAILED", &[])]).outcome(), ShownOutcome::Failed);
    }

    #[test]
    fn a_run_is_over_when_its_instances_wait_on_a_failed_one_for_ever() {
        assert_eq!(
            run(&[("FAILED", &[]), ("WAITING_ON_DEPENDENCIES", &["a"])]).outcome(),
            ShownOutcome::Failed
        );
        let moving = [("FAILED", &[][..]), ("WAITING_ON_DEPENDENCIES", &["a"]), ("WAITING_FOR_RUNNER", &[])];
        assert_eq!(run(&moving).outcome(), ShownOutcome::Running);
        let skipped = [("FAILED", &[][..]), ("WAITING_ON_DEPENDENCIES", &["a"]), ("SKIPPED", &[])];
        assert_eq!(run(&skipped).outcome(), ShownOutcome::Failed, "a skipped interval does not move");
    }

    #[test]
    fn programs_get_the_outcome_and_the_wait_reason() {
        let mut stuck = run(&[("FAILED", &[]), ("WAITING_ON_DEPENDENCIES", &["a"])]);
        stuck.instances[1].wait_reason = Some("waits for A, which is FAILED".to_owned());
        "FINISHED".clone_into(&mut stuck.state);
        let shown = serde_json::to_value(stuck.with_outcome()).expect("JSON");
        assert_eq!((&shown["state"], &shown["outcome"]), (&"FINISHED".into(), &"FAILED".into()));
        assert_eq!(shown["instances"][1]["waitReason"], "waits for A, which is FAILED");
    }
}
