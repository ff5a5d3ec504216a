//! Opens the data file of a log.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};
use sqlite_writer::Flusher;

use super::error::LogError;
use super::totals::time;

/// The version of the schema.
const VERSION: i64 = 1;

/// Runs before every flush of a log; its error counts as the error of the flush.
pub type BeforeFlush = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// The source of the definition of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A stream file.
    File,
    /// The operation `CreateStream` of Kinesis.
    Kinesis,
    /// The operation `CreateDeliveryStream` of Firehose.
    Firehose,
}

impl Origin {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Kinesis => "kinesis",
            Self::Firehose => "firehose",
        }
    }

    fn parse(word: &str) -> Self {
        match word {
            "kinesis" => Self::Kinesis,
            "firehose" => Self::Firehose,
            _ => Self::File,
        }
    }
}

/// The row of the stream itself.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) created_at: Timestamp,
    pub(crate) origin: Origin,
    pub(crate) is_on_demand: bool,
    pub(crate) role_arn: Option<String>,
    pub(crate) is_ending: bool,
}

/// A stream whose log is created.
#[derive(Clone, Debug)]
pub(crate) struct NewLog {
    pub(crate) name: String,
    /// Unique among all streams that ever were; a part of the name of the file.
    pub(crate) id: String,
    pub(crate) origin: Origin,
    pub(crate) is_on_demand: bool,
    pub(crate) role_arn: Option<String>,
    pub(crate) now: Timestamp,
}

/// Takes the lock of the folder `folder`, so that one server at a time uses its logs.
pub(crate) fn lock(folder: &Path) -> Result<File, LogError> {
    let path = folder.join("lock");
    let failed = |source| LogError::File { path: path.clone(), doing: "locking", source };
    let lock = File::create(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(LogError::InUse(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Opens the connection that writes, and creates the tables as needed.
pub(super) fn writing(path: &Path, new: Option<&NewLog>) -> Result<Connection, LogError> {
    let opening = |source| LogError::Open { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(opening)?;
    owner_only(path);
    // `page_size`: blobs are long, so large pages need fewer links. `synchronous = NORMAL`: the flusher makes commits durable.
    // `wal_autocheckpoint`: 32 MiB of log, which bounds the log and its work at a start. `cache_size`: 4 MiB, as rows are
    // written once and read once.
    connection
        .execute_batch(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
             PRAGMA busy_timeout = 5000; PRAGMA wal_autocheckpoint = 2048; PRAGMA cache_size = -4096;",
        )
        .map_err(opening)?;
    bring_up_to_date(&mut connection, path, new)?;
    Ok(connection)
}

/// Opens a connection that only reads. Its readers look at rows that are known to be durable.
pub(super) fn reading(path: &Path) -> Result<Connection, LogError> {
    let opening = |source| LogError::Open { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(opening)?;
    connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -2048;").map_err(opening)?;
    Ok(connection)
}

fn bring_up_to_date(connection: &mut Connection, path: &Path, new: Option<&NewLog>) -> Result<(), LogError> {
    let failed = LogError::doing("creating the tables of the data file");
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    if found > VERSION {
        return Err(LogError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    if found == 0 {
        // A server that was killed while it created the file leaves one without tables.
        let new = new.ok_or_else(|| LogError::Unfinished(path.to_owned()))?;
        transaction.execute_batch(include_str!("schema.sql")).map_err(failed)?;
        let sql = "INSERT INTO stream (only, name, id, created_at, origin, is_on_demand, role_arn) \
                   VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![
            new.name,
            new.id,
            new.now.as_millisecond(),
            new.origin.word(),
            new.is_on_demand,
            new.role_arn
        ];
        transaction.execute(sql, values).map_err(failed)?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

/// Reads the row of the stream.
pub(super) fn header(connection: &Connection) -> Result<Header, LogError> {
    let sql = "SELECT name, id, created_at, origin, is_on_demand, role_arn, is_ending FROM stream";
    let header = connection.query_row(sql, [], |row| {
        let origin: String = row.get(3)?;
        Ok(Header {
            name: row.get(0)?,
            id: row.get(1)?,
            created_at: time(row, 2)?,
            origin: Origin::parse(&origin),
            is_on_demand: row.get(4)?,
            role_arn: row.get(5)?,
            is_ending: row.get(6)?,
        })
    });
    header.map_err(LogError::doing("reading the stream of the data file"))
}

/// Starts the thread that flushes.
pub(super) fn flusher(path: &Path, before: Option<BeforeFlush>) -> Result<Flusher, LogError> {
    let started = match before {
        None => Flusher::of_log("stream-flush", path),
        Some(before) => Flusher::of_log_after("stream-flush", path, move || before()),
    };
    started.map_err(|source| LogError::File {
        path: path.to_owned(),
        doing: "flushing the write-ahead log of",
        source,
    })
}

/// Removes a data file with the files beside it.
pub(crate) fn remove(path: &Path) -> Result<(), LogError> {
    // The data file goes first: the others mean nothing without it.
    for file in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::remove_file(&file) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(LogError::File { path: file, doing: "removing", source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(unix)]
fn owner_only(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    // SQLite gives its log files the mode of the data file. A file system without modes is not a reason to stop.
    if let Err(error) = fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
        tracing::warn!(path = %path.display(), %error, "the data file of a stream may be readable by others");
    }
}

#[cfg(not(unix))]
fn owner_only(_path: &Path) {}
