//! Every change to an object creates exactly one event, in the form of AWS.

use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;

use super::endpoint::Endpoint;

fn record(json: &str) -> Value {
    let document: Value = serde_json::from_str(json).unwrap();
    document["Records"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_a_notifying_bucket_is_reported_once() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    client.create_bucket().bucket("silent").send().await.unwrap();
    let mut watch = endpoint.store.watch_events();
    watch.mark_unchanged();
    let hello = || ByteStream::from_static(b"hello");
    client.put_object().bucket("silent").key("x").body(hello()).send().await.unwrap();
    client.put_object().bucket("drop").key("in/a b+ü.csv").body(hello()).send().await.unwrap();
    assert!(watch.has_changed().unwrap());
    client.copy_object().bucket("drop").key("copy").copy_source("silent/x").send().await.unwrap();
    client.delete_object().bucket("drop").key("copy").send().await.unwrap();
    client.delete_object().bucket("drop").key("never there").send().await.unwrap();

    let events = endpoint.store.pending_events(10).await.unwrap();
    let names: Vec<_> = events.iter().map(|event| event.event_name.as_str()).collect();
    assert_eq!(names, ["ObjectCreated:Put", "ObjectCreated:Copy", "ObjectRemoved:Delete"]);
    let put = record(&events[0].json);
    assert_eq!(put["eventVersion"], "2.1");
    assert_eq!(put["eventSource"], "aws:s3");
    assert_eq!(put["awsRegion"], "us-east-1");
    assert_eq!(put["eventName"], "ObjectCreated:Put");
    assert_eq!(put["s3"]["bucket"]["name"], "drop");
    assert_eq!(put["s3"]["bucket"]["arn"], "arn:aws:s3:::drop");
    let object = &put["s3"]["object"];
    assert_eq!(object["key"], "in/a+b%2B%C3%BC.csv");
    assert_eq!(object["size"], 5);
    assert_eq!(object["eTag"], "5d41402abc4b2a76b9719d911017c592");
    let listed = client.list_objects_v2().bucket("drop").send().await.unwrap();
    let modified = listed.contents()[0].last_modified().unwrap();
    let event_time: jiff::Timestamp = put["eventTime"].as_str().unwrap().parse().unwrap();
    assert_eq!(event_time.as_millisecond(), modified.to_millis().unwrap());
    let removed = record(&events[2].json);
    assert!(removed["s3"]["object"].get("size").is_none());
    assert!(removed["s3"]["object"]["sequencer"].as_str() > object["sequencer"].as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_waits_until_delivered_or_given_up() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for key in ["first", "second"] {
        client.put_object().bucket("drop").key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    let store = &endpoint.store;
    let events = store.pending_events(1).await.unwrap();
    let first = events[0].id;
    store.event_failed(first, "no answer").await.unwrap();
    let failed = store.pending_events(1).await.unwrap().remove(0);
    assert_eq!((failed.attempts, failed.last_error.as_deref()), (1, Some("no answer")));
    store.move_to_dead_letters(first).await.unwrap();
    let second = store.pending_events(10).await.unwrap();
    assert_eq!(second.len(), 1);
    store.event_delivered(second[0].id).await.unwrap();
    assert!(store.event_delivered(second[0].id).await.is_err(), "it is gone");

    let endpoint = endpoint.restart().await;
    let store = &endpoint.store;
    assert!(store.pending_events(10).await.unwrap().is_empty());
    assert_eq!(store.dead_letters().await.unwrap()[0].id, first);
    store.redrive(first).await.unwrap();
    assert_eq!(store.pending_events(10).await.unwrap()[0].attempts, 0);
    assert!(store.dead_letters().await.unwrap().is_empty());
}
