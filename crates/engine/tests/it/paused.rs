//! Paused components: their instances do not start, and none of them is lost.

use engine::{Event, IllegalEvent, RunnerId, Status};

use crate::harness::{TestRun, instance, shell, started};

fn set(run: &mut TestRun, component: &str, is_paused: bool) {
    let component = component.into();
    run.step(if is_paused {
        Event::Paused { components: [component].into() }
    } else {
        Event::Resumed { components: [component].into() }
    });
}

#[test]
fn a_paused_instance_is_withheld_when_it_becomes_ready() {
    let second = shell("Second", r#", "dependsOn": {"ref": "First"}"#);
    let mut run = started(&format!("{}, {second}", shell("First", "")));
    set(&mut run, "Second", true);
    run.finish("First");
    assert_eq!((run.status("Second"), run.offers().len()), (Status::WaitingOnDependencies, 0));
    assert!(run.run.end().is_none(), "a user may let it go on");
    set(&mut run, "Second", false);
    assert_eq!(run.status("Second"), Status::WaitingForRunner);
    run.finish("Second");
    assert!(run.run.end().is_some());
}

#[test]
fn an_instance_that_was_final_when_its_component_was_resumed_can_be_rerun() {
    let mut run = started(&shell("Work", ""));
    run.step(Event::Paused { components: ["Work".into()].into() });
    run.step(Event::MarkedFinished { instances: [instance("Work")].into() });
    run.step(Event::Resumed { components: ["Work".into()].into() });
    run.rerun("Work");
    assert_eq!(run.status("Work"), Status::WaitingForRunner);
}

#[test]
fn a_rerun_instance_is_paused_if_its_component_is_paused_now() {
    let rerun = |paused: &[&str]| Event::RerunRequested {
        instances: [instance("Work")].into(),
        paused: paused.iter().map(|id| (*id).into()).collect(),
    };
    let mut run = started(&shell("Work", ""));
    set(&mut run, "Work", true);
    run.step(Event::MarkedFinished { instances: [instance("Work")].into() });
    run.step(rerun(&[]));
    run.finish("Work");
    run.step(rerun(&["Work"]));
    assert_eq!((run.status("Work"), run.offers().len()), (Status::WaitingOnDependencies, 0));
    set(&mut run, "Work", false);
    run.finish("Work");
}

#[test]
fn a_pause_withdraws_an_offer_and_a_resumption_makes_it_again() {
    let mut run = started(&shell("A", ""));
    set(&mut run, "A", true);
    assert_eq!(run.offers(), Vec::<String>::new());
    let attempt = run.newest_attempt("A").0;
    let claim = Event::Claimed { attempt, runner: RunnerId::from("r") };
    assert!(matches!(run.try_step(claim), Err(IllegalEvent::Instance { status: Status::Paused, .. })));
    set(&mut run, "A", false);
    assert_eq!(run.offers().len(), 1);
    run.finish("A");
}

#[test]
fn a_paused_instance_at_work_goes_on_but_is_not_tried_again() {
    let mut run = started(&shell("A", ""));
    run.claim("A");
    set(&mut run, "A", true);
    run.set_task_status("A", engine::TaskOutcome::Failed(engine::TaskError::new("Oops", "it broke")));
    run.advance_minutes(10);
    assert_eq!((run.offers().len(), run.run.next_wake()), (0, None));
    set(&mut run, "A", false);
    run.advance_minutes(0);
    assert_eq!(run.offers(), [format!("{}_Attempt=2 g", crate::harness::instance("A"))]);
}
