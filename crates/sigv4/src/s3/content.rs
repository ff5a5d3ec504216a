//! The content of a verified request: the bytes of its body, checked while they arrive.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::chunks::Decoder;
use super::content_error::{BoxError, ContentError};
use super::payload::{BodyCheck, Kind};
use super::trailers::Trailers;

/// A body, and how it must be checked.
pub struct Content<S> {
    payload: BodyCheck,
    body: S,
    trailers: Trailers,
}

impl<S, E> Content<S>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    E: Into<BoxError> + 'static,
{
    /// Returns the content of `body`, which is checked as `payload` says.
    pub fn new(payload: BodyCheck, body: S) -> Self {
        Self { payload, body, trailers: Trailers::default() }
    }

    /// Returns the place where the trailers appear.
    pub fn trailers(&self) -> Trailers {
        self.trailers.clone()
    }

    /// Returns the bytes of the content. The stream ends with an error if the body fails its check, so the bytes must not
    /// be used before the stream has ended.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ContentError>> + Send + use<S, E> {
        let body = self.body.map_err(|error| ContentError::Broken(error.into()));
        match self.payload.kind {
            Kind::Unsigned => body.boxed(),
            Kind::Whole(digest) => hashed(body, digest).boxed(),
            Kind::Chunks(chunks) => {
                let decoder = Decoder::new(body, chunks, self.trailers);
                stream::try_unfold(decoder, |mut decoder| async move {
                    let next = decoder.next().await;
                    next.map(|bytes| bytes.map(|bytes| (bytes, decoder)))
                })
                .boxed()
            }
        }
    }
}

/// Passes a body on, and compares its SHA-256 at the end.
fn hashed<S>(body: S, stated: [u8; 32]) -> impl Stream<Item = Result<Bytes, ContentError>> + Send
where
    S: Stream<Item = Result<Bytes, ContentError>> + Send + Unpin,
{
    stream::try_unfold(Some((body, Sha256::new())), move |state| async move {
        let Some((mut body, mut hasher)) = state else { return Ok(None) };
        if let Some(bytes) = body.try_next().await? {
            hasher.update(&bytes);
            return Ok(Some((bytes, Some((body, hasher)))));
        }
        let computed = hasher.finalize();
        if computed[..] == stated[..] {
            return Ok(None);
        }
        Err(ContentError::Digest { stated: hex::encode(stated), computed: hex::encode(computed) })
    })
}
