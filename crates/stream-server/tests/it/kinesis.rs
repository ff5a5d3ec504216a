//! The protocol of Kinesis.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};

use crate::world::{World, until};

fn base64(text: &str) -> String {
    STANDARD.encode(text)
}

/// Sends calls one after another, and returns them with their answers.
pub(crate) async fn exchange(world: &World, service: &str, calls: &[(&str, Value)]) -> String {
    let mut text = String::new();
    let mut client = world.client().await;
    for (operation, body) in calls {
        let answer = client.call(&format!("{service}.{operation}"), &body.to_string()).await;
        let shown = body.to_string();
        let shown = if shown.len() > 300 { format!("({} bytes)", shown.len()) } else { shown };
        text.push_str(&format!("> {operation} {shown}\n< {}\n\n", answer.golden()));
    }
    text
}

#[tokio::test]
async fn every_operation_answers_as_its_model_says() {
    let world = World::with(&[("events", r#"{"shards": 2}"#)]).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/made";
    let put = json!({"StreamName": "events", "Data": base64("{\"n\":1}"), "PartitionKey": "a"});
    let put_by_hash = json!({"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/events",
        "Data": base64("{\"n\":2}"), "PartitionKey": "a", "ExplicitHashKey": "340282366920938463463374607431768211455"});
    let records = json!({"StreamName": "events", "Records": [
        {"Data": base64("{\"n\":3}"), "PartitionKey": "a"}, {"Data": base64("{\"n\":4}"), "PartitionKey": "b"}]});
    let calls = [
        ("PutRecord", put),
        ("PutRecord", put_by_hash),
        ("PutRecords", records),
        ("CreateStream", json!({"StreamName": "made", "ShardCount": 3})),
        ("CreateStream", json!({"StreamName": "wide", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}})),
        ("ListStreams", json!({"Limit": 2})),
        ("ListStreams", json!({"ExclusiveStartStreamName": "made"})),
        ("DescribeStream", json!({"StreamName": "made", "Limit": 2})),
        ("DescribeStream", json!({"StreamARN": arn, "ExclusiveStartShardId": "shardId-000000000001"})),
        ("DescribeStreamSummary", json!({"StreamName": "wide"})),
        ("ListShards", json!({"StreamName": "made", "MaxResults": 2})),
        (
            "ListShards",
            json!({"StreamName": "made", "ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"}}),
        ),
        ("DeleteStream", json!({"StreamName": "made"})),
    ];
    insta::assert_snapshot!(exchange(&world, "Kinesis_20131202", &calls).await);
}

#[tokio::test]
async fn every_exception_has_its_type_status_and_message() {
    let world = World::with(&[("events", "{}")]).await;
    let long = |length: usize| base64(&"x".repeat(length));
    let many = |count: usize| vec![json!({"Data": "", "PartitionKey": "a"}); count];
    let record = |key: &str| json!({"StreamName": "events", "Data": "", "PartitionKey": key});
    let eleven = vec![json!({"Data": long(1 << 20), "PartitionKey": "a"}); 11];
    let calls = [
        ("PutRecord", json!({"StreamName": "nowhere", "Data": "", "PartitionKey": "a"})),
        ("PutRecord", json!({"Data": "", "PartitionKey": "a"})),
        ("PutRecord", json!({"StreamName": "no/name", "Data": "", "PartitionKey": "a"})),
        (
            "PutRecord",
            json!({"StreamName": "events", "StreamARN": "arn:aws:kinesis:eu-west-1:000000000000:stream/events", "Data": "", "PartitionKey": "a"}),
        ),
        ("PutRecord", json!({"StreamName": "events", "StreamId": "x", "Data": "", "PartitionKey": "a"})),
        ("PutRecord", json!({"StreamName": "events", "PartitionKey": "a"})),
        ("PutRecord", json!({"StreamName": "events", "Data": "e30="})),
        ("PutRecord", record("")),
        ("PutRecord", record(&"k".repeat(257))),
        ("PutRecord", json!({"StreamName": "events", "Data": "secret!", "PartitionKey": "a"})),
        ("PutRecord", json!({"StreamName": "events", "Data": 17, "PartitionKey": "a"})),
        (
            "PutRecords",
            json!({"StreamName": "events", "Records": [{"Data": "e30=", "PartitionKey": "a"}, {"Data": {"secret": 1}, "PartitionKey": "a"}]}),
        ),
        ("PutRecord", json!({"StreamName": "events", "Data": long((1 << 20) + 1), "PartitionKey": "a"})),
        (
            "PutRecord",
            json!({"StreamName": "events", "Data": "", "PartitionKey": "a", "ExplicitHashKey": "-1"}),
        ),
        (
            "PutRecord",
            json!({"StreamName": "events", "Data": "", "PartitionKey": "a", "ExplicitHashKey": "340282366920938463463374607431768211456"}),
        ),
        ("PutRecord", json!({"StreamName": "events", "Data": "", "PartitionKey": "a", "DryRun": true})),
        ("PutRecords", json!({"StreamName": "events"})),
        ("PutRecords", json!({"StreamName": "events", "Records": []})),
        ("PutRecords", json!({"StreamName": "events", "Records": many(501)})),
        (
            "PutRecords",
            json!({"StreamName": "events", "Records": [{"Data": "", "PartitionKey": "a"}, {"Data": ""}]}),
        ),
        ("PutRecords", json!({"StreamName": "events", "Records": eleven})),
        ("CreateStream", json!({"StreamName": "events", "ShardCount": 1})),
        ("CreateStream", json!({"StreamName": "new", "ShardCount": 0})),
        ("CreateStream", json!({"StreamName": "new", "ShardCount": 1, "Tags": {"a": "b"}})),
        (
            "CreateStream",
            json!({"StreamName": "new", "ShardCount": 1, "StreamModeDetails": {"StreamMode": "ON_DEMAND"}}),
        ),
        ("DeleteStream", json!({"StreamName": "events"})),
        ("DeleteStream", json!({"StreamName": "nowhere"})),
        ("DescribeStream", json!({"StreamName": "nowhere"})),
        ("ListStreams", json!({"Limit": 0})),
        ("ListStreams", json!({"NextToken": "?"})),
        ("ListShards", json!({"StreamName": "events", "NextToken": "ZXZlbnRz"})),
        ("GetRecords", json!({"ShardIterator": "x"})),
        ("SubscribeToShard", json!({})),
        ("NoSuchOperation", json!({})),
    ];
    insta::assert_snapshot!(exchange(&world, "Kinesis_20131202", &calls).await);
    assert_eq!(world.summary("events").await.accepted_records, 0);
}

#[tokio::test]
async fn a_call_must_be_signed_for_its_service_and_be_json() {
    let world = World::with(&[("events", "{}")]).await;
    let mut client = world.client().await;
    let target = "Kinesis_20131202.ListStreams";
    let json = "application/x-amz-json-1.1";
    let answer = client.call_as("firehose", target, json, "{}").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.json()["__type"], "InvalidSignatureException");
    let answer = client.send(http::Method::POST, "/", &[("x-amz-target", target)], "{}").await;
    assert_eq!(answer.json()["__type"], "MissingAuthenticationTokenException");
    let answer = client.call_as("kinesis", target, "application/x-amz-cbor-1.1", "").await;
    assert_eq!(
        (answer.status, &answer.headers["x-amzn-errortype"]),
        (StatusCode::BAD_REQUEST, &"SerializationException".parse().unwrap())
    );
    assert!(answer.body.contains("AWS_CBOR_DISABLE"), "{answer:?}");
    let answer = client.call_as("kinesis", "DynamoDB_20120810.ListTables", json, "{}").await;
    assert_eq!(answer.json()["__type"], "UnknownOperationException");
    let answer = client.call_as("kinesis", target, json, "{\"Limit\": \"secret\"}").await;
    assert_eq!(answer.json()["__type"], "SerializationException");
    assert!(!answer.body.contains("secret"), "{answer:?}");
}

#[tokio::test]
async fn parallel_producers_get_numbers_that_are_unique_and_rise() {
    let world = World::with(&[("events", r#"{"shards": 3}"#)]).await;
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..8 {
        let mut client = world.client().await;
        producers.spawn(async move {
            let mut numbers: Vec<(String, String)> = Vec::new();
            for call in 0..20 {
                let record = |number: usize| {
                    json!({"Data": base64(&format!("{{\"p\":{producer},\"c\":{call},\"n\":{number}}}")),
                           "PartitionKey": format!("{producer}-{number}")})
                };
                let records: Vec<_> = (0..10).map(record).collect();
                let body = json!({"StreamName": "events", "Records": records}).to_string();
                let answer = client.call("Kinesis_20131202.PutRecords", &body).await.json();
                for place in answer["Records"].as_array().unwrap() {
                    let text = |member: &str| place[member].as_str().unwrap().to_owned();
                    numbers.push((text("ShardId"), text("SequenceNumber")));
                }
            }
            numbers
        });
    }
    let all = producers.join_all().await;
    let mut unique = BTreeSet::new();
    for numbers in &all {
        for shard in ["shardId-000000000000", "shardId-000000000001", "shardId-000000000002"] {
            let of_shard: Vec<_> =
                numbers.iter().filter(|(of, _)| of == shard).map(|(_, number)| number).collect();
            assert!(of_shard.is_sorted(), "a producer sees rising numbers in {shard}");
        }
        unique.extend(numbers.iter().map(|(_, number)| number.clone()));
    }
    assert_eq!(unique.len(), 8 * 20 * 10);
    world.server.flush("events").await.unwrap();
    let lines: BTreeSet<_> = world.s3.data_lines().into_iter().collect();
    assert_eq!(lines.len(), 8 * 20 * 10);
}

#[tokio::test]
async fn a_created_stream_lives_on_after_a_restart_and_is_delivered_before_it_is_deleted() {
    let mut world = World::with(&[]).await;
    let create = json!({"StreamName": "made", "ShardCount": 2});
    let answer = world.call("Kinesis_20131202.CreateStream", &create).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, ""));
    world = world.restart().await;
    world.put_records("made", &[r#"{"n":1}"#, r#"{"n":2}"#]).await;
    let name = json!({"StreamName": "made"});
    assert_eq!(world.call("Kinesis_20131202.DeleteStream", &name).await.status, StatusCode::OK);
    until("the stream is gone", async || {
        let answer = world.call("Kinesis_20131202.DescribeStreamSummary", &name).await;
        if answer.json()["__type"] == "ResourceNotFoundException" { Ok(()) } else { Err(answer.body) }
    })
    .await;
    assert_eq!(world.s3.data_lines().len(), 2);
    // A new stream with the same name begins with nothing, and its objects have other names.
    world.call("Kinesis_20131202.CreateStream", &create).await;
    world.put_records("made", &[r#"{"n":3}"#]).await;
    world.server.flush("made").await.unwrap();
    assert_eq!((world.summary("made").await.accepted_records, world.s3.data_lines().len()), (1, 3));
    world = world.restart().await;
    assert_eq!(world.server.list().await.streams.len(), 1);
}
