//! Reads a file as a load would read it, but without a database. Finds its dialect and its columns, and the records
//! that a load refuses for any table.

use super::column::Column;
use super::header::{self, Target};
use super::load::Load;
use super::position::Position;
use super::records::{Records, Skipped};
use super::source::Source;
use super::transform::{self, Message, Plan, Reject, Shape};
use crate::failure::Failure;
use crate::panics;

/// The largest number of refused records that a look contains; the others are only counted.
const KEPT: usize = 5;

/// The findings about a file.
#[derive(Debug, Default)]
pub struct Look {
    /// The names in the header, or else the declared columns, or else `column 1` and so on.
    pub columns: Vec<String>,
    /// Sentences for the user, such as which separator was found.
    pub notes: Vec<String>,
    /// The number of records that can be read.
    pub rows: u64,
    /// The number of records that cannot be read.
    pub refused: u64,
    /// The first refused records.
    pub rejects: Vec<Reject>,
    /// The numbers of records that a load leaves out.
    pub skipped: Skipped,
}

/// Reads the file of `source` with the data format of `load`.
///
/// # Errors
///
/// If a load could not read the file, such as after a quote that is never closed.
pub async fn look(load: &Load, source: &Source) -> Result<Look, Failure> {
    let mut look = Look { columns: columns(load, source).await?, ..Look::default() };
    look.notes.extend(one_column_note(&look.columns));
    let declared = header::declared_names(&load.declared);
    // A name that comes twice is refused by the reading.
    let mut known: Vec<&String> = Vec::new();
    for name in look.columns.iter().chain(&declared) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    let columns = known.into_iter().map(|name| Column { has_default: true, ..Column::of_text(name.clone()) });
    let target = Target { columns: columns.collect(), generated: Vec::new(), on_columns: load.on_columns };
    let plan = Plan {
        file: source.name(),
        table: load.table.clone(),
        dialect: load.dialect.clone(),
        rules: load.rules.clone(),
        shape: Shape::Table { target, declared },
        scratch: load.scratch.clone(),
        is_plain: false,
        rows_of: load.rows_of,
    };
    let mut messages = transform::start(source.open().await?, plan);
    while let Some(message) = messages.recv().await {
        match message {
            Message::Begin(begin) => look.notes.extend(begin.notes),
            Message::Chunk(chunk) => {
                look.rows += chunk.rows;
                look.refused += chunk.rejects.len() as u64;
                let space = KEPT.saturating_sub(look.rejects.len());
                look.rejects.extend(chunk.rejects.into_iter().take(space));
            }
            Message::Failed(failure) => return Err(failure),
            Message::End(end) => {
                look.notes.extend(end.notes);
                look.skipped = end.skipped;
            }
        }
    }
    Ok(look)
}

/// Returns a note if there is only one name, and this name contains a separator.
fn one_column_note(columns: &[String]) -> Option<String> {
    let [name] = columns else { return None };
    let separator = [';', '\t', '|', ','].into_iter().find(|separator| name.contains(*separator))?;
    Some(format!(
        "the only column is named `{name}`; if {separator:?} separates columns, set `columnSeparator`, or `myDialect` to auto"
    ))
}

/// Returns the names in the header. Without a header, returns the declared columns, or else a name for each field of
/// the first record.
async fn columns(load: &Load, source: &Source) -> Result<Vec<String>, Failure> {
    let input = source.open().await?;
    let (name, dialect, scratch) = (source.name(), load.dialect.clone(), load.scratch.clone());
    let declared = header::declared_names(&load.declared);
    let count = Some(declared.len()).filter(|count| *count > 0);
    let read = tokio::task::spawn_blocking(move || {
        panics::caught("reading the file", || {
            let mut records = Records::begin(input, name, dialect, Position::START, count, &scratch)?;
            if records.read()?.is_none() {
                return Ok(declared);
            }
            let fields = records.splitter().fields();
            if !records.dialect().header {
                let numbered = || (1..=fields.len()).map(|number| format!("column {number}")).collect();
                return Ok(if declared.is_empty() { numbered() } else { declared });
            }
            let mut text = Vec::new();
            let names = fields.iter().map(|span| {
                records.splitter().unescape(records.window(), *span, &mut text);
                String::from_utf8_lossy(&text).trim().to_owned()
            });
            Ok(names.filter(|name| !name.is_empty()).collect())
        })
    });
    read.await.map_err(|error| Failure::internal(error.to_string()))?
}
