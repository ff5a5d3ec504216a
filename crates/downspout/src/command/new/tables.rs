//! Writes the SQL that creates the tables, with the known facts about each column as a comment.

use std::fmt::Write as _;

use definition::counted::counted;
use ec2_worker::etl::inspect::report::{Report, Suspicion};
use ec2_worker::etl::inspect::verdict::SqlType;

use super::super::inspect::{header, percent};
use super::super::output::count;
use super::names::quoted;
use super::table::FileTable;

/// The longest line of a comment.
const WIDTH: usize = 110;

/// Returns the script for all files.
pub(super) fn script(name: &str, schema: &str, files: &[FileTable]) -> String {
    let mut sql =
        format!("-- The tables of the pipeline {name}. `downspout new` made them from these files:\n");
    for file in files {
        let rows = counted(count(file.inspection.rows.rows), "row");
        let _ = writeln!(sql, "--   {}, {rows}", plain(&file.inspection.name));
    }
    sql.push_str(
        "-- The script runs before each load and creates only what is missing. A table that exists stays as it is, so\n\
         -- change types before the first run, or with ALTER TABLE. A column is text where the values allow no other\n\
         -- type without loss.\n\n",
    );
    let _ = writeln!(sql, "CREATE SCHEMA IF NOT EXISTS {};", quoted(schema));
    for file in files {
        sql.push_str(&table(schema, file));
    }
    sql
}

fn table(schema: &str, file: &FileTable) -> String {
    let report = Report::of(&file.inspection);
    let mut sql = String::from("\n");
    for line in lines(&plain(&about(file, &report))) {
        let _ = writeln!(sql, "-- {line}");
    }
    let _ = writeln!(sql, "CREATE TABLE IF NOT EXISTS {}.{} (", quoted(schema), quoted(&file.table));
    let types = file.types();
    for (index, (name, column)) in file.columns.iter().zip(&report.columns).enumerate() {
        for line in comment(name, column, types[index]) {
            let _ = writeln!(sql, "    -- {line}");
        }
        let comma = if index + 1 < types.len() { "," } else { "" };
        let _ = writeln!(sql, "    {} {}{comma}", quoted(name), types[index]);
    }
    sql.push_str(");\n");
    sql
}

/// Returns the sentences about the file of a table.
fn about(file: &FileTable, report: &Report) -> String {
    let name = &file.inspection.name;
    let mut text = format!("Does {name} have a header? {}", capital(&header(report)));
    if report.header && !report.header_is_sure {
        text.push_str(". If the first record is a row, remove `myHeader` from the data format, and name the columns here");
    } else if !report.header && !report.header_is_sure {
        text.push_str(
            ". If the first record is the header, set `myHeader` true, and name the columns here as it does",
        );
    }
    if report.rows == 0 {
        text.push_str(". The file has no rows, so every column is text");
    }
    if file.needs_places {
        text.push_str(
            ". The header lacks a name, or has one twice in the first 63 bytes, which PostgreSQL keeps of a name: `column` in the data \
             format names the columns by their places. A file in which these columns stand in other places is refused",
        );
    }
    if let Some(doubt) = file.pattern.doubt() {
        let _ = write!(text, ". {}", capital(&doubt));
    }
    for found in report.suspicious.iter().filter(|found| found.kind.contains("encoding")) {
        let _ = write!(text, ". {}: {}", capital(&found.message), words(found));
    }
    text + "."
}

/// Returns the first places of a suspicion in one line.
pub(super) fn words(found: &Suspicion) -> String {
    let word =
        |place: &ec2_worker::etl::inspect::place::Place| format!("`{}` (line {})", place.text, place.line);
    found.places.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// Returns the lines of the comment for a column.
fn comment(name: &str, column: &ec2_worker::etl::inspect::report::Column, safe: SqlType) -> Vec<String> {
    let mut sentences = Vec::new();
    if column.name.is_empty() {
        sentences.push("The header has no name for it".to_owned());
    } else if column.name.to_lowercase() != name {
        sentences.push(format!("Header: {}", column.name));
    }
    let read_by = match column.patterns.is_empty() {
        true => String::new(),
        false => format!(" {}", column.patterns.join(" and ")),
    };
    let words: u64 = column.null_words.values().sum();
    match column.values - words {
        0 => sentences.push("It has no values".to_owned()),
        real => sentences.push(format!(
            "{} of {} values are {}{read_by}",
            percent(column.share),
            count(real),
            column.likely.values()
        )),
    }
    for (word, number) in column.null_words.iter().filter(|_| safe != SqlType::Text) {
        sentences.push(format!("\"{word}\" means no value, {}", counted(count(*number), "time")));
    }
    if column.null_share > 0.0 && column.values > 0 {
        sentences.push(format!("{} of the fields are NULL", percent(column.null_share)));
    } else if column.values > 0 && column.share >= 1.0 && words == 0 {
        sentences.push("No field is empty: NOT NULL would hold".to_owned());
    }
    if let Some(obstacle) = column.obstacle.as_ref().filter(|_| safe == SqlType::Text) {
        sentences.push(format!("Text, because {obstacle}"));
        if let Some(pattern) = column.ambiguous.first() {
            sentences.push(format!(
                "If you know the form, write {} here, and `myColumn` with {name} and {pattern} in the data format",
                column.likely
            ));
        }
    } else if safe == SqlType::Text && column.likely != SqlType::Text {
        sentences.push(format!("Text, because the other values would be refused as {}", column.likely));
    }
    if column.values > 0 {
        sentences.extend(column.remarks.iter().map(|remark| capital(remark)));
    }
    if column.looks_like_key && column.distinct as u64 == column.values {
        sentences.push("All values differ: it may be the PRIMARY KEY".to_owned());
    }
    lines(&plain(&sentences.join(". ")))
}

/// Returns text that ends no comment and contains no expression of a definition.
fn plain(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.replace("#{", "# {")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + letters.as_str()
}

/// Cuts a text into lines.
fn lines(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().filter(|line| line.is_empty() || line.len() + word.len() < WIDTH);
        match last {
            Some(line) => {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
