//! The mended rows of one file, as a small file in the same dialect.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::super::super::date::Pattern;
use super::super::super::dialect::{Dialect, Form};
use super::super::super::input::{Input, push_text};
use super::super::super::position::Position;
use super::super::super::records::Records;
use super::super::super::rejected::RefusedRow;
use super::super::super::rejects::Spool;
use super::super::super::splitter::{Splitter, Step};
use super::super::super::value_rules::ValueRules;
use super::Mended;
use crate::failure::Failure;

/// The mended rows of one file, as a file.
pub(super) struct MendedFile<'a> {
    /// The name of the original file.
    pub(super) original: String,
    pub(super) path: PathBuf,
    pub(super) dialect: Dialect,
    /// The offset of each row in the new file.
    pub(super) rows: Vec<(u64, &'a Mended)>,
}

/// Returns the dialect of a file, and its header with the record end, if it has a header.
pub(super) fn beginning(
    input: Input,
    name: String,
    dialect: Dialect,
    columns: Option<usize>,
    scratch: &Path,
) -> Result<(Dialect, Vec<u8>), Failure> {
    let mut records = Records::begin(input, name, dialect, Position::START, columns, scratch)?;
    let mut header = Vec::new();
    if records.dialect().header
        && let Some(first) = records.read()?
    {
        let end = records.dialect().record_end.bytes().to_vec();
        header.extend_from_slice(&records.window()[first.bytes]);
        if !header.ends_with(&end) {
            header.extend_from_slice(&end);
        }
    }
    Ok((records.dialect().clone(), header))
}

/// Returns the dialect for a file that has only the header and rows of a file, as UTF-8 text.
pub(super) fn plain(found: Dialect) -> Dialect {
    Dialect {
        form: Form::Text,
        made_from: found.form,
        detects: false,
        comment: Vec::new(),
        skip_lines: 0,
        skip_footer: 0,
        encoding: None,
        sheet: None,
        ..found
    }
}

/// Checks that a text is one whole record. Another text would swallow the rows after it, or become several rows.
pub(super) fn one_record(text: &str, dialect: &Dialect) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("raw_line is empty; write the mended row there, or remove this line");
    }
    if text.contains('\u{fffd}') {
        return Err(
            "raw_line has the character U+FFFD in place of bytes that could not be read; write what belongs there",
        );
    }
    let whole = [text.as_bytes(), dialect.record_end.bytes()].concat();
    // An escape at the end of the text would take the record end, and the record would go on.
    let followed = [&whole[..], b"x"].concat();
    match Splitter::new(dialect).split(&followed, 0, true) {
        Step::Record { len, .. } if len == whole.len() => Ok(()),
        Step::QuoteOpen(_) => Err("in raw_line a quote opens and is never closed; close it, or double it"),
        Step::Record { .. } | Step::NeedMore => Err(
            "raw_line is not one record; give each row a line of its own, and quote values with line breaks",
        ),
    }
}

/// Returns an object that a person has mended in a row of JSON as the record that the reader of JSON makes of it. Returns `None` if the
/// text is not an object, or its file is not JSON.
///
/// # Errors
///
/// If the text is not JSON, or the keys are not those of the header.
pub(super) fn record_of_object(
    text: &str,
    header: &[u8],
    dialect: &Dialect,
) -> Option<Result<String, String>> {
    (dialect.made_from == Form::Json && text.trim_start().starts_with('{')).then(|| {
        let object: HashMap<String, Box<RawValue>> = serde_json::from_str(text)
            .map_err(|error| format!("raw_line is not an object of JSON: {error}; correct it"))?;
        let header = fields(String::from_utf8_lossy(header).trim_end(), dialect);
        let names: Vec<String> = header.into_iter().map(|(name, _)| name.replace("\"\"", "\"")).collect();
        if let Some(key) = object.keys().find(|key| !names.contains(key)) {
            let keys = names.join(", ");
            return Err(format!("raw_line has the key `{key}`, which the file lacks; it has {keys}"));
        }
        let (mut record, literals) = (Vec::new(), dialect.literals.of_keys(&names));
        for (index, name) in names.iter().enumerate() {
            if index > 0 {
                record.push(b',');
            }
            let value = object.get(name).map_or("", |value| value.get());
            if let Some(reason) = literals[index].and_then(|literal| literal.refusal(name, value)) {
                return Err(reason);
            }
            match object.get(name).map(|value| value.get()) {
                None => {
                    return Err(format!(
                        "raw_line lacks the key `{name}`; write it, with null if there is no value"
                    ));
                }
                Some("null") => {}
                Some(text) if text.starts_with('"') => {
                    let text: String = serde_json::from_str(text).map_err(|error| error.to_string())?;
                    push_text(&text, true, &mut record);
                }
                Some(other) => push_text(other, false, &mut record),
            }
        }
        String::from_utf8(record).map_err(|error| error.to_string())
    })
}

/// Returns a field that a person has written without quotes into a row of a workbook or of JSON, if the rules for texts would
/// read it as another value. A field without quotes is a number or a date there, which the rules do not concern, but a person
/// may write it as the texts of the file are written. `before` is the row as it was refused.
pub(super) fn two_meanings(
    before: &str,
    text: &str,
    dialect: &Dialect,
    rules: &ValueRules,
) -> Option<String> {
    let contradicts_iso = |pattern: &Pattern| pattern.contradicts_iso();
    let has_other_dates =
        rules.dates.iter().chain(rules.columns.iter().map(|of| &of.pattern)).any(contradicts_iso);
    if dialect.made_from == Form::Text || rules.numbers.is_none() && !has_other_dates {
        return None;
    }
    let is_other = |field: &str| {
        let form = rules.numbers.as_ref();
        let by_form = form.and_then(|form| form.plain(field.as_bytes()).map(std::borrow::Cow::into_owned));
        let by_form = by_form.and_then(|plain| String::from_utf8(plain).ok()?.parse::<f64>().ok());
        let is_other_number = by_form.zip(field.parse::<f64>().ok()).is_some_and(|(one, other)| one != other);
        is_other_number || has_other_dates && field.as_bytes().get(4) == Some(&b'-')
    };
    let (before, after) = (fields(before, dialect), fields(text, dialect));
    let changed = after.iter().enumerate().filter(|(index, field)| before.get(*index) != Some(field));
    changed
        .filter(|(_, (_, quoted))| !quoted)
        .map(|(_, (field, _))| field.trim())
        .find(|it| is_other(it))
        .map(str::to_owned)
}

/// Returns the fields of a record as they are written, and whether each is in quotes.
fn fields(record: &str, dialect: &Dialect) -> Vec<(String, bool)> {
    let whole = [record.as_bytes(), dialect.record_end.bytes()].concat();
    let mut splitter = Splitter::new(dialect);
    splitter.split(&whole, 0, true);
    let spans = splitter.fields().iter();
    let text = |start, end| String::from_utf8_lossy(&whole[start..end]).into_owned();
    spans.map(|span| (text(span.start, span.end), span.quoted)).collect()
}

impl MendedFile<'_> {
    /// Returns the rows that were refused, with their new reasons.
    pub(super) fn refused(&self, spool: &mut Spool) -> Result<Vec<RefusedRow>, Failure> {
        if spool.count() == 0 {
            return Ok(Vec::new());
        }
        let problem = |error: csv::Error| Failure::scratch("reading rejects", &error.into());
        let mut refused = Vec::new();
        for record in csv::Reader::from_reader(spool.reader()?).into_records() {
            let record = record.map_err(problem)?;
            let offset: u64 = record.get(2).and_then(|text| text.parse().ok()).unwrap_or_default();
            let index = self.rows.partition_point(|(start, _)| *start <= offset);
            let Some((_, mended)) = index.checked_sub(1).and_then(|index| self.rows.get(index)) else {
                continue;
            };
            let column = record.get(3).filter(|column| !column.is_empty());
            let row = RefusedRow {
                column_name: column.map(str::to_owned),
                reason: record.get(4).unwrap_or_default().to_owned(),
                ..mended.row.clone()
            };
            refused.push((index, row));
        }
        // The database refuses rows after the worker has refused others.
        refused.sort_by_key(|(index, _)| *index);
        Ok(refused.into_iter().map(|(_, row)| row).collect())
    }

    /// Names the original file in a failure.
    pub(super) fn renamed(&self, mut failure: Failure) -> Failure {
        failure.message = failure.message.replace(&self.path.display().to_string(), &self.original);
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::super::dialect::RecordEnd;
    use super::*;

    #[test]
    fn a_mended_row_is_one_whole_record() {
        let plain = Dialect::default();
        for good in ["1,2", "a", "\"a\nb\",2", "1,2,3,", ","] {
            assert_eq!(one_record(good, &plain), Ok(()), "{good}");
        }
        for bad in ["", "caf\u{fffd},1", "1,\"2", "1\n2", "\"a\"\n\"b\""] {
            assert!(one_record(bad, &plain).is_err(), "{bad}");
        }
        let escaped = Dialect { escape: Some(b'\\'), ..Dialect::default() };
        assert!(one_record("1,2\\", &escaped).is_err(), "it would swallow the line end");
        let by_bar = Dialect { record_end: RecordEnd::Bytes(b"|".to_vec()), ..Dialect::default() };
        assert!(one_record("1,2|3", &by_bar).is_err());
        assert_eq!(one_record("1,2\n3", &by_bar), Ok(()));
    }
}
