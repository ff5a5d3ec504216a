//! The parts of answers that all operations share: request ids, error documents, odd ranges, and characters that XML cannot contain.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CorsConfiguration, CorsRule, EncodingType};

use super::endpoint::Endpoint;
use super::raw::{minute, send, send_line};

/// Keeps the text of an answer, whether or not the SDK can read it.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<String>>);

impl Seen {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Intercept for Seen {
    fn name(&self) -> &'static str {
        "Seen"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let bytes = context.response().body().bytes().unwrap_or_default();
        *self.0.lock().unwrap() = String::from_utf8_lossy(bytes).into_owned();
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_ids_and_every_error_says_more() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"hello"));
    put.send().await.unwrap();
    let get = || client.get_object().bucket("drop").key("file");
    let found = send(&endpoint, get().presigned(minute()).await.unwrap(), &[]).await;
    assert_eq!((found.status, found.body.as_str()), (200, "hello"));
    let first = found.header("x-amz-request-id").unwrap();
    assert!(found.header("x-amz-id-2").is_some(), "{}", found.head);

    let refused =
        send(&endpoint, get().presigned(minute()).await.unwrap(), &[("If-Match", "\"other\"")]).await;
    let id = refused.header("x-amz-request-id").unwrap();
    assert_ne!(id, first);
    assert_eq!(refused.status, 412);
    for element in [
        "<Code>PreconditionFailed</Code>".to_owned(),
        "<Condition>If-Match</Condition>".to_owned(),
        "<Resource>/drop/file</Resource>".to_owned(),
        format!("<RequestId>{id}</RequestId>"),
    ] {
        assert!(refused.body.contains(&element), "{element} is not in {}", refused.body);
    }
    assert_eq!(refused.header("content-type"), Some("application/xml"));

    let etag = found.header("etag").unwrap();
    let unchanged =
        send(&endpoint, get().presigned(minute()).await.unwrap(), &[("If-None-Match", etag)]).await;
    assert_eq!((unchanged.status, unchanged.header("etag"), unchanged.body.as_str()), (304, Some(etag), ""));

    let stranger = send_line(&endpoint, "GET /drop/file", &[]).await;
    assert_eq!(stranger.status, 403);
    assert!(stranger.body.contains("<Message>"), "{}", stranger.body);
    let nowhere = send_line(&endpoint, "GET /no_bucket/x", &[]).await;
    assert!(nowhere.body.contains("<Message>") && nowhere.body.contains("<RequestId>"), "{}", nowhere.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_that_cannot_be_read_is_ignored() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"0123456789"));
    put.send().await.unwrap();
    for (range, status, body) in [
        ("bytes=0-1,4-5", 200, "0123456789"),
        ("bytes=5-2", 200, "0123456789"),
        ("bytes=abc", 200, "0123456789"),
        ("lines=0-1", 200, "0123456789"),
        ("bytes=2-3", 206, "23"),
        ("bytes=-3", 206, "789"),
        ("bytes=8-100", 206, "89"),
    ] {
        // The presigned signature does not cover the range, so the header can be any text.
        let get = client.get_object().bucket("drop").key("file").presigned(minute()).await.unwrap();
        let answer = send(&endpoint, get, &[("Range", range)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{range}");
        // The signature of a header does cover it.
        let get = client.get_object().bucket("drop").key("file").range(range).send().await.unwrap();
        assert_eq!(get.body.collect().await.unwrap().to_vec(), body.as_bytes(), "{range}");
    }
    for range in ["bytes=10-", "bytes=-0"] {
        let get = client.get_object().bucket("drop").key("file").presigned(minute()).await.unwrap();
        let answer = send(&endpoint, get, &[("Range", range)]).await;
        assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */10")), "{range}");
    }
    let stranger = send_line(&endpoint, "GET /drop/file", &[("Range", "bytes=5-2")]).await;
    assert_eq!(stranger.status, 403, "a strange range is no way past the signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn control_characters_in_keys_become_references_or_are_encoded() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    for key in ["in/a\u{1}b", "in/c\rd"] {
        client.put_object().bucket("drop").key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    // Characters below U+0020 come as AWS sends them: `&#x1;`.
    let list = client.list_objects_v2().bucket("drop").prefix("in/");
    let plain = Seen::default();
    let _ = list.clone().customize().interceptor(plain.clone()).send().await;
    let plain = plain.text();
    assert!(plain.contains("<Key>in/a&#x1;b</Key>") && plain.contains("<Key>in/c&#xd;d</Key>"), "{plain}");
    let encoded = list.encoding_type(EncodingType::Url).send().await.unwrap();
    assert_eq!(encoded.contents()[0].key(), Some("in/a%01b"));
    let get = client.get_object().bucket("drop").key("no\u{2}").presigned(minute()).await.unwrap();
    let missing = send(&endpoint, get, &[]).await;
    assert!(!missing.body.contains('\u{2}') && missing.body.contains("&#x2;"), "{}", missing.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_do_what_the_rules_of_its_bucket_say() {
    let endpoint = Endpoint::start().await;
    let client = endpoint.client();
    let put = client.put_object().bucket("drop").key("file").body(ByteStream::from_static(b"hello"));
    put.send().await.unwrap();
    let ask = |origin: &'static str, method: &'static str| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "Content-Type"),
        ]
    };
    let early = send_line(&endpoint, "OPTIONS /drop/file", &ask("https://app.example.com", "PUT")).await;
    assert_eq!(early.status, 403);
    assert!(early.body.contains("CORS is not enabled"), "{}", early.body);

    let rule = CorsRule::builder().allowed_methods("PUT").allowed_methods("GET").allowed_headers("*");
    let rule = rule.allowed_origins("https://*.example.com").expose_headers("ETag").max_age_seconds(600);
    let rules = CorsConfiguration::builder().cors_rules(rule.build().unwrap()).build().unwrap();
    client.put_bucket_cors().bucket("drop").cors_configuration(rules).send().await.unwrap();

    let allowed = send_line(&endpoint, "OPTIONS /drop/file", &ask("https://app.example.com", "PUT")).await;
    assert_eq!(allowed.status, 200, "{}", allowed.body);
    for (name, value) in [
        ("access-control-allow-origin", "https://app.example.com"),
        ("access-control-allow-methods", "PUT, GET"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "600"),
    ] {
        assert_eq!(allowed.header(name), Some(value), "{}", allowed.head);
    }
    let refused = send_line(&endpoint, "OPTIONS /drop/file", &ask("https://example.org", "PUT")).await;
    assert_eq!(refused.status, 403);
    let refused = send_line(&endpoint, "OPTIONS /drop/file", &ask("https://app.example.com", "DELETE")).await;
    assert_eq!(refused.status, 403);

    let get = client.get_object().bucket("drop").key("file").presigned(minute()).await.unwrap();
    let answer = send(&endpoint, get, &[("Origin", "https://app.example.com")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    let get = client.get_object().bucket("drop").key("file").presigned(minute()).await.unwrap();
    let answer = send(&endpoint, get, &[("Origin", "https://example.org")]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
}
