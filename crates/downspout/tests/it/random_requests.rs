//! Random requests: no endpoint panics, none fails with status 500, and each still answers afterwards.

use std::time::Duration;

use http_front::{Hosts, Limits};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::endpoints::{Endpoints, SERVICES, Service};
use crate::forged::{Draft, RequestKind};

/// How many requests each test sends.
const CASES: u32 = 200;
/// How long the endpoints wait for a client that sends random bytes.
const SOON: Duration = Duration::from_millis(50);

/// The characters that clients escape in a query, so that the canonical form is the same.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const OPERATIONS: [&str; 19] = [
    "ActivatePipeline",
    "AddTags",
    "CreatePipeline",
    "DeactivatePipeline",
    "DeletePipeline",
    "DescribeObjects",
    "DescribePipelines",
    "EvaluateExpression",
    "GetPipelineDefinition",
    "ListPipelines",
    "PutPipelineDefinition",
    "QueryObjects",
    "RemoveTags",
    "ReportTaskProgress",
    "ReportTaskRunnerHeartbeat",
    "SetStatus",
    "SetTaskStatus",
    "ValidatePipelineDefinition",
    "Nothing",
];
const MEMBERS: [&str; 16] = [
    "pipelineId",
    "pipelineIds",
    "name",
    "uniqueId",
    "tags",
    "key",
    "value",
    "pipelineObjects",
    "parameterObjects",
    "parameterValues",
    "objectIds",
    "query",
    "sphere",
    "status",
    "taskId",
    "limit",
];
const ACTIONS: [&str; 11] = [
    "CreateTopic",
    "DeleteTopic",
    "GetTopicAttributes",
    "ListSubscriptions",
    "ListSubscriptionsByTopic",
    "ListTopics",
    "Publish",
    "Subscribe",
    "Unsubscribe",
    "SetTopicAttributes",
    "",
];
const PARAMETERS: [&str; 10] = [
    "Name",
    "TopicArn",
    "Protocol",
    "Endpoint",
    "Message",
    "Subject",
    "NextToken",
    "SubscriptionArn",
    "MessageAttributes.entry.1.Name",
    "MessageAttributes.entry.1.Value.StringValue",
];
const SUBRESOURCES: [&str; 17] = [
    "acl",
    "cors",
    "delete",
    "encryption",
    "lifecycle",
    "list-type",
    "location",
    "notification",
    "partNumber",
    "policy",
    "prefix",
    "max-keys",
    "tagging",
    "uploadId",
    "uploads",
    "versioning",
    "versionId",
];
const ELEMENTS: [&str; 14] = [
    "Delete",
    "Object",
    "Key",
    "Quiet",
    "Tagging",
    "TagSet",
    "Tag",
    "Value",
    "CompleteMultipartUpload",
    "Part",
    "PartNumber",
    "ETag",
    "CreateBucketConfiguration",
    "LocationConstraint",
];

/// A property that all requests of a test have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// They may be anything, so an endpoint may wait for more.
    Bytes,
    /// They are HTTP, so they get an answer.
    Http,
    /// They are HTTP and have the right signature.
    Signed,
}

/// Sends each request of `strategy` to the endpoint that it names.
fn check(kind: Kind, strategy: impl Strategy<Value = (Service, Vec<u8>)>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let limits = match kind {
        Kind::Bytes => Limits { head_wait: SOON, body_wait: SOON, ..Limits::default() },
        Kind::Http | Kind::Signed => Limits::default(),
    };
    let endpoints = runtime.block_on(Endpoints::start(Hosts::default(), limits));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let result = runner.run(&strategy, |(service, request)| {
        let answer = runtime.block_on(endpoints.send(service, &request));
        prop_assert!(answer.status != 500, "{service:?}: {}", answer.text);
        prop_assert!(answer.status != 0 || kind == Kind::Bytes, "{service:?} gave no answer");
        let refused = ["SignatureDoesNotMatch", "InvalidSignatureException"];
        let is_refused = refused.iter().any(|code| answer.text.contains(code));
        prop_assert!(!is_refused || kind != Kind::Signed, "{service:?}: {}", answer.text);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    runtime.block_on(async {
        // A random request may have deleted the bucket.
        endpoints.store.create_bucket("drop").await.unwrap();
        for service in SERVICES {
            let answer =
                endpoints.send(service, &Draft::new(service, RequestKind::Call).sign().to_bytes()).await;
            assert_eq!(answer.status, 200, "{service:?} afterwards: {answer:?}");
        }
    });
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Text that is sometimes a legal value of something.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        any::<String>(),
        "[0-9]{1,20}",
        Just("arn:aws:sns:us-east-1:000000000000:t".to_owned()),
        Just("#{node.@id}".to_owned()),
        Just("email".to_owned()),
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let name = prop_oneof![prop::sample::select(&MEMBERS[..]).prop_map(str::to_owned), "\\PC{0,10}"];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn xml() -> impl Strategy<Value = String> {
    let escaped = |text: String| text.replace('&', "&amp;").replace('<', "&lt;");
    let leaf = prop_oneof![text().prop_map(escaped), text()];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = prop::sample::select(&ELEMENTS[..]);
        (name, prop::collection::vec(inner, 0..5))
            .prop_map(|(name, inner)| format!("<{name}>{}</{name}>", inner.concat()))
    })
}

fn pairs(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let name = prop_oneof![4 => prop::sample::select(names).prop_map(str::to_owned), 1 => text()];
    prop::collection::vec((name, text()), 0..5).prop_map(|pairs| {
        let pair = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        pairs.iter().map(pair).collect::<Vec<_>>().join("&")
    })
}

fn signed(service: Service, draft: impl FnOnce(Draft) -> Draft) -> (Service, Vec<u8>) {
    (service, draft(Draft::new(service, RequestKind::Call)).sign().to_bytes())
}

#[test]
fn random_bytes_do_no_harm() {
    let whole = (prop::sample::select(&SERVICES[..]), bytes());
    let after_a_head = (prop::sample::select(&SERVICES[..]), bytes()).prop_map(|(service, bytes)| {
        let head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        (service, [head, bytes.as_slice(), b"\r\n\r\n"].concat())
    });
    check(Kind::Bytes, prop_oneof![whole, after_a_head]);
}

#[test]
fn random_bodies_and_queries_do_no_harm() {
    let body = prop_oneof![
        bytes(),
        json().prop_map(|json| json.to_string().into_bytes()),
        xml().prop_map(String::into_bytes),
        pairs(&PARAMETERS).prop_map(String::into_bytes),
    ];
    let call = (prop::sample::select(&SERVICES[..]), body, pairs(&SUBRESOURCES));
    let call = call.prop_map(|(service, body, query)| {
        signed(service, |draft| draft.with(&format!("query {query}")).with_body(body))
    });
    check(Kind::Signed, call);
}

#[test]
fn random_chunks_do_no_harm_to_s3() {
    let piece = prop_oneof![
        bytes(),
        "[0-9a-f]{1,3}\r\n".prop_map(String::into_bytes),
        Just(b"\r\n".to_vec()),
        Just(b"0\r\n".to_vec()),
        Just(b"x-amz-checksum-crc32:AAAAAA==\r\n".to_vec()),
    ];
    let call = (prop::collection::vec(piece, 0..6), 0_u64..200_000).prop_map(|(pieces, length)| {
        signed(Service::S3, |draft| {
            let draft = draft.with("payload STREAMING-UNSIGNED-PAYLOAD-TRAILER");
            let draft = draft.with(&format!("header x-amz-decoded-content-length: {length}"));
            draft.with("header x-amz-trailer: x-amz-checksum-crc32").with_body(pieces.concat())
        })
    });
    check(Kind::Signed, call);
}

#[test]
fn damaged_forms_do_no_harm_to_s3() {
    let damage = (any::<prop::sample::Index>(), 0..20_usize, bytes());
    let call = damage.prop_map(|(at, length, bytes)| {
        let mut wire = Draft::new(Service::S3, RequestKind::Form).sign();
        let begin = at.index(wire.body().len());
        let end = wire.body().len().min(begin + length);
        wire.body().splice(begin..end, bytes);
        (Service::S3, wire.to_bytes())
    });
    check(Kind::Http, call);
}

#[test]
fn random_json_does_no_harm_to_data_pipeline() {
    let operation = prop::sample::select(&OPERATIONS[..]);
    let call = (operation, json()).prop_map(|(operation, json)| {
        let target = format!("header x-amz-target: DataPipeline.{operation}");
        signed(Service::DataPipeline, |draft| draft.with(&target).with_body(json.to_string()))
    });
    check(Kind::Signed, call);
}

#[test]
fn random_forms_do_no_harm_to_sns() {
    let action = prop::sample::select(&ACTIONS[..]);
    let call = (action, pairs(&PARAMETERS), any::<bool>()).prop_map(|(action, pairs, in_query)| {
        let form = format!("Action={action}&{pairs}");
        let form = form.trim_end_matches('&');
        signed(Service::Sns, |draft| match in_query {
            true => draft.with(&format!("query {form}")).with_body(""),
            false => draft.with_body(form),
        })
    });
    check(Kind::Signed, call);
}

#[test]
fn random_requests_with_xml_do_no_harm_to_s3() {
    let method = prop::sample::select(&["GET", "HEAD", "PUT", "POST", "DELETE"][..]);
    let path = prop_oneof![
        Just("/".to_owned()),
        Just("/drop".to_owned()),
        text().prop_map(|key| format!("/drop/{}", encoded(&key))),
        text().prop_map(|path| format!("/{}", encoded(&path))),
    ];
    let call = (method, path, pairs(&SUBRESOURCES), xml()).prop_map(|(method, path, query, body)| {
        signed(Service::S3, |draft| {
            let draft = draft.with(&format!("method {method}")).with(&format!("path {path}"));
            draft.with(&format!("query {query}")).with_body(body)
        })
    });
    check(Kind::Signed, call);
}
