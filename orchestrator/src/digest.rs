//! The digest behind run keys and notice ids.

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of `parts` in hexadecimal.
///
/// The length of each part goes into the digest too, so that `["a", "b"]` and `["ab", ""]` differ.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(hash.finalize())
}
