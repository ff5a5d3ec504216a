//! Derives the signing key from a secret, and checks signatures that are made with the key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::scope::{Scope, TERMINATOR};

/// The signing algorithm of every endpoint.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// A signing key, which is good for one day, region and service.
#[derive(Clone)]
pub(crate) struct SigningKey(Vec<u8>);

impl SigningKey {
    pub(crate) fn new(secret: &str, scope: &Scope<'_>) -> Self {
        let first = format!("AWS4{secret}").into_bytes();
        let parts = [scope.date, scope.region, scope.service, TERMINATOR];
        Self(parts.iter().fold(first, |key, part| {
            let mut mac = keyed(&key);
            mac.update(part.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }))
    }

    /// Returns whether `signature`, in hexadecimal, is the signature of `text`. The comparison takes the same time wherever
    /// the signatures differ.
    pub(crate) fn has_signed(&self, text: &[u8], signature: &str) -> bool {
        // A signature in upper case is refused: AWS writes signatures in lower case, and the signature of a chunk signs
        // the text of the signature before it.
        let is_hex = signature.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let Some(bytes) = hex::decode(signature).ok().filter(|_| is_hex) else { return false };
        let mut mac = keyed(&self.0);
        mac.update(text);
        mac.verify_slice(&bytes).is_ok()
    }
}

/// Returns the text that is signed for a request: the algorithm, the date with its time, the scope, and the digest of the
/// canonical request.
pub(crate) fn string_to_sign(date: &str, scope: &str, canonical_request: &[u8]) -> Vec<u8> {
    let digest = hex::encode(Sha256::digest(canonical_request));
    format!("{ALGORITHM}\n{date}\n{scope}\n{digest}").into_bytes()
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}
