//! Any order of anything: several handlers at once, events late, doubled and lost, deaths anywhere.
//!
//! Handlers run against a world in memory, one step at a time, in an order that proptest makes up. Whatever it was,
//! in the end every whole set has been run exactly once per content, and no cap was exceeded.

mod world;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Config;
use crate::definitions::Home;
use crate::handler::Handler;
use crate::ledger::{Content, DroppedFile, Ledger, State};
use world::{Hands, World};

const CAP: usize = 2;
const LEASE_SECS: i64 = 60;
const DAY_SECS: i64 = 24 * 60 * 60;
const HANDLERS: usize = 3;

const DEFINITION: &str = r##"{"objects": [
    {"id": "Default", "name": "Default", "scheduleType": "ONDEMAND", "failureAndRerunMode": "CASCADE",
     "pipelineLogUri": "s3://logs/orders", "role": "r", "resourceRole": "r",
     "myDropFile": ["in/{day}/a.csv", "in/{day}/b.csv"], "myMaxRunsPerDay": "2"},
    {"id": "Say", "type": "ShellCommandActivity", "command": "echo #{myDay}", "workerGroup": "w"}
  ], "parameters": [{"id": "myDay", "type": "String"}]}"##;

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// An invocation under way.
struct Invocation {
    handler: usize,
    started: i64,
    running: Running,
}

/// What may happen next; the numbers pick among what there is.
#[derive(Clone, Debug)]
enum Happening {
    Drop { day: u8, file: u8, content: u8 },
    Deliver { event: usize, handler: usize },
    Sweep { handler: usize },
    Step { invocation: usize, steps: u8 },
    Kill { invocation: usize },
    Restart { handler: usize },
    Wind { seconds: i64 },
    EndRun { pipeline: usize, fails: bool },
    NextDay,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0..2u8, 0..2u8, 0..2u8).prop_map(|(day, file, content)| Happening::Drop { day, file, content }),
        8 => (any::<usize>(), 0..HANDLERS).prop_map(|(event, handler)| Happening::Deliver { event, handler }),
        1 => (0..HANDLERS).prop_map(|handler| Happening::Sweep { handler }),
        40 => (any::<usize>(), 1..12u8).prop_map(|(invocation, steps)| Happening::Step { invocation, steps }),
        2 => any::<usize>().prop_map(|invocation| Happening::Kill { invocation }),
        1 => (0..HANDLERS).prop_map(|handler| Happening::Restart { handler }),
        3 => (1..50i64).prop_map(|seconds| Happening::Wind { seconds }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(pipeline, fails)| Happening::EndRun { pipeline, fails }),
        1 => Just(Happening::NextDay),
    ]
}

/// The handlers, what they are at, and the events that S3 has not forgotten.
struct Stage {
    world: Arc<World>,
    handlers: Vec<Arc<Handler<Hands>>>,
    invocations: Vec<Invocation>,
    events: Vec<Value>,
    /// Errors that went back to Lambda, which delivers their events again.
    errors: Rc<RefCell<Vec<String>>>,
}

impl Stage {
    fn new() -> Self {
        let world = Arc::new(World::new());
        world.put("definitions", "orders.json", DEFINITION);
        let handlers = (0..HANDLERS).map(|number| handler(&world, number, 0)).collect();
        let mut stage =
            Self { world, handlers, invocations: Vec::new(), events: Vec::new(), errors: Rc::default() };
        // The definition is first seen before anything is dropped.
        stage.sweep_whole();
        stage
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Drop { day, file, content } => self.drop_file(day, file, content),
            Happening::Deliver { event, handler } => {
                if let Some(event) = pick(&self.events, event).cloned() {
                    self.invoke(handler, Some(event));
                }
            }
            Happening::Sweep { handler } => self.invoke(handler, None),
            Happening::Step { invocation, steps } => {
                for _ in 0..steps {
                    self.step(invocation);
                }
            }
            Happening::Kill { invocation } => {
                if !self.invocations.is_empty() {
                    let index = invocation % self.invocations.len();
                    drop(self.invocations.remove(index));
                }
            }
            Happening::Restart { handler: number } => {
                self.invocations.retain(|invocation| invocation.handler != number);
                self.handlers[number] = handler(&self.world, number, self.world.seconds());
            }
            Happening::Wind { seconds } => self.wind(seconds),
            Happening::EndRun { pipeline, fails } => self.world.end_run(pipeline, fails),
            Happening::NextDay => self.wind(DAY_SECS),
        }
    }

    fn drop_file(&mut self, day: u8, file: u8, content: u8) {
        let key = format!("in/{day}/{}.csv", if file == 0 { "a" } else { "b" });
        self.world.wind_milliseconds(1);
        self.world.put("drop", &key, &format!("content {content}"));
        self.events.push(json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-20T14:00:00.000Z",
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "s3": {"bucket": {"name": "drop"}, "object": {"key": key, "size": 9}}
        }]}));
    }

    fn invoke(&mut self, handler: usize, event: Option<Value>) {
        let subject = Arc::clone(&self.handlers[handler]);
        let errors = Rc::clone(&self.errors);
        let running: Running = Box::pin(async move {
            let answer = match event {
                Some(event) => subject.handle(&event).await.map(drop),
                None => subject.sweep().await.map(drop),
            };
            errors.borrow_mut().extend(answer.err().map(|error| format!("{error:#}")));
        });
        self.invocations.push(Invocation { handler, started: self.world.seconds(), running });
    }

    fn step(&mut self, number: usize) {
        if self.invocations.is_empty() {
            return;
        }
        let index = number % self.invocations.len();
        let mut context = Context::from_waker(Waker::noop());
        if self.invocations[index].running.as_mut().poll(&mut context).is_ready() {
            drop(self.invocations.remove(index));
        }
    }

    /// Time passes, and Lambda ends what takes too long: before its lease runs out.
    fn wind(&mut self, seconds: i64) {
        self.world.wind_milliseconds(seconds * 1000);
        let now = self.world.seconds();
        self.invocations.retain(|invocation| now < invocation.started + LEASE_SECS - 1);
    }

    fn sweep_whole(&mut self) {
        let subject = Arc::clone(&self.handlers[0]);
        let mut running = Box::pin(async move { subject.sweep().await });
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100_000 {
            if let Poll::Ready(report) = running.as_mut().poll(&mut context) {
                let report = report.expect("the world is well, so the sweep goes through");
                assert_eq!(report.failures, Vec::<String>::new());
                return;
            }
        }
        panic!("the sweep does not end");
    }

    /// Nobody disturbs any more: sweeps bring everything to its end.
    fn calm_down(&mut self) {
        self.invocations.clear();
        for _ in 0..8 {
            self.wind(LEASE_SECS + 1);
            self.sweep_whole();
            self.world.end_all_runs();
            self.sweep_whole();
            self.wind(DAY_SECS);
        }
    }
}

fn handler(world: &Arc<World>, number: usize, incarnation: i64) -> Arc<Handler<Hands>> {
    let clock = Arc::clone(world);
    let config = Config {
        definitions_uri: "s3://definitions".to_owned(),
        drop_bucket: Some("drop".to_owned()),
        topic_arn: "arn:topic".to_owned(),
        lease: Duration::from_secs(LEASE_SECS.unsigned_abs()),
        holder: format!("handler-{number}#{incarnation}"),
        now: Arc::new(move || clock.now()),
    };
    let home = Home::parse("s3://definitions").expect("the place is well-formed");
    Arc::new(Handler::new(config, home, Hands(Arc::clone(world))))
}

fn pick<T>(items: &[T], number: usize) -> Option<&T> {
    items.get(number.checked_rem(items.len())?)
}

/// Each whole set's last content was run, and is what the ledger's head says.
fn assert_all_sets_ran(world: &World) {
    for day in 0..2 {
        let files: Option<Vec<_>> =
            ["a", "b"].iter().map(|name| world.listed("drop", &format!("in/{day}/{name}.csv"))).collect();
        let Some(files) = files else { continue };
        let files = files.into_iter().map(|file| DroppedFile {
            key: file.key,
            etag: file.etag,
            modified: file.modified,
        });
        let set = format!("day={day}");
        let content = Content::new("orders", &set, files.collect());
        let text = world
            .body("definitions", &format!("ledger/orders/{set}.json"))
            .expect("a whole set has a ledger");
        let ledger: Ledger = serde_json::from_slice(&text).expect("the ledger reads");
        let head = ledger.head.expect("a whole set has a head");
        assert_eq!(head.run_key, content.run_key, "the head of {set} is not its content");
        assert!(matches!(head.state, State::Finished | State::Failed), "{set} is {:?}", head.state);
        assert!(head.activated_at.is_some(), "{set} never started: {:?}", head.error);
    }
}

/// The same content ran again only where it had to: after a failure, or after other content.
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

/// No day has more runs than the cap; the same content after a failure keeps its slot.
fn assert_caps_hold(world: &World) {
    let runs = world.activations();
    for run in &runs {
        let of_day: Vec<_> = runs.iter().filter(|other| other.at / DAY_SECS == run.at / DAY_SECS).collect();
        let fresh = of_day.iter().enumerate().filter(|(index, run)| {
            let is_redo = |other: &&&world::Activation| other.run_key == run.run_key && other.failed;
            of_day[..*index].iter().rfind(|other| other.name == run.name).filter(is_redo).is_none()
        });
        let fresh = fresh.count();
        assert!(fresh <= CAP, "{fresh} runs on one day: {of_day:#?}");
    }
}

fn play(happenings: &[Happening]) {
    let mut stage = Stage::new();
    for happening in happenings {
        stage.happen(happening);
    }
    stage.calm_down();
    assert_eq!(stage.world.violations(), Vec::<String>::new());
    assert_all_sets_ran(&stage.world);
    assert_no_content_ran_twice(&stage.world);
    assert_caps_hold(&stage.world);
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_whole_set_runs_once_per_content(happenings in prop::collection::vec(happening(), 20..220)) {
        play(&happenings);
    }
}

fn drop_set(stage: &mut Stage, day: u8, content: u8) {
    stage.drop_file(day, 0, content);
    stage.drop_file(day, 1, content);
}

/// Lets all invocations go on, in turns, until none is left.
fn run_out(stage: &mut Stage) {
    for turn in 0..100_000 {
        if stage.invocations.is_empty() {
            return;
        }
        stage.step(turn);
    }
    panic!("an invocation does not end");
}

fn deliver(stage: &mut Stage, copies: usize) {
    for event in stage.events.clone().into_iter().rev() {
        for copy in 0..copies {
            stage.invoke(copy % HANDLERS, Some(event.clone()));
        }
    }
    stage.events.clear();
    run_out(stage);
}

#[test]
fn the_same_event_five_times_out_of_order_makes_one_run() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 5);
    assert_eq!(stage.world.activations().len(), 1);
}

#[test]
fn many_handlers_at_one_set_at_once_have_an_answer_each() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 30);
    assert_eq!(*stage.errors.borrow(), Vec::<String>::new());
    assert_eq!(stage.world.activations().len(), 1);
}

#[test]
fn the_same_files_again_make_no_second_run() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 1);
    stage.world.end_all_runs();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 1);
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 1);
}

#[test]
fn a_changed_file_makes_a_new_run_and_the_ended_pipeline_goes() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 1);
    stage.world.end_all_runs();
    stage.drop_file(0, 0, 1);
    deliver(&mut stage, 1);
    assert_eq!(stage.world.activations().len(), 2);
    assert_eq!(stage.world.pipelines(), 1);
}

#[test]
fn a_failed_run_is_done_again_when_its_files_are_dropped_again() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 1);
    stage.world.end_run(0, true);
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 1);
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 3);
    assert_eq!(stage.world.activations().len(), 2);
    assert_eq!(stage.world.pipelines(), 2, "a failed pipeline stays until its set succeeds");
}

#[test]
fn a_set_over_the_cap_runs_the_next_day_with_one_notice() {
    let mut stage = Stage::new();
    for content in 0..3 {
        drop_set(&mut stage, content, content);
    }
    deliver(&mut stage, 2);
    for _ in 0..2 {
        stage.world.end_all_runs();
        stage.sweep_whole();
    }
    assert_eq!((stage.world.activations().len(), stage.world.notices().len()), (2, 1));
    stage.wind(DAY_SECS);
    stage.sweep_whole();
    assert_eq!((stage.world.activations().len(), stage.world.notices().len()), (3, 1));
}

#[test]
fn sets_of_one_definition_run_one_after_another_the_oldest_first() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 3, 0);
    deliver(&mut stage, 1);
    for day in [2, 0] {
        drop_set(&mut stage, day, 0);
    }
    // The youngest event comes first.
    deliver(&mut stage, 3);
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 1, "the others wait for the first");
    for _ in 0..2 {
        stage.world.end_all_runs();
        stage.wind(1);
        stage.sweep_whole();
    }
    stage.wind(DAY_SECS);
    stage.world.end_all_runs();
    stage.sweep_whole();
    let names: Vec<_> = stage.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=3", "orders/day=2", "orders/day=0"]);
    assert_eq!(stage.world.violations(), Vec::<String>::new());
}

#[test]
fn content_that_waits_for_its_burst_does_not_keep_another_set_waiting() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 1);
    stage.drop_file(0, 0, 1);
    deliver(&mut stage, 1);
    stage.world.end_all_runs();
    drop_set(&mut stage, 1, 0);
    stage.sweep_whole();
    let names: Vec<_> = stage.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=0", "orders/day=1"]);
}

#[test]
fn replace_ends_the_run_of_another_set_before_its_own_starts() {
    let mut stage = Stage::new();
    let replaces = DEFINITION.replace(r#""myMaxRunsPerDay": "2""#, r#""myStaleRuns": "replace""#);
    stage.world.put("definitions", "orders.json", &replaces);
    stage.world.let_runs_be_replaced();
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 2);
    drop_set(&mut stage, 1, 0);
    deliver(&mut stage, 3);
    assert_eq!((stage.world.activations().len(), stage.world.pipelines()), (2, 1));
    assert_eq!(stage.world.violations(), Vec::<String>::new());
}

#[test]
fn a_set_that_cannot_start_does_not_keep_the_others_waiting() {
    let mut stage = Stage::new();
    stage.world.answer_no_definitions(true);
    drop_set(&mut stage, 0, 0);
    // One event of two: a second handler would hold the turn for its lease.
    stage.events.truncate(1);
    deliver(&mut stage, 1);
    stage.world.answer_no_definitions(false);
    drop_set(&mut stage, 1, 0);
    for event in std::mem::take(&mut stage.events) {
        stage.invoke(0, Some(event));
        run_out(&mut stage);
    }
    let names: Vec<_> = stage.world.activations().into_iter().map(|run| run.name).collect();
    assert_eq!(names, ["orders/day=1"]);
}

#[test]
fn what_lands_while_a_new_definition_is_broken_runs_when_it_is_mended() {
    let mut stage = Stage::new();
    stage.world.put("definitions", "returns.json", &DEFINITION.replace("in/{day}", "returns/{day}")[1..]);
    stage.sweep_whole();
    stage.world.wind_milliseconds(1);
    for name in ["a", "b"] {
        stage.world.put("drop", &format!("returns/1/{name}.csv"), "content");
    }
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 0);
    stage.world.wind_milliseconds(1);
    stage.world.put("definitions", "returns.json", &DEFINITION.replace("in/{day}", "returns/{day}"));
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 1);
}

#[test]
fn an_event_that_never_came_is_made_up_for_by_the_sweep() {
    let mut stage = Stage::new();
    drop_set(&mut stage, 0, 0);
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 1);
}

#[test]
fn a_broken_definition_stops_only_itself_and_is_told_once() {
    let mut stage = Stage::new();
    stage.world.put("definitions", "broken.json", "{\n  \"objects\": [}");
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 2);
    stage.sweep_whole();
    assert_eq!(stage.world.activations().len(), 1);
    let notices = stage.world.notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].message.contains("line 2, column 15"), "{}", notices[0].message);
}

#[test]
fn a_refused_definition_is_told_once_and_starts_when_mended_and_dropped_again() {
    let mut stage = Stage::new();
    stage.world.refuse_definitions(true);
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 2);
    stage.sweep_whole();
    assert_eq!((stage.world.activations().len(), stage.world.notices().len()), (0, 1));
    assert!(stage.world.notices()[0].message.contains("object `Say`"));
    stage.world.refuse_definitions(false);
    drop_set(&mut stage, 0, 0);
    deliver(&mut stage, 2);
    assert_eq!((stage.world.activations().len(), stage.world.notices().len()), (1, 1));
}
