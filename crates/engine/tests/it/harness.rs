//! A run with a clock that the test sets, and short methods for its events.

use std::sync::Arc;

use definition::{Field, ObjectId, file};
use engine::{
    Activation, AttemptId, Effect, Event, ExpandError, IllegalEvent, InstanceId, Notice, Occasion,
    PipelineId, Plan, Run, RunnerId, Status, Step, TaskError, TaskOutcome, Timetable, expand,
};
use jiff::{SignedDuration, Timestamp};

pub(crate) const STARTED: &str = "2030-01-31T22:00:00";

/// A run with a clock that the test sets.
pub(crate) struct TestRun {
    pub(crate) run: Run,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
}

pub(crate) fn plan(objects: &str, rest: &str) -> Result<Arc<Plan>, ExpandError> {
    let text = format!(r#"{{"objects": [{objects}]{rest}}}"#);
    let definition = file::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Plan::of(definition).map(Arc::new)
}

pub(crate) fn activation() -> Activation {
    Activation {
        pipeline: PipelineId::from("df-1"),
        pipeline_name: "orders/2030-01-31".to_owned(),
        version: 1,
        at: engine::time::parse(STARTED).unwrap() + SignedDuration::from_millis(250),
        occasion: Occasion::OnDemand { latest: None },
        paused: Default::default(),
    }
}

pub(crate) fn try_start(objects: &str, rest: &str) -> Result<TestRun, ExpandError> {
    let (run, step) = expand(plan(objects, rest)?, activation())?;
    Ok(TestRun { now: run.header().started, run, effects: step.effects })
}

/// Returns a run of `objects`, with a Default object that has a worker group, an on-demand schedule, a retry delay, and the fields
/// `more`.
pub(crate) fn started_with(more: &str, objects: &str) -> TestRun {
    let default = format!(
        r#"{{"id": "Default", "scheduleType": "ondemand", "workerGroup": "g", "retryDelay": "1 minute"{more}}}"#
    );
    try_start(&format!("{default}, {objects}"), "").unwrap()
}

pub(crate) fn started(objects: &str) -> TestRun {
    started_with("", objects)
}

/// Returns the first run of a pipeline on a schedule.
pub(crate) fn scheduled(objects: &str) -> TestRun {
    first_run(objects, false)
}

/// Returns the same run as [`scheduled`], passed over by a later start.
pub(crate) fn passed_over(objects: &str) -> TestRun {
    first_run(objects, true)
}

fn first_run(objects: &str, is_skipped: bool) -> TestRun {
    let plan = plan(objects, "").unwrap();
    let timetable = Arc::new(Timetable::of(&plan, activation().at).unwrap().unwrap());
    let upcoming = timetable.next(None).unwrap();
    let occasion = Occasion::Scheduled { timetable, upcoming, is_skipped };
    let (run, step) = expand(plan, Activation { occasion, ..activation() }).unwrap();
    TestRun { now: run.header().started, run, effects: step.effects }
}

/// Returns the JSON of a ShellCommandActivity with the id `id` and the further fields `more`.
pub(crate) fn shell(id: &str, more: &str) -> String {
    format!(r#"{{"id": "{id}", "type": "ShellCommandActivity", "command": "true"{more}}}"#)
}

pub(crate) fn instance(component: &str) -> InstanceId {
    InstanceId::from(format!("@{component}_{STARTED}"))
}

impl TestRun {
    pub(crate) fn try_step(&mut self, event: Event) -> Result<Step, IllegalEvent> {
        let step = self.run.step(event, self.now)?;
        self.effects.extend(step.effects.iter().cloned());
        Ok(step)
    }

    pub(crate) fn step(&mut self, event: Event) -> Step {
        self.try_step(event).unwrap()
    }

    pub(crate) fn advance_minutes(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
        self.step(Event::Woke);
    }

    pub(crate) fn status(&self, component: &str) -> Status {
        self.run.instance_of_component(&ObjectId::from(component)).unwrap().wire_status()
    }

    /// Returns the component and status of each instance.
    pub(crate) fn statuses(&self) -> Vec<String> {
        self.run.instances().iter().map(|it| format!("{} {}", it.component, it.wire_status())).collect()
    }

    pub(crate) fn newest_attempt(&self, component: &str) -> (AttemptId, u32) {
        let newest =
            self.run.instance_of_component(&ObjectId::from(component)).unwrap().newest_attempt().unwrap();
        (newest.id.clone(), newest.handouts)
    }

    pub(crate) fn claim(&mut self, component: &str) {
        let attempt = self.newest_attempt(component).0;
        self.step(Event::Claimed { attempt, runner: RunnerId::from("runner") });
    }

    pub(crate) fn report(&mut self, component: &str, fields: &[(&str, &str)]) -> Step {
        let (attempt, handout) = self.newest_attempt(component);
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        self.step(Event::ProgressReported { attempt, handout, fields })
    }

    pub(crate) fn set_task_status(&mut self, component: &str, outcome: TaskOutcome) -> Step {
        let (attempt, handout) = self.newest_attempt(component);
        self.step(Event::StatusSet { attempt, handout, outcome })
    }

    pub(crate) fn finish(&mut self, component: &str) {
        self.claim(component);
        self.set_task_status(component, TaskOutcome::Finished);
    }

    pub(crate) fn fail(&mut self, component: &str, id: &str, message: &str) {
        self.claim(component);
        self.set_task_status(component, TaskOutcome::Failed(TaskError::new(id, message)));
    }

    pub(crate) fn cancel(&mut self, component: &str) -> Result<Step, IllegalEvent> {
        self.try_step(Event::CancelRequested {
            instances: [instance(component)].into(),
            reason: "asked".to_owned(),
        })
    }

    /// Plays the host's report that it has made the machine of the resource.
    pub(crate) fn created(&mut self, component: &str) {
        let attempt = self.newest_attempt(component).0;
        self.step(Event::ResourceCreated { attempt, fields: Vec::new() });
    }

    /// Plays the host's report that the machine of the resource does not exist.
    pub(crate) fn gone(&mut self, component: &str, reason: &str) {
        let attempt = self.newest_attempt(component).0;
        self.step(Event::ResourceGone { attempt, reason: reason.to_owned() });
    }

    pub(crate) fn rerun(&mut self, component: &str) {
        self.step(Event::RerunRequested { instances: [instance(component)].into(), paused: [].into() });
    }

    pub(crate) fn notices(&self) -> Vec<&Notice> {
        let notices = self.effects.iter().filter_map(|effect| match effect {
            Effect::Publish(notice) => Some(notice),
            Effect::Offer { .. } | Effect::Resource { .. } | Effect::Ended(_) => None,
        });
        notices.collect()
    }

    pub(crate) fn offers(&self) -> Vec<String> {
        self.run.offers().map(|(attempt, group)| format!("{attempt} {group}")).collect()
    }
}
