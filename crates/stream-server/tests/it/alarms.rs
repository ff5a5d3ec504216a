//! The notices about deliveries that fail.

use std::time::Duration;

use serde_json::json;
use stream_server::{DeliveryNotice, Failing, Pauses, QueryError, ReportedTroubles};

use crate::stand_in_s3::Fault;
use crate::world::{Settings, World, until};

/// Returns the notices that are due, and records them as sent.
fn notices(world: &World, told: &mut ReportedTroubles) -> Vec<DeliveryNotice> {
    let notices = world.server.delivery_notices(told);
    notices.iter().for_each(|notice| told.note(notice));
    notices
}

fn failing(notices: Vec<DeliveryNotice>) -> Failing {
    match <[_; 1]>::try_from(notices) {
        Ok([DeliveryNotice::Failing(failing)]) => failing,
        other => panic!("{other:?}"),
    }
}

/// Returns how many records wait, of a stream that delivers again; `None` if it has ended.
fn again(notices: Vec<DeliveryNotice>) -> Option<u64> {
    match <[_; 1]>::try_from(notices) {
        Ok([DeliveryNotice::Again(again)]) => again.waiting_records,
        other => panic!("{other:?}"),
    }
}

/// Lets the delivery of a record fail.
async fn fail(world: &World, fault: Fault) {
    world.s3.choose(move |_, key| if key.starts_with("drop/") { fault } else { Fault::None });
    world.post("events", r#"{"n":1}"#).await;
    let refused = world.server.flush("events").await.expect_err("S3 is in trouble");
    assert!(matches!(refused, QueryError::NotDelivered(_)), "{refused}");
}

#[tokio::test]
async fn a_notice_reports_five_minutes_of_failures_and_another_the_recovery() {
    let world = World::with(&[("events", "{}"), ("others", "{}")]).await;
    let mut told = ReportedTroubles::default();
    let begun = world.clock.now();
    fail(&world, Fault::NoBucket).await;
    world.clock.wind(299);
    assert_eq!(notices(&world, &mut told), []);
    world.clock.wind(1);
    let failing = failing(notices(&world, &mut told));
    assert_eq!((failing.name.as_str(), failing.since), ("events", begun));
    assert_eq!((failing.waiting_records, failing.waiting_bytes), (1, 7));
    assert_eq!(failing.place, "s3://drop/streams/events/2026/11/20/10/");
    assert!(
        failing.why.contains("s3://drop/streams/events/")
            && failing.why.contains("there is no bucket `drop`")
    );
    assert!(failing.remedy.starts_with("create the bucket"), "{}", failing.remedy);
    world.clock.wind(86_400);
    assert_eq!(notices(&world, &mut told), [], "once for each trouble");
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    assert_eq!(again(notices(&world, &mut told)), Some(0));
    assert_eq!(notices(&world, &mut told), []);
    assert_eq!(told, ReportedTroubles::default());
    // The next trouble is one of its own.
    fail(&world, Fault::Unavailable).await;
    world.clock.wind(300);
    assert!(matches!(notices(&world, &mut told)[..], [DeliveryNotice::Failing(_)]));
}

#[tokio::test]
async fn a_short_trouble_is_no_notice() {
    let world = World::with(&[("events", "{}")]).await;
    let mut told = ReportedTroubles::default();
    for _ in 0..3 {
        fail(&world, Fault::Unavailable).await;
        world.clock.wind(200);
        assert_eq!(notices(&world, &mut told), []);
        world.s3.choose(|_, _| Fault::None);
        world.server.flush("events").await.unwrap();
        assert_eq!(notices(&world, &mut told), []);
    }
}

#[tokio::test]
async fn a_restart_reports_nothing_twice_and_keeps_the_trouble_open() {
    let mut world = World::with(&[("events", "{}")]).await;
    let mut told = ReportedTroubles::default();
    fail(&world, Fault::Unavailable).await;
    world.clock.wind(300);
    failing(notices(&world, &mut told));
    let kept = serde_json::to_string(&told).unwrap();
    world = world.restart().await;
    let mut told: ReportedTroubles = serde_json::from_str(&kept).unwrap();
    assert_eq!(notices(&world, &mut told), [], "there was no try yet");
    world.server.flush("events").await.unwrap_err();
    world.clock.wind(300);
    assert_eq!(notices(&world, &mut told), []);
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    assert_eq!(again(notices(&world, &mut told)), Some(0));
}

#[tokio::test]
async fn a_stream_that_ends_after_its_trouble_is_reported_as_ended() {
    let world = World::with(&[]).await;
    let mut told = ReportedTroubles::default();
    let name = json!({"StreamName": "events"});
    world.call("Kinesis_20131202.CreateStream", &name).await;
    fail(&world, Fault::Unavailable).await;
    world.clock.wind(300);
    failing(notices(&world, &mut told));
    world.call("Kinesis_20131202.DeleteStream", &name).await;
    assert_eq!(notices(&world, &mut told), []);
    world.s3.choose(|_, _| Fault::None);
    until("the stream has ended", async || {
        let list = world.server.list().await;
        if list.streams.is_empty() { Ok(()) } else { Err(format!("{list:?}")) }
    })
    .await;
    assert_eq!(again(notices(&world, &mut told)), None);
    // A new stream with the same name has nothing to do with the old one.
    world.call("Kinesis_20131202.CreateStream", &name).await;
    assert_eq!(notices(&world, &mut told), []);
}

#[tokio::test]
async fn a_flush_tries_at_once_whatever_the_pause_is() {
    let hour = Duration::from_secs(3600);
    let settings = Settings { pauses: Pauses { first: hour, most: hour }, ..Settings::default() };
    let world = World::start(&[("events", r#"{"bufferIntervalSeconds": 0}"#)], None, settings).await;
    world.s3.choose(|_, _| Fault::NoBucket);
    world.post("events", r#"{"n":1}"#).await;
    let why = until("the first try", async || {
        world.summary("events").await.why.filter(|why| why.contains("next try")).ok_or_else(String::new)
    })
    .await;
    assert!(why.contains("there is no bucket `raw`") && why.contains("next try in 3600 s"), "{why}");
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
}
