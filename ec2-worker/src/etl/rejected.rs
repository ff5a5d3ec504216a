//! Reads the tables for refused rows (`<table>_rejects`), and marks the rows that a retry has loaded.
//!
//! A load writes these tables: see [`super::load`]. A table of an older version lacks the column `retried_at`. Reading
//! works without it, and the first retry adds it.

use serde::Serialize;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::rejects_table::{self, Found};
use super::table::Table;
use crate::database::Transaction;
use crate::database::encoding::Characters;
use crate::failure::Failure;

/// The beginning of the message when a table for refused rows cannot be read.
const DOING: &str = "reading the table of refused rows";
/// The largest number of reasons that a group shows.
const REASONS: usize = 5;
/// The time of the retry, also in a table that lacks the column.
const RETRIED_AT: &str = "to_jsonb(downspout_row) ->> 'retried_at'";

/// A refused row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// The id of the pipeline whose run refused the row.
    pub pipeline_id: String,
    /// The file.
    pub file: String,
    /// The line in which the record starts, from 1.
    pub line: i64,
    /// The number of bytes before the record.
    pub byte_offset: i64,
    /// The column at fault, if there is one.
    pub column_name: Option<String>,
    /// The reason.
    pub reason: String,
    /// The record as it was tried last.
    pub raw_line: String,
    /// The time at which the row was refused.
    pub loaded_at: String,
    /// The time at which a retry loaded the row.
    pub retried_at: Option<String>,
}

/// The refused rows of one file in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedFile {
    /// The id of the pipeline whose run refused the rows.
    pub pipeline_id: String,
    /// The file.
    pub file: String,
    /// The number of rows that are still refused.
    pub refused: i64,
    /// The number of rows that a retry has loaded.
    pub retried: i64,
    /// The most frequent reasons of the rows that are still refused, without the values in quotes, and their numbers.
    pub reasons: Vec<(String, i64)>,
}

/// The refused rows to read.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only the rows of this pipeline.
    pub pipeline: Option<String>,
    /// Only the rows that no retry has loaded.
    pub open: bool,
    /// The largest number of rows.
    pub limit: Option<i64>,
}

/// Returns whether the table for refused rows exists. Another object with its name does not count.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn exists(tx: &Transaction, table: &Table) -> Result<bool, Failure> {
    Ok(rejects_table::find(tx, table).await? == Found::Table)
}

/// Returns the refused rows of a table, by file and line.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn rows(tx: &Transaction, table: &Table, wanted: &Wanted) -> Result<Vec<RefusedRow>, Failure> {
    if !exists(tx, table).await? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT coalesce(pipeline_id, ''), coalesce(file, ''), coalesce(line, 0), coalesce(byte_offset, 0), \
         nullif(column_name, ''), coalesce(reason, ''), coalesce(raw_line, ''), \
         to_char(loaded_at, 'YYYY-MM-DD\"T\"HH24:MI:SSOF'), {RETRIED_AT} \
         FROM {} downspout_row WHERE ($1::text IS NULL OR pipeline_id = $1) AND (NOT $2 OR {RETRIED_AT} IS NULL) \
         ORDER BY pipeline_id, file, line, byte_offset LIMIT $3",
        table.rejects()
    );
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&wanted.pipeline, Type::TEXT), (&wanted.open, Type::BOOL), (&wanted.limit, Type::INT8)];
    Ok(tx.query(DOING, &sql, &values).await?.iter().map(refused_row).collect())
}

fn refused_row(row: &Row) -> RefusedRow {
    RefusedRow {
        pipeline_id: row.get(0),
        file: row.get(1),
        line: row.get(2),
        byte_offset: row.get(3),
        column_name: row.get(4),
        reason: row.get(5),
        raw_line: row.get(6),
        loaded_at: row.get::<_, Option<String>>(7).unwrap_or_default(),
        retried_at: row.get(8),
    }
}

/// Returns the refused rows of a table by run and file. `pipeline` restricts them to one run.
///
/// # Errors
///
/// If the database refuses the query, or the connection breaks.
pub async fn files(
    tx: &Transaction,
    table: &Table,
    pipeline: Option<&str>,
) -> Result<Vec<RefusedFile>, Failure> {
    if !exists(tx, table).await? {
        return Ok(Vec::new());
    }
    // The values differ from row to row, so the groups leave them out.
    let sql = format!(
        "SELECT coalesce(pipeline_id, ''), coalesce(file, ''), \
         regexp_replace(coalesce(reason, ''), '\"[^\"]*\"', '\"…\"', 'g'), \
         count(*) FILTER (WHERE {RETRIED_AT} IS NULL), count(*) FILTER (WHERE {RETRIED_AT} IS NOT NULL) \
         FROM {} downspout_row WHERE $1::text IS NULL OR pipeline_id = $1 GROUP BY 1, 2, 3 \
         ORDER BY min(loaded_at), 1, 2, 4 DESC, 3",
        table.rejects()
    );
    let mut files: Vec<RefusedFile> = Vec::new();
    for row in tx.query(DOING, &sql, &[(&pipeline, Type::TEXT)]).await? {
        let (pipeline_id, file): (String, String) = (row.get(0), row.get(1));
        let (reason, refused, retried): (String, i64, i64) = (row.get(2), row.get(3), row.get(4));
        let known = files.iter().position(|known| known.pipeline_id == pipeline_id && known.file == file);
        let index = known.unwrap_or(files.len());
        if known.is_none() {
            files.push(RefusedFile { pipeline_id, file, refused: 0, retried: 0, reasons: Vec::new() });
        }
        let group = &mut files[index];
        group.refused += refused;
        group.retried += retried;
        if refused > 0 {
            group.reasons.push((reason, refused));
        }
    }
    for group in &mut files {
        group.reasons.sort_by_key(|(_, count)| -count);
        group.reasons.truncate(REASONS);
    }
    Ok(files)
}

/// Adds the column `retried_at` to the table for refused rows if the table lacks it.
///
/// # Errors
///
/// If the user does not own the table, or the connection breaks.
pub async fn add_retried_at(tx: &Transaction, table: &Table) -> Result<(), Failure> {
    let name = table.rejects();
    let sql = "SELECT 1 FROM pg_catalog.pg_attribute \
               WHERE attrelid = to_regclass($1) AND attname = 'retried_at' AND NOT attisdropped";
    if !tx.query(DOING, sql, &[(&name, Type::TEXT)]).await?.is_empty() {
        return Ok(());
    }
    let alter = format!("ALTER TABLE {name} ADD COLUMN IF NOT EXISTS retried_at timestamptz");
    tx.run("adding the column retried_at to the table of refused rows", &alter).await
}

/// Marks rows as loaded by a retry.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn mark(
    tx: &Transaction,
    table: &Table,
    pipeline: &str,
    rows: &[&RefusedRow],
) -> Result<(), Failure> {
    let sql = format!(
        "UPDATE {} r SET retried_at = now() FROM unnest($2::text[], $3::int8[], $4::int8[]) u(f, l, b) \
         WHERE r.pipeline_id = $1 AND r.file = u.f AND r.line = u.l AND r.byte_offset = u.b AND r.retried_at IS NULL",
        table.rejects()
    );
    let (files, lines, offsets) = places(rows);
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] = [
        (&pipeline, Type::TEXT),
        (&files, Type::TEXT_ARRAY),
        (&lines, Type::INT8_ARRAY),
        (&offsets, Type::INT8_ARRAY),
    ];
    tx.query("marking rows as retried", &sql, &values).await.map(drop)
}

/// Writes the new reason, the new column and the new text of rows that a retry has refused again.
///
/// # Errors
///
/// If the database refuses the statement, or the connection breaks.
pub async fn refuse_again(
    tx: &Transaction,
    table: &Table,
    pipeline: &str,
    rows: &[&RefusedRow],
) -> Result<(), Failure> {
    let sql = format!(
        "UPDATE {} r SET column_name = u.c, reason = u.w, raw_line = u.t, loaded_at = now() \
         FROM unnest($2::text[], $3::int8[], $4::int8[], $5::text[], $6::text[], $7::text[]) u(f, l, b, c, w, t) \
         WHERE r.pipeline_id = $1 AND r.file = u.f AND r.line = u.l AND r.byte_offset = u.b AND r.retried_at IS NULL",
        table.rejects()
    );
    let (files, lines, offsets) = places(rows);
    let columns: Vec<Option<&str>> = rows.iter().map(|row| row.column_name.as_deref()).collect();
    let mut reasons: Vec<String> = rows.iter().map(|row| row.reason.clone()).collect();
    let mut texts: Vec<String> = rows.iter().map(|row| row.raw_line.clone()).collect();
    if let Some(characters) =
        Characters::lacking(tx, reasons.iter().chain(&texts).map(String::as_str)).await?
    {
        for (reason, text) in reasons.iter_mut().zip(&mut texts) {
            *reason = characters.reason(reason, text);
            *text = characters.escape(text);
        }
    }
    let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 7] = [
        (&pipeline, Type::TEXT),
        (&files, Type::TEXT_ARRAY),
        (&lines, Type::INT8_ARRAY),
        (&offsets, Type::INT8_ARRAY),
        (&columns, Type::TEXT_ARRAY),
        (&reasons, Type::TEXT_ARRAY),
        (&texts, Type::TEXT_ARRAY),
    ];
    tx.query("storing rows that were refused again", &sql, &values).await.map(drop)
}

fn places<'a>(rows: &[&'a RefusedRow]) -> (Vec<&'a str>, Vec<i64>, Vec<i64>) {
    let files = rows.iter().map(|row| row.file.as_str()).collect();
    let lines = rows.iter().map(|row| row.line).collect();
    (files, lines, rows.iter().map(|row| row.byte_offset).collect())
}
