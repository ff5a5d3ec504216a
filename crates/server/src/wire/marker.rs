//! Markers: where the next page of a list begins.

use store::Marker;

use crate::error::ServiceError;

/// Reads a marker; an empty one is the first page.
pub(crate) fn read_marker(text: Option<String>) -> Result<Option<Marker>, ServiceError> {
    let read = |text: String| {
        let unknown = || ServiceError::InvalidRequest(format!("'{text}' is no marker of ours"));
        Marker::parse(&text).ok_or_else(unknown)
    };
    text.filter(|text| !text.is_empty()).map(read).transpose()
}
