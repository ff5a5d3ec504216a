//! The opaque texts with which clients ask for the next page of a list.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::WireError;

/// Returns the marker of the page after the entry `last`.
pub(super) fn after(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// Reads the entry after which a page begins.
pub(super) fn read(marker: &str) -> Result<String, WireError> {
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| WireError::invalid_argument("NextToken is not one that this server gave"))
}
