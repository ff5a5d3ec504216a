//! Says why a record is refused before its values are read: its bytes, its quotes, the number of its fields.

use std::ops::Range;

use memchr::memchr;

use super::Thread;
use super::rows::Refusal;
use crate::etl::dialect::Dialect;
use crate::etl::input::bad_bytes;

impl Thread {
    pub(super) fn wrong_count(&self, found: usize, expected: usize) -> String {
        let trailing = self.plan.dialect.trailing_separator;
        let (found, note) = match trailing {
            true if found > 0 => (found - 1, " before the separator at the end, which the header has too"),
            _ => (found, ""),
        };
        format!("{found} column{} instead of {expected}{note}", if found == 1 { "" } else { "s" })
    }

    /// Says why text follows the closing quote of a field.
    pub(super) fn text_after_quote(&self, index: usize) -> String {
        let Some(span) = self.records.splitter().fields().get(index) else { return String::new() };
        let is_backslash =
            self.plan.dialect.escape.is_none() && self.records.window()[..span.end].ends_with(b"\\");
        let end = if is_backslash {
            "; if \\\" is a quote inside the text, set `escapeChar` to \\"
        } else {
            "; a quote inside the text must be doubled"
        };
        format!("text follows the closing quote{end}")
    }

    /// Returns the name of the encoding of the file.
    pub(super) fn encoding(&self) -> &'static str {
        self.records.opened().encoding.unwrap_or("UTF-8")
    }

    pub(super) fn check_text(&self, record: &Range<usize>) -> Result<(), Refusal> {
        let bytes = &self.records.window()[record.clone()];
        if let Some((reason, _)) = bad_bytes::reason(bytes) {
            return Err((None, String::from_utf8_lossy(reason).trim_end().to_owned()));
        }
        let (index, what) = if let Err(error) = std::str::from_utf8(bytes) {
            let index = error.valid_up_to();
            let byte = bad_bytes::at(&bytes[index..]).unwrap_or(bytes[index]);
            let encoding = self.encoding();
            (index, format!("byte {byte:#04x} is not {encoding}; {}", hint(&self.plan.dialect, encoding)))
        } else if let Some(index) = memchr(0, bytes) {
            (index, "a NUL byte, which PostgreSQL cannot store".to_owned())
        } else if let Some(index) = self.lone_return(record) {
            let what = "a carriage return (CR) without a line feed, outside quotes; quote the text, or end every line \
                        in the same way";
            (index, what.to_owned())
        } else {
            return Ok(());
        };
        let place = record.start + index;
        let field = self.records.splitter().fields().iter().position(|span| place <= span.end);
        Err((
            field.and_then(|field| self.column_name(field)),
            format!("{what} (byte {} of the line)", index + 1),
        ))
    }

    /// Returns the index in the record of a carriage return in an unquoted field.
    fn lone_return(&self, record: &Range<usize>) -> Option<usize> {
        if !self.plan.dialect.ends_by_line() {
            return None;
        }
        let fields = self.records.splitter().fields().iter().filter(|span| !span.quoted && !span.escaped);
        fields
            .filter_map(|span| {
                memchr(b'\r', &self.records.window()[span.start..span.end]).map(|index| span.start + index)
            })
            .next()
            .map(|index| index - record.start)
    }
}

/// Returns what to do if a file is not in the encoding `found`.
pub(super) fn hint(dialect: &Dialect, found: &str) -> &'static str {
    match dialect.encoding {
        _ if found.starts_with("UTF-16") || found == "UTF-32" => {
            "the file begins in this encoding; write this character again"
        }
        None => "save the file as UTF-8, or set `myEncoding`, for example to windows-1252",
        Some(_) => "`myEncoding` names the encoding of the file",
    }
}
