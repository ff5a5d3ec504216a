//! The errors of signatures in the AWS JSON and Query protocols.

use http::StatusCode;

/// The reason why a request is not accepted.
///
/// `Display` is the text that a client sees. The text has neither keys nor signatures.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The request carries no signature at all.
    #[error("Missing Authentication Token")]
    Missing,
    /// The `Authorization` header lacks a part or cannot be read, or the request has no date in the right form.
    #[error("{0}")]
    Incomplete(String),
    /// The access key is unknown, or the request has a session token. The endpoints know no temporary keys.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The signature is wrong, too old, too new, or for another service or region; or it does not cover a header that
    /// must be signed; or the body does not have the hash that the client sent.
    #[error("{0}")]
    Mismatch(String),
}

impl SignatureError {
    /// Returns the exception's name in the AWS JSON protocols.
    #[must_use]
    pub fn json_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationTokenException",
            Self::Incomplete(_) => "IncompleteSignatureException",
            Self::UnknownKey => "UnrecognizedClientException",
            Self::Mismatch(_) => "InvalidSignatureException",
        }
    }

    /// Returns the error code in the Query protocol, which SNS uses.
    #[must_use]
    pub fn query_code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationToken",
            Self::Incomplete(_) => "IncompleteSignature",
            Self::UnknownKey => "InvalidClientTokenId",
            Self::Mismatch(_) => "SignatureDoesNotMatch",
        }
    }

    /// Returns the HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Incomplete(_) => StatusCode::BAD_REQUEST,
            Self::Missing | Self::UnknownKey | Self::Mismatch(_) => StatusCode::FORBIDDEN,
        }
    }
}
