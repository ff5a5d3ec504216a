//! Says why a record is refused before its values are read: its bytes, its quotes, the number of its fields.

use std::ops::Range;

use definition::counted::counted;
use memchr::memchr;

use super::rows::Refusal;
use super::{FileReader, Layout, Plan, RowsOf, Shape};
use crate::etl::cell;
use crate::etl::column::{Column, ColumnType};
use crate::etl::dialect::{Dialect, Form};
use crate::etl::encode;
use crate::etl::header::WrongHeader;
use crate::etl::input::{bad_bytes, push_text};
use crate::etl::position::Position;
use crate::failure::Failure;

/// The treatment of a file whose first record is a row in spite of `myHeader`.
pub(super) const NO_HEADER: &str = "the first record looks like a row, because its texts are values of the columns; if the file has no header, \
                         set `myHeader` false, and otherwise leave the header out by `mySkipLines`";

impl FileReader {
    /// Returns a record as the file has it, without its end.
    pub(super) fn raw(&self, record: &Range<usize>) -> Vec<u8> {
        let bytes = &self.records.window()[record.clone()];
        let bytes = bytes.strip_suffix(self.plan.dialect.record_end.bytes()).unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let reason = bad_bytes::reason(bytes);
        let bytes = reason.as_ref().map_or(bytes, |(_, raw)| raw.as_slice());
        match self.plan.dialect.form == Form::Workbook && bytes.contains(&cell::MARK) {
            true => self.raw_cells(),
            false => bytes.to_vec(),
        }
    }

    /// Returns the last record of a workbook as CSV, with the text of each cell that its column takes. Texts stay in quotes,
    /// because the forms of numbers and dates count for texts only, also when a person has mended the row.
    pub(super) fn raw_cells(&self) -> Vec<u8> {
        let splitter = self.records.splitter();
        let (mut raw, mut text) = (Vec::new(), Vec::new());
        for (index, span) in splitter.fields().iter().enumerate() {
            splitter.unescape(self.records.window(), *span, &mut text);
            let column = self.layout.as_ref().and_then(|layout| layout.column_of(index));
            let value = column.map_or_else(|| cell::shown(&text), |column| cell::value(column.kind, &text));
            let is_text = span.quoted && !text.contains(&cell::MARK);
            if index > 0 {
                raw.push(b',');
            }
            push_text(&String::from_utf8_lossy(value), is_text, &mut raw);
        }
        raw
    }

    pub(super) fn wrong_count(&self, found: usize, expected: usize) -> String {
        let mut note = "";
        let mut fields = found;
        if self.plan.dialect.trailing_separator {
            // The header ends with a separator, so a record has one empty field more.
            if found == expected + 1 {
                return "a value follows the last separator, but the header names no column for it; remove the value, or \
                        name its column in the header"
                    .to_owned();
            }
            if found == expected {
                return "the separator at the end is missing, which the header has; add it".to_owned();
            }
            fields = found.saturating_sub(1).max(1);
            note = " before the separator at the end, which the header has too";
        }
        if self.plan.dialect.form == Form::Workbook {
            let remedy = if fields > expected {
                "clear the cells beyond the last column, or name their columns in the first row"
            } else {
                "fill the missing cells, or leave out a row that is none (`mySkipLines`, `mySkipFooter`)"
            };
            return format!("{} instead of {expected}; {remedy}", counted(fields, "cell"));
        }
        if self.plan.dialect.form == Form::Json {
            return format!(
                "{} instead of {expected}: every key of the first 1,000 objects needs a `?` of `insertQuery`, and two of them have one \
                 name apart from capital letters, spaces, `_` and `-`; leave one out",
                counted(found, "key")
            );
        }
        let last = self.records.splitter().fields().last();
        if found == expected + 1 && last.is_some_and(|last| last.start == last.end && !last.quoted) {
            return format!(
                "{} instead of {expected}: the line ends with a separator, and {}",
                counted(found, "column"),
                self.after_last()
            );
        }
        // A line of totals or a title often has fewer fields than the rows.
        let remedy = if fields > expected {
            self.plan.dialect.with_separators()
        } else if fields == 1 {
            "the file may have another separator, or the line is not a row (`mySkipLines`, `mySkipFooter`)"
        } else {
            "add the missing values, or leave out a line that is not a row (`mySkipFooter`)"
        };
        format!("{} instead of {expected}{note}; {remedy}", counted(fields, "column"))
    }

    /// Says that nothing takes a value after the separator at the end of a line, and what to do.
    fn after_last(&self) -> &'static str {
        match (&self.layout, &self.plan.shape) {
            (Some(Layout::Statements(statement)), _) if !statement.is_named => {
                "`insertQuery` has no `?` for a value after it; remove the separator, or add a `?`"
            }
            _ if self.plan.dialect.header => "the header does not; end all lines in the same way",
            (_, Shape::Table { declared, .. }) if !declared.is_empty() => {
                "`column` of the data format names no column after it; remove the separator, or name the column"
            }
            _ => "the table has no column after it; remove the separator",
        }
    }

    /// Says why a header does not fit the table.
    pub(super) fn wrong_header(
        &self,
        at: Position,
        WrongHeader(problems): &WrongHeader,
        names: &[String],
        columns: &[Column],
    ) -> Failure {
        let Plan { file, table, .. } = &self.plan;
        let hint = if self.plan.dialect.form == Form::Json {
            "; the header of JSON is the keys of its first 1,000 objects".to_owned()
        } else if self.is_like_row(names, columns) {
            format!("; {NO_HEADER}")
        } else {
            String::new()
        };
        let problems = problems.join("; ");
        // The keys of JSON have no line of their own.
        let line =
            if self.plan.dialect.form == Form::Json { String::new() } else { format!(", line {}", at.line) };
        let message = format!("{file}{line}: the header does not fit table {table}: {problems}{hint}");
        Failure::bad_input("Header", message)
    }

    /// Says why the columns of a query do not fit the table.
    pub(super) fn wrong_query(&self, WrongHeader(problems): &WrongHeader) -> Failure {
        let message = format!(
            "the columns of `selectQuery` do not fit table {}: {}",
            self.plan.table,
            problems.join("; ")
        );
        Failure::bad_input("Definition", message)
    }

    /// Says why the declared columns do not fit the table.
    pub(super) fn wrong_columns(&self, WrongHeader(problems): &WrongHeader) -> Failure {
        let Plan { file, table, .. } = &self.plan;
        let message = format!(
            "{file}: `column` of the data format does not fit table {table}: {}; without `column`, the fields fill the columns \
             of the table in order",
            problems.join("; ")
        );
        Failure::bad_input("Definition", message)
    }

    /// Returns whether the names of a header are values of the columns in order, and not only of columns that take every text.
    pub(super) fn is_like_row(&self, names: &[String], columns: &[Column]) -> bool {
        let rules = self.plan.rules.of_each(columns);
        let fields = names
            .iter()
            .zip(columns)
            .zip(&rules)
            .filter(|((name, column), _)| !name.is_empty() && !takes_names(column.kind, name));
        let mut values =
            fields.map(|((name, column), rules)| encode::plain(column, rules, name.as_bytes()).is_ok());
        names.len() == columns.len() && values.next() == Some(true) && values.all(|is_value| is_value)
    }

    /// Says that a file has no rows, and which records were left out.
    pub(super) fn no_rows(&self) -> Failure {
        let file = &self.plan.file;
        let left_out = self.left_out();
        let sheet = self.records.opened().notes.iter().find(|note| note.starts_with("read the sheet"));
        // The layout is decided at the first record.
        let message = match (self.records.position().offset, self.plan.dialect.header, &self.layout) {
            _ if self.plan.rows_of != RowsOf::File => format!("{file} gives no rows"),
            _ if sheet.is_some() => {
                format!("{file}: the sheet has no rows{left_out}; {}", sheet.map_or("", String::as_str))
            }
            (0, ..) if left_out.is_empty() => format!("{file}: the file is empty"),
            (_, true, Some(_)) => format!("{file}: the file has a header, but no rows{left_out}"),
            (_, true, None) => format!("{file}: the file has neither a header nor rows{left_out}"),
            (_, false, _) => format!("{file}: the file has no rows{left_out}"),
        };
        Failure::bad_input("NoRows", format!("{message}; the table is left as it was"))
    }

    /// Says which lines were left out of a file that has no rows.
    fn left_out(&self) -> String {
        let skipped = self.records.skipped();
        let kinds = [
            (skipped.head, "at the start (`mySkipLines`)"),
            (skipped.comments, "of comments (`myCommentPrefix`)"),
            (skipped.footer, "at the end (`mySkipFooter`)"),
            (skipped.blank, "without a value"),
        ];
        let there = kinds.iter().filter(|(count, _)| *count > 0);
        let shown: Vec<String> =
            there.map(|(count, what)| format!("{} {what}", counted(count, "line"))).collect();
        if shown.is_empty() { String::new() } else { format!("; left out: {}", shown.join(", ")) }
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
            return Err((None, String::from_utf8_lossy(&reason).trim_end().to_owned()));
        }
        let (index, what) = if let Err(error) = std::str::from_utf8(bytes) {
            let index = error.valid_up_to();
            let byte = bad_bytes::at(&bytes[index..]).unwrap_or(bytes[index]);
            let encoding = self.encoding();
            (
                index,
                format!("byte {byte:#04x} is not {encoding}; {}", hint(&self.plan.dialect, encoding, bytes)),
            )
        } else if let Some(index) = memchr(0, bytes) {
            let zeros = bytes.iter().filter(|byte| **byte == 0).count();
            let what = if zeros * 3 > bytes.len() {
                "a NUL byte, as in UTF-16 without a byte order mark; set `myEncoding` to utf-16le or utf-16be, or save the file as UTF-8"
            } else {
                "a NUL byte, which PostgreSQL cannot store; remove it"
            };
            (index, what.to_owned())
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

/// Returns whether a column of this type would take the name as a value before the database looks at it.
fn takes_names(kind: ColumnType, name: &str) -> bool {
    match kind {
        ColumnType::Text(_) | ColumnType::OtherText | ColumnType::Other | ColumnType::Enum(_) => true,
        ColumnType::Bytea => !name.starts_with("\\x"),
        ColumnType::Interval(_) => !name.bytes().any(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Returns what to do if a file is not in the encoding `found`.
pub(super) fn hint(dialect: &Dialect, found: &str, record: &[u8]) -> &'static str {
    // These bytes are no characters of windows-1252, and letters in others.
    const OTHERS: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];
    let (mut letters, mut others) = (0, 0);
    for chunk in record.utf8_chunks() {
        letters += chunk.valid().chars().filter(|letter| !letter.is_ascii()).count();
        others += usize::from(!chunk.invalid().is_empty());
    }
    let has_utf8 = letters > others;
    match dialect.encoding {
        _ if found.starts_with("UTF-16") || found == "UTF-32" => {
            "the file begins in this encoding; write this character again"
        }
        None if has_utf8 => {
            "other characters of the record are UTF-8, so this one is damaged or cut; write it again"
        }
        None if record.iter().any(|byte| OTHERS.contains(byte)) => {
            "save the file as UTF-8, or set `myEncoding`, for example to macintosh or windows-1250"
        }
        None => "save the file as UTF-8, or set `myEncoding`, for example to windows-1252",
        Some(_) => {
            "`myEncoding` must name the encoding of the file; correct it, or write this character again"
        }
    }
}
