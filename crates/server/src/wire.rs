//! The wire form of data that several operations share: bodies, objects, markers, and the limits of AWS's API model.
//!
//! The shapes of a single operation are in its file under [`crate::ops`]. Every member of a request may be absent, and
//! unknown members are ignored. A response leaves absent members out.

pub(crate) mod check;
pub(crate) mod marker;
pub(crate) mod object;
pub(crate) mod task;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ServiceError;

/// A response whose shape has no members: `{}`.
///
/// An operation without an output shape returns `()` instead. Its response has no body.
#[derive(Debug, Serialize)]
pub(crate) struct Empty {}

/// Reads the body of a request. An empty body counts as an empty object.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ServiceError> {
    let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
    // serde would accept a list for a struct.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ServiceError::Serialization("the body must be a JSON object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| ServiceError::Serialization(error.to_string()))
}

/// Writes the body of a response.
pub(crate) fn write(response: &impl Serialize) -> Result<Vec<u8>, ServiceError> {
    let body = serde_json::to_vec(response).map_err(|error| ServiceError::Internal(error.into()))?;
    // serde writes `()` as `null`.
    Ok(if body == b"null" { Vec::new() } else { body })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Request {
        marker: Option<String>,
    }

    #[test]
    fn an_empty_body_is_an_empty_request() {
        assert!(read::<Request>(b"").unwrap().marker.is_none());
        assert!(read::<Request>(b" {\"marker\": null, \"other\": 1}").unwrap().marker.is_none());
    }

    #[test]
    fn wrong_types_and_lists_are_serialization_errors() {
        for body in [&b"[]"[..], b"{", b"{\"marker\": 1}", b"nonsense"] {
            assert_eq!(read::<Request>(body).unwrap_err().code(), "SerializationException");
        }
    }

    #[test]
    fn an_empty_response_is_an_empty_object_and_no_response_is_no_body() {
        assert_eq!(write(&Empty {}).unwrap(), b"{}");
        assert_eq!(write(&()).unwrap(), b"");
    }
}
