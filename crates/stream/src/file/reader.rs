//! Reads single values of a stream file, and collects the findings.

use std::ops::{Range, RangeInclusive};

use definition::FieldKey;
use definition::file::Lines;
use definition::file::json::{Json, Node, StringCursor, advance};
use definition::validate::nearest;

use super::Finding;
use crate::fields::listed;
use crate::prefix::{Place, Prefix, Purpose};

pub(super) const MALFORMED: &str = "MALFORMED_FILE";
pub(super) const UNKNOWN_FIELD: &str = "UNKNOWN_FIELD";
pub(super) const INVALID_VALUE: &str = "INVALID_FIELD_VALUE";
pub(super) const INVALID_SCHEMA: &str = "INVALID_SCHEMA";

/// The text of a stream file, and the findings so far.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    lines: Lines<'a>,
    pub(super) findings: Vec<Finding>,
}

/// Returns the bytes of a node.
pub(super) fn bytes_of(node: &Node<'_>) -> Range<usize> {
    node.start..node.end
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, lines: Lines::of(text), findings: Vec::new() }
    }

    fn add(
        &mut self,
        is_error: bool,
        at: Range<usize>,
        field: Option<&str>,
        code: &'static str,
        message: String,
    ) {
        let span = Some(self.lines.span(at.start, at.end));
        let field = field.map(FieldKey::from);
        self.findings.push(Finding { is_error, span, object: None, field, code, message });
    }

    pub(super) fn error(
        &mut self,
        at: Range<usize>,
        field: Option<&str>,
        code: &'static str,
        message: impl Into<String>,
    ) {
        self.add(true, at, field, code, message.into());
    }

    pub(super) fn warning(&mut self, at: Range<usize>, field: &str, code: &'static str, message: String) {
        self.add(false, at, Some(field), code, message);
    }

    /// Adds the error of a value that is not legal.
    pub(super) fn invalid(&mut self, node: &Node<'_>, field: &str, message: impl Into<String>) {
        self.error(bytes_of(node), Some(field), INVALID_VALUE, message);
    }

    /// Adds the error of a value of another type. `expected` says what the field must be.
    pub(super) fn expected(&mut self, node: &Node<'_>, field: &str, expected: &str) {
        self.invalid(node, field, format!("'{field}' must be {expected}, found {}", node.json.describe()));
    }

    /// Returns the byte offset in the file that belongs to the byte offset `content` in a string.
    pub(super) fn offset(&self, node: &Node<'_>, content: usize) -> usize {
        advance(self.text, StringCursor { content: 0, source: node.start + 1 }, content).source
    }

    pub(super) fn string<'n>(&mut self, node: &'n Node<'_>, field: &str) -> Option<&'n str> {
        match &node.json {
            Json::String(text) => Some(text),
            _ => {
                self.expected(node, field, "a string");
                None
            }
        }
    }

    pub(super) fn whole_number(
        &mut self,
        node: &Node<'_>,
        field: &str,
        range: &RangeInclusive<u64>,
    ) -> Option<u64> {
        let (least, most) = (range.start(), range.end());
        if !matches!(node.json, Json::Number) {
            self.expected(node, field, &format!("a whole number from {least} to {most}"));
            return None;
        }
        let number = self.text[bytes_of(node)].parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.invalid(node, field, format!("'{field}' must be a whole number from {least} to {most}"));
        }
        number
    }

    /// Reads one of several words, and returns its meaning.
    pub(super) fn word<T: Copy>(
        &mut self,
        node: &Node<'_>,
        field: &str,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let written = self.string(node, field)?;
        let found = words.iter().find(|(word, _)| *word == written).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let hint = hint(written, &all);
            self.invalid(
                node,
                field,
                format!("'{field}' has no value '{written}'{hint}; it takes {}", listed(&all)),
            );
        }
        found
    }

    pub(super) fn bucket(&mut self, node: &Node<'_>, field: &str) -> Option<String> {
        let bucket = self.string(node, field)?;
        self.bucket_name(bucket, node, field)
    }

    fn bucket_name(&mut self, bucket: &str, node: &Node<'_>, field: &str) -> Option<String> {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let is_name = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(is_inner)
            && !bucket.starts_with(['.', '-'])
            && !bucket.ends_with(['.', '-'])
            && !bucket.contains("..");
        if !is_name {
            let message = format!(
                "'{bucket}' is not the name of a bucket: it has 3 to 63 small letters, digits, `.` and `-`"
            );
            self.invalid(node, field, message);
        }
        is_name.then(|| bucket.to_owned())
    }

    /// Reads a prefix, which begins at `start` in the content of the string `node`.
    pub(super) fn prefix(
        &mut self,
        (node, start): (&Node<'_>, usize),
        text: &str,
        field: &str,
        purpose: Purpose,
    ) -> Option<Prefix> {
        match Prefix::read(text, purpose) {
            Ok(prefix) => Some(prefix),
            Err(errors) => {
                for error in errors {
                    let at = self.offset(node, start + error.at);
                    self.error(at..at + 1, Some(field), INVALID_VALUE, error.message);
                }
                None
            }
        }
    }

    /// Reads `s3://bucket/prefix`.
    pub(super) fn place(&mut self, node: &Node<'_>, field: &str, purpose: Purpose) -> Option<Place> {
        let text = self.string(node, field)?;
        let Some(rest) = text.strip_prefix("s3://") else {
            self.invalid(node, field, format!("'{field}' must be a place such as `s3://bucket/prefix/`"));
            return None;
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let start = "s3://".len() + bucket.len() + 1;
        let prefix = self.prefix((node, start), prefix, field, purpose);
        let bucket = self.bucket_name(bucket, node, field)?;
        Some(Place { bucket: Some(bucket), prefix: prefix? })
    }
}

/// Returns ` (did you mean ...?)` if a word is near to the one that was written.
pub(super) fn hint(written: &str, words: &[&str]) -> String {
    nearest(written, words.iter().copied())
        .map_or_else(String::new, |word| format!(" (did you mean '{word}'?)"))
}
