//! A record of a file with its texts.

/// A record with its texts.
pub(super) struct Row {
    /// The line where the record begins.
    pub(super) line: u64,
    /// The texts.
    pub(super) fields: Vec<Field>,
}

/// A text of a record.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) text: String,
    pub(super) quoted: bool,
}

/// Returns whether a text can be the name of a column.
pub(super) fn is_name(text: &str) -> bool {
    let text = text.trim();
    let begins =
        text.chars().next().is_some_and(|first| first.is_alphabetic() || "_#%(*$€\u{a7}".contains(first));
    begins && text.chars().count() <= 63 && !text.contains(['\n', '@'])
}
