//! Writes CSV in the form that `records.rs` reads.

/// Appends a record of CSV. Strings are quoted, so that an empty one is not NULL.
pub(super) fn push_record<'a>(texts: impl Iterator<Item = Option<(&'a str, bool)>>, out: &mut Vec<u8>) {
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Some((text, is_text)) = text {
            push_text(text, is_text, out);
        }
    }
    out.push(b'\n');
}

/// Appends a field of CSV, in quotes if `is_text` is true or the text needs them.
pub(crate) fn push_text(text: &str, is_text: bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if !is_text && !bytes.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    let mut begin = 0;
    for quote in memchr::memchr_iter(b'"', bytes) {
        out.extend_from_slice(&bytes[begin..=quote]);
        begin = quote;
    }
    out.extend_from_slice(&bytes[begin..]);
    out.push(b'"');
}
