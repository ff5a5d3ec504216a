//! Services that throttle their callers, or fail for a moment, at every call of an invocation.

use super::scene::{Call, Scene};
use super::world::Trouble;

/// The largest number of seconds for which an invocation of the scene is patient: three quarters of its lease.
const PATIENCE_SECS: i64 = 45;
const LONGEST_PAUSE_SECS: i64 = 10;

/// Returns a scene with a set that has run and whose second content is dropped: its run removes the pipeline of the first.
fn second_content() -> Scene {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    scene.deliver(1);
    scene.world.end_all_runs();
    scene.drop_file(0, 0, 1);
    assert_eq!(scene.world.activations().len(), 1);
    scene
}

/// Delivers the events of the scene, one after the other, and lets the run end.
fn deliver_and_end(scene: &mut Scene) {
    for event in scene.events.clone() {
        scene.invoke(0, Call::Event(event));
        scene.run_out();
    }
    scene.world.end_all_runs();
    scene.invoke(1, Call::StartNext);
    scene.run_out();
    scene.sweep_whole();
}

/// Returns how many calls the services have until the end of the run, and the first of them.
fn calls_without_trouble() -> (usize, usize) {
    let mut scene = second_content();
    let before = scene.world.calls();
    deliver_and_end(&mut scene);
    assert_eq!((scene.world.activations().len(), scene.world.pipelines()), (2, 1));
    (before, scene.world.calls())
}

#[test]
fn a_call_for_which_a_service_is_busy_is_made_again() {
    let (first, last) = calls_without_trouble();
    assert!(last - first > 30, "{first} {last}");
    for from in first..last {
        for is_done in [false, true] {
            let mut scene = second_content();
            scene.world.make(Some(Trouble { from, calls: 5, is_done }));
            deliver_and_end(&mut scene);
            let what = format!("from call {from}, done {is_done}");
            assert_eq!(*scene.errors.borrow(), Vec::<String>::new(), "{what}");
            assert_eq!(scene.world.activations().len(), 2, "{what}");
            assert_eq!(scene.world.pipelines(), 1, "the stale pipeline is removed all the same, {what}");
            assert_eq!(scene.world.violations(), Vec::<String>::new(), "{what}");
            assert_eq!(scene.world.notices(), [], "{what}");
        }
    }
}

#[test]
fn an_invocation_ends_in_time_if_a_service_stays_busy_and_its_event_comes_again() {
    let (first, last) = calls_without_trouble();
    for from in first..last {
        for is_done in [false, true] {
            let mut scene = second_content();
            scene.world.make(Some(Trouble { from, calls: usize::MAX, is_done }));
            let (began, event) = (scene.world.seconds(), scene.events[0].clone());
            scene.invoke(0, Call::Event(event));
            scene.run_out();
            let what = format!("from call {from}, done {is_done}");
            // The pauses of calls that go on at the same time add up in the model.
            assert!(scene.world.seconds() - began <= PATIENCE_SECS + LONGEST_PAUSE_SECS, "{what}");
            let has_failed = !scene.errors.borrow().is_empty();
            assert!(has_failed || scene.world.activations().len() == 2, "{what}");
            if has_failed {
                let errors = scene.errors.borrow().concat();
                assert!(errors.contains("busy: Rate exceeded"), "{what}: {errors}");
            }
            scene.world.make(None);
            scene.advance(61);
            deliver_and_end(&mut scene);
            scene.advance(61);
            deliver_and_end(&mut scene);
            assert_eq!(scene.world.activations().len(), 2, "{what}");
            assert_eq!(scene.world.violations(), Vec::<String>::new(), "{what}");
        }
    }
}

#[test]
fn a_sweep_reports_the_set_that_a_busy_service_stopped_and_the_next_sweep_starts_the_set() {
    let mut scene = Scene::new();
    scene.drop_set(0, 0);
    let from = scene.world.calls();
    for calls in [5, usize::MAX] {
        scene.world.make(Some(Trouble { from, calls, is_done: false }));
        scene.invoke(0, Call::Sweep);
        scene.run_out();
        assert_eq!(scene.world.activations().len(), 1, "the second time, the services stay busy");
        scene.world.make(None);
        scene.world.end_all_runs();
        scene.sweep_whole();
        scene.drop_set(1, 0);
    }
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 2);
}
