//! From the log to the objects.

use serde_json::Value;
use stream_server::QueryError;

use crate::stand_in_s3::Fault;
use crate::world::{World, until};

#[tokio::test]
async fn records_are_delivered_when_the_oldest_has_waited_long_enough() {
    let world = World::with(&[("events", r#"{"bufferIntervalSeconds": 60}"#)]).await;
    world.post("events", r#"{"n":1}"#).await;
    world.clock.wind(59);
    world.post("events", r#"{"n":2}"#).await;
    let summary = world.summary("events").await;
    assert_eq!((summary.waiting_records, world.s3.puts()), (2, 0));
    assert!(summary.why.unwrap().contains("in 1 s"));
    world.clock.wind(1);
    world.delivered("events").await;
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#, r#"{"n":2}"#]);
    // The event of the data object fires last.
    let stored = world.s3.stored();
    assert_eq!(stored.len(), 2);
    assert!(
        stored[0].starts_with("raw/streams/events/2026/11/20/10/") && stored[0].ends_with("-raw.json.gz"),
        "{stored:?}"
    );
    let name = &stored[1];
    assert!(name.starts_with("drop/streams/events/2026/11/20/10/events-1-2026-11-20-10-00-00-1-"), "{name}");
    let headers = &world.s3.objects("drop/").remove(0).1.headers;
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert!(headers["x-amz-meta-downspout-cut"].to_str().unwrap().contains("/1/"));
}

#[tokio::test]
async fn records_are_delivered_when_enough_wait_and_cuts_are_bounded() {
    let world = World::with(&[("events", r#"{"bufferSizeMB": 1}"#)]).await;
    world.s3.choose(|_, _| Fault::Unavailable);
    let text = "x".repeat(400 << 10);
    for number in 0..10 {
        world.post("events", &format!("{{\"n\":{number},\"text\":\"{text}\"}}")).await;
    }
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    let objects = world.s3.objects("drop/");
    assert!(objects.len() >= 3, "{}", objects.len());
    assert!(objects.iter().all(|(_, object)| object.body.len() < 3 << 20));
    assert_eq!(world.s3.data_lines().len(), 10);
}

#[tokio::test]
async fn refused_records_go_to_quarantine_and_the_counts_add_up() {
    let file = r#"{"schema": {"type": "object", "required": ["n"]}, "compressionFormat": "GZIP"}"#;
    let world = World::with(&[("events", file)]).await;
    let data = [r#"{"n":1}{"n":2}"#, "  ", r#"{"m":3}"#, "no JSON: secret", r#"{"n":4}"#, "\u{0}\u{1}"];
    world.put_records("events", &data).await;
    world.server.flush("events").await.unwrap();
    let summary = world.summary("events").await;
    let counts = (summary.delivered, summary.delivered_lines, summary.quarantined, summary.left_out);
    assert_eq!(counts, (2, 3, 3, 1));
    assert_eq!((summary.accepted_records, summary.waiting_records, summary.cuts), (6, 0, 1));
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":4}"#]);
    let (key, quarantined) = world.s3.objects("quarantine").remove(0);
    let lines: Vec<Value> =
        quarantined.lines(&key).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["errorCode"].is_string() && line["streamVersion"] == 1));
    let (key, raw) = world.s3.objects("raw/").remove(0);
    assert_eq!(raw.lines(&key).len(), 6);
    let order = world.s3.stored();
    assert!(
        order[0].starts_with("raw/")
            && order[1].contains("quarantine")
            && order[2].starts_with("drop/streams")
    );
    let listed = world.server.quarantine("events", Some(2)).await.unwrap();
    assert_eq!((listed.total, listed.records.len()), (3, 2));
    assert!(listed.records.iter().all(|it| !it.error_message.contains("secret")), "{listed:?}");
}

#[tokio::test]
async fn an_aggregate_of_the_producer_library_is_opened() {
    let world = World::with(&[("events", "{}")]).await;
    let aggregate = aggregate(&[r#"{"n":1}"#, r#"{"n":2}"#]);
    let record = serde_json::json!({
        "StreamName": "events", "PartitionKey": "a",
        "Data": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, aggregate),
    });
    assert_eq!(world.call("Kinesis_20131202.PutRecord", &record).await.status, 200);
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#, r#"{"n":2}"#]);
    let summary = world.summary("events").await;
    assert_eq!((summary.accepted_records, summary.delivered), (1, 2));
}

/// Returns an aggregate of records with the partition key `k`.
fn aggregate(records: &[&str]) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| {
        [&[tag, u8::try_from(bytes.len()).expect("a test record is short")][..], bytes].concat()
    };
    let mut message = field(0x0a, b"k");
    for record in records {
        let inner = [&[0x08, 0x00][..], &field(0x1a, record.as_bytes())].concat();
        message.extend(field(0x1a, &inner));
    }
    let digest = <md5::Md5 as md5::Digest>::digest(&message);
    [&[0xf3, 0x89, 0x9a, 0xc2][..], &message, &digest].concat()
}

#[tokio::test]
async fn s3_that_is_away_holds_up_the_delivery_and_nothing_is_lost() {
    let world = World::with(&[("events", "{}")]).await;
    for fault in [Fault::Unavailable, Fault::Break] {
        world.s3.choose(move |_, _| fault);
        world.post("events", r#"{"n":1}"#).await;
        let refused = world.server.flush("events").await.unwrap_err();
        assert!(matches!(refused, QueryError::NotDelivered(_)), "{refused}");
        let why = world.summary("events").await.why.unwrap();
        assert!(why.contains("s3://raw/streams/events/") && why.contains("next try"), "{why}");
        // Not even a year makes the server give up.
        world.clock.wind(365 * 86_400);
        assert_eq!(world.summary("events").await.waiting_records, 1);
        world.s3.choose(|_, _| Fault::None);
        world.server.flush("events").await.unwrap();
        assert_eq!(world.summary("events").await.why, None);
    }
    assert_eq!(world.s3.data_lines().len(), 2);
}

#[tokio::test]
async fn an_object_that_was_stored_before_the_connection_broke_is_not_stored_twice() {
    let world = World::with(&[("events", "{}")]).await;
    let mut broken = std::collections::BTreeSet::new();
    world.s3.choose(move |method, key| {
        let is_first = method == http::Method::PUT && broken.insert(key.to_owned());
        if is_first { Fault::StoreAndBreak } else { Fault::None }
    });
    world.post("events", r#"{"n":1}"#).await;
    world.server.flush("events").await.unwrap();
    assert_eq!((world.s3.stored().len(), world.s3.puts()), (2, 4));
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
}

#[tokio::test]
async fn a_foreign_object_is_neither_replaced_nor_taken_for_ours() {
    let world = World::with(&[("events", "{}")]).await;
    world.s3.choose(|_, key| if key.starts_with("drop/") { Fault::Unavailable } else { Fault::None });
    world.post("events", r#"{"n":1}"#).await;
    world.server.flush("events").await.unwrap_err();
    let why = world.summary("events").await.why.unwrap();
    let key = why.split("s3://").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    world.s3.plant(&key);
    world.s3.choose(|_, _| Fault::None);
    let why = until("the foreign object is told", async || {
        let why = world.summary("events").await.why.unwrap_or_default();
        if why.contains("from somewhere else") { Ok(why) } else { Err(why) }
    })
    .await;
    assert!(why.contains(&key), "{why}");
    assert_eq!(world.s3.objects(&key)[0].1.body, "foreign");
    world.s3.remove(&key);
    world.delivered("events").await;
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
}

#[tokio::test]
async fn a_cut_has_the_same_names_and_bytes_after_a_restart() {
    let mut world = World::with(&[("events", r#"{"schema": {"required": ["n"]}}"#)]).await;
    world.put_records("events", &[r#"{"n":1}"#, r#"{"m":2}"#]).await;
    world.s3.choose(|_, key| if key.starts_with("drop/streams") { Fault::Unavailable } else { Fault::None });
    world.server.flush("events").await.unwrap_err();
    let before = world.s3.objects("");
    assert_eq!(before.len(), 2, "the raw and the quarantine object");
    world.clock.wind(3600);
    world = world.restart().await;
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    let after = world.s3.objects("");
    assert_eq!(after.len(), 3);
    for (key, object) in before {
        assert_eq!(world.s3.objects(&key)[0].1.body, object.body);
    }
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
    assert_eq!(world.summary("events").await.quarantined, 1);
}

#[tokio::test]
async fn stopping_flushes_nothing_and_a_restart_keeps_everything() {
    let mut world = World::with(&[("events", "{}")]).await;
    let first = world.post("events", r#"{"n":1}"#).await;
    world = world.restart().await;
    assert_eq!(world.s3.puts(), 0);
    let summary = world.summary("events").await;
    assert_eq!((summary.waiting_records, summary.oldest), (1, Some(world.clock.now())));
    let second = world.post("events", r#"{"n":2}"#).await;
    assert!(second["SequenceNumber"].as_str() > first["SequenceNumber"].as_str());
    world.server.flush("events").await.unwrap();
    world = world.restart().await;
    let third = world.post("events", r#"{"n":3}"#).await;
    assert!(third["SequenceNumber"].as_str() > second["SequenceNumber"].as_str());
    assert_eq!(world.s3.data_lines().len(), 2);
    assert_eq!(world.summary("events").await.accepted_records, 3);
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stall_the_delivery() {
    let world = World::with(&[("events", r#"{"bufferIntervalSeconds": 60}"#)]).await;
    world.post("events", r#"{"n":1}"#).await;
    world.clock.wind(-86_400);
    world.post("events", r#"{"n":2}"#).await;
    until("the records are delivered within a minute of the new time", async || {
        world.clock.wind(60);
        let summary = world.summary("events").await;
        let has_waited = world.clock.now() > "2026-11-19T11:00:00Z".parse().unwrap();
        assert!(!has_waited, "{summary:?}");
        if summary.waiting_records == 0 { Ok(()) } else { Err(format!("{summary:?}")) }
    })
    .await;
    assert_eq!(world.s3.data_lines().len(), 2);
}
