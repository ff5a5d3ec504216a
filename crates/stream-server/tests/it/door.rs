//! The HTTP door.

use std::collections::BTreeSet;
use std::io::Write as _;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};

use crate::world::{API_KEY, Settings, World};

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

/// Returns a body that arrives in pieces of so many bytes, without its length in the headers.
fn in_pieces(bytes: &[u8], length: usize) -> Body {
    let pieces: Vec<_> =
        bytes.chunks(length).map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece))).collect();
    Body::from_stream(futures::stream::iter(pieces))
}

/// Records whose values a careless reader would change.
const DELICATE: [&str; 6] = [
    r#"{"n":12345678901234567890123.4500,"e":1E+400,"z":-0}"#,
    r#"{"nul":"a\u0000b","pair":"\ud83d\ude00","escaped":"\/\u00e4"}"#,
    "{\"mark\":\"\u{feff}\",\"separator\":\"\u{2028}\"}",
    r#"{"\u0061":1,"A":2,"":3}"#,
    r#"{"deep":[[[[[[[[[[[[[[[[[[[[{}]]]]]]]]]]]]]]]]]]]]}"#,
    "{ \"spaces\" :\t[ 1 , 2 ] }",
];

#[tokio::test]
async fn what_is_sent_is_delivered_to_the_byte_whatever_the_way() {
    let world = World::with(&[("events", "{}")]).await;
    let long = format!("{{\"{}\":1}}", "k".repeat(100_000));
    let all: Vec<&str> = DELICATE.into_iter().chain([long.as_str()]).collect();
    let text = all.join("\n");
    let mut client = world.client().await;
    let (one, rest) = text.as_bytes().split_at(40);
    let members = [gzip(one), gzip(b""), gzip(rest)].concat();
    let packed = [KEY, ("Content-Encoding", "GZIP")];
    for (headers, body) in [(&packed[..], members.as_slice()), (&packed[..1], text.as_bytes())] {
        let answer = client.send(Method::POST, "/streams/events", headers, in_pieces(body, 7)).await;
        assert_eq!(answer.json().as_array().map(Vec::len), Some(all.len()), "{answer:?}");
    }
    world.put_records("events", &all).await;
    for record in &all {
        let body = format!(r#"{{"Data": {record}, "PartitionKey": "{}"}}"#, "\u{1f600}".repeat(256));
        let answer = world.send(Method::PUT, "/streams/events/record", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    world.server.flush("events").await.unwrap();
    let lines = world.s3.data_lines();
    assert_eq!(lines.len(), 4 * all.len());
    for way in lines.chunks(all.len()) {
        assert_eq!(way, all);
    }
}

#[tokio::test]
async fn a_packed_body_with_a_rest_or_a_hole_is_refused() {
    let world = World::with(&[("events", "{}")]).await;
    let mut client = world.client().await;
    let headers = [KEY, ("content-encoding", "gzip")];
    let whole = [gzip(b"{\"a\":1}\n"), gzip(b"{\"a\":2}\n")].concat();
    let mut damaged = whole.clone();
    damaged[12] ^= 0x40;
    for (body, what) in [
        ([&whole[..], b"rest"].concat(), "a rest"),
        ([&whole[..], &[0x1f, 0x8b]].concat(), "the beginning of a member"),
        (whole[..whole.len() - 1].to_vec(), "a byte is missing"),
        (damaged, "a changed bit"),
        (Vec::new(), "nothing"),
    ] {
        let answer = client.send(Method::POST, "/streams/events", &headers, in_pieces(&body, 7)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}: {answer:?}");
    }
    for encoding in ["deflate", "gzip, gzip"] {
        let headers = [KEY, ("content-encoding", encoding)];
        let answer = client.send(Method::POST, "/streams/events", &headers, whole.clone()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{encoding}");
    }
    assert_eq!(world.summary("events").await.accepted_records, 0);
}

#[tokio::test]
async fn records_that_readers_understand_differently_go_to_quarantine_as_they_came() {
    let world = World::with(&[("events", r#"{"schema": {"type": "object"}}"#)]).await;
    let data = [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"\ude00\ud83d"}"#,
        r#"{"a":1e999}"#,
        "{\"a\":\"\u{0}\"}",
        r#"{"a":1} {"a":01}"#,
        r#"{"a":NaN}"#,
    ];
    world.put_records("events", &data).await;
    for record in data {
        let answer = world.send(Method::POST, "/streams/events", record).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{record}: {answer:?}");
    }
    world.server.flush("events").await.unwrap();
    let (key, object) = world.s3.objects("quarantine").remove(0);
    let kept: Vec<String> = object
        .lines(&key)
        .iter()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let raw = base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                line["rawData"].as_str().unwrap(),
            );
            String::from_utf8(raw.unwrap()).unwrap()
        })
        .collect();
    assert_eq!(kept, data);
    assert!(world.s3.data_lines().is_empty());
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_with_the_limit() {
    let world = World::with(&[("events", "{}")]).await;
    let mut client = world.client().await;
    let long = vec![b' '; (10 << 20) + 1];
    for body in [Body::from(long.clone()), in_pieces(&long, 1 << 20)] {
        let mut client = world.client().await;
        let answer = client.send(Method::POST, "/streams/events", &[KEY], body).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert_eq!(message, "the body is longer than 10485760 bytes: send its records in several requests");
    }
    let answer = client.send(Method::POST, "/streams/events", &[KEY], "{}".repeat(10_001)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains("more than 10000 records: send them in several requests"), "{answer:?}");
    let long = "x".repeat(1 << 20);
    let body = format!(r#"{{"Data": {{"a":"{long}"}}, "PartitionKey": "k"}}"#);
    let answer = world.send(Method::PUT, "/streams/events/record", &body).await;
    assert!(answer.body.contains("longer than 1048576 bytes"), "{answer:?}");
    // The longest record that Kinesis takes fits into a POST, too.
    world.post("events", &format!(r#"{{"a":"{long}"}}"#)).await;
    assert_eq!(world.summary("events").await.accepted_records, 1);
}

#[tokio::test]
async fn a_refusal_names_the_line_of_the_body() {
    let world = World::with(&[("users", USERS)]).await;
    let body = "\u{feff}{\"first_name\": \"a\", \"zip_code\": \"1\"}\n\n{\"zip_code\": \"2\"}\n";
    let answer = world.send(Method::POST, "/streams/users", body).await;
    assert_eq!(answer.headers["x-downspout-line"], "3");
    assert_eq!(
        answer.headers["x-downspout-detail"],
        "the field `first_name` is missing (record 2 of the body)"
    );
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
        if headers[1].0 == "origin" {
            assert_eq!(answer.headers["vary"], "Origin", "{path} {headers:?}");
        }
    }
    // A cache must not give the answer to a caller that is not a page to a page.
    for (method, headers) in [
        (Method::GET, &[KEY][..]),
        (Method::GET, &[][..]),
        (Method::OPTIONS, &asks[..]),
        (Method::GET, &[KEY, page][..]),
    ] {
        let answer = client.send(method.clone(), "/streams/events", headers, Body::empty()).await;
        assert_eq!(answer.headers["vary"], "Origin", "{method} {headers:?} {answer:?}");
    }
    assert_eq!(world.summary("events").await.accepted_records, 1);
}

#[tokio::test]
async fn bodies_of_all_requests_share_bounded_memory() {
    let settings = Settings { bodies: 1 << 20, ..Settings::default() };
    let world = World::start(&[("events", "{}")], None, settings).await;
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
