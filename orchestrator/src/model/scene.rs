//! Handlers on a world in memory, each invocation polled step by step.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use super::Happening;
use super::world::{Trouble, World, WorldEdges};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::operations::Operations;
use crate::report::Decision;
use crate::sweep::Coverage;

const LEASE_SECS: i64 = 60;
pub(super) const DAY_SECS: i64 = 24 * 60 * 60;
pub(super) const HANDLERS: usize = 3;

pub(super) const DEFINITION: &str = r##"{"objects": [
    {"id": "Default", "name": "Default", "scheduleType": "ONDEMAND", "failureAndRerunMode": "CASCADE",
     "pipelineLogUri": "s3://logs/orders", "role": "r", "resourceRole": "r",
     "myDropFile": ["in/{day}/a.csv", "in/{day}/b.csv"], "myMaxRunsPerDay": "2"},
    {"id": "Say", "type": "ShellCommandActivity", "command": "echo #{myDay}", "workerGroup": "w"}
  ], "parameters": [{"id": "myDay", "type": "String"}]}"##;

/// A call of a handler.
pub(super) enum Call {
    Event(Value),
    Sweep,
    /// The pipeline service says that a run of the definition has ended.
    StartNext,
    Rerun {
        day: u8,
        force: bool,
    },
    Pause(bool),
    /// Delete objects that are older than 30 days.
    Forget,
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// An invocation in progress.
struct Invocation {
    handler: usize,
    started: i64,
    running: Running,
}

/// The world, its handlers, their invocations, and the events that S3 may still deliver.
pub(super) struct Scene {
    pub world: Arc<World>,
    handlers: Vec<Arc<Operations<WorldEdges>>>,
    invocations: Vec<Invocation>,
    pub events: Vec<Value>,
    /// Errors that went back to Lambda, which delivers their events again.
    pub errors: Rc<RefCell<Vec<String>>>,
}

impl Scene {
    pub(super) fn new() -> Self {
        Self::with(DEFINITION)
    }

    /// Returns a scene with the definition `orders`.
    pub(super) fn with(definition: &str) -> Self {
        let world = Arc::new(World::new());
        world.put("definitions", "orders.json", definition);
        let handlers = (0..HANDLERS).map(|number| handler(&world, number, 0)).collect();
        let mut scene =
            Self { world, handlers, invocations: Vec::new(), events: Vec::new(), errors: Rc::default() };
        // The definition is first seen before any file is dropped.
        scene.sweep_whole();
        scene
    }

    pub(super) fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Drop { day, file, content } => self.drop_file(day, file, content),
            Happening::Deliver { event, handler } => {
                if let Some(event) = pick(&self.events, event).cloned() {
                    self.invoke(handler, Call::Event(event));
                }
            }
            Happening::Sweep { handler } => self.invoke(handler, Call::Sweep),
            Happening::StartNext { handler } => self.invoke(handler, Call::StartNext),
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
            Happening::Advance { seconds } => self.advance(seconds),
            Happening::EndRun { pipeline, fails } => self.world.end_run(pipeline, fails),
            Happening::NextDay => self.advance(DAY_SECS),
            Happening::Trouble { calls, is_done } => {
                let from = self.world.calls();
                self.world.make(Some(Trouble { from, calls: usize::from(calls), is_done }));
            }
        }
    }

    pub(super) fn drop_file(&mut self, day: u8, file: u8, content: u8) {
        let key = format!("in/{day}/{}.csv", if file == 0 { "a" } else { "b" });
        self.put_key(&key, &format!("content {content}"));
    }

    /// Drops a file, whose event waits for its delivery.
    pub(super) fn put_key(&mut self, key: &str, body: &str) {
        self.world.advance_milliseconds(1);
        let etag = self.world.put("drop", key, body);
        let encoded: String = url_encoded(key);
        self.events.push(json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": self.world.now().to_string(),
            "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "s3": {"bucket": {"name": "drop"}, "object": {"key": encoded, "size": body.len(), "eTag": etag}}
        }]}));
    }

    /// Drops a file, delivers its event, and returns the decisions.
    pub(super) fn drop_key(&mut self, key: &str, body: &str) -> Value {
        self.put_key(key, body);
        let event = self.events.pop().expect("the event of this file");
        self.decisions(event)
    }

    /// Delivers an event, and returns the decisions.
    pub(super) fn decisions(&self, event: Value) -> Value {
        let subject = Arc::clone(&self.handlers[0]);
        let mut running = Box::pin(async move { subject.handle(&event, None).await.answer });
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100_000 {
            if let Poll::Ready(answer) = running.as_mut().poll(&mut context) {
                return answer.expect("no call fails, so the handler succeeds")["decisions"].take();
            }
        }
        panic!("the handler does not end");
    }

    /// Returns the decisions about a key, which are made without a change.
    pub(super) fn status(&self, key: &str) -> Vec<Decision> {
        let key = key.to_owned();
        self.answer(|handler| async move { handler.status_of("drop", &key).await })
    }

    /// Asks a handler a question to its end. No call fails meanwhile.
    pub(super) fn answer<T, F: Future<Output = anyhow::Result<T>>>(
        &self,
        ask: impl FnOnce(Arc<Operations<WorldEdges>>) -> F,
    ) -> T {
        let mut running = Box::pin(ask(self.handler()));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100_000 {
            if let Poll::Ready(answer) = running.as_mut().poll(&mut context) {
                return answer.expect("no call fails, so there is an answer");
            }
        }
        panic!("the question is never answered");
    }

    /// Returns the ledger of a set.
    pub(super) fn ledger(&self, definition: &str, set: &str) -> Ledger {
        let body = self.world.body("definitions", &format!("ledger/{definition}/{set}.json"));
        serde_json::from_slice(&body.expect("a ledger")).expect("the ledger reads")
    }

    /// Returns the names of the files of the newest run of a set, without their folders.
    pub(super) fn names_of_head(&self, definition: &str, set: &str) -> Vec<String> {
        let files = self.ledger(definition, set).head.expect("a head").files;
        files.iter().map(|file| file.key.rsplit('/').next().unwrap_or_default().to_owned()).collect()
    }

    pub(super) fn invoke(&mut self, handler: usize, call: Call) {
        let subject = Arc::clone(&self.handlers[handler]);
        let errors = Rc::clone(&self.errors);
        let before = self.world.now() - jiff::SignedDuration::from_hours(30 * 24);
        let running: Running = Box::pin(async move {
            let answer = match call {
                Call::Event(event) => subject.handle(&event, None).await.answer.map(drop),
                Call::Sweep => subject.sweep(Coverage::Part).await.map(drop),
                Call::StartNext => subject.start_next("orders").await.map(drop),
                Call::Rerun { day, force } => {
                    let values = BTreeMap::from([("day".to_owned(), day.to_string())]);
                    subject.rerun("orders", &values, force).await.map(drop)
                }
                Call::Forget => subject.forget(before).await.map(drop),
                Call::Pause(is_paused) => subject.set_paused("orders", is_paused).await.map(drop),
            };
            errors.borrow_mut().extend(answer.err().map(|error| format!("{error:#}")));
        });
        self.invocations.push(Invocation { handler, started: self.world.seconds(), running });
    }

    pub(super) fn handler(&self) -> Arc<Operations<WorldEdges>> {
        Arc::clone(&self.handlers[0])
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
        // A pause of the handler also advances the clock.
        self.end_late();
    }

    /// Continues the only invocation by some steps, and then kills its handler.
    pub(super) fn step_and_kill(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step(0);
        }
        self.invocations.clear();
    }

    /// Advances the clock.
    pub(super) fn advance(&mut self, seconds: i64) {
        self.world.advance_milliseconds(seconds * 1000);
        self.end_late();
    }

    /// Ends every invocation that takes too long, before its lease ends, as Lambda does.
    fn end_late(&mut self) {
        let now = self.world.seconds();
        self.invocations.retain(|invocation| now < invocation.started + LEASE_SECS - 1);
    }

    pub(super) fn sweep_whole(&mut self) {
        let subject = Arc::clone(&self.handlers[0]);
        let mut running = Box::pin(async move { subject.sweep(Coverage::Part).await });
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100_000 {
            if let Poll::Ready(report) = running.as_mut().poll(&mut context) {
                let report = report.expect("no call fails, so the sweep succeeds");
                assert_eq!(report.failures, Vec::<String>::new());
                return;
            }
        }
        panic!("the sweep does not end");
    }

    /// Ends all invocations, then sweeps over several days until every run has ended.
    pub(super) fn calm_down(&mut self) {
        self.world.make(None);
        self.invocations.clear();
        for _ in 0..8 {
            self.advance(LEASE_SECS + 1);
            self.sweep_whole();
            self.world.end_all_runs();
            self.sweep_whole();
            self.advance(DAY_SECS);
        }
    }

    /// Ends all invocations, delivers every event again as Lambda does after a failure, and then lets every run end, one after
    /// another. Nothing sweeps.
    pub(super) fn calm_down_without_sweeps(&mut self) {
        self.world.make(None);
        self.invocations.clear();
        self.advance(LEASE_SECS + 1);
        for event in std::mem::take(&mut self.events) {
            self.invoke(0, Call::Event(event));
            self.run_out();
        }
        for _ in 0..8 {
            for _ in 0..4 {
                self.world.end_all_runs();
                self.advance(LEASE_SECS + 1);
                self.invoke(0, Call::StartNext);
                self.run_out();
            }
            self.advance(DAY_SECS);
        }
    }

    /// Drops both files of a set.
    pub(super) fn drop_set(&mut self, day: u8, content: u8) {
        self.drop_file(day, 0, content);
        self.drop_file(day, 1, content);
    }

    /// Delivers every event `copies` times, each copy to another handler, the youngest event first. Waits for the end.
    pub(super) fn deliver(&mut self, copies: usize) {
        for event in self.events.clone().into_iter().rev() {
            for copy in 0..copies {
                self.invoke(copy % HANDLERS, Call::Event(event.clone()));
            }
        }
        self.events.clear();
        self.run_out();
    }

    /// Continues all invocations, one step each at a time, until none is left.
    pub(super) fn run_out(&mut self) {
        for number in 0..100_000 {
            if self.invocations.is_empty() {
                return;
            }
            self.step(number);
        }
        panic!("an invocation does not end");
    }
}

/// Encodes a key as S3 does in events.
fn url_encoded(key: &str) -> String {
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b'*' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(encode).collect()
}

fn handler(world: &Arc<World>, number: usize, incarnation: i64) -> Arc<Operations<WorldEdges>> {
    let clock = Arc::clone(world);
    let config = Config {
        definitions_uri: "s3://definitions".to_owned(),
        drop_bucket: Some("drop".to_owned()),
        topic_arn: "arn:aws:sns:us-east-1:000000000000:notices".to_owned(),
        lease: Duration::from_secs(LEASE_SECS.unsigned_abs()),
        holder: format!("handler-{number}#{incarnation}"),
        now: Arc::new(move || clock.now()),
    };
    let edges = WorldEdges(Arc::clone(world));
    Arc::new(Operations::new(config, edges).expect("the configuration is right"))
}

fn pick<T>(items: &[T], number: usize) -> Option<&T> {
    items.get(number.checked_rem(items.len())?)
}
