//! Versions: every definition that was in force, so that a cut is delivered by the definition that was in force when the cut was made.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use stream::file::Source;

use super::error::LogError;
use super::totals::{number, wide};

/// Saves a definition as a new version, unless it is the same as the last one. Returns the number of the version.
pub(super) fn save(connection: &Connection, source: &Source, now: Timestamp) -> Result<u64, LogError> {
    let failed = LogError::doing("saving a version of the stream");
    if let Some((last, known)) = last(connection)?
        && known == *source
    {
        return Ok(last);
    }
    let text = serde_json::to_string(source).map_err(|error| LogError::Damaged(error.to_string()))?;
    let sql = "INSERT INTO version (at, source) VALUES (?1, ?2)";
    connection.execute(sql, params![now.as_millisecond(), text]).map_err(failed)?;
    Ok(u64::try_from(connection.last_insert_rowid()).unwrap_or_default())
}

/// Returns the last version, with its number.
pub(super) fn last(connection: &Connection) -> Result<Option<(u64, Source)>, LogError> {
    let sql = "SELECT number, source FROM version ORDER BY number DESC LIMIT 1";
    let found = connection
        .query_row(sql, [], |row| Ok((number(row, 0)?, row.get::<_, String>(1)?)))
        .optional()
        .map_err(LogError::doing("reading the version of the stream"))?;
    found.map(|(number, text)| Ok((number, parse(&text)?))).transpose()
}

/// Returns all versions with their numbers, the newest first.
pub(super) fn all(connection: &Connection) -> Result<Vec<(u64, Source)>, LogError> {
    let failed = LogError::doing("reading the versions of the stream");
    let mut select = connection
        .prepare_cached("SELECT number, source FROM version ORDER BY number DESC")
        .map_err(failed)?;
    let rows = select.query_map([], |row| Ok((number(row, 0)?, row.get::<_, String>(1)?)));
    let rows: Vec<_> = rows.and_then(Iterator::collect).map_err(failed)?;
    rows.into_iter().map(|(number, text)| Ok((number, parse(&text)?))).collect()
}

/// Returns a version by its number.
pub(super) fn get(connection: &Connection, version: u64) -> Result<Source, LogError> {
    let sql = "SELECT source FROM version WHERE number = ?1";
    let text: Option<String> = connection
        .query_row(sql, [wide(version)], |row| row.get(0))
        .optional()
        .map_err(LogError::doing("reading a version of the stream"))?;
    parse(&text.ok_or_else(|| LogError::Damaged(format!("version {version} is missing")))?)
}

fn parse(text: &str) -> Result<Source, LogError> {
    serde_json::from_str(text).map_err(|error| LogError::Damaged(format!("a version is unreadable: {error}")))
}
