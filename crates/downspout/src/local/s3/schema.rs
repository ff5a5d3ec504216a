//! The schema of the index, and how its database is opened.
//!
//! Keys are BLOBs, so that SQLite compares them byte by byte: S3 lists keys in the binary order of their UTF-8, and the keys
//! with a prefix are a range of bytes.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::error::StoreError;

/// The version of the schema that this program writes (`PRAGMA user_version`).
const VERSION: i64 = STEPS.len() as i64;

/// The steps from an empty database to the newest schema. A change of the schema is a further step, never an edit of an
/// earlier one, because the data of older versions of the program must open.
const STEPS: [&str; 2] = [VERSION_1, VERSION_2];

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

/// `objects` has the newest version of each key, unless that version is a delete marker; `versions` has delete markers and all
/// older versions. So reads, writes and listings of buckets without versions cost as much as before.
const VERSION_2: &str = "
ALTER TABLE buckets ADD COLUMN versioning TEXT;
ALTER TABLE objects ADD COLUMN version TEXT NOT NULL DEFAULT 'null';
CREATE TABLE versions (
    bucket TEXT NOT NULL, key BLOB NOT NULL, content INTEGER NOT NULL, version TEXT NOT NULL, marker INTEGER NOT NULL,
    size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL, meta TEXT NOT NULL,
    PRIMARY KEY (bucket, key, content DESC)
) WITHOUT ROWID;
CREATE UNIQUE INDEX versions_version ON versions (bucket, key, version);
CREATE TABLE bucket_documents (
    bucket TEXT NOT NULL, name TEXT NOT NULL, document TEXT, PRIMARY KEY (bucket, name)
) WITHOUT ROWID;
CREATE TABLE completed_uploads (
    id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, completed INTEGER NOT NULL, parts TEXT NOT NULL,
    object TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX completed_uploads_time ON completed_uploads (completed);
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
    let missing = usize::try_from(found).ok().and_then(|done| STEPS.get(done..));
    let Some(missing) = missing else {
        return Err(StoreError::NewerVersion { path: path.to_owned(), found, known: VERSION });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let script = format!("BEGIN IMMEDIATE; {} PRAGMA user_version = {VERSION}; COMMIT;", missing.concat());
    Ok(connection.execute_batch(&script)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_an_older_version_is_upgraded_and_keeps_its_objects() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("index.sqlite");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(VERSION_1).unwrap();
        old.execute_batch(
            "PRAGMA user_version = 1; INSERT INTO buckets (name, created) VALUES ('drop', 0); \
             INSERT INTO objects VALUES ('drop', x'6b', 1, 5, 'etag', 0, '{}');",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let new = open_writer(&path).unwrap();
            let sql = "SELECT size, version FROM objects WHERE bucket = 'drop' AND key = x'6b'";
            let found: (i64, String) = new.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(found, (5, "null".to_owned()));
        }
    }
}
