//! A request body that fails if its client is too slow.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

/// The least rate of a body that has kept the endpoint waiting for longer than one pause may take, in bytes per second.
const LEAST_RATE: f64 = 1024.0;

/// The error of a body whose client is too slow.
#[derive(Debug, thiserror::Error)]
#[error("the client sent nothing for {0:?}, or less than {LEAST_RATE} bytes per second for longer")]
pub struct SlowBody(Duration);

impl SlowBody {
    /// Returns whether this error is `error` or one of its causes.
    #[must_use]
    pub fn caused(error: &(dyn std::error::Error + 'static)) -> bool {
        error.is::<Self>() || error.source().is_some_and(Self::caused)
    }
}

/// A body with a limit on each pause, and on the rate if its client pauses often. The limits of the length are those of the
/// body below.
pub(crate) struct TimedBody {
    body: Incoming,
    limit: Duration,
    /// Runs while the body waits for bytes, with the time at which the wait began.
    pause: Option<(Instant, Pin<Box<Sleep>>)>,
    /// How long all pauses took together.
    waited: Duration,
    received: u64,
}

impl TimedBody {
    pub(crate) fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, pause: None, waited: Duration::ZERO, received: 0 }
    }

    /// Counts bytes that arrived. Returns whether the client is too slow.
    fn count(&mut self, bytes: usize) -> bool {
        self.received += bytes as u64;
        if let Some((begun, _)) = self.pause.take() {
            self.waited += begun.elapsed();
        }
        self.waited > self.limit && (self.received as f64) < LEAST_RATE * self.waited.as_secs_f64()
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let limit = self.limit;
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let bytes =
                frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            if self.count(bytes) && frame.is_some() {
                return Poll::Ready(Some(Err(SlowBody(limit).into())));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let (_, pause) = self.pause.get_or_insert_with(|| (Instant::now(), Box::pin(sleep(limit))));
        ready!(pause.as_mut().poll(context));
        Poll::Ready(Some(Err(SlowBody(limit).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
