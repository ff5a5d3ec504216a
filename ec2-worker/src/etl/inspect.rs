//! Inspects a file: finds its packing, its encoding and its separators, the values of its columns, and the rows that are
//! suspicious.
//!
//! [`survey`] looks at the bytes, [`rows`] reads the records and counts values in [`stats`], and [`verdict`] decides the
//! types. Loads are not involved, but the same code reads the records, dates and numbers.

use std::path::Path;
use std::sync::Arc;

use super::dialect::{Dialect, Form};
use super::input::Input;
use super::position::Position;
use super::records::Records;
use super::source::{Origin, Source};
use crate::failure::Failure;
use crate::panics;
use letters::Letters;
use rows::Rows;
use survey::Survey;
use verdict::{FileRules, Verdict};

pub mod header_sign;
pub mod letters;
pub mod moment;
pub mod moments;
pub mod number;
pub mod numbers;
pub mod place;
pub mod report;
mod row;
pub mod rows;
mod separators;
pub mod stats;
pub mod survey;
mod suspicions;
pub mod verdict;
pub mod verify;
pub mod words;

/// The note about a list of SAP.
const LIST: &str = "this looks like a list of SAP (ALV), with `|` around the values and lines of dashes between them. It is read \
                    with `columnSeparator` |, `myQuote` none and `myCommentPrefix` -. The first column is empty, and texts end \
                    with blanks; an export as a spreadsheet or as unconverted text has neither";

/// Receives the progress of an inspection: the number of bytes of text that were read, and the number of all bytes.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// The findings about a file.
pub struct Inspection {
    /// The name of the file for people.
    pub name: String,
    /// The findings about its bytes.
    pub survey: Survey,
    /// The letters beyond ASCII, if the encoding is a guess.
    pub letters: Option<Letters>,
    /// Its rows.
    pub rows: Rows,
    /// The names of its columns, made up if the file has no header.
    pub names: Vec<String>,
    /// The rules by which it can be read.
    pub rules: FileRules,
    /// The types of its columns.
    pub verdicts: Vec<Verdict>,
}

/// Inspects the local file at `path`, which messages call `name`. `sheet` is the name or number of a sheet, if the file
/// is a workbook.
///
/// # Errors
///
/// If the file cannot be read, or has no rows.
pub async fn inspect(
    path: &Path,
    name: &str,
    sheet: Option<&str>,
    progress: Progress,
) -> Result<Inspection, Failure> {
    let form = survey::form(path, name)?;
    let scratch = std::env::temp_dir();
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let survey = if form == Form::Workbook {
        survey::workbook(bytes)
    } else {
        let (input, scratch) = (open(path).await?, scratch.clone());
        named(name, path, blocking(move || survey::text(input, bytes, &scratch)).await)?
    };
    let letters = letters(path, name, &survey).await?;
    let mut dialect = Dialect {
        form: survey.form,
        detects: survey.form == Form::Text,
        encoding: survey.declared,
        sheet: sheet.map(str::to_owned),
        ..Dialect::default()
    };
    let is_list = survey.form == Form::Text && separators::is_list(&survey.head);
    if is_list {
        dialect = Dialect {
            separator: b"|".to_vec(),
            quote: None,
            comment: b"-".to_vec(),
            detects: false,
            ..dialect
        };
    }
    let mut rows = read(path, name, &survey, dialect.clone(), &progress).await?;
    if rows.preamble > 0 {
        // Without the first lines, the separator and the width of a sheet may be other ones.
        dialect.skip_lines = rows.preamble;
        rows = read(path, name, &survey, dialect, &progress).await?;
    }
    if is_list {
        rows.notes.push(LIST.to_owned());
    }
    if survey.form == Form::Text && (rows.columns.len() < 2 || rows.other_width_count > 0) {
        for separator in separators::rare(&survey.head) {
            let other = Dialect {
                separator: separator.as_bytes().to_vec(),
                detects: false,
                encoding: survey.declared,
                ..Dialect::default()
            };
            let other = read(path, name, &survey, other, &progress).await?;
            let fits = other.columns.len() > 1 && other.other_width_count == 0 && other.broken_count == 0;
            // Words of a text are not columns: each line of prose has another number of them, but two lines may not.
            let is_prose = separator == " " && !other.has_r_header && other.rows < 3;
            if fits && !is_prose {
                rows = other;
                break;
            }
        }
    }
    if rows.rows == 0 && rows.header.is_none() {
        let what = match (rows.broken.first(), rows.notes.iter().find(|note| note.contains("sheet"))) {
            (Some(place), _) => format!("no record can be read; line {}: {}", place.line, place.text),
            (None, Some(note)) => format!("the file has no rows; {note}"),
            (None, None) => "the file has no rows".to_owned(),
        };
        return Err(Failure::bad_input("NoRows", format!("{name}: {what}")));
    }
    let names = match &rows.header {
        Some(header) => header.iter().map(|name| name.trim().to_owned()).collect(),
        None => (1..=rows.columns.len()).map(|number| format!("column_{number}")).collect::<Vec<_>>(),
    };
    let (rules, verdicts) = verdict::decide(&rows.columns, &names);
    Ok(Inspection { name: name.to_owned(), survey, letters, rows, names, rules, verdicts })
}

/// Reads a text once more if its encoding was guessed.
async fn letters(path: &Path, name: &str, survey: &Survey) -> Result<Option<Letters>, Failure> {
    let Some(guess) = survey.declared else { return Ok(None) };
    let input = open(path).await?;
    let read = blocking(move || Letters::read(input, guess, &std::env::temp_dir())).await;
    named(name, path, read).map(Some)
}

async fn read(
    path: &Path,
    name: &str,
    survey: &Survey,
    dialect: Dialect,
    progress: &Progress,
) -> Result<Rows, Failure> {
    let input = open(path).await?;
    let (of, name_of, total, progress) =
        (name.to_owned(), name.to_owned(), survey.text_bytes, Arc::clone(progress));
    let read = blocking(move || {
        let scratch = std::env::temp_dir();
        let records = Records::begin(input, of, dialect, Position::START, None, &scratch)?;
        rows::read(records, &|bytes| progress(bytes, total))
    });
    named(&name_of, path, read.await)
}

async fn open(path: &Path) -> Result<Input, Failure> {
    Source { origin: Origin::File(path.to_owned()), gzip: false }.open().await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(move || panics::caught("inspecting the file", work)).await;
    done.map_err(|error| Failure::internal(error.to_string()))?
}

/// Calls the file by its name for people, if a failure calls it by its path.
fn named<T>(name: &str, path: &Path, result: Result<T, Failure>) -> Result<T, Failure> {
    result.map_err(|mut failure| {
        failure.message = failure.message.replace(&path.display().to_string(), name);
        failure
    })
}

#[cfg(test)]
mod tests;
