//! The bucket in the host name of a request: which hosts name a bucket, and which hosts are refused.
//!
//! `*.localhost` does not resolve on every machine, so these tests connect to the address and send the header themselves.

use std::time::Duration;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::{Endpoint, code};

/// An answer of the endpoint: its status and all of its text.
#[derive(Debug)]
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn has(&self, status: u16, text: &str) -> bool {
        self.status == status && self.text.contains(text)
    }
}

/// Sends a request with these lines of headers, and reads the answer.
async fn send(endpoint: &Endpoint, request_line: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", endpoint.port())).await.unwrap();
    let mut text =
        format!("{request_line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|header| text.push_str(&format!("{header}\r\n")));
    stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let status = text.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.unwrap_or_else(|| panic!("no status: {text}")), text }
}

/// Sends a request that the AWS SDK has signed to the address of the endpoint and with the host of the URL.
async fn send_presigned(endpoint: &Endpoint, request: PresignedRequest, body: &str) -> Answer {
    let uri: http::Uri = request.uri().parse().unwrap();
    let line = format!("{} {}", request.method(), uri.path_and_query().unwrap());
    send(endpoint, &line, &[&format!("Host: {}", uri.authority().unwrap())], body).await
}

fn minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

/// Signs a request as a presigned URL does, over one header, and returns its path and query.
fn signed(method: &str, path: &str, header: (&str, &str)) -> String {
    let now = jiff::Timestamp::now();
    let (day, time) = (now.strftime("%Y%m%d").to_string(), now.strftime("%Y%m%dT%H%M%SZ").to_string());
    let (name, value) = header;
    let query = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDTEST%2F{day}%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date={time}&X-Amz-Expires=60&X-Amz-SignedHeaders={name}"
    );
    let canonical = format!("{method}\n{path}\n{query}\n{name}:{value}\n\n{name}\nUNSIGNED-PAYLOAD");
    let scope = format!("{day}/us-east-1/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let keyed = |key: &[u8], text: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text);
        mac.finalize().into_bytes().to_vec()
    };
    let key = ["us-east-1", "s3", "aws4_request"]
        .iter()
        .fold(keyed(b"AWS4secret", &day), |key, part| keyed(&key, part));
    format!("{path}?{query}&X-Amz-Signature={}", hex::encode(keyed(&key, &text)))
}

/// Signs a request for `host` and sends it.
async fn send_signed(endpoint: &Endpoint, method: &str, host: &str, path: &str) -> Answer {
    let target = signed(method, path, ("host", host));
    send(endpoint, &format!("{method} {target}"), &[&format!("Host: {host}")], "").await
}

async fn buckets(endpoint: &Endpoint) -> Vec<String> {
    let listed = endpoint.client().list_buckets().send().await.unwrap();
    listed.buckets().iter().map(|bucket| bucket.name().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_object_put_by_host_name_makes_no_bucket_of_its_key() {
    let endpoint = Endpoint::start().await;
    for (domain, key) in [("localhost", "first-key"), ("s3.localhost", "second-key")] {
        let put = endpoint.virtual_client(domain).put_object().bucket("drop").key(key);
        let answer = send_presigned(&endpoint, put.presigned(minute()).await.unwrap(), "").await;
        assert!(answer.has(200, "etag"), "{answer:?}");
        endpoint.client().head_object().bucket("drop").key(key).send().await.unwrap();
    }
    assert_eq!(buckets(&endpoint).await, ["drop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_deleted_by_host_name_does_not_delete_the_bucket_of_that_name() {
    let endpoint = Endpoint::start().await;
    endpoint.store.create_bucket("second").await.unwrap();
    for domain in ["localhost", "s3.localhost"] {
        let delete = endpoint.virtual_client(domain).delete_object().bucket("drop").key("second");
        let answer = send_presigned(&endpoint, delete.presigned(minute()).await.unwrap(), "").await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
    assert_eq!(buckets(&endpoint).await, ["drop", "second"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_the_same_by_host_name_and_by_path() {
    let endpoint = Endpoint::start().await;
    for (domain, key) in [("localhost", "a b/größe+1.csv"), ("s3.localhost", "/lead//x")] {
        let client = endpoint.virtual_client(domain);
        let put = client.put_object().bucket("drop").key(key).presigned(minute()).await.unwrap();
        assert!(put.uri().contains(&format!("//drop.{domain}:")), "{}", put.uri());
        assert_eq!(send_presigned(&endpoint, put, "content").await.status, 200);
        let get = client.get_object().bucket("drop").key(key).presigned(minute()).await.unwrap();
        let answer = send_presigned(&endpoint, get, "").await;
        assert!(answer.has(200, "\r\n\r\ncontent"), "{answer:?}");
        let by_path = endpoint.client().get_object().bucket("drop").key(key).send().await.unwrap();
        assert_eq!(by_path.body.collect().await.unwrap().to_vec(), b"content");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_in_the_host_name_may_have_dots() {
    let endpoint = Endpoint::start().await;
    endpoint.store.create_bucket("my.dotted.bucket").await.unwrap();
    for (domain, path) in [("localhost", "/one"), ("s3.localhost", "/two")] {
        let answer = send_signed(&endpoint, "PUT", &format!("my.dotted.bucket.{domain}"), path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let listed = endpoint.client().list_objects_v2().bucket("my.dotted.bucket").send().await.unwrap();
    assert_eq!(
        listed.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(),
        ["one", "two"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_may_have_any_case_a_port_and_a_dot_at_its_end() {
    let endpoint = Endpoint::start().await;
    let port = endpoint.port();
    for host in
        ["drop.localhost".to_owned(), format!("DROP.LocalHost:{port}"), "drop.s3.localhost.".to_owned()]
    {
        let answer = send_signed(&endpoint, "GET", &host, "/").await;
        assert!(answer.has(200, "<Name>drop</Name>"), "{host}: {answer:?}");
    }
    for host in ["localhost", "LOCALHOST", "s3.localhost", "127.0.0.1", "[::1]", &format!("[::1]:{port}")] {
        let answer = send_signed(&endpoint, "GET", host, "/").await;
        assert!(answer.has(200, "<ListAllMyBucketsResult"), "{host}: {answer:?}");
        let answer = send_signed(&endpoint, "GET", host, "/drop").await;
        assert!(answer.has(200, "<Name>drop</Name>"), "{host}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_counts_instead_of_the_host_header() {
    let endpoint = Endpoint::start().await;
    let target = signed("PUT", "/new-key", ("host", "drop.localhost"));
    let line = format!("PUT http://drop.localhost{target}");
    let answer = send(&endpoint, &line, &["Host: localhost"], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(buckets(&endpoint).await, ["drop"]);
    let answer =
        send(&endpoint, &line.replace("drop.localhost", "localhost"), &["Host: drop.localhost"], "").await;
    assert!(answer.has(403, "SignatureDoesNotMatch"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_is_refused() {
    let endpoint = Endpoint::start().await;
    for host in ["drop.example.com", "s3.amazonaws.com", "drop.localhost.example.com", "notlocalhost", ""] {
        let answer = send_signed(&endpoint, "PUT", host, "/new-key").await;
        assert!(answer.has(400, "<Code>InvalidRequest</Code>"), "{host}: {answer:?}");
        assert!(answer.text.contains("BUCKET.localhost"), "the message says what to use: {answer:?}");
    }
    let target = signed("PUT", "/new-key", ("host", "drop.localhost"));
    let line = format!("PUT {target}");
    for hosts in [&[][..], &["Host: drop.localhost", "Host: localhost"]] {
        let answer = send(&endpoint, &line, hosts, "").await;
        assert!(answer.has(400, "<Code>InvalidRequest</Code>"), "{hosts:?}: {answer:?}");
    }
    assert_eq!(buckets(&endpoint).await, ["drop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_for_one_bucket_does_not_open_another() {
    let endpoint = Endpoint::start().await;
    endpoint.store.create_bucket("second").await.unwrap();
    let line = format!("PUT {}", signed("PUT", "/key", ("host", "drop.localhost")));
    let answer = send(&endpoint, &line, &["Host: second.localhost"], "").await;
    assert!(answer.has(403, "SignatureDoesNotMatch"), "{answer:?}");
    let line = format!("PUT {}", signed("PUT", "/key", ("x-test", "1")));
    let answer = send(&endpoint, &line, &["Host: drop.localhost", "x-test: 1"], "").await;
    assert!(answer.has(403, "<Code>AccessDenied</Code>"), "{answer:?}");
    let answer = send(&endpoint, "GET /", &["Host: drop.localhost"], "").await;
    assert!(answer.has(403, "<Code>AccessDenied</Code>"), "no signature: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_name_that_reads_as_a_host_of_the_endpoint_is_refused() {
    let endpoint = Endpoint::start().await;
    for name in ["drop.s3", "s3.us-east-1", "a.s3.b"] {
        let created = endpoint.client().create_bucket().bucket(name).send().await;
        assert_eq!(code(created), "InvalidBucketName", "{name}");
    }
    // A host with a region is not of this endpoint, and no bucket of that name appears.
    let answer = send_signed(&endpoint, "PUT", "s3.us-east-1.localhost", "/").await;
    assert!(answer.has(400, "does not serve the host"), "{answer:?}");
    assert_eq!(buckets(&endpoint).await, ["drop"]);
}
