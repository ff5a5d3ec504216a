//! Disks that are full or fail, and streams that keep too much.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, StatusCode};
use serde_json::json;

use crate::stand_in_s3::Fault;
use crate::world::{Settings, World};

#[tokio::test]
async fn a_disk_sync_that_fails_ends_the_acceptance_until_a_restart() {
    let fails = Arc::new(AtomicBool::new(false));
    let fails_now = Arc::clone(&fails);
    let before_flush = move || {
        if fails_now.load(Ordering::Relaxed) { Err(io::Error::other("a bad disk")) } else { Ok(()) }
    };
    let mut world =
        World::start(&[("events", "{}")], Some(Arc::new(before_flush)), Settings::default()).await;
    world.post("events", r#"{"n":1}"#).await;
    fails.store(true, Ordering::Relaxed);
    let refused = world.send(Method::POST, "/streams/events", r#"{"n":2}"#).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    fails.store(false, Ordering::Relaxed);
    // The disk works again, but nobody knows which writes it kept.
    let refused = world.send(Method::POST, "/streams/events", r#"{"n":3}"#).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("a bad disk") && message.contains("restart"), "{message}");
    let put = json!({"StreamName": "events", "Data": "e30=", "PartitionKey": "a"});
    let refused = world.call("Kinesis_20131202.PutRecord", &put).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["__type"]),
        (500, &json!("InternalFailureException"))
    );
    world = world.restart().await;
    world.post("events", r#"{"n":4}"#).await;
    world.server.flush("events").await.unwrap();
    let lines = world.s3.data_lines();
    // The second record was not acknowledged; it may or may not have been kept.
    assert!(
        lines.contains(&r#"{"n":1}"#.to_owned()) && lines.contains(&r#"{"n":4}"#.to_owned()),
        "{lines:?}"
    );
    assert!(!lines.contains(&r#"{"n":3}"#.to_owned()), "{lines:?}");
}

#[tokio::test]
async fn a_full_disk_is_a_refusal_after_which_records_are_accepted_again() {
    let world = World::with(&[("events", "{}")]).await;
    world.post("events", r#"{"n":1}"#).await;
    world.server.limit_growth("events", Some(64 << 10)).await.unwrap();
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(200 << 10));
    let refused = world.send(Method::POST, "/streams/events", &long).await;
    assert_eq!(
        (refused.status, &refused.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    assert!(refused.body.contains("disk"), "{refused:?}");
    world.server.limit_growth("events", None).await.unwrap();
    world.post("events", &long).await;
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines().len(), 2);
    assert_eq!(world.summary("events").await.accepted_records, 2);
}

#[tokio::test]
async fn a_stream_that_keeps_too_much_says_so_in_the_words_of_each_protocol() {
    let world =
        World::start(&[("events", "{}")], None, Settings { backlog: 1 << 20, ..Settings::default() }).await;
    world.s3.choose(|_, _| Fault::Unavailable);
    let text = "x".repeat(900 << 10);
    world.post("events", &format!("{{\"text\":\"{text}\"}}")).await;
    let body = format!("{{\"text\":\"{text}\"}}");
    let refused = world.send(Method::POST, "/streams/events", &body).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.body.contains("maxBacklogGB") && refused.headers.contains_key("retry-after"));
    let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &text);
    let put = json!({"StreamName": "events", "Data": data, "PartitionKey": "a"});
    let refused = world.call("Kinesis_20131202.PutRecord", &put).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["__type"]),
        (400, &json!("ProvisionedThroughputExceededException"))
    );
    let put = json!({"DeliveryStreamName": "events", "Record": {"Data": data}});
    let refused = world.call("Firehose_20150804.PutRecord", &put).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["__type"]),
        (503, &json!("ServiceUnavailableException"))
    );
    world.s3.choose(|_, _| Fault::None);
    world.server.flush("events").await.unwrap();
    world.post("events", &body).await;
}

#[tokio::test]
async fn two_servers_do_not_share_a_folder() {
    let world = World::with(&[("events", "{}")]).await;
    let homes = stream_server::Homes { drop: "drop".to_owned(), raw: "raw".to_owned() };
    let keys = sigv4::Credentials { access_key_id: "a".to_owned(), secret_access_key: "b".to_owned() };
    let config = stream_server::Config::new(
        world.folder().to_owned(),
        world.s3.client(),
        homes,
        keys,
        "key".to_owned(),
    );
    let refused = stream_server::StreamServer::open(config).await.err().unwrap();
    assert!(refused.to_string().contains("another server"), "{refused}");
}

#[tokio::test]
async fn an_unreadable_log_stops_no_other_stream_and_is_not_hidden_by_a_new_log() {
    let mut world = World::with(&[("broken", "{}"), ("whole", "{}")]).await;
    world.post("broken", r#"{"n":1}"#).await;
    let mut files = std::fs::read_dir(world.folder()).unwrap().map(|entry| entry.unwrap().path());
    let is_log = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with("broken.") && name.ends_with(".sqlite")
    };
    let log = files.find(is_log).unwrap();
    world = world
        .restart_after(|| {
            std::fs::copy(&log, log.with_extension("kept")).unwrap();
            std::fs::write(&log, "no database at all, but long enough to look like the head of one").unwrap();
        })
        .await;
    world.post("whole", r#"{"n":2}"#).await;
    let refused = world.send(Method::POST, "/streams/broken", "{}").await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let reports = world.set_file("broken", Some("{}")).await;
    let failure = reports.iter().find_map(|report| report.failure.clone()).unwrap();
    assert!(failure.contains("cannot be opened") && failure.contains("restart"), "{failure}");
    world = world.restart_after(|| std::fs::rename(log.with_extension("kept"), &log).unwrap()).await;
    world.server.flush("broken").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
}
