//! The headers that follow the content of a request in chunks.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

/// The trailers of a body. They are there once the content has been read to its end.
#[derive(Clone, Debug, Default)]
pub struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    /// Takes the trailers. They are empty if the body has none, or has not been read to its end.
    #[must_use]
    pub fn take(&self) -> HeaderMap {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, trailers: HeaderMap) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trailers;
    }
}
