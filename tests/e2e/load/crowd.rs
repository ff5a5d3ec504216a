//! Those who use the server as it is not meant: connections that say nothing, requests that come byte by byte, and nonsense.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{KEY, Load};

/// Connections that send nothing, or the first half of a request.
const HALF_OPEN: usize = 1_000;
/// Connections that send one byte after the other.
const SLOW: usize = 200;
const BYTE_PERIOD: Duration = Duration::from_millis(100);
const HEAD: &[u8] =
    b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: DataPipeline.ListPipelines\r\nX-Filler: ";
/// How long most calls over new connections may take while the crowd is there. Other tests may take the processor for a while.
const SOON: Duration = Duration::from_secs(1);
/// The pause between two looks at how others are served.
const PAUSE: Duration = Duration::from_millis(500);

/// Holds the crowd, and checks that others are served soon, until the load is over.
pub(super) async fn hang_around(load: Arc<Load>, address: String) {
    let mut idle = Vec::with_capacity(HALF_OPEN);
    for number in 0..HALF_OPEN {
        let mut connection = TcpStream::connect(&address).await.expect("the server takes connections");
        // The server may close it at once for a newer one.
        let _ = connection.write_all(&HEAD[..HEAD.len() * (number % 2) / 2]).await;
        idle.push(connection);
    }
    let slow: Vec<_> = (0..SLOW).map(|_| tokio::spawn(send_slowly(address.clone()))).collect();
    let mut pace = tokio::time::interval(PAUSE);
    let mut times = Vec::new();
    // At least once, however long the crowd took to come.
    while times.is_empty() || !load.is_over() {
        pace.tick().await;
        let begun = Instant::now();
        let mut connection = TcpStream::connect(&address).await.expect("the server takes connections");
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("the server reads");
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.expect("the server answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        load.figures.note("a new connection", begun.elapsed());
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    assert!(median < SOON, "with {HALF_OPEN} half-open and {SLOW} slow connections, a call takes {median:?}");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Sends requests byte by byte, over a new connection after each that the server has closed.
async fn send_slowly(address: String) {
    let mut pace = tokio::time::interval(BYTE_PERIOD);
    loop {
        let Ok(mut connection) = TcpStream::connect(&address).await else { continue };
        for byte in HEAD.iter().chain(std::iter::repeat(&b'x')) {
            pace.tick().await;
            if connection.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    }
}

/// Sends calls with a wrong signature, and random bytes. No answer is an error of the server.
pub(super) async fn send_nonsense(load: Arc<Load>) {
    let stranger = load.client_with("another secret");
    let mut random = StdRng::seed_from_u64(7);
    let mut pace = tokio::time::interval(PAUSE);
    let address = load.endpoint.trim_start_matches("http://").to_owned();
    while !load.is_over() {
        pace.tick().await;
        let refused = stranger.list_pipelines().send().await.expect_err("a wrong signature is refused");
        let status = refused.raw_response().map(|answer| answer.status().as_u16());
        assert!(status.is_some_and(|status| (400..500).contains(&status)), "{refused:?}");
        let body: Vec<u8> = (0..random.random_range(0..2_000)).map(|_| random.random()).collect();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nAuthorization: {KEY}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let mut connection = TcpStream::connect(&address).await.expect("the server takes connections");
        let mut answer = Vec::new();
        let sent = connection.write_all(&[head.as_bytes(), &body].concat()).await;
        if sent.is_ok() && connection.read_to_end(&mut answer).await.is_ok() {
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
    }
}
