//! The reason why the bytes of an S3 object did not arrive as the client signed them.

use std::error::Error;

use http::StatusCode;

use super::refusal::{self, Refusal};

/// An error of the body that this crate wraps.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// The reason why the bytes of an S3 object did not arrive as the client signed them.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The body itself failed: the connection broke, or it was too slow.
    #[error("the body did not arrive")]
    Broken(#[source] BoxError),
    /// The body does not have the SHA-256 that the client signed.
    #[error("the body has another SHA-256 than the request says")]
    Digest {
        /// The digest that the client sent, in hexadecimal.
        stated: String,
        /// The digest of the bytes that arrived, in hexadecimal.
        computed: String,
    },
    /// The signature of a chunk or of the trailers is wrong.
    #[error("the signature of a chunk or of the trailers does not match")]
    ChunkSignature,
    /// The body does not follow the format `aws-chunked`.
    #[error("the chunks cannot be read: {0}")]
    Malformed(&'static str),
    /// The content is shorter or longer than the header `x-amz-decoded-content-length` says.
    #[error("the content does not have the length in the header x-amz-decoded-content-length")]
    Length,
    /// The trailers are not those that the header `x-amz-trailer` names, or cannot be read.
    #[error("the trailers are wrong: {0}")]
    Trailers(&'static str),
}

impl ContentError {
    /// Returns the error with the code and the message of S3.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let bad = |code, message: String| Refusal::new(StatusCode::BAD_REQUEST, code, message);
        match self {
            Self::Broken(_) | Self::Length => bad(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header."
                    .to_owned(),
            ),
            Self::Digest { stated, computed } => bad(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
            )
            .with("ClientComputedContentSHA256", stated)
            .with("S3ComputedContentSHA256", computed),
            Self::ChunkSignature => refusal::does_not_match(),
            Self::Malformed(why) => {
                bad("InvalidRequest", format!("The body is not a valid aws-chunked body: {why}."))
            }
            Self::Trailers(why) => bad(
                "MalformedTrailerError",
                format!(
                    "The request contained trailing data that was not well-formed or did not conform to our published \
                     schema: {why}."
                ),
            ),
        }
    }
}
