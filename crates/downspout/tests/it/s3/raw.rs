//! Requests byte by byte, because the AWS SDK does not send or show some parts of requests and answers.

use std::time::Duration;

use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::endpoint::Endpoint;

/// An answer of the endpoint.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The headers, one a line, with lower-case names.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Returns the time that a presigned request is valid.
pub(crate) fn minute() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(60)).unwrap()
}

/// Sends a presigned request with further headers, which its signature does not cover.
pub(crate) async fn send(endpoint: &Endpoint, request: PresignedRequest, headers: &[(&str, &str)]) -> Answer {
    let uri: http::Uri = request.uri().parse().unwrap();
    let target = uri.path_and_query().unwrap().as_str().to_owned();
    send_line(endpoint, &format!("{} {target}", request.method()), headers).await
}

/// Sends a request with this method and target.
pub(crate) async fn send_line(endpoint: &Endpoint, line: &str, headers: &[(&str, &str)]) -> Answer {
    let port = endpoint.port();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut text =
        format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: 0\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    let lines = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
        None => line.to_owned(),
    });
    Answer { status, head: lines.collect::<Vec<_>>().join("\n"), body: body.to_owned() }
}
