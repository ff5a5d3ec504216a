//! Accepts connections.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::limits::Limits;
use crate::slots::Slots;
use crate::tls::Tls;

/// Pause after a failed accept. The likely reason is a lack of file descriptors, and an immediate retry would use all CPU
/// time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the requests that arrive at `listener` with `answer`, over TLS if there is a certificate, until `shutdown`. Open
/// requests then have [`Limits::drain_wait`] to finish.
///
/// `full` makes the answer to a connection for which there is no place. AWS SDKs try again after status 503. Over TLS, such a
/// connection is closed without an answer.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Tls>,
    limits: Limits,
    shutdown: CancellationToken,
    answer: H,
    full: fn() -> Response<String>,
) where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let connections = TaskTracker::new();
    let slots = Arc::new(Slots::new(limits.connections));
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Some(slot) = slots.take() {
            let (tls, shutdown, answer) = (tls.clone(), shutdown.clone(), answer.clone());
            connections.spawn(connection::serve(stream, tls, slot, limits, shutdown, answer));
        } else {
            tracing::debug!(client.address = %address, "no place for a connection: every one has a request");
            if tls.is_none() {
                // The buffer of a new connection has room for the answer; if not, the client sees that it was closed.
                let _ = stream.try_write(&closing(&full()));
            }
        }
    }
    connections.close();
    if tokio::time::timeout(limits.drain_wait, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "the shutdown interrupted requests");
    }
}

/// Returns an answer as it goes over the wire, after which the connection is closed.
fn closing(response: &Response<String>) -> Vec<u8> {
    let (status, body) = (response.status(), response.body());
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.as_bytes());
    bytes
}
