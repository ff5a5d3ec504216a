//! The questions and wishes of users.

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::Value;
use stream_server::answers::Replayed;
use tower::ServiceExt as _;

use crate::world::World;

/// Sends a request to the admin routes.
async fn ask(world: &World, method: &str, path: &str) -> (StatusCode, String) {
    let request =
        Request::builder().method(method).uri(path).body(Body::empty()).expect("the request is well formed");
    let answer = world.server.admin().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), 1 << 20).await.expect("the routes answer");
    (status, String::from_utf8(body.into()).expect("the routes answer"))
}

#[tokio::test]
async fn a_schema_that_is_mended_brings_the_refused_records_back_once() {
    let strict = r#"{"schema": {"required": ["n", "m"]}}"#;
    let mut world = World::with(&[("events", strict)]).await;
    let data = [r#"{"n":1,"m":1}"#, r#"{"n":2}"#, r#"{"x":3}"#];
    world.put_records("events", &data).await;
    world.server.flush("events").await.unwrap();
    world.clock.wind(1);
    world.put_records("events", &[r#"{"n":4}"#]).await;
    world.server.flush("events").await.unwrap();
    assert_eq!(
        (world.s3.data_lines().len(), world.server.quarantine("events", None).await.unwrap().total),
        (1, 3)
    );

    world.set_file("events", Some(r#"{"schema": {"required": ["n"]}}"#)).await;
    let (status, body) = ask(&world, "POST", "/streams/events/replay?quarantined=true").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let replayed: Replayed = serde_json::from_str(&body).unwrap();
    assert_eq!((replayed.objects_read, replayed.records, replayed.lines, replayed.refused), (2, 3, 2, 1));
    assert_eq!((replayed.objects.len(), replayed.already_there), (2, 0));
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let after = sorted(world.s3.data_lines());
    assert_eq!(after, [r#"{"n":1,"m":1}"#, r#"{"n":2}"#, r#"{"n":4}"#]);
    assert_eq!(world.server.quarantine("events", None).await.unwrap().total, 1);

    // A second time changes nothing, and neither does a later version for the records that are back.
    for text in [r#"{"schema": {"required": ["n"]}}"#, "{}"] {
        world.set_file("events", Some(text)).await;
        let replayed = world.server.replay("events", None, None, true).await.unwrap();
        assert_eq!(replayed.already_there, 2, "{replayed:?}");
    }
    assert_eq!(sorted(world.s3.data_lines()), [r#"{"n":1,"m":1}"#, r#"{"n":2}"#, r#"{"n":4}"#, r#"{"x":3}"#]);
    assert_eq!(world.server.quarantine("events", None).await.unwrap().total, 0);
    let lines = world.s3.data_lines();
    world.server.replay("events", None, None, true).await.unwrap();
    assert_eq!(world.s3.data_lines(), lines);
}

#[tokio::test]
async fn raw_records_of_a_time_span_are_replayed_by_the_definition_of_today() {
    let mut world = World::with(&[("events", r#"{"fields": {"old": "/n"}}"#)]).await;
    for number in 1..=3 {
        world.put_records("events", &[&format!("{{\"n\":{number}}}")]).await;
        world.server.flush("events").await.unwrap();
        world.clock.wind(3600);
    }
    world.set_file("events", Some(r#"{"fields": {"new": "/n"}}"#)).await;
    let path = "/streams/events/replay?from=2026-11-20T11:00:00Z&to=2026-11-20T12:00:00Z";
    for (new, there) in [(1, 0), (0, 1)] {
        let (status, body) = ask(&world, "POST", path).await;
        let replayed: Replayed = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}"));
        assert_eq!((replayed.objects.len(), replayed.already_there), (new, there));
        assert_eq!((replayed.objects_read, replayed.records), (1, 1));
        assert_eq!(
            (replayed.lines, replayed.lines_already_there),
            (new as u64, there),
            "a second time makes no line"
        );
    }
    let lines = world.s3.data_lines();
    assert_eq!(lines.iter().filter(|line| line.contains("new")).collect::<Vec<_>>(), [r#"{"new":2}"#]);
    assert_eq!(lines.len(), 4);
    let (status, body) =
        ask(&world, "POST", "/streams/events/replay?from=2026-11-21T00:00:00Z&to=2026-11-20T00:00:00Z").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(
        body.starts_with("nothing is from 2026-11-21T00:00:00Z on and before 2026-11-20T00:00:00Z"),
        "{body}"
    );
    world.set_file("events", Some(r#"{"raw": false}"#)).await;
    let (status, body) = ask(&world, "POST", path).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body.contains("`raw` is false"), "{body}");
}

#[tokio::test]
async fn an_object_that_began_before_the_time_span_is_replayed_for_later_records() {
    let mut world = World::with(&[("events", "{}")]).await;
    // One object has the records of 10:00:00 and 10:04:00, the next one that of 10:10:00.
    for (seconds, last) in [(0, false), (240, true), (360, true)] {
        world.clock.wind(seconds);
        let time = world.clock.now();
        world.put_records("events", &[&format!("{{\"at\":\"{time}\"}}")]).await;
        if last {
            world.server.flush("events").await.unwrap();
        }
    }
    assert_eq!(world.s3.objects("drop/streams/").len(), 2);
    let at = |time: &str| Some(format!("2026-11-20T{time}Z").parse().unwrap());
    world.set_file("events", Some(r#"{"fields": {"again": "/at"}}"#)).await;
    let replayed = world.server.replay("events", at("10:05:00"), at("10:09:00"), false).await.unwrap();
    assert_eq!((replayed.objects_read, replayed.lines), (0, 0), "no record is from that time");
    let replayed = world.server.replay("events", at("10:03:00"), at("10:09:00"), false).await.unwrap();
    assert_eq!((replayed.objects_read, replayed.lines), (1, 2));
    assert_eq!(world.s3.data_lines().iter().filter(|line| line.contains("again")).count(), 2);
}

#[tokio::test]
async fn a_changed_time_zone_or_place_neither_hides_nor_repeats_records() {
    let strict = r#"{"schema": {"required": ["n"]}}"#;
    let mut world = World::with(&[("events", strict)]).await;
    world.put_records("events", &[r#"{"m":1}"#]).await;
    world.server.flush("events").await.unwrap();
    let at = |time: &str| Some(format!("2026-11-20T{time}Z").parse().unwrap());
    let span = (at("09:59:00"), at("10:01:00"));
    for file in [
        r#"{"timeZone": "Asia/Tokyo"}"#,
        r#"{"timeZone": "America/New_York", "quarantine": "s3://elsewhere/q/", "raw": "s3://elsewhere/r/"}"#,
        "{}",
    ] {
        world.set_file("events", Some(file)).await;
        world.server.replay("events", span.0, span.1, true).await.unwrap();
        assert_eq!(world.s3.data_lines(), [r#"{"m":1}"#], "{file}");
        assert_eq!(world.server.quarantine("events", None).await.unwrap().total, 0, "{file}");
    }
    // The raw object is found as well.
    world.set_file("events", Some(r#"{"timeZone": "Asia/Tokyo", "raw": "s3://elsewhere/r/"}"#)).await;
    let replayed = world.server.replay("events", span.0, span.1, false).await.unwrap();
    assert_eq!((replayed.objects_read, replayed.lines), (1, 1));
}

#[tokio::test]
async fn a_replay_leaves_the_records_of_another_stream_in_the_same_place_alone() {
    let file =
        r#"{"raw": "s3://raw/all/", "quarantine": "s3://raw/refused/", "schema": {"required": ["n"]}}"#;
    let mut world = World::with(&[("a", file), ("x-a", file)]).await;
    world.put_records("a", &[r#"{"m":"of a"}"#]).await;
    world.put_records("x-a", &[r#"{"m":"of x-a"}"#]).await;
    for name in ["a", "x-a"] {
        world.server.flush(name).await.unwrap();
    }
    assert_eq!(world.server.quarantine("a", None).await.unwrap().total, 1);
    let open = file.replace(r#""required": ["n"]"#, "");
    world.set_file("a", Some(&open)).await;
    for is_quarantined in [true, false] {
        let replayed = world.server.replay("a", None, None, is_quarantined).await.unwrap();
        assert_eq!((replayed.objects_read, replayed.records), (1, 1));
    }
    assert!(world.s3.data_lines().iter().all(|line| line.contains("of a")), "{:?}", world.s3.data_lines());
}

#[tokio::test]
async fn a_tail_shows_records_in_order_and_waits_for_the_next() {
    let world = World::with(&[("events", r#"{"shards": 2}"#)]).await;
    for number in 0..5 {
        world.put_records("events", &[&format!("{{\"n\":{number}}}"), "second"]).await;
    }
    world.server.flush("events").await.unwrap();
    let (status, body) = ask(&world, "GET", "/streams/events/tail?last=4&limit=3").await;
    assert_eq!(status, StatusCode::OK);
    let first: Value = serde_json::from_str(&body).unwrap();
    let records = first["records"].as_array().unwrap();
    assert_eq!(records.len(), 3);
    let rest =
        world.server.tail("events", first["next"].as_str().map(str::to_owned), None, None).await.unwrap();
    assert_eq!(rest.records.len(), 1);
    let wait = world.server.tail("events", rest.next, None, None);
    let (next, _) = tokio::join!(wait, world.post("events", "{\"n\":\"\u{e4}\"}"));
    let record = &next.unwrap().records[0];
    assert_eq!((record.data.as_str(), record.partition_key.as_str()), ("{\"n\":\"\u{e4}\"}", ""));
    let (status, body) = ask(&world, "GET", "/streams/events/tail?after=17").await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::BAD_REQUEST, "`17` is not a sequence number of this server\n")
    );
}

#[tokio::test]
async fn a_flush_returns_the_objects_and_a_hot_key_is_reported() {
    let world = World::with(&[("events", "{}")]).await;
    let mut client = world.client().await;
    for number in 0..150 {
        let body = format!("{{\"Data\":{{\"n\":{number}}},\"PartitionKey\":\"event_id\"}}");
        let key = [("x-api-key", crate::world::API_KEY)];
        client.send(http::Method::PUT, "/streams/events/record", &key, body).await;
    }
    let (status, body) = ask(&world, "GET", "/streams").await;
    assert_eq!(status, StatusCode::OK);
    let list: Value = serde_json::from_str(&body).unwrap();
    let summary = &list["streams"][0];
    assert_eq!(
        (&summary["hot_key"]["key"], &summary["records_per_second"]),
        (&"event_id".into(), &15.0.into())
    );
    let (status, body) = ask(&world, "POST", "/streams/events/flush").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let flushed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(flushed["records"], 150);
    let object = flushed["objects"][0].as_str().unwrap().strip_prefix("s3://").unwrap();
    assert_eq!(world.s3.objects(object).len(), 1);
    let (status, body) = ask(&world, "POST", "/streams/none/flush").await;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, "there is no stream `none`\n"));
}
