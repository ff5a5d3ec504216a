//! The API key of the HTTP door.

use http::StatusCode;
use http::request::Parts;
use sha2::{Digest, Sha256};
use stream::file::Authorization;

use super::error::DoorError;
use crate::live::Version;

/// The header with the API key, as API Gateway has it.
const HEADER: &str = "x-api-key";

/// The digest of the API key.
pub(crate) struct ApiKey([u8; 32]);

impl ApiKey {
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Checks that the request has the API key, unless the stream needs none.
    pub(super) fn check(&self, parts: &Parts, version: Option<&Version>) -> Result<(), DoorError> {
        if version.is_some_and(|version| version.stream.authorization == Authorization::None) {
            return Ok(());
        }
        let mut given = parts.headers.get_all(HEADER).iter();
        let given = given.next().map(|key| key.as_bytes()).unwrap_or_default();
        // Comparing digests takes the same time wherever they differ, so that the time does not reveal anything about the
        // key.
        if <[u8; 32]>::from(Sha256::digest(given)) == self.0 {
            return Ok(());
        }
        let message = if given.is_empty() {
            "give the API key in the header x-api-key"
        } else {
            "the API key in the header x-api-key is not the one of this server"
        };
        Err(DoorError::message(StatusCode::FORBIDDEN, message))
    }
}
