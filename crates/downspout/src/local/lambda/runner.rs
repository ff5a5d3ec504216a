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

use super::{EventQueue, Handler, Limits, QueuedEvent};

/// How long the runner waits after it failed to read or to write the queue.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Runs a Lambda function for the events of a queue and for the schedule of sweeps.
pub struct LambdaRunner<H, Q> {
    handler: Arc<H>,
    queue: Arc<Q>,
    limits: Limits,
    region: String,
    account: String,
    sweep_now: Arc<Notify>,
}

impl<H: Handler, Q: EventQueue> LambdaRunner<H, Q> {
    /// Returns a runner of `handler` for the events of `queue`. A notification of `sweep_now` starts the next sweep at once.
    pub fn new(
        handler: Arc<H>,
        queue: Arc<Q>,
        sweep_now: Arc<Notify>,
        limits: Limits,
        region: &str,
        account: &str,
    ) -> Self {
        Self { handler, queue, sweep_now, limits, region: region.to_owned(), account: account.to_owned() }
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
        loop {
            changes.mark_unchanged();
            let free = self.limits.at_once.saturating_sub(in_hand.len());
            let found =
                if free == 0 { Ok(vec![]) } else { self.queue.waiting(self.limits.at_once + free).await };
            let has_failed = found.is_err();
            let fresh =
                self.readable(found).into_iter().filter(|waiting| !in_hand.contains(&waiting.id)).take(free);
            for waiting in fresh.collect::<Vec<_>>() {
                in_hand.insert(waiting.id);
                invocations.spawn(deliver_one(
                    Arc::clone(&self.handler),
                    Arc::clone(&self.queue),
                    waiting,
                    self.limits.clone(),
                ));
            }
            tokio::select! {
                Some(ended) = invocations.join_next() => match ended {
                    Ok(id) => { in_hand.remove(&id); }
                    // The error does not say which event's delivery panicked, so all deliveries are aborted and all waiting
                    // events are read again. The handler is idempotent, so a second delivery of an event does no harm.
                    Err(error) => {
                        tracing::error!(%error, "a delivery failed; all waiting events are read again");
                        invocations.abort_all();
                        in_hand.clear();
                        tokio::time::sleep(AFTER_FAILURE).await;
                    }
                },
                Ok(()) = changes.changed(), if in_hand.len() < self.limits.at_once => {}
                () = tokio::time::sleep(AFTER_FAILURE), if has_failed => {}
                else => tokio::time::sleep(AFTER_FAILURE).await,
            }
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
        let Self { region, account, .. } = self;
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

/// Tries an event until it is handled or becomes a dead letter, and returns its id.
async fn deliver_one<H: Handler, Q: EventQueue>(
    handler: Arc<H>,
    queue: Arc<Q>,
    waiting: QueuedEvent,
    limits: Limits,
) -> i64 {
    let QueuedEvent { id, failed_tries, event } = waiting;
    let mut tries = failed_tries;
    let noted = loop {
        let error = match invoke(&*handler, event.clone(), limits.invocation).await {
            Ok(_) => break queue.handled(id).await,
            Err(error) => format!("{error:#}"),
        };
        let pause = usize::try_from(tries).ok().and_then(|tries| limits.pauses.get(tries));
        tries += 1;
        tracing::warn!(event.id = id, event.tries = tries, error = %error, dead = pause.is_none(),
            "an event could not be handled");
        if let Err(error) = queue.failed(id, &error, pause.is_none()).await {
            break Err(error);
        }
        let Some(pause) = pause else { break Ok(()) };
        tokio::time::sleep(*pause).await;
    };
    if let Err(error) = noted {
        tracing::error!(event.id = id, error = %format!("{error:#}"), "cannot record the result of an event");
        // The event is delivered again; the pause prevents a tight loop.
        tokio::time::sleep(AFTER_FAILURE).await;
    }
    id
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

    impl Handler for FakeLambda {
        async fn handle(&self, event: Value) -> anyhow::Result<Value> {
            let Some(name) = event.as_str() else { return Ok(Value::Null) };
            self.tries.lock().expect("no test panicked").push(name.to_owned());
            match name {
                "bad" => anyhow::bail!("bad event"),
                _ => Ok(Value::Null),
            }
        }
    }

    async fn run(fake: &Arc<FakeLambda>) {
        let pauses = [Duration::from_millis(1); 2];
        let limits = Limits { pauses, ..Limits::default() };
        let runner = LambdaRunner::new(
            Arc::clone(fake),
            Arc::clone(fake),
            Arc::default(),
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
        let names: Vec<String> = (0..40).map(|n| format!("e{n}")).collect();
        let fake = FakeLambda::with(&names.iter().map(String::as_str).collect::<Vec<_>>());
        run(&fake).await;
        let mut tries = fake.tries.lock().expect("no test panicked").clone();
        tries.sort();
        tries.dedup();
        assert_eq!(tries.len(), 40);
        assert!(fake.dead.lock().expect("no test panicked").is_empty());
    }

    #[tokio::test]
    async fn a_failing_event_is_tried_three_times_and_then_dead() {
        let fake = FakeLambda::with(&["good", "bad"]);
        run(&fake).await;
        let tries = fake.tries.lock().expect("no test panicked").clone();
        assert_eq!(tries.iter().filter(|name| *name == "bad").count(), 3);
        assert_eq!(*fake.dead.lock().expect("no test panicked"), [(2, "bad event".to_owned())]);
    }
}
