//! One connection: its requests and answers, until a limit or the client ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use crate::limits::Limits;
use crate::slots::{Busy, Slot};
use crate::timed_body::TimedBody;
use crate::tls::Tls;

/// How many requests of one connection may be under way at the same time, with HTTP/2.
const MOST_STREAMS: u32 = 128;
/// The longest head of a request of HTTP/2, in bytes, without packing. HTTP/1 has a similar limit in its buffer.
const LONGEST_HEAD: u32 = 64 << 10;

/// Serves the requests of a connection with `answer`, after the handshake if the endpoint has `tls`.
pub(crate) async fn serve<H, F>(
    stream: TcpStream,
    tls: Option<Tls>,
    slot: Slot,
    limits: Limits,
    shutdown: CancellationToken,
    answer: H,
) where
    H: Fn(Request<Body>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // Answers are small or fill whole buffers, so waiting for more bytes would only delay them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    // In boxes, so that a connection without TLS does not take the memory of one with it, and the other way around.
    let Some(tls) = tls else { return Box::pin(serve_stream(stream, slot, limits, shutdown, answer)).await };
    let shaken = tokio::select! {
        shaken = Box::pin(tls.accept(stream)) => shaken,
        () = slot.must_end(limits.head_wait) => return,
        () = shutdown.cancelled() => return,
    };
    match shaken {
        Ok(stream) => Box::pin(serve_stream(stream, slot, limits, shutdown, answer)).await,
        // The usual reasons are a client that speaks plain HTTP, and one that does not trust the certificate.
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

async fn serve_stream<S, H, F>(stream: S, slot: Slot, limits: Limits, shutdown: CancellationToken, answer: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Body>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limits.answer_wait));
    let slot = Arc::new(slot);
    let own_slot = Arc::clone(&slot);
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = own_slot.busy();
        let answered = answer(request.map(|body| Body::new(TimedBody::new(body, limits.body_wait))));
        // An async block would hold the future of the answer twice: where it was captured, and where it is awaited.
        answered.map(|answer| Ok::<_, Infallible>(answer.map(|body| AnswerBody { body, _busy: busy })))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(MOST_STREAMS).max_header_list_size(LONGEST_HEAD);
    let builder = if limits.takes_http2 { builder } else { builder.http1_only() };
    let mut served = std::pin::pin!(builder.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = slot.must_end(limits.head_wait) => {
            tracing::debug!("an idle connection was closed");
            return;
        }
        () = shutdown.cancelled() => {
            if slot.is_waiting() {
                return;
            }
            served.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.drain_wait, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        // The usual reason is that the client closed the connection. Its last request may have taken effect although the
        // client got no answer.
        tracing::debug!(%error, "a connection ended");
    }
}

/// The body of an answer, which keeps the connection busy until it is sent.
struct AnswerBody {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
