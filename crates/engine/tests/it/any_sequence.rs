//! Whatever happens in whatever order: final stays final, attempts stay within the retries, every
//! run can come to its end, and a replay (also through the store's form) equals the live run.

use std::collections::HashMap;

use engine::{Event, Instance, InstanceId, Run, RunnerId, Status, TaskError, TaskOutcome};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::harness::{Driven, drive_with, shell};

const RETRIES: u32 = 1;

/// A diamond with a tail: A before B and C, both before D; E alone.
fn diamond(cascade: bool) -> Driven {
    let more = if cascade {
        r#", "failureAndRerunMode": "cascade", "maximumRetries": "1""#
    } else {
        r#", "maximumRetries": "1""#
    };
    let b = shell("B", r#", "dependsOn": {"ref": "A"}, "output": {"ref": "N"}"#);
    let c = shell("C", r#", "dependsOn": {"ref": "A"}, "attemptTimeout": "20 minutes""#);
    let d = shell("D", r#", "dependsOn": {"ref": "C"}, "input": {"ref": "N"}"#);
    let node = r#"{"id": "N", "type": "S3DataNode", "filePath": "s3://b/n"}"#;
    drive_with(more, &[shell("A", ""), b, c, d, shell("E", ""), node.to_owned()].join(", "))
}

/// What a random step does, to the instance with the given number.
#[derive(Clone, Debug)]
enum Move {
    Claim(usize),
    Report(usize),
    Finish(usize),
    Fail(usize, bool),
    Release(usize),
    Cancel(usize),
    Rerun(usize),
    Mark(usize),
    Pass(i64),
    StaleReport(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0..6usize).prop_map(Move::Claim),
        4 => (0..6usize).prop_map(Move::Report),
        4 => (0..6usize).prop_map(Move::Finish),
        3 => (0..6usize, any::<bool>()).prop_map(|(at, bad)| Move::Fail(at, bad)),
        1 => (0..6usize).prop_map(Move::Release),
        1 => (0..6usize).prop_map(Move::Cancel),
        1 => (0..6usize).prop_map(Move::Rerun),
        1 => (0..6usize).prop_map(Move::Mark),
        3 => (0..25i64).prop_map(Move::Pass),
        1 => (0..6usize).prop_map(Move::StaleReport),
    ];
    prop::collection::vec(one, 0..60)
}

fn event(run: &Run, step: &Move) -> Option<Event> {
    let instance = |at: usize| run.instances()[at].id.clone();
    let head = |at: usize| run.instances()[at].head().map(|head| (head.id.clone(), head.leases));
    let set = |at, outcome| head(at).map(|(attempt, lease)| Event::StatusSet { attempt, lease, outcome });
    match *step {
        Move::Claim(at) => {
            head(at).map(|(attempt, _)| Event::Claimed { attempt, runner: RunnerId::from("r") })
        }
        Move::Report(at) => {
            head(at).map(|(attempt, lease)| Event::ProgressReported { attempt, lease, fields: vec![] })
        }
        Move::StaleReport(at) => head(at).map(|(attempt, lease)| Event::ProgressReported {
            attempt,
            lease: lease.wrapping_sub(1),
            fields: vec![],
        }),
        Move::Finish(at) => set(at, TaskOutcome::Finished),
        Move::Fail(at, bad) => {
            let error = TaskError::new(if bad { "BadInput" } else { "E" }, "no");
            set(at, TaskOutcome::Failed(error))
        }
        Move::Release(at) => head(at).map(|(attempt, _)| Event::Released { attempt }),
        Move::Cancel(at) => Some(Event::CancelRequested { instance: instance(at), reason: "r".to_owned() }),
        Move::Rerun(at) => Some(Event::RerunRequested { instance: instance(at) }),
        Move::Mark(at) => Some(Event::MarkedFinished { instance: instance(at) }),
        Move::Pass(_) => Some(Event::Woke),
    }
}

/// The run as a store brings it back.
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
    Ok(())
}

fn finals(run: &Run) -> HashMap<(InstanceId, u32), Status> {
    let settled = run.instances().iter().filter(|instance| instance.is_final());
    settled.map(|instance| ((instance.id.clone(), instance.generation), instance.word())).collect()
}

/// Final stays final within a generation, unless a user marks it finished.
fn still_final(
    before: &HashMap<(InstanceId, u32), Status>,
    run: &Run,
    marks: bool,
) -> Result<(), TestCaseError> {
    for instance in run.instances() {
        if let Some(status) = before.get(&(instance.id.clone(), instance.generation)) {
            let marked = marks && instance.word() == Status::Finished;
            prop_assert!(instance.word() == *status || marked, "{} was {status}", instance.id);
        }
        prop_assert!(instance.tries() <= RETRIES + 1);
    }
    Ok(())
}

/// With willing runners every run ends.
fn bring_to_end(mut driven: Driven) -> Result<(), TestCaseError> {
    for _ in 0..100 {
        if driven.run.end().is_some() {
            return Ok(());
        }
        let free: Vec<_> = driven.run.offers().map(|(attempt, _)| attempt.clone()).collect();
        for attempt in free {
            driven.step(Event::Claimed { attempt: attempt.clone(), runner: RunnerId::from("w") });
            let lease = driven.run.attempt(&attempt).unwrap().leases;
            driven.step(Event::StatusSet { attempt, lease, outcome: TaskOutcome::Finished });
        }
        driven.pass(30);
    }
    prop_assert!(false, "no end in sight: {:?}", driven.run.instances());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_keeps_the_rules(cascade: bool, moves in moves()) {
        let mut driven = diamond(cascade);
        let mut replay = diamond(cascade).run;
        for step in &moves {
            if let Move::Pass(minutes) = step {
                driven.now += SignedDuration::from_mins(*minutes);
            }
            let Some(event) = event(&driven.run, step) else { continue };
            let (before, revision) = (finals(&driven.run), driven.run.header().revision);
            let stepped = driven.try_step(event.clone());
            replay = reloaded(&replay);
            prop_assert_eq!(replay.step(event, driven.now), stepped.clone());
            same(&driven.run, &replay)?;
            let changed = stepped.is_ok_and(|step| !step.is_empty());
            prop_assert_eq!(driven.run.header().revision, revision + u64::from(changed));
            still_final(&before, &driven.run, matches!(step, Move::Mark(_)))?;
        }
        bring_to_end(driven)?;
    }
}
