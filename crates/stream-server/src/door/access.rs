//! The API key of the HTTP door.

use http::StatusCode;
use http::request::Parts;
use stream::file::Authorization;

use super::error::DoorError;
use crate::intake::ApiKey;
use crate::live::Version;

/// The header with the API key, as API Gateway has it.
const HEADER: &str = "x-api-key";

/// Checks that a request has the API key, unless its stream needs none.
pub(super) fn check(key: &ApiKey, parts: &Parts, version: Option<&Version>) -> Result<(), DoorError> {
    if version.is_some_and(|version| version.stream.authorization == Authorization::None) {
        return Ok(());
    }
    let given = parts.headers.get(HEADER).map(|given| given.as_bytes()).unwrap_or_default();
    if key.is(given) {
        return Ok(());
    }
    let message = if given.is_empty() {
        "give the API key in the header x-api-key"
    } else {
        "the API key in the header x-api-key is not the one of this server"
    };
    Err(DoorError::message(StatusCode::FORBIDDEN, message))
}
