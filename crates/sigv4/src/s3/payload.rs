//! Reads the header `x-amz-content-sha256`, which describes a body.

use http::{HeaderMap, StatusCode};

use super::refusal::Refusal;
use super::text;
use crate::key::SigningKey;

/// The value of `x-amz-content-sha256`.
#[derive(Clone, Copy)]
pub(super) enum Stated {
    /// The body is not signed.
    Unsigned,
    /// The body has this SHA-256.
    Whole([u8; 32]),
    /// The body comes in chunks (`aws-chunked`).
    Chunks { is_signed: bool, has_trailers: bool },
}

/// The signature of a request, with which the signatures of its chunks begin.
#[derive(Clone)]
pub(super) struct Seed {
    pub(super) key: SigningKey,
    pub(super) date: String,
    pub(super) scope: String,
    /// The signature of the request or of the chunk before, in hexadecimal.
    pub(super) signature: String,
}

/// How the body of a verified request must be checked; see [`Content`](super::Content).
pub struct BodyCheck {
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Unsigned,
    Whole([u8; 32]),
    Chunks(Chunks),
}

/// A body in chunks.
pub(super) struct Chunks {
    /// The signature before the first chunk. `None` if chunks are not signed.
    pub(super) seed: Option<Seed>,
    /// The length of the content without the chunk headers, in bytes.
    pub(super) decoded_length: u64,
    /// The names of the trailers, in lower case. `None` if the body has no trailers.
    pub(super) trailers: Option<Vec<String>>,
}

impl Stated {
    pub(super) fn parse(value: &str) -> Result<Self, Refusal> {
        let chunks = |is_signed, has_trailers| Ok(Self::Chunks { is_signed, has_trailers });
        match value {
            "UNSIGNED-PAYLOAD" => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => chunks(true, false),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => chunks(true, true),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => chunks(false, true),
            _ if value.starts_with("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD") => {
                Err(Refusal::not_implemented(
                    "AWS4-ECDSA-P256-SHA256 is not implemented here: sign with AWS4-HMAC-SHA256.",
                ))
            }
            _ => {
                let mut digest = [0; 32];
                hex::decode_to_slice(value, &mut digest).map_err(|_| {
                    Refusal::invalid_argument(
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid \
                         sha256 value.",
                    )
                    .with("ArgumentName", "x-amz-content-sha256")
                })?;
                Ok(Self::Whole(digest))
            }
        }
    }

    /// Returns the payload, with the headers that describe chunks. `seed` is the signature of the request.
    pub(super) fn payload(
        self,
        headers: &HeaderMap,
        seed: impl FnOnce() -> Seed,
    ) -> Result<BodyCheck, Refusal> {
        let kind = match self {
            Self::Unsigned => Kind::Unsigned,
            Self::Whole(digest) => Kind::Whole(digest),
            Self::Chunks { is_signed, has_trailers } => Kind::Chunks(Chunks {
                seed: is_signed.then(seed),
                decoded_length: decoded_length(headers)?,
                trailers: has_trailers.then(|| trailer_names(headers)).transpose()?,
            }),
        };
        Ok(BodyCheck { kind })
    }
}

impl BodyCheck {
    /// Returns the length of the content in bytes if it comes in chunks, and `None` if the body is the content.
    #[must_use]
    pub fn decoded_length(&self) -> Option<u64> {
        match &self.kind {
            Kind::Chunks(chunks) => Some(chunks.decoded_length),
            Kind::Unsigned | Kind::Whole(_) => None,
        }
    }
}

fn decoded_length(headers: &HeaderMap) -> Result<u64, Refusal> {
    let given = text(headers, "x-amz-decoded-content-length");
    given.and_then(|length| length.trim().parse().ok()).ok_or_else(|| {
        let message =
            "You must provide the length of the content in the header x-amz-decoded-content-length.";
        Refusal::new(StatusCode::LENGTH_REQUIRED, "MissingContentLength", message)
    })
}

fn trailer_names(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let names = text(headers, "x-amz-trailer").ok_or_else(|| {
        Refusal::invalid_request("The header x-amz-trailer must name the trailers that follow the content.")
    })?;
    Ok(names
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect())
}
