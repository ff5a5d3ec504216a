//! Random sequences of events: final instances stay final, attempts stay within the retries, every run can be brought to its
//! end, and a replay (also from the stored form) equals the live run.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use definition::{Field, ObjectId};
use engine::attempt::Attempt;
use engine::instance::Role;
use engine::{
    AttemptId, Effect, Event, Instance, InstanceId, Run, RunnerId, Status, Step, TaskError, TaskOutcome,
    WorkerGroup, resource,
};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::harness::{self, STARTED, TestRun, shell, started_with};

const RETRIES: u32 = 1;

/// Returns a run of a diamond (A before B and C, both before D) and of E alone.
fn diamond(cascade: bool) -> TestRun {
    let more = if cascade {
        r#", "failureAndRerunMode": "cascade", "maximumRetries": "1""#
    } else {
        r#", "maximumRetries": "1""#
    };
    let b = shell("B", r#", "dependsOn": {"ref": "A"}, "output": {"ref": "N"}"#);
    let c = shell("C", r#", "dependsOn": {"ref": "A"}, "attemptTimeout": "20 minutes""#);
    let d = shell("D", r#", "dependsOn": {"ref": "C"}, "input": {"ref": "N"}"#);
    let node = r#"{"id": "N", "type": "S3DataNode", "filePath": "s3://b/n"}"#;
    started_with(more, &[shell("A", ""), b, c, d, shell("E", ""), node.to_owned()].join(", "))
}

/// Returns a run of hourly loads and a sum of them. Each load uses a guarded file, and all of them may be late.
fn scheduled(cascade: bool) -> TestRun {
    let cascade = if cascade { r#", "failureAndRerunMode": "cascade""# } else { "" };
    let default = format!(
        r#"{{"id": "Default", "scheduleType": "cron", "schedule": {{"ref": "Hourly"}}, "workerGroup": "g",
            "maximumRetries": "1", "lateAfterTimeout": "40 minutes", "onLateAction": {{"ref": "Stop"}}{cascade}}}"#
    );
    let schedule = |id: &str, period: &str| {
        format!(
            r#"{{"id": "{id}", "type": "Schedule", "period": "{period}", "startDateTime": "{STARTED}",
                "endDateTime": "2030-02-01T01:00:00"}}"#
        )
    };
    let rest = r#"{"id": "Stop", "type": "Terminate"},
        {"id": "Landed", "type": "S3KeyExists", "s3Key": "s3://b/k", "role": "r", "preconditionTimeout": "1 hour"},
        {"id": "Asked", "type": "ShellCommandPrecondition", "command": "true", "retryDelay": "5 minutes"},
        {"id": "F", "type": "S3DataNode", "filePath": "s3://b/k", "precondition": {"ref": "Landed"}}"#;
    let load = shell("Load", r#", "input": {"ref": "F"}, "precondition": {"ref": "Asked"}"#);
    let sum = shell("Sum", r#", "schedule": {"ref": "Daily"}, "dependsOn": {"ref": "Load"}"#);
    let objects =
        [default, schedule("Hourly", "1 hour"), schedule("Daily", "3 hours"), rest.to_owned(), load, sum];
    harness::scheduled(&objects.join(", "))
}

/// Returns a run of hourly work and checks on machines, of work without a machine, and of a cluster for the whole time.
fn on_machines(cascade: bool) -> TestRun {
    let cascade = if cascade { r#", "failureAndRerunMode": "cascade""# } else { "" };
    let default = format!(
        r#"{{"id": "Default", "scheduleType": "cron", "schedule": {{"ref": "Hourly"}}, "workerGroup": "g",
            "maximumRetries": "1"{cascade}}}"#
    );
    let schedule = |id: &str, period: &str| {
        format!(
            r#"{{"id": "{id}", "type": "Schedule", "period": "{period}", "startDateTime": "{STARTED}",
                "endDateTime": "2030-02-01T00:00:00"}}"#
        )
    };
    let rest = r#"{"id": "Asked", "type": "ShellCommandPrecondition", "command": "true", "retryDelay": "5 minutes"},
        {"id": "Box", "type": "Ec2Resource", "role": "r", "resourceRole": "r", "retryDelay": "2 minutes",
         "initTimeout": "20 minutes", "terminateAfter": "2 hours", "actionOnTaskFailure": "terminate",
         "lateAfterTimeout": "30 minutes", "onLateAction": {"ref": "Stop"}},
        {"id": "Stop", "type": "Terminate"},
        {"id": "Farm", "type": "EmrCluster", "schedule": {"ref": "Whole"}, "actionOnResourceFailure": "retrynone"}"#;
    let before = shell("Before", "");
    let load = shell("Load", r#", "dependsOn": {"ref": "Before"}, "runsOn": {"ref": "Box"}"#);
    let more =
        r#", "runsOn": {"ref": "Box"}, "dependsOn": {"ref": "Load"}, "precondition": {"ref": "Asked"}"#;
    let sum = shell("Sum", r#", "runsOn": {"ref": "Farm"}"#);
    let objects = [
        default,
        schedule("Hourly", "1 hour"),
        schedule("Whole", "2 hours"),
        rest.to_owned(),
        before,
        load,
        shell("More", more),
        sum,
    ];
    harness::scheduled(&objects.join(", "))
}

fn make(story: usize, cascade: bool) -> TestRun {
    match story {
        0 => diamond(cascade),
        1 => scheduled(cascade),
        _ => on_machines(cascade),
    }
}

/// A random step. It concerns the instances with the given numbers.
#[derive(Clone, Debug)]
enum Move {
    Claim(usize),
    Report(usize),
    Finish(usize),
    Fail(usize, bool),
    Release(usize),
    Cancel(Vec<usize>),
    Rerun(Vec<usize>),
    Mark(Vec<usize>),
    SayFalse(usize),
    Pause(Vec<usize>),
    Resume(Vec<usize>),
    Deactivate(bool),
    Activate(Option<i64>),
    Create(usize),
    Tell(usize),
    Lose(usize),
    Pass(i64),
    StaleReport(usize),
}

fn at() -> impl Strategy<Value = usize> {
    0..16usize
}

/// Returns the numbers of the instances that one command names.
fn some() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(at(), 1..4)
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => at().prop_map(Move::Claim),
        4 => at().prop_map(Move::Report),
        4 => at().prop_map(Move::Finish),
        3 => (at(), any::<bool>()).prop_map(|(at, bad)| Move::Fail(at, bad)),
        1 => at().prop_map(Move::Release),
        1 => some().prop_map(Move::Cancel),
        1 => some().prop_map(Move::Rerun),
        1 => some().prop_map(Move::Mark),
        2 => at().prop_map(Move::SayFalse),
        1 => some().prop_map(Move::Pause),
        1 => some().prop_map(Move::Resume),
        1 => any::<bool>().prop_map(Move::Deactivate),
        1 => prop::option::of(0..120i64).prop_map(Move::Activate),
        4 => at().prop_map(Move::Create),
        1 => at().prop_map(Move::Tell),
        2 => at().prop_map(Move::Lose),
        3 => (0..25i64).prop_map(Move::Pass),
        1 => at().prop_map(Move::StaleReport),
    ];
    prop::collection::vec(one, 0..80)
}

fn event(run: &Run, step: &Move) -> Option<Event> {
    let instance_at = |at: usize| &run.instances()[at % run.instances().len()];
    let instance = |at: usize| instance_at(at).id.clone();
    let newest =
        |at: usize| instance_at(at).newest_attempt().map(|newest| (newest.id.clone(), newest.handouts));
    let instances = |of: &Vec<usize>| of.iter().map(|at| instance(*at)).collect();
    let components = |of: &Vec<usize>| of.iter().map(|at| instance_at(*at).component.clone()).collect();
    let set =
        |at, outcome| newest(at).map(|(attempt, handout)| Event::StatusSet { attempt, handout, outcome });
    match *step {
        Move::Claim(at) => {
            newest(at).map(|(attempt, _)| Event::Claimed { attempt, runner: RunnerId::from("r") })
        }
        Move::Report(at) => {
            newest(at).map(|(attempt, handout)| Event::ProgressReported { attempt, handout, fields: vec![] })
        }
        Move::StaleReport(at) => newest(at).map(|(attempt, handout)| Event::ProgressReported {
            attempt,
            handout: handout.wrapping_sub(1),
            fields: vec![],
        }),
        Move::SayFalse(at) => set(at, TaskOutcome::False),
        Move::Pause(ref of) => Some(Event::Paused { components: components(of) }),
        Move::Resume(ref of) => Some(Event::Resumed { components: components(of) }),
        Move::Deactivate(cancel) => {
            Some(Event::Deactivated { cancel: cancel.then(|| "deactivated".to_owned()) })
        }
        Move::Activate(minutes) => {
            let until = |minutes| run.header().scheduled + SignedDuration::from_mins(minutes);
            Some(Event::Activated { skip_until: minutes.map(until) })
        }
        Move::Finish(at) => set(at, TaskOutcome::Finished),
        Move::Fail(at, bad) => {
            let error = TaskError::new(if bad { "BadInput" } else { "E" }, "no");
            set(at, TaskOutcome::Failed(error))
        }
        Move::Create(at) => newest(at).map(|(attempt, _)| Event::ResourceCreated { attempt, fields: vec![] }),
        Move::Tell(at) => newest(at).map(|(attempt, _)| {
            let fields = vec![Field::string("@resourceStatus", format!("seen {at}"))];
            Event::ResourceReported { attempt, fields }
        }),
        Move::Lose(at) => {
            newest(at).map(|(attempt, _)| Event::ResourceGone { attempt, reason: "it went".to_owned() })
        }
        Move::Release(at) => newest(at).map(|(attempt, _)| Event::Released { attempt }),
        Move::Cancel(ref of) => {
            Some(Event::CancelRequested { instances: instances(of), reason: "r".to_owned() })
        }
        Move::Rerun(ref of) => Some(Event::RerunRequested { instances: instances(of), paused: paused(run) }),
        Move::Mark(ref of) => Some(Event::MarkedFinished { instances: instances(of) }),
        Move::Pass(_) => Some(Event::Woke),
    }
}

/// Returns the components with paused instances.
fn paused(run: &Run) -> BTreeSet<ObjectId> {
    run.instances().iter().filter(|it| it.is_paused).map(|it| it.component.clone()).collect()
}

/// Returns the run as a store would load it.
fn reloaded(run: &Run) -> Run {
    let through = |instance: &Instance| {
        let mut back: Instance = serde_json::from_str(&serde_json::to_string(instance).unwrap()).unwrap();
        back.depends_on = instance.depends_on.clone();
        let attempts = serde_json::to_string(&instance.attempts).unwrap();
        back.attempts = serde_json::from_str(&attempts).unwrap();
        back
    };
    let header = serde_json::from_str(&serde_json::to_string(run.header()).unwrap()).unwrap();
    Run::assemble(header, run.plan().clone(), run.instances().iter().map(through).collect())
}

fn same(live: &Run, other: &Run) -> Result<(), TestCaseError> {
    prop_assert_eq!(live.header(), other.header());
    prop_assert_eq!(live.instances(), other.instances());
    prop_assert_eq!(live.next_wake(), other.next_wake());
    prop_assert_eq!(live.is_active(), other.is_active());
    Ok(())
}

fn finals(run: &Run) -> HashMap<(InstanceId, u32), Status> {
    let settled = run.instances().iter().filter(|instance| instance.is_final());
    settled.map(|instance| ((instance.id.clone(), instance.generation), instance.wire_status())).collect()
}

/// Fails unless final instances stay final within a generation, or a user marks them as finished.
fn still_final(
    before: &HashMap<(InstanceId, u32), Status>,
    run: &Run,
    marks: bool,
) -> Result<(), TestCaseError> {
    for instance in run.instances() {
        if let Some(status) = before.get(&(instance.id.clone(), instance.generation)) {
            let marked = marks && instance.wire_status() == Status::Finished;
            prop_assert!(instance.wire_status() == *status || marked, "{} was {status}", instance.id);
        }
        prop_assert!(instance.tries() <= RETRIES + 1);
    }
    Ok(())
}

/// Fails unless each attempt on offer may be worked on now: its time has come, and it is not paused. An instance that is tried
/// for the first time waits for no dependency. `made` are the numbers of attempts before the step.
fn may_run(made: &HashMap<InstanceId, usize>, run: &Run, effects: &[Effect]) -> Result<(), TestCaseError> {
    for effect in effects {
        let Effect::Offer { attempt, .. } = effect else { continue };
        let instance = run.instance(attempt.parts().unwrap().0.as_str()).unwrap();
        prop_assert!(instance.release.is_none() && !instance.is_paused, "{attempt} is on offer");
        let unmet = instance.depends_on.iter().filter_map(|id| run.instance(id.as_str()));
        let unmet: Vec<_> =
            unmet.filter(|it| it.wire_status() != Status::Finished).map(|it| &it.id).collect();
        let is_first = instance.attempts.len() > made[&instance.id] && instance.tries() == 1;
        prop_assert!(!is_first || unmet.is_empty(), "{attempt} is tried before {unmet:?}");
    }
    if run.end().is_some() {
        prop_assert_eq!(run.offers().count(), 0);
        prop_assert!(!run.is_active());
    }
    // A deactivation waits for attempts that a runner may take, holds or works on.
    let is_at_work = run.offers().next().is_some() || run.handed_out().next().is_some();
    prop_assert!(run.is_active() || !is_at_work);

    for precondition in run.instances().iter().filter(|it| !it.is_final()) {
        // A runner that checks the precondition is told to stop.
        let owner = precondition.guards.as_ref().and_then(|id| run.instance(id.as_str()));
        let is_left = owner.is_some_and(Instance::is_final) && precondition.canceling.is_none();
        prop_assert!(!is_left, "{} outlives its owner", precondition.id);
    }
    Ok(())
}

/// Fails unless a step reports the end of the run at most once, and as the header has it then.
fn tells_its_end(run: &Run, effects: &[Effect]) -> Result<(), TestCaseError> {
    let told = effects.iter().filter_map(|effect| match effect {
        Effect::Ended(outcome) => Some(*outcome),
        Effect::Offer { .. } | Effect::Resource { .. } | Effect::Publish(_) => None,
    });
    let told: Vec<_> = told.collect();
    let ended: Vec<_> = run.end().map(|end| end.outcome).into_iter().collect();
    prop_assert!(told.is_empty() || told == ended, "{told:?} is told of {ended:?}");
    Ok(())
}

/// Fails unless work is on offer and taken only while its resource is RUNNING, a resource whose users are all final is shutting
/// down, and the run ends only when its machines are gone.
fn resources_serve(before: &Run, run: &Run) -> Result<(), TestCaseError> {
    let is_resource = |it: &&Instance| it.role == Role::Resource;
    for resource in run.instances().iter().filter(is_resource) {
        let users = run.instances().iter().filter(|it| it.runs_on.as_ref() == Some(&resource.id));
        let (open, over): (Vec<_>, Vec<_>) = users.partition(|user| !user.is_final());
        prop_assert!(!open.is_empty() || !over.is_empty(), "nothing runs on {}", resource.id);
        let word = resource.wire_status();
        for user in &open {
            let is_on = run.offers().any(|(attempt, _)| attempt.parts().unwrap().0 == user.id);
            let at_work = user.wire_status() == Status::Running;
            prop_assert!(
                word == Status::Running || !(is_on || at_work),
                "{} is on {word} {}",
                user.id,
                resource.id
            );
            let was = before
                .instance(user.id.as_str())
                .and_then(Instance::newest_attempt)
                .map(|newest| newest.handouts);
            let is_taken = user.newest_attempt().is_some_and(|newest| newest.handouts > was.unwrap_or(0));
            prop_assert!(word == Status::Running || !is_taken, "{} was taken on {word}", user.id);
        }
        let is_leaving = resource.is_final() || word == Status::ShuttingDown;
        prop_assert!(!open.is_empty() || is_leaving, "{} is {word} for nobody", resource.id);
        let has_ended_badly = resource.is_bad();
        prop_assert!(!has_ended_badly || open.iter().all(|it| it.generation > 0), "{open:?} outlive {word}");
    }
    if run.end().is_some() {
        prop_assert_eq!(run.machines().count(), 0);
    }
    Ok(())
}

/// The attempts on offer as a store knows them, if only changed attempts are written.
#[derive(Default)]
struct Offered(BTreeMap<AttemptId, WorkerGroup>);

impl Offered {
    fn of(run: &Run) -> Self {
        let attempts =
            run.instances().iter().flat_map(|it| it.attempts.iter().map(move |attempt| (it, attempt)));
        let mut offered = Self::default();
        attempts.for_each(|(instance, attempt)| offered.write(run, instance, attempt));
        offered
    }

    fn step(&mut self, run: &Run, step: &Step) {
        run.changed_attempts(step).for_each(|(instance, attempt)| self.write(run, instance, attempt));
    }

    fn write(&mut self, run: &Run, instance: &Instance, attempt: &Attempt) {
        match run.offered_to(instance, attempt) {
            Some(group) => self.0.insert(attempt.id.clone(), group.clone()),
            None => self.0.remove(&attempt.id),
        };
    }

    fn agrees(&self, run: &Run) -> Result<(), TestCaseError> {
        let offers: BTreeMap<_, _> = run.offers().map(|(id, group)| (id.clone(), group.clone())).collect();
        prop_assert_eq!(&self.0, &offers, "what is written is not what is on offer");
        Ok(())
    }
}

/// Fails unless the run ends when runners take all work and the host makes and ends all machines.
fn bring_to_end(mut driven: TestRun) -> Result<(), TestCaseError> {
    let components: HashSet<_> = driven.run.instances().iter().map(|it| it.component.clone()).collect();
    for component in components {
        driven.step(Event::Resumed { components: [component].into() });
    }
    driven.step(Event::Activated { skip_until: None });
    for _ in 0..100 {
        if driven.run.end().is_some() {
            return Ok(());
        }
        let machines: Vec<_> =
            driven.run.machines().map(|it| (it.id.clone(), it.machine().unwrap().clone())).collect();
        for (attempt, machine) in machines {
            match machine {
                resource::MachineStatus::Creating { .. } => {
                    driven.step(Event::ResourceCreated { attempt, fields: vec![] });
                }
                resource::MachineStatus::ShuttingDown { .. } => {
                    driven.step(Event::ResourceGone { attempt, reason: "ended".to_owned() });
                }
                _ => {}
            }
        }
        let free: Vec<_> = driven.run.offers().map(|(attempt, _)| attempt.clone()).collect();
        for attempt in free {
            // The end of another instance may have canceled it: a precondition whose owner no longer waits.
            if driven.run.attempt(&attempt).unwrap().status.is_settled() {
                continue;
            }
            driven.step(Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("w") });
            let handout = driven.run.attempt(&attempt).unwrap().handouts;
            driven.step(Event::StatusSet { attempt, handout, outcome: TaskOutcome::Finished });
        }
        driven.advance_minutes(30);
    }
    prop_assert!(false, "no end in sight: {:?}", driven.run.instances());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_keeps_the_rules(story in 0..3usize, cascade: bool, moves in moves()) {
        let mut driven = make(story, cascade);
        let mut replay = make(story, cascade).run;
        let mut offered = Offered::of(&driven.run);
        offered.agrees(&driven.run)?;
        for step in &moves {
            if let Move::Pass(minutes) = step {
                driven.now += SignedDuration::from_mins(*minutes);
            }
            let Some(event) = event(&driven.run, step) else { continue };
            let (before, revision) = (finals(&driven.run), driven.run.header().revision);
            let attempts = |it: &Instance| (it.id.clone(), it.attempts.len());
            let made = driven.run.instances().iter().map(attempts).collect();
            let unchanged = driven.run.clone();
            let stepped = driven.try_step(event.clone());
            replay = reloaded(&replay);
            prop_assert_eq!(replay.step(event, driven.now), stepped.clone());
            same(&driven.run, &replay)?;
            let effects = stepped.as_ref().map(|step| step.effects.clone()).unwrap_or_default();
            may_run(&made, &driven.run, &effects)?;
            tells_its_end(&driven.run, &effects)?;
            resources_serve(&unchanged, &driven.run)?;
            if stepped.is_err() {
                same(&driven.run, &unchanged)?;
            }
            if let Ok(step) = &stepped {
                offered.step(&driven.run, step);
            }
            offered.agrees(&driven.run)?;
            let changed = stepped.is_ok_and(|step| !step.is_empty());
            prop_assert_eq!(driven.run.header().revision, revision + u64::from(changed));
            still_final(&before, &driven.run, matches!(step, Move::Mark(_)))?;
        }
        bring_to_end(driven)?;
    }
}
