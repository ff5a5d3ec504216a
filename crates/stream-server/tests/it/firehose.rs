//! The protocol of Firehose.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::kinesis::exchange;
use crate::world::World;

fn record(text: &str) -> Value {
    json!({"Data": STANDARD.encode(text)})
}

fn destination() -> Value {
    json!({
        "RoleARN": "arn:aws:iam::000000000000:role/delivery", "BucketARN": "arn:aws:s3:::drop",
        "Prefix": "streams/here/!{timestamp:yyyy}/", "BufferingHints": {"SizeInMBs": 2, "IntervalInSeconds": 60},
        "CompressionFormat": "GZIP", "CustomTimeZone": "Europe/Lisbon", "S3BackupMode": "Enabled",
        "S3BackupConfiguration": {"RoleARN": "arn:aws:iam::000000000000:role/delivery", "BucketARN": "arn:aws:s3:::kept", "Prefix": "all/"},
    })
}

#[tokio::test]
async fn every_operation_answers_as_its_model_says() {
    let world = World::with(&[("events", "{}")]).await;
    let plain =
        json!({"RoleARN": "arn:aws:iam::000000000000:role/delivery", "BucketARN": "arn:aws:s3:::drop"});
    let calls = [
        ("PutRecord", json!({"DeliveryStreamName": "events", "Record": record("{\"n\":1}")})),
        (
            "PutRecordBatch",
            json!({"DeliveryStreamName": "events", "Records": [record("{\"n\":2}"), record("{\"n\":3}\n")]}),
        ),
        (
            "CreateDeliveryStream",
            json!({"DeliveryStreamName": "made", "ExtendedS3DestinationConfiguration": destination()}),
        ),
        ("CreateDeliveryStream", json!({"DeliveryStreamName": "plain", "S3DestinationConfiguration": plain})),
        ("DescribeDeliveryStream", json!({"DeliveryStreamName": "made"})),
        ("DescribeDeliveryStream", json!({"DeliveryStreamName": "plain"})),
        ("ListDeliveryStreams", json!({"Limit": 2})),
        ("ListDeliveryStreams", json!({"ExclusiveStartDeliveryStreamName": "made"})),
        ("DeleteDeliveryStream", json!({"DeliveryStreamName": "plain"})),
    ];
    insta::assert_snapshot!(exchange(&world, "Firehose_20150804", &calls).await);
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]);
}

#[tokio::test]
async fn the_settings_of_a_destination_are_those_of_the_delivery() {
    let world = World::with(&[]).await;
    let create = json!({"DeliveryStreamName": "made", "ExtendedS3DestinationConfiguration": destination()});
    assert_eq!(world.call("Firehose_20150804.CreateDeliveryStream", &create).await.status, 200);
    let put = json!({"DeliveryStreamName": "made", "Record": record("{\"n\":1}")});
    assert_eq!(world.call("Firehose_20150804.PutRecord", &put).await.status, 200);
    world.clock.wind(60);
    world.delivered("made").await;
    let stored = world.s3.stored();
    assert!(stored[0].starts_with("kept/all/2026/11/20/10/made-1-"), "{stored:?}");
    assert!(stored[1].starts_with("drop/streams/here/2026/made-1-2026-11-20-10-00-00-"), "{stored:?}");
    assert_eq!(world.s3.data_lines(), [r#"{"n":1}"#]);
}

#[tokio::test]
async fn every_exception_has_its_type_status_and_message() {
    let world = World::with(&[("events", "{}")]).await;
    let long = "x".repeat((1000 << 10) + 1);
    let five = vec![record(&"x".repeat(1000 << 10)); 5];
    let with = |change: fn(&mut Value)| {
        let mut destination = destination();
        change(&mut destination);
        json!({"DeliveryStreamName": "new", "ExtendedS3DestinationConfiguration": destination})
    };
    let calls = [
        ("PutRecord", json!({"DeliveryStreamName": "nowhere", "Record": record("")})),
        ("PutRecord", json!({"Record": record("")})),
        ("PutRecord", json!({"DeliveryStreamName": "n".repeat(65), "Record": record("")})),
        ("PutRecord", json!({"DeliveryStreamName": "events"})),
        ("PutRecord", json!({"DeliveryStreamName": "events", "Record": {"Data": "secret!"}})),
        (
            "PutRecordBatch",
            json!({"DeliveryStreamName": "events", "Records": [record("{}"), {"Data": "{\"secret\": 1}"}]}),
        ),
        ("PutRecord", json!({"DeliveryStreamName": "events", "Record": record(&long)})),
        ("PutRecordBatch", json!({"DeliveryStreamName": "events", "Records": []})),
        ("PutRecordBatch", json!({"DeliveryStreamName": "events", "Records": vec![record(""); 501]})),
        ("PutRecordBatch", json!({"DeliveryStreamName": "events", "Records": five})),
        (
            "CreateDeliveryStream",
            json!({"DeliveryStreamName": "events", "ExtendedS3DestinationConfiguration": destination()}),
        ),
        ("CreateDeliveryStream", json!({"DeliveryStreamName": "new"})),
        (
            "CreateDeliveryStream",
            json!({"DeliveryStreamName": "new", "DeliveryStreamType": "KinesisStreamAsSource"}),
        ),
        (
            "CreateDeliveryStream",
            json!({"DeliveryStreamName": "new", "RedshiftDestinationConfiguration": {}}),
        ),
        ("CreateDeliveryStream", with(|it| it["BucketARN"] = "drop".into())),
        ("CreateDeliveryStream", with(|it| it["Prefix"] = "!{timestamp:QQQ}".into())),
        ("CreateDeliveryStream", with(|it| it["CompressionFormat"] = "Snappy".into())),
        ("CreateDeliveryStream", with(|it| it["BufferingHints"]["SizeInMBs"] = 129.into())),
        ("CreateDeliveryStream", with(|it| it["ProcessingConfiguration"] = json!({"Enabled": true}))),
        ("DescribeDeliveryStream", json!({"DeliveryStreamName": "nowhere"})),
        ("DeleteDeliveryStream", json!({"DeliveryStreamName": "events"})),
        ("ListDeliveryStreams", json!({"Limit": 0})),
        ("UpdateDestination", json!({})),
        ("NoSuchOperation", json!({})),
    ];
    insta::assert_snapshot!(exchange(&world, "Firehose_20150804", &calls).await);
    assert_eq!(world.summary("events").await.accepted_records, 0);
    assert_eq!(world.server.list().await.streams.len(), 1);
}
