//! Compares a request with its signature.

use http::request::Parts;

use super::path::canonical_forms;
use super::refusal::{self, Refusal};
use crate::canonical::CanonicalRequest;
use crate::key::{SigningKey, string_to_sign};

/// A signature, and the parts of the request that it covers.
pub(super) struct SignedRequest<'a> {
    pub(super) parts: &'a Parts,
    /// The canonical query.
    pub(super) query: &'a str,
    pub(super) signed_headers: &'a [&'a str],
    /// The digest of the body, or the word that stands for it.
    pub(super) payload: &'a str,
    pub(super) date: &'a str,
    pub(super) scope: &'a str,
    pub(super) signature: &'a str,
}

impl SignedRequest<'_> {
    /// Fails if `key` did not make the signature.
    pub(super) fn check(&self, key: &SigningKey) -> Result<(), Refusal> {
        let is_signed = canonical_forms(self.parts.uri.path()).iter().any(|path| {
            let request = CanonicalRequest {
                method: &self.parts.method,
                path,
                query: self.query,
                headers: &self.parts.headers,
                signed: self.signed_headers,
                payload: self.payload,
            };
            key.has_signed(&string_to_sign(self.date, self.scope, &request.to_bytes()), self.signature)
        });
        is_signed.then_some(()).ok_or_else(refusal::does_not_match)
    }
}
