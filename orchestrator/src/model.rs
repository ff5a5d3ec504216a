//! Tests with any order of events: several handlers at once, events late, twice and lost, and deaths at any point.
//!
//! The handlers run on a world in memory, one step at a time, in an order that proptest generates. After any order, the
//! last content of every whole set has been run, no content was run again except after a failure or after other content
//! of the set, and no cap was exceeded.

mod busy;
mod deadline;
mod hands;
mod kinds;
mod page;
mod patterns;
mod scene;
mod stories;
mod world;

use proptest::prelude::*;

use crate::content::dropped_file;
use crate::ledger::{Content, HeadState, Ledger};
use crate::set_name::SetName;
use scene::{DAY_SECS, HANDLERS, Scene};
use world::World;

/// `myMaxRunsPerDay` of the definition.
const CAP: usize = 2;

/// Something that may happen. The numbers select among the events, handlers and invocations that exist.
#[derive(Clone, Debug)]
enum Happening {
    Drop {
        day: u8,
        file: u8,
        content: u8,
    },
    Deliver {
        event: usize,
        handler: usize,
    },
    Sweep {
        handler: usize,
    },
    StartNext {
        handler: usize,
    },
    Step {
        invocation: usize,
        steps: u8,
    },
    Kill {
        invocation: usize,
    },
    Restart {
        handler: usize,
    },
    Advance {
        seconds: i64,
    },
    EndRun {
        pipeline: usize,
        fails: bool,
    },
    NextDay,
    /// The next calls are answered only by the news that the service is busy.
    Trouble {
        calls: u8,
        is_done: bool,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..2u8, 0..2u8, 0..2u8).prop_map(|(day, file, content)| Happening::Drop { day, file, content }),
        8 => (any::<usize>(), 0..HANDLERS).prop_map(|(event, handler)| Happening::Deliver { event, handler }),
        1 => (0..HANDLERS).prop_map(|handler| Happening::Sweep { handler }),
        3 => (0..HANDLERS).prop_map(|handler| Happening::StartNext { handler }),
        40 => (any::<usize>(), 1..12u8).prop_map(|(invocation, steps)| Happening::Step { invocation, steps }),
        2 => any::<usize>().prop_map(|invocation| Happening::Kill { invocation }),
        1 => (0..HANDLERS).prop_map(|handler| Happening::Restart { handler }),
        3 => (1..50i64).prop_map(|seconds| Happening::Advance { seconds }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(pipeline, fails)| Happening::EndRun { pipeline, fails }),
        1 => Just(Happening::NextDay),
        3 => (1..30u8, any::<bool>()).prop_map(|(calls, is_done)| Happening::Trouble { calls, is_done }),
    ]
}

/// Asserts that the last content of each whole set was started, and that the ledger's head says so. Returns the states of the
/// heads.
fn states_of_started_sets(world: &World) -> Vec<HeadState> {
    let mut states = Vec::new();
    for day in 0..2 {
        let files: Option<Vec<_>> =
            ["a", "b"].iter().map(|name| world.listed("drop", &format!("in/{day}/{name}.csv"))).collect();
        let Some(files) = files else { continue };
        let files = files.into_iter().map(|file| dropped_file(file, false));
        let set = format!("day={day}");
        let content =
            Content::new(&SetName { definition: "orders".to_owned(), id: set.clone() }, files.collect());
        let text = world
            .body("definitions", &format!("ledger/orders/{set}.json"))
            .expect("a whole set has a ledger");
        let ledger: Ledger = serde_json::from_slice(&text).expect("the ledger reads");
        let head = ledger.head.expect("a whole set has a head");
        assert_eq!(head.run_key, content.run_key, "the head of {set} is not its content");
        assert!(head.activated_at.is_some(), "{set} never started: {:?}", head.error);
        states.push(head.state);
    }
    states
}

/// Asserts that the same content ran again only after a failure, or after other content.
fn assert_no_content_ran_twice(world: &World) {
    let runs = world.activations();
    for set in ["orders/day=0", "orders/day=1"] {
        let of_set: Vec<_> = runs.iter().filter(|run| run.name == set).collect();
        for pair in of_set.windows(2) {
            let is_repeated = pair[0].run_key == pair[1].run_key && !pair[0].failed;
            assert!(!is_repeated, "{set} ran its content twice: {of_set:#?}");
        }
    }
}

/// Asserts that no day has more runs than the cap, except runs of files that were not ready.
fn assert_caps_hold(world: &World) {
    let counts = |run: &world::Activation| {
        let text = world.body("definitions", &format!("ledger/{}.json", run.name)).expect("a ledger");
        let ledger: Ledger = serde_json::from_slice(&text).expect("the ledger reads");
        !ledger.heads().any(|head| head.pipeline_id.as_ref() == Some(&run.id) && head.returns_slot)
    };
    let runs: Vec<_> = world.activations().into_iter().filter(counts).collect();
    for run in &runs {
        let of_day: Vec<_> = runs.iter().filter(|other| other.at / DAY_SECS == run.at / DAY_SECS).collect();
        assert!(of_day.len() <= CAP, "{} runs on one day: {of_day:#?}", of_day.len());
    }
}

/// Plays `happenings` until a calm end, and checks every rule.
fn play(happenings: &[Happening], calm_down: fn(&mut Scene)) {
    let mut scene = Scene::new();
    for happening in happenings {
        scene.happen(happening);
    }
    calm_down(&mut scene);
    assert_eq!(scene.world.violations(), Vec::<String>::new());
    let is_known =
        |state: &HeadState| matches!(state, HeadState::Finished | HeadState::Failed | HeadState::Activated);
    let states = states_of_started_sets(&scene.world);
    assert!(states.iter().all(is_known), "{states:?}");
    // A race between two handlers may leave the outcome of a run unwritten until the next sweep.
    scene.sweep_whole();
    let states = states_of_started_sets(&scene.world);
    assert!(!states.contains(&HeadState::Activated), "{states:?}");
    assert_no_content_ran_twice(&scene.world);
    assert_caps_hold(&scene.world);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_whole_set_runs_once_per_content(happenings in prop::collection::vec(happening(), 20..220)) {
        play(&happenings, Scene::calm_down);
    }

    #[test]
    fn ends_of_runs_start_every_waiting_set_without_a_sweep(happenings in prop::collection::vec(happening(), 20..220)) {
        play(&happenings, Scene::calm_down_without_sweeps);
    }
}
