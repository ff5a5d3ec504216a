//! A record of a file with the texts of its fields.

/// A record with the texts of its fields.
pub(super) struct Row {
    /// The line where the record begins.
    pub(super) line: u64,
    /// The fields, in the order of the file.
    pub(super) fields: Vec<Field>,
}

/// The text of a field, and whether it is in quotes.
#[derive(Clone)]
pub(super) struct Field {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// Whether a load takes it for NULL.
    pub(super) is_null: bool,
}

/// Returns whether a text can be the name of a column.
pub(super) fn is_name(text: &str) -> bool {
    let text = text.trim();
    let begins =
        text.chars().next().is_some_and(|first| first.is_alphabetic() || "_#%(*$€\u{a7}".contains(first));
    begins && text.chars().count() <= 63 && !text.contains(['\n', '@'])
}
