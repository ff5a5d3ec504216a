//! The schema of the index, and how its database is opened.
//!
//! Keys are BLOBs, so that SQLite compares them byte by byte: S3 lists keys in the binary order of their UTF-8, and the keys
//! with a prefix are a range of bytes.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::error::StoreError;

/// The version of the schema that this program writes (`PRAGMA user_version`).
const VERSION: i64 = 1;

/// The schema of a new database. A later change of the schema is a further step, never an edit of this text.
const VERSION_1: &str = "
CREATE TABLE sequence (value INTEGER NOT NULL);
INSERT INTO sequence VALUES (1);
CREATE TABLE buckets (
    name TEXT PRIMARY KEY, created INTEGER NOT NULL, notify INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE objects (
    bucket TEXT NOT NULL, key BLOB NOT NULL, content INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, meta TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE segments (
    id INTEGER PRIMARY KEY, content INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL,
    checksums TEXT NOT NULL, blob TEXT, inline BLOB
);
CREATE UNIQUE INDEX segments_content ON segments (content, number);
CREATE INDEX segments_blob ON segments (blob) WHERE blob IS NOT NULL;
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, initiated INTEGER NOT NULL, meta TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_key ON uploads (bucket, key, id);
CREATE TABLE parts (
    id INTEGER PRIMARY KEY, upload TEXT NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, checksums TEXT NOT NULL, blob TEXT, inline BLOB
);
CREATE UNIQUE INDEX parts_number ON parts (upload, number);
CREATE INDEX parts_blob ON parts (blob) WHERE blob IS NOT NULL;
CREATE TABLE events (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, json TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT, dead INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX events_queue ON events (dead, id);
";

/// How long a connection waits for the lock of another connection. In WAL mode readers never block, so this happens
/// only at opening.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the database for the writer, and creates or upgrades it.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // With FULL, a commit is on the disk before it returns, so that an acknowledged object survives a power cut. Each commit
    // costs one sync, which all requests that wait at that moment share (see `writer`).
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    upgrade(&connection, path)?;
    Ok(connection)
}

/// Opens the database for a reader. The writer must have opened it before.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn upgrade(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match found {
        VERSION => Ok(()),
        0 => {
            let script = format!("BEGIN IMMEDIATE; {VERSION_1} PRAGMA user_version = {VERSION}; COMMIT;");
            Ok(connection.execute_batch(&script)?)
        }
        newer => Err(StoreError::NewerVersion { path: path.to_owned(), found: newer, known: VERSION }),
    }
}
