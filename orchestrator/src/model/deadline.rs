//! An invocation whose time limit comes near.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Value, json};

use super::scene::Scene;
use crate::handler::Handled;
use crate::metrics::Metrics;

/// Returns a batch of SQS with a message for each event of the scene.
fn batch(scene: &Scene) -> Value {
    let message = |(number, event): (usize, &Value)| json!({"messageId": number.to_string(), "eventSource": "aws:sqs", "body": event.to_string()});
    json!({"Records": scene.events.iter().enumerate().map(message).collect::<Vec<_>>()})
}

/// Drops two sets, whose events are one batch, and advances the clock by `seconds` when `when` is true for the first time.
/// Returns the answer of an invocation with a limit of 50 seconds.
fn handled(scene: &mut Scene, seconds: i64, when: impl Fn(&Scene) -> bool) -> Handled {
    scene.drop_set(0, 0);
    scene.drop_set(1, 0);
    let (event, handler) = (batch(scene), scene.handler());
    let deadline = scene.world.now() + Duration::from_secs(50);
    let mut work = pin!(handler.handle(&event, Some(deadline)));
    let mut context = Context::from_waker(Waker::noop());
    let mut has_advanced = false;
    for _ in 0..100_000 {
        if let Poll::Ready(handled) = work.as_mut().poll(&mut context) {
            return handled;
        }
        if !has_advanced && when(scene) {
            scene.world.advance_milliseconds(seconds * 1000);
            has_advanced = true;
        }
    }
    panic!("the invocation does not end");
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_not_begun_are_reported_as_failed() {
    let mut scene = Scene::new();
    let handled = handled(&mut scene, 47, |scene| scene.world.activations().len() == 1);
    let answer = handled.answer.expect("a batch fails in parts");
    let failed: Vec<_> = answer["batchItemFailures"].as_array().expect("a list").iter().collect();
    // One event of a set is enough for its run. Those of the second set came too late.
    assert!(failed.contains(&&json!({"itemIdentifier": "2"})), "{answer}");
    assert!(failed.contains(&&json!({"itemIdentifier": "3"})), "{answer}");
    assert!(!failed.contains(&&json!({"itemIdentifier": "0"})), "{answer}");
    assert!(answer["errors"]["3"].as_str().is_some_and(|why| why.contains("time limit")), "{answer}");
    assert_eq!((handled.metrics.runs_started, scene.world.activations().len()), (1, 1));
    assert_eq!(handled.metrics.failures, failed.len() as u64);
    scene.advance(100);
    scene.sweep_whole();
    scene.world.end_all_runs();
    scene.sweep_whole();
    assert_eq!(scene.world.activations().len(), 2, "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_in_time_handles_everything() {
    let mut scene = Scene::new();
    let Handled { answer, metrics } = handled(&mut scene, 3, |scene| scene.world.activations().len() == 1);
    assert_eq!(answer.expect("an answer")["batchItemFailures"], json!([]));
    // The events of the scene have a fixed time, so the wait is known only to be there.
    assert_eq!(metrics.event_to_activation_ms.len(), 1);
    assert_eq!(
        Metrics { event_to_activation_ms: vec![], ..metrics },
        Metrics { runs_started: 1, duplicates: 1, ..Metrics::default() }
    );
}
