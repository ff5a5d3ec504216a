//! Encodes the fields of one record as one row of `COPY`, or as one statement.

use super::super::cell;
use super::super::column::{Column, ColumnType};
use super::super::dialect::{Dialect, Form};
use super::super::encode;
use super::super::header::Fit;
use super::super::rounded::Rounded;
use super::super::splitter::{Span, Splitter};
use super::super::value_rules::ColumnRules;
use crate::sql::SqlTemplate;

/// The reason why a record without a value for a column is refused.
const NOT_NULL: &str = "is empty, but the column is NOT NULL; fill the value, or allow NULL in the table";

/// The reason why a number of a workbook is not an interval. PostgreSQL would count seconds, but a workbook counts days.
const NO_DURATION: &str = "is a number in a cell without the format of a duration; give its cells the format [h]:mm:ss in the workbook, \
                           and save the file again, or load the number into a column of numbers";

/// The reason why a record is refused: the name of the column at fault, and the reason.
pub(super) type Refusal = (Option<String>, String);

/// Reads the texts of the fields of a record.
pub(super) struct Values<'a> {
    pub(super) window: &'a [u8],
    pub(super) splitter: &'a Splitter,
    pub(super) dialect: &'a Dialect,
    /// Whether a quoted field can mean NULL, too.
    pub(super) quoted_nulls: bool,
    /// Whether the file is a text, and not a workbook or JSON.
    pub(super) is_text: bool,
    pub(super) scratch: &'a mut Vec<u8>,
}

impl Values<'_> {
    /// Returns the text of a field in a column of the type `kind` without its escapes, or `None` if the field means NULL.
    #[inline]
    fn text(&mut self, kind: ColumnType, span: Span) -> Option<&[u8]> {
        let raw = &self.window[span.start..span.end];
        if self.is_text && !span.quoted && !span.escaped {
            return if self.dialect.is_null(raw, false) { None } else { Some(raw) };
        }
        // A cell of a workbook may have two texts.
        let is_workbook = self.dialect.form == Form::Workbook;
        let raw = if is_workbook { cell::value(kind, raw) } else { raw };
        if self.dialect.is_null(raw, span.quoted) {
            return None;
        }
        let text = if span.escaped {
            self.splitter.unescape(self.window, span, self.scratch);
            if is_workbook { cell::value(kind, self.scratch) } else { self.scratch.as_slice() }
        } else {
            raw
        };
        let is_null =
            self.quoted_nulls && text.is_empty() || self.dialect.is_null_in_quotes(text, self.quoted_nulls);
        if span.quoted && is_null {
            return None;
        }
        Some(text)
    }

    /// Returns the rules for a field. A number of JSON, and a number or a date of a workbook, is written in one form, whatever
    /// form the rules give to texts.
    #[inline]
    fn rules<'r>(&self, rules: &'r ColumnRules, span: Span) -> &'r ColumnRules {
        static OF_TYPED: ColumnRules = ColumnRules::NONE;
        if self.is_text || rules.numbers.is_none() && rules.dates.is_empty() {
            return rules;
        }
        let raw = &self.window[span.start..span.end];
        // Only texts are quoted, apart from a cell with two texts.
        let is_typed = !span.quoted || raw.contains(&cell::MARK);
        let is_workbook = self.dialect.source_form() == Form::Workbook;
        let is_moment = || is_workbook && (raw.get(4) == Some(&b'-') || raw.contains(&b':'));
        if is_typed && (rules.numbers.is_some() || is_moment()) { &OF_TYPED } else { rules }
    }

    /// Returns whether a field is the number of a cell of a workbook that has no format of a duration or a time.
    fn is_number_of_workbook(&self, span: Span) -> bool {
        let raw = &self.window[span.start..span.end];
        self.dialect.source_form() == Form::Workbook
            && (!span.quoted || raw.contains(&cell::MARK))
            && !raw.is_empty()
            && !cell::plain(raw).iter().any(|byte| matches!(byte, b':' | b'P'))
    }

    /// Returns the text of a field for `column`, or `None` for NULL. A quoted empty field is also NULL if the type of
    /// the column has no empty value.
    ///
    /// # Errors
    ///
    /// If the field is NULL and the column is NOT NULL.
    #[inline]
    fn of(&mut self, column: &Column, span: Span) -> Result<Option<&[u8]>, Refusal> {
        if !self.is_text && matches!(column.kind, ColumnType::Interval(_)) && self.is_number_of_workbook(span)
        {
            return Err((Some(column.name.clone()), NO_DURATION.to_owned()));
        }
        let value =
            self.text(column.kind, span).filter(|text| !text.is_empty() || column.kind.has_empty_value());
        if value.is_none() && column.not_null {
            return Err((Some(column.name.clone()), NOT_NULL.to_owned()));
        }
        Ok(value)
    }
}

#[inline]
pub(super) fn binary_row(
    columns: &[Column],
    rules: &[ColumnRules],
    fields: &[Span],
    values: &mut Values<'_>,
    rounded: &mut Rounded,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    // A table has at most 1,600 columns, so the number fits into 16 bits.
    out.extend_from_slice(&(columns.len() as i16).to_be_bytes());
    for (index, ((column, rules), span)) in columns.iter().zip(rules).zip(fields).enumerate() {
        let rules = values.rules(rules, *span);
        match values.of(column, *span)? {
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            Some(text) => {
                encode::binary(column, rules, text, out)
                    .map_err(|reason| (Some(column.name.clone()), reason))?;
                rounded.look(index, rules, text);
            }
        }
    }
    Ok(())
}

pub(super) fn text_row(
    columns: &[Column],
    rules: &[ColumnRules],
    fields: &[Span],
    values: &mut Values<'_>,
    rounded: &mut Rounded,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    for (index, ((column, rules), span)) in columns.iter().zip(rules).zip(fields).enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        let rules = values.rules(rules, *span);
        match values.of(column, *span)? {
            None => out.extend_from_slice(b"\\N"),
            Some(text) => {
                encode::text(column, rules, text, out)
                    .map_err(|reason| (Some(column.name.clone()), reason))?;
                rounded.look(index, rules, text);
            }
        }
    }
    out.push(b'\n');
    Ok(())
}

/// Fills the placeholders of a statement. Each value is a literal that PostgreSQL reads as the value that the other two forms
/// give.
pub(super) fn statement(
    template: &SqlTemplate,
    columns: &[Column],
    rules: &[ColumnRules],
    fields: &[Span],
    values: &mut Values<'_>,
    rounded: &mut Rounded,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let mut texts = Vec::with_capacity(columns.len());
    for (index, ((column, rules), span)) in columns.iter().zip(rules).zip(fields).enumerate() {
        let rules = values.rules(rules, *span);
        let value = values.of(column, *span)?;
        let text = value.map(|text| encode::plain(column, rules, text)).transpose();
        let text = text.map_err(|reason| (Some(column.name.clone()), reason))?;
        value.into_iter().for_each(|text| rounded.look(index, rules, text));
        texts.push(text.map(|text| String::from_utf8_lossy(&text).into_owned()));
    }
    template.fill(&texts, out);
    Ok(())
}

/// Returns the fields of a record that go into columns, in the order of the columns.
#[inline]
pub(super) fn picked<'a>(fit: &Fit, fields: &'a [Span], picked: &'a mut Vec<Span>) -> &'a [Span] {
    if fit.fields.len() == fields.len() || fit.fields.is_empty() {
        return fields;
    }
    picked.clear();
    picked.extend(fit.fields.iter().map(|field| fields[*field]));
    picked
}
