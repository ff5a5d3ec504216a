//! Markers: where the next page of a list begins.

use store::Marker;

use crate::error::ServiceError;

/// Reads a marker. An empty one means the first page.
pub(crate) fn read_marker(text: Option<String>) -> Result<Option<Marker>, ServiceError> {
    let read = |text: String| {
        let unknown =
            || ServiceError::InvalidRequest(format!("'{text}' is not a marker that this service returned"));
        Marker::parse(&text).ok_or_else(unknown)
    };
    text.filter(|text| !text.is_empty()).map(read).transpose()
}
