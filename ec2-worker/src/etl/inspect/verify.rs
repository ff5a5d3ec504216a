//! Reads a file once more, as a load would, to find the columns with values that a load would refuse.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::cell;
use super::super::column::Column;
use super::super::dialect::{Dialect, Form};
use super::super::encode;
use super::super::position::Position;
use super::super::records::Records;
use super::super::value_rules::ValueRules;
use super::{blocking, open};
use crate::failure::Failure;

/// How a load would read a file.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The dialect, with its texts for NULL.
    pub dialect: Dialect,
    /// Whether the first record is the header.
    pub has_header: bool,
    /// The columns of the table, in the order of the file.
    pub columns: Vec<Column>,
    /// The rules for values.
    pub rules: ValueRules,
}

/// Returns the columns with a value that a load would refuse: the index of the column, and the first reason with its
/// line. Records with too few fields are left out.
///
/// # Errors
///
/// If the file cannot be read.
pub async fn refusals(path: &Path, trial: Trial) -> Result<BTreeMap<usize, String>, Failure> {
    let input = open(path).await?;
    let name = path.display().to_string();
    blocking(move || {
        let scratch = std::env::temp_dir();
        let records = Records::begin(input, name, trial.dialect.clone(), Position::START, None, &scratch)?;
        refused(records, &trial)
    })
    .await
}

fn refused(mut records: Records, trial: &Trial) -> Result<BTreeMap<usize, String>, Failure> {
    let (each, is_workbook) = (trial.rules.of_each(&trial.columns), trial.dialect.form == Form::Workbook);
    let (mut refused, mut text, mut skips) = (BTreeMap::new(), Vec::new(), trial.has_header);
    loop {
        let record = match records.read() {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(refused),
            // The inspection has already reported the quote that is never closed.
            Err(failure) if failure.id == "BadInput:OpenQuote" => return Ok(refused),
            Err(failure) => return Err(failure),
        };
        if std::mem::take(&mut skips) || records.splitter().fields().len() < trial.columns.len() {
            continue;
        }
        for (index, (column, rules)) in trial.columns.iter().zip(&each).enumerate() {
            let span = records.splitter().fields()[index];
            records.splitter().unescape(records.window(), span, &mut text);
            if is_workbook {
                text = cell::value(column.kind, &text).to_vec();
            }
            let raw = &records.window()[span.start..span.end];
            let means_null = trial.dialect.is_null(raw, span.quoted)
                || trial.dialect.is_null_in_quotes(&text, trial.rules.quoted_nulls);
            if text.is_empty() || means_null || refused.contains_key(&index) {
                continue;
            }
            if let Err(reason) = encode::plain(column, rules, &text) {
                refused.insert(index, format!("line {}: {reason}", record.at.line));
            }
        }
    }
}
