//! Connections that could use up an endpoint: idle connections, half-sent requests, and clients that do not read answers.

use std::time::{Duration, Instant};

use http_front::{Hosts, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::endpoints::{Answer, Endpoints, SERVICES, Service, read_answer};
use crate::forged::{Draft, RequestKind};

/// How long a test waits for a condition.
const LIMIT: Duration = Duration::from_secs(60);
/// A short time-out of an endpoint, because a test waits for its end.
const SOON: Duration = Duration::from_millis(300);

async fn start(limits: Limits) -> Endpoints {
    Endpoints::start(Hosts::default(), limits).await
}

async fn call(endpoints: &Endpoints, service: Service) -> Answer {
    endpoints.send(service, &Draft::new(service, RequestKind::Call).sign().to_bytes()).await
}

/// Connects, and sends the beginning of a request.
async fn begin(endpoints: &Endpoints, service: Service, bytes: &[u8]) -> TcpStream {
    let mut stream = endpoints.connect(service).await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Reads until the endpoint closes the connection. Fails if the endpoint does not close it within [`LIMIT`].
async fn end_of(stream: TcpStream) -> Answer {
    tokio::time::timeout(LIMIT, read_answer(stream)).await.expect("the endpoint should close the connection")
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_beyond_the_slots_of_an_endpoint_silence_no_endpoint() {
    let endpoints = start(Limits { connections: 16, ..Limits::default() }).await;
    for crowded in SERVICES {
        let mut idle = Vec::new();
        for number in 0..100 {
            let half: &[u8] = if number % 2 == 0 { b"" } else { b"POST / HTTP/1.1\r\nHost: localhost\r\n" };
            idle.push(begin(&endpoints, crowded, half).await);
        }
        for service in SERVICES {
            let answer = call(&endpoints, service).await;
            assert_eq!(answer.status, 200, "{service:?} while {crowded:?} is crowded: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_nothing_or_half_a_head_are_closed() {
    let endpoints = start(Limits { head_wait: SOON, ..Limits::default() }).await;
    for service in SERVICES {
        for half in [&b""[..], b"POST / HTTP/1.1\r\nHost: loc"] {
            let answer = end_of(begin(&endpoints, service, half).await).await;
            assert_eq!(answer.status, 0, "{service:?}: {answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_idle_after_a_request_is_closed() {
    let endpoints = start(Limits { head_wait: SOON, ..Limits::default() }).await;
    for service in SERVICES {
        let request = Draft::new(service, RequestKind::Call).sign().to_bytes();
        let request = String::from_utf8(request).unwrap().replace("Connection: close\r\n", "");
        let answer = end_of(begin(&endpoints, service, request.as_bytes()).await).await;
        assert_eq!(answer.status, 200, "{service:?}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_body_is_refused_when_its_client_pauses() {
    let endpoints = start(Limits { body_wait: SOON, ..Limits::default() }).await;
    for (service, size, code) in [
        (Service::S3, 1000, "<Code>RequestTimeout</Code>"),
        (Service::S3, 1_000_000, "<Code>RequestTimeout</Code>"),
        (Service::DataPipeline, 1000, "SerializationException"),
        (Service::Sns, 1000, "<Code>InvalidParameter</Code>"),
    ] {
        let request = Draft::new(service, RequestKind::Call).with(&format!("size {size}")).sign().to_bytes();
        let answer = end_of(begin(&endpoints, service, &request[..request.len() - 10]).await).await;
        assert_eq!(answer.status, 400, "{service:?}: {answer:?}");
        assert!(answer.text.contains(code), "{service:?}: {answer:?}");
    }
}

/// A client that does not read a large answer has the only slot, until the endpoint closes its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_its_answer_loses_its_connection() {
    let endpoints = start(Limits { connections: 1, answer_wait: SOON, ..Limits::default() }).await;
    let put = Draft::new(Service::S3, RequestKind::Call).with("path /drop/large").with("size 50000000");
    assert_eq!(endpoints.send(Service::S3, &put.sign().to_bytes()).await.status, 200);
    let get = Draft::new(Service::S3, RequestKind::Url).with("path /drop/large").sign().to_bytes();
    let stalled = begin(&endpoints, Service::S3, &get).await;
    stalled.readable().await.unwrap();
    let begun = Instant::now();
    while call(&endpoints, Service::S3).await.status != 200 {
        assert!(begun.elapsed() < LIMIT, "the client that does not read still has its slot");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_body_byte_by_byte_is_refused() {
    let endpoints = start(Limits { body_wait: SOON, ..Limits::default() }).await;
    let request = Draft::new(Service::S3, RequestKind::Call).with("size 1000000").sign().to_bytes();
    let head = request.len() - 1_000_000;
    let mut stream = begin(&endpoints, Service::S3, &request[..head]).await;
    let begun = Instant::now();
    let mut answer = [0; 1024];
    let read = loop {
        assert!(begun.elapsed() < LIMIT, "the endpoint still reads the body byte by byte");
        stream.write_all(b"x").await.unwrap();
        if let Ok(read) = tokio::time::timeout(SOON / 10, stream.read(&mut answer)).await {
            break read.unwrap();
        }
    };
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.contains("<Code>RequestTimeout</Code>"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_endpoint_answers_503_while_the_other_endpoints_work() {
    let endpoints = start(Limits { connections: 2, ..Limits::default() }).await;
    for (full, code) in [
        (Service::S3, "<Code>SlowDown</Code>"),
        (Service::DataPipeline, "ServiceUnavailableException"),
        (Service::Sns, "<Code>ServiceUnavailable</Code>"),
    ] {
        let request = Draft::new(full, RequestKind::Call).with("size 1000").sign().to_bytes();
        let mut under_way = Vec::new();
        let begun = Instant::now();
        let refused = loop {
            // A connection whose request the endpoint has not read yet can lose its slot to a new connection. So requests are sent
            // until the endpoint refuses one.
            under_way.push(begin(&endpoints, full, &request[..request.len() - 10]).await);
            let answer = call(&endpoints, full).await;
            if answer.status != 200 {
                break answer;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "the endpoint refuses no request although its two slots should be busy"
            );
        };
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.text.contains(code) && refused.text.contains("Retry-After: 1"), "{refused:?}");
        assert!(full != Service::S3 || refused.text.contains("<RequestId>"), "{refused:?}");
        for other in SERVICES.into_iter().filter(|service| *service != full) {
            assert_eq!(call(&endpoints, other).await.status, 200, "{other:?} while {full:?} is full");
        }
        drop(under_way);
        while call(&endpoints, full).await.status != 200 {
            assert!(begun.elapsed() < LIMIT, "the slots of {full:?} are not free again");
        }
    }
}

/// Makes the n-th piece of an endless form.
type Piece<'a> = &'a dyn Fn(usize) -> Vec<u8>;

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_form_without_a_file_is_refused_before_it_fills_the_memory() {
    let endpoints = start(Limits::default()).await;
    let fields = |number: usize| {
        format!("--x\r\nContent-Disposition: form-data; name=\"f{number}\"\r\n\r\n\r\n").into_bytes()
    };
    let endless: [(&str, Piece<'_>); 2] =
        [("no boundary", &|_| vec![b'-'; 16 * 1024]), ("fields without values", &fields)];
    for (what, piece) in endless {
        let head =
            b"POST /drop HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n\
                     Transfer-Encoding: chunked\r\n\r\n";
        let mut stream = begin(&endpoints, Service::S3, head).await;
        let (mut sent, most) = (0, 200 << 20);
        for number in 0.. {
            let piece = piece(number);
            sent += piece.len();
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
            if stream.write_all(&chunk).await.is_err() {
                // The endpoint has closed the connection.
                break;
            }
            assert!(sent < most, "{what}: the endpoint has read {most} bytes and reads on");
        }
        assert_eq!(call(&endpoints, Service::S3).await.status, 200, "{what}");
    }
}
