//! The HTTP door.

use std::collections::BTreeSet;
use std::io::Write as _;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};

use crate::world::{API_KEY, Memory, World};

const KEY: (&str, &str) = ("x-api-key", API_KEY);

/// A stream as the one of the user data: four fields, three of them required.
const USERS: &str = r#"{
  "fields": {"first_name": "**/first_name", "zip_code": "**/zip_code"},
  "schema": {"type": "object", "required": ["first_name", "zip_code"], "properties": {"zip_code": {"type": "string"}}},
  "authorization": "NONE"
}"#;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory takes every byte");
    encoder.finish().expect("memory takes every byte")
}

#[tokio::test]
async fn a_post_is_answered_with_the_places_of_its_records() {
    let world = World::with(&[("events", "{}")]).await;
    let one = world.post("events", r#"{"a": 1}"#).await;
    assert_eq!(one["ShardId"], "shardId-000000000000");
    assert_eq!(one["SequenceNumber"].as_str().unwrap().len(), 56);
    let several = world.post("events", "{\"a\": 2}\n{\"a\": 3}\n").await;
    let numbers: Vec<_> = [&one, &several[0], &several[1]].map(|it| it["SequenceNumber"].to_string()).into();
    assert!(numbers.is_sorted() && numbers.iter().collect::<BTreeSet<_>>().len() == 3, "{numbers:?}");
    let ndjson = [KEY, ("content-type", "application/x-ndjson")];
    let listed = world.client().await.send(Method::POST, "/streams/events", &ndjson, "{\"a\": 4}\n").await;
    assert_eq!(listed.json().as_array().map(Vec::len), Some(1));
    world.server.flush("events").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 3}"#, r#"{"a": 4}"#]);
}

#[tokio::test]
async fn a_refused_body_is_answered_with_exactly_the_sentence() {
    let world = World::with(&[("users", USERS)]).await;
    let mut client = world.client().await;
    let cases = [
        ("", "Empty request"),
        ("  \n", "Empty request"),
        ("{\"first_name\": \"Ada\"", "Malformed JSON"),
        (r#""{\"first_name\": \"b""#, "Malformed JSON"),
        (r#"{"first_name": "Ada"}"#, "JSON missing required keys"),
        (
            "{\"first_name\": \"a\", \"zip_code\": \"1\"}\n{\"zip_code\": \"2\"}\n",
            "JSON missing required keys",
        ),
    ];
    for (body, sentence) in cases {
        let answer = client.send(Method::POST, "/streams/users", &[], body).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::BAD_REQUEST, sentence), "{body}");
        if sentence != "Empty request" {
            let detail = answer.headers["x-downspout-detail"].to_str().unwrap();
            assert!(!detail.is_empty() && !detail.contains("Ada"), "{detail}");
        }
    }
    // All or nothing: the first line of the last body was not kept.
    assert_eq!(world.summary("users").await.accepted_records, 0);
    let nested = r#"{"user": {"first_name": "Ada", "address": {"zip_code": "12345"}}}"#;
    let answer = client.send(Method::POST, "/streams/users", &[], nested).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    world.server.flush("users").await.unwrap();
    assert_eq!(world.s3.data_lines(), [r#"{"first_name":"Ada","zip_code":"12345"}"#]);
}

#[tokio::test]
async fn a_body_may_be_packed_and_a_bomb_is_refused() {
    let world = World::with(&[("events", "{}")]).await;
    let mut client = world.client().await;
    let headers = [KEY, ("content-encoding", "gzip")];
    let mut send = async |body: Vec<u8>| client.send(Method::POST, "/streams/events", &headers, body).await;
    let answer = send(gzip(b"{\"a\": 1}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = send(gzip(&vec![b' '; 100 << 20])).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{answer:?}");
    let answer = send(b"{\"a\": 1}".to_vec()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert!(answer.json()["message"].as_str().unwrap().contains("gzip"));
    let answer = client.send(Method::POST, "/streams/events", &[KEY, ("content-encoding", "br")], "{}").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(world.summary("events").await.accepted_records, 1);
}

#[tokio::test]
async fn a_put_is_answered_as_the_proxy_of_kinesis_answers() {
    let world = World::with(&[("events", r#"{"shards": 2}"#)]).await;
    let record = r#"{"Data": {"id": 12345678901234567890.10, "text": "\u00e4"}, "PartitionKey": "a"}"#;
    let answer = world.send(Method::PUT, "/streams/events/record", record).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let keys: Vec<_> = answer.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["EncryptionType", "SequenceNumber", "ShardId"]);
    let records =
        r#"{"records": [{"data": {"n": 2}, "partition-key": "b"}, {"Data": {"n": 3}, "PartitionKey": "a"}]}"#;
    let answer = world.send(Method::PUT, "/streams/events/records", records).await.json();
    assert_eq!(
        (&answer["FailedRecordCount"], answer["Records"].as_array().map(Vec::len)),
        (&0.into(), Some(2))
    );
    let refused = [
        ("record", r#"{"Data": {"n": 2}}"#, "PartitionKey"),
        ("record", r#"{"Data": {"n": 2}, "PartitionKey": ""}"#, "PartitionKey"),
        ("record", r#"{"PartitionKey": "a"}"#, "`Data` is missing"),
        ("record", r#"{"Data": {"secret": 2}"#, "not valid JSON"),
        ("records", r#"{"records": []}"#, "1 to 500"),
        ("records", r#"{"records": [{"Data": 1, "PartitionKey": "a"}, {"Data": 2}]}"#, "of record 2"),
    ];
    for (path, body, part) in refused {
        let answer = world.send(Method::PUT, &format!("/streams/events/{path}"), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(part) && !message.contains("secret"), "{message}");
    }
    world.server.flush("events").await.unwrap();
    let lines = world.s3.data_lines();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().any(|line| line.contains("12345678901234567890.10")), "{lines:?}");
}

#[tokio::test]
async fn a_request_needs_the_key_unless_the_file_says_otherwise() {
    let world = World::with(&[("open", USERS), ("closed", "{}")]).await;
    let mut client = world.client().await;
    let body = r#"{"first_name": "a", "zip_code": "1"}"#;
    for (path, headers, status) in [
        ("/streams/open", &[][..], StatusCode::OK),
        ("/streams/closed", &[], StatusCode::FORBIDDEN),
        ("/streams/closed", &[("x-api-key", "another")], StatusCode::FORBIDDEN),
        ("/streams/closed", &[KEY], StatusCode::OK),
        ("/streams/none", &[], StatusCode::FORBIDDEN),
        ("/streams/none", &[KEY], StatusCode::NOT_FOUND),
    ] {
        let answer = client.send(Method::POST, path, headers, body).await;
        assert_eq!(answer.status, status, "{path} {headers:?} {answer:?}");
        assert!(status == StatusCode::OK || answer.json()["message"].is_string());
    }
    let answer = client.send(Method::GET, "/streams", &[], Body::empty()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let answer = client.send(Method::GET, "/streams", &[KEY], Body::empty()).await;
    assert_eq!(answer.json()["streams"].as_array().map(Vec::len), Some(2));
    let answer = client.send(Method::GET, "/streams/closed", &[KEY], Body::empty()).await;
    assert_eq!((&answer.json()["name"], &answer.json()["waiting_records"]), (&"closed".into(), &1.into()));
    let answer = client.send(Method::DELETE, "/streams/closed", &[KEY], Body::empty()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn only_listed_pages_and_known_hosts_may_send() {
    let world =
        World::with(&[("events", r#"{"origins": ["https://shop.example"]}"#), ("closed", "{}")]).await;
    let mut client = world.client().await;
    let page = ("origin", "https://shop.example");
    let asks = [page, ("access-control-request-method", "POST")];
    let answer = client.send(Method::OPTIONS, "/streams/events", &asks, Body::empty()).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    let answer = client.send(Method::POST, "/streams/events", &[KEY, page], "{\"a\":1}").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example");
    for (path, headers) in [
        ("/streams/events", [KEY, ("origin", "https://evil.example")]),
        ("/streams/events", [KEY, ("origin", "null")]),
        ("/streams/closed", [KEY, page]),
        ("/streams", [KEY, page]),
        ("/", [KEY, page]),
        ("/streams/events", [KEY, ("host", "evil.example")]),
    ] {
        let answer = client.send(Method::POST, path, &headers, "{\"a\":1}").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
        assert!(answer.json()["message"].is_string());
    }
    assert_eq!(world.summary("events").await.accepted_records, 1);
}

#[tokio::test]
async fn bodies_of_all_requests_share_bounded_memory() {
    let memory = Memory { bodies: 1 << 20, ..Memory::default() };
    let world = World::start(&[("events", "{}")], None, memory).await;
    let (mut first, mut second) = (world.client().await, world.client().await);
    // The first request takes 600 KiB of the memory and does not go on.
    let never = futures::stream::pending::<Result<Bytes, std::io::Error>>();
    let stated = (600 << 10).to_string();
    let headers = [KEY, ("content-length", stated.as_str())];
    let slow = first.send(Method::POST, "/streams/events", &headers, Body::from_stream(never));
    let long = format!("{{\"text\": \"{}\"}}", "x".repeat(600 << 10));
    let quick = async {
        // Until the first request has its memory, the second one finds enough.
        loop {
            let chunk = Ok::<_, std::io::Error>(long.clone());
            let body = Body::from_stream(futures::stream::iter([chunk]));
            let answer = second.send(Method::POST, "/streams/events", &[KEY], body).await;
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                return answer;
            }
        }
    };
    let answer = tokio::select! {
        answer = quick => answer,
        _ = slow => panic!("the first request is not complete"),
    };
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(answer.json()["message"].as_str().unwrap().contains("memory"), "{answer:?}");
}
