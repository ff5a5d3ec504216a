//! The loop of the runner: starts invocations for waiting events, and notes how they end.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::FutureExt as _;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::form::Place;
use super::{EventForm, EventQueue, Handler, Limits, QueuedEvent};

/// How long the runner waits after it failed to read or to write the queue.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Runs a Lambda function for the events of a queue and for the schedule of sweeps.
pub struct LambdaRunner<H, Q> {
    handler: Arc<H>,
    queue: Arc<Q>,
    form: EventForm,
    limits: Limits,
    place: Place,
    sweep_now: Arc<Notify>,
}

/// The function and its queue, as one invocation uses them.
struct Delivery<H, Q> {
    handler: Arc<H>,
    queue: Arc<Q>,
    form: EventForm,
    limits: Limits,
    place: Place,
}

impl<H: Handler, Q: EventQueue> LambdaRunner<H, Q> {
    /// Returns a runner of `handler` for the events of `queue`, which it passes on in the form `form`. A notification of
    /// `sweep_now` starts the next sweep at once.
    pub fn new(
        handler: Arc<H>,
        queue: Arc<Q>,
        sweep_now: Arc<Notify>,
        form: EventForm,
        limits: Limits,
        region: &str,
        account: &str,
    ) -> Self {
        let place = Place { region: region.to_owned(), account: account.to_owned() };
        Self { handler, queue, sweep_now, form, limits, place }
    }

    /// Delivers events and starts sweeps until `shutdown`. The shutdown interrupts the events that are being handled. These
    /// events stay in the queue, and the next start delivers them again.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.sweep_regularly() => {}
            () = self.deliver() => {}
        }
    }

    async fn sweep_regularly(&self) {
        let mut ticks = tokio::time::interval(self.limits.sweep_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.sweep_now.notified() => {}
            }
            if let Err(error) = invoke(&*self.handler, self.scheduled_event(), self.limits.invocation).await {
                tracing::warn!(error = %format!("{error:#}"), "a sweep failed; the next sweep is in a minute");
            }
        }
    }

    async fn deliver(&self) {
        let mut changes = self.queue.changes();
        let mut in_hand: HashSet<i64> = HashSet::new();
        let mut invocations = JoinSet::new();
        let batch = self.form.batch();
        loop {
            changes.mark_unchanged();
            let free = self.limits.at_once.saturating_sub(invocations.len()) * batch;
            let found = if free == 0 { Ok(vec![]) } else { self.queue.waiting(in_hand.len() + free).await };
            let has_failed = found.is_err();
            let fresh =
                self.readable(found).into_iter().filter(|waiting| !in_hand.contains(&waiting.id)).take(free);
            let fresh: Vec<_> = fresh.collect();
            for batch in fresh.chunks(batch) {
                in_hand.extend(batch.iter().map(|waiting| waiting.id));
                invocations.spawn(self.delivery().deliver(batch.to_vec()));
            }
            tokio::select! {
                Some(ended) = invocations.join_next() => match ended {
                    Ok(ids) => in_hand.retain(|id| !ids.contains(id)),
                    // The error does not say which event's delivery panicked, so all deliveries are aborted and all waiting
                    // events are read again. The handler is idempotent, so a second delivery of an event does no harm.
                    Err(error) => {
                        tracing::error!(%error, "a delivery failed; all waiting events are read again");
                        invocations.abort_all();
                        in_hand.clear();
                        tokio::time::sleep(AFTER_FAILURE).await;
                    }
                },
                Ok(()) = changes.changed(), if invocations.len() < self.limits.at_once => {}
                () = tokio::time::sleep(AFTER_FAILURE), if has_failed => {}
                else => tokio::time::sleep(AFTER_FAILURE).await,
            }
        }
    }

    fn delivery(&self) -> Delivery<H, Q> {
        Delivery {
            handler: Arc::clone(&self.handler),
            queue: Arc::clone(&self.queue),
            form: self.form,
            limits: self.limits.clone(),
            place: self.place.clone(),
        }
    }

    fn readable(&self, found: anyhow::Result<Vec<QueuedEvent>>) -> Vec<QueuedEvent> {
        found.unwrap_or_else(|error| {
            tracing::error!(error = %format!("{error:#}"), "cannot read the waiting events");
            vec![]
        })
    }

    /// Returns the event of an EventBridge schedule, as AWS sends it.
    fn scheduled_event(&self) -> Value {
        let Place { region, account } = &self.place;
        json!({
            "version": "0",
            "id": uuid::Uuid::new_v4().to_string(),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": account,
            "time": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "region": region,
            "resources": [format!("arn:aws:events:{region}:{account}:rule/downspout-sweep")],
            "detail": {},
        })
    }
}

impl<H: Handler, Q: EventQueue> Delivery<H, Q> {
    /// Tries the events of one invocation until each is handled or becomes a dead letter, and returns their ids.
    async fn deliver(self, batch: Vec<QueuedEvent>) -> Vec<i64> {
        let ids = batch.iter().map(|waiting| waiting.id).collect();
        let mut waiting = batch;
        while !waiting.is_empty() {
            let noted = match self.try_once(waiting).await {
                Ok(failed) => failed,
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "cannot record the result of an event");
                    // The events are delivered again; the pause prevents a tight loop.
                    tokio::time::sleep(AFTER_FAILURE).await;
                    break;
                }
            };
            waiting = noted;
            // Events that failed for the first time shall not wait longer because others failed before.
            let fewest = waiting.iter().map(|waiting| waiting.failed_tries).min();
            if let Some(pause) = fewest.and_then(|tries| self.pause_after(tries)) {
                tokio::time::sleep(pause).await;
            }
        }
        ids
    }

    /// Invokes the function once, notes the result for each event, and returns the events that are to be tried again.
    async fn try_once(&self, batch: Vec<QueuedEvent>) -> anyhow::Result<Vec<QueuedEvent>> {
        let document = self.form.document(&batch, &self.place);
        let answer = invoke(&*self.handler, document, self.limits.invocation).await;
        let failed = match answer {
            Ok(answer) => self.form.failed(&batch, &answer),
            Err(error) => batch.iter().map(|event| (event.id, format!("{error:#}"))).collect(),
        };
        let mut again = Vec::new();
        for mut event in batch {
            let Some(error) = failed.get(&event.id) else {
                self.queue.handled(event.id).await?;
                continue;
            };
            event.failed_tries += 1;
            let dead = self.pause_after(event.failed_tries).is_none();
            tracing::warn!(
                event.id = event.id,
                event.tries = event.failed_tries,
                error,
                dead,
                "an event could not be handled"
            );
            self.queue.failed(event.id, error, dead).await?;
            if !dead {
                again.push(event);
            }
        }
        Ok(again)
    }

    /// Returns how long an event waits after this number of failed tries; `None` if it is not tried again.
    fn pause_after(&self, failed_tries: u32) -> Option<Duration> {
        let tries = usize::try_from(failed_tries).ok()?;
        self.limits.pauses.get(tries.checked_sub(1)?).copied()
    }
}

async fn invoke<H: Handler>(handler: &H, event: Value, limit: Duration) -> anyhow::Result<Value> {
    // A handler that panics has failed, as on Lambda: the event is tried again, and becomes a dead letter in the end.
    let handled = AssertUnwindSafe(handler.handle(event)).catch_unwind();
    let answered = tokio::time::timeout(limit, handled).await;
    let answered =
        answered.with_context(|| format!("the invocation took longer than {} s", limit.as_secs()))?;
    answered.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
        Err(anyhow::anyhow!("the handler panicked: {said}"))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::watch;

    use super::*;

    /// A queue and a handler that record the calls.
    #[derive(Default)]
    struct FakeLambda {
        waiting: Mutex<Vec<QueuedEvent>>,
        dead: Mutex<Vec<(i64, String)>>,
        tries: Mutex<Vec<String>>,
        changes: watch::Sender<u64>,
    }

    impl FakeLambda {
        fn with(names: &[&str]) -> Arc<Self> {
            let waiting =
                (1..).zip(names).map(|(id, name)| QueuedEvent { id, failed_tries: 0, event: json!(name) });
            Arc::new(Self { waiting: Mutex::new(waiting.collect()), ..Self::default() })
        }

        async fn settled(&self) {
            let mut changes = self.changes.subscribe();
            let done = changes.wait_for(|_| self.waiting.lock().expect("no test panicked").is_empty());
            tokio::time::timeout(Duration::from_secs(10), done)
                .await
                .expect("the queue empties")
                .expect("open");
        }
    }

    impl EventQueue for FakeLambda {
        async fn waiting(&self, limit: usize) -> anyhow::Result<Vec<QueuedEvent>> {
            Ok(self.waiting.lock().expect("no test panicked").iter().take(limit).cloned().collect())
        }

        async fn handled(&self, id: i64) -> anyhow::Result<()> {
            self.waiting.lock().expect("no test panicked").retain(|waiting| waiting.id != id);
            self.changes.send_modify(|n| *n += 1);
            Ok(())
        }

        async fn failed(&self, id: i64, error: &str, dead: bool) -> anyhow::Result<()> {
            if dead {
                self.dead.lock().expect("no test panicked").push((id, error.to_owned()));
                self.handled(id).await?;
            }
            Ok(())
        }

        fn changes(&self) -> watch::Receiver<u64> {
            self.changes.subscribe()
        }
    }

    impl FakeLambda {
        fn try_event(&self, name: &str) -> anyhow::Result<()> {
            self.tries.lock().expect("no test panicked").push(name.to_owned());
            anyhow::ensure!(name != "bad", "bad event");
            Ok(())
        }
    }

    impl Handler for FakeLambda {
        async fn handle(&self, event: Value) -> anyhow::Result<Value> {
            if let Some(name) = event.as_str() {
                self.try_event(name)?;
            }
            let mut answer = json!({"batchItemFailures": [], "errors": {}});
            for message in event["Records"].as_array().into_iter().flatten() {
                let (id, body) = (message["messageId"].as_str(), message["body"].as_str());
                let name: String = serde_json::from_str(body.expect("a body")).expect("a name");
                if let Err(error) = self.try_event(&name) {
                    answer["errors"][id.expect("an id")] = error.to_string().into();
                    let failures = answer["batchItemFailures"].as_array_mut().expect("a list");
                    failures.push(json!({"itemIdentifier": id}));
                }
            }
            Ok(answer)
        }
    }

    async fn run(fake: &Arc<FakeLambda>, form: EventForm) {
        let pauses = [Duration::from_millis(1); 2];
        let limits = Limits { pauses, ..Limits::default() };
        let runner = LambdaRunner::new(
            Arc::clone(fake),
            Arc::clone(fake),
            Arc::default(),
            form,
            limits,
            "us-east-1",
            "000000000000",
        );
        let stop = CancellationToken::new();
        let running = tokio::spawn(runner.run(stop.clone()));
        fake.settled().await;
        stop.cancel();
        running.await.expect("the runner ends");
    }

    #[tokio::test]
    async fn every_event_is_handled_and_forgotten() {
        let names: Vec<String> = (0..140).map(|n| format!("e{n}")).collect();
        for form in [EventForm::Direct, EventForm::Sqs] {
            let fake = FakeLambda::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
            run(&fake, form).await;
            let mut tries = fake.tries.lock().expect("no test panicked").clone();
            tries.sort();
            tries.dedup();
            assert_eq!(tries.len(), 140, "{form:?}");
            assert!(fake.dead.lock().expect("no test panicked").is_empty(), "{form:?}");
        }
    }

    #[tokio::test]
    async fn a_failing_event_is_tried_three_times_and_then_dead() {
        for form in [EventForm::Direct, EventForm::Sqs] {
            let fake = FakeLambda::with(&["good", "bad", "good"]);
            run(&fake, form).await;
            let tries = fake.tries.lock().expect("no test panicked").clone();
            let count = |wanted: &str| tries.iter().filter(|name| *name == wanted).count();
            assert_eq!((count("bad"), count("good")), (3, 2), "only what failed is tried again: {form:?}");
            assert_eq!(
                *fake.dead.lock().expect("no test panicked"),
                [(2, "bad event".to_owned())],
                "{form:?}"
            );
        }
    }
}
