//! The log of one stream: a SQLite file in which accepted records wait until they are delivered.
//!
//! Requests that arrive at the same time share one row for each shard, one commit and one flush (see [`sqlite_writer`]). A
//! request is answered after the flush. All changes go through one thread; readers have a connection of their own and look
//! only at rows that are known to be durable.

mod append;
mod cuts;
mod error;
mod frame;
mod open;
mod totals;
mod versions;
mod work;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use sqlite_writer::{Undo, Writer};
use stream::file::Source;
use tokio::sync::{oneshot, watch};

pub(crate) use cuts::NewCut;
pub(crate) use error::AppendError;
pub use error::LogError;
pub(crate) use frame::{Frames, Group};
pub use open::BeforeFlush;
pub(crate) use open::{Header, NewLog, Origin, lock, remove};
pub(crate) use totals::{Counts, Cut, Totals};

use append::{Append, Pending};
use totals::{number, wide};

/// How much delivered data stays in the log, so that `stream tail` can show it.
const KEPT_BYTES: u64 = 16 << 20;

/// The log of one stream.
pub(crate) struct Log {
    /// Closes first: only the connection that writes can copy the write-ahead log into the file when it closes last.
    reader: Arc<Mutex<Connection>>,
    writer: Arc<Writer>,
    shared: Arc<Shared>,
    header: Header,
    path: PathBuf,
}

/// The state that the thread of the log and its callers share.
struct Shared {
    pending: Mutex<Pending>,
    totals: Mutex<Totals>,
    changes: watch::Sender<u64>,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        // The fields change together without anything between that may panic.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn announce_change(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// The number and the shard of each record of a request.
pub(crate) type Places = Vec<(u64, u32)>;

/// A row of the log.
pub(crate) struct Row {
    pub(crate) first: u64,
    pub(crate) shard: u32,
    pub(crate) body: Vec<u8>,
}

impl Log {
    /// Opens the log at `path`, or creates it as the log of a `new` stream.
    pub(crate) fn open(
        path: &Path,
        new: Option<&NewLog>,
        before_flush: Option<BeforeFlush>,
    ) -> Result<Self, LogError> {
        let connection = open::writing(path, new)?;
        let header = open::header(&connection)?;
        let totals = Totals::read(&connection)?;
        let pending = Pending::from(totals.next_number);
        let reader = open::reading(path)?;
        let flusher = open::flusher(path, before_flush)?;
        let writer = Writer::start("stream-log", connection, Undo::Repeat, Some(flusher));
        let writer = writer.map_err(|source| LogError::File {
            path: path.to_owned(),
            doing: "starting the writer of",
            source,
        })?;
        Ok(Self {
            writer: Arc::new(writer),
            shared: Arc::new(Shared {
                pending: Mutex::new(pending),
                totals: Mutex::new(totals),
                changes: watch::Sender::new(0),
            }),
            reader: Arc::new(Mutex::new(reader)),
            header,
            path: path.to_owned(),
        })
    }

    /// Returns the row of the stream itself, as it was when the log was opened.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the data file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the durable state.
    pub(crate) fn totals(&self) -> Totals {
        self.shared.totals().clone()
    }

    /// Returns a receiver that is told after every change of the durable state.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Appends the records of a request, and returns their places when they are on the disk.
    ///
    /// # Errors
    ///
    /// [`AppendError`] if no record was kept, or if it is not known whether they are.
    pub(crate) async fn append(&self, group: Group, backlog: u64) -> Result<Places, AppendError> {
        let (waiter, answered) = oneshot::channel();
        let (plan, must_schedule) = {
            let waiting_bytes = self.shared.totals().waiting().bytes;
            let mut pending = self.shared.pending();
            let waiting_bytes = waiting_bytes + pending.bytes();
            if waiting_bytes + group.bytes() > backlog {
                return Err(AppendError::Backlog { waiting_bytes, limit_bytes: backlog });
            }
            pending.add(group, waiter)
        };
        if must_schedule {
            let (writer, shared) = (Arc::clone(&self.writer), Arc::clone(&self.shared));
            // A task of its own: if the client of this request hangs up now, the requests that joined it must go on.
            tokio::spawn(async move {
                let job = Box::new(Append::new(Arc::clone(&shared)));
                if writer.submit(job).await.is_err() {
                    *shared.pending() = Pending::default();
                }
            });
        }
        let firsts = answered.await.unwrap_or(Err(AppendError::Closed))?;
        Ok(plan.numbers(&firsts))
    }

    /// Saves the next cut. Returns `None` if no record waits.
    pub(crate) async fn save_cut(&self, new: NewCut) -> Result<Option<Cut>, LogError> {
        let shared = Arc::clone(&self.shared);
        let note = move |saved: &cuts::Saved| {
            let mut totals = shared.totals();
            if let Some(cut) = &saved.cut {
                totals.cut_through = cut.last_row;
                totals.cuts = cut.number;
                totals.open_cut = Some(cut.clone());
            }
            totals.oldest_uncut = saved.oldest_uncut;
        };
        let saved = work::run(&self.writer, move |connection| cuts::save(connection, &new), note).await?;
        Ok(saved.cut)
    }

    /// Notes that a cut is delivered, and then removes its records, a few at a time.
    pub(crate) async fn settle(&self, cut: &Cut, counts: Counts, now: Timestamp) -> Result<(), LogError> {
        let (shared, settled) = (Arc::clone(&self.shared), cut.clone());
        let note = move |(): &()| {
            let mut totals = shared.totals();
            totals.settled.records += settled.amount.records;
            totals.settled.bytes += settled.amount.bytes;
            totals.counts.add(&counts);
            totals.settled_through = settled.last_row;
            totals.open_cut = None;
            totals.kept_bytes += settled.amount.bytes;
            drop(totals);
            shared.announce_change();
        };
        let cut = cut.clone();
        work::run(&self.writer, move |connection| cuts::settle(connection, &cut, &counts, now), note).await?;
        self.remove_settled().await
    }

    /// Removes delivered records, a few at a time, except for the newest ones.
    pub(crate) async fn remove_settled(&self) -> Result<(), LogError> {
        loop {
            let (through, kept) = {
                let totals = self.shared.totals();
                (totals.settled_through, totals.kept_bytes)
            };
            if kept <= KEPT_BYTES {
                return Ok(());
            }
            let shared = Arc::clone(&self.shared);
            let note = move |removed: &u64| {
                let mut totals = shared.totals();
                totals.kept_bytes = totals.kept_bytes.saturating_sub(*removed);
            };
            let remove =
                move |connection: &Connection| cuts::remove_rows(connection, through, kept, KEPT_BYTES);
            if work::run(&self.writer, remove, note).await? == 0 {
                return Ok(());
            }
        }
    }

    /// Saves a definition as the version in force. Returns its number.
    pub(crate) async fn save_version(&self, source: Source, now: Timestamp) -> Result<u64, LogError> {
        work::run(&self.writer, move |connection| versions::save(connection, &source, now), |_| ()).await
    }

    /// Returns the version in force.
    pub(crate) fn last_version(&self) -> Result<Option<(u64, Source)>, LogError> {
        versions::last(&self.reader())
    }

    /// Returns a version by its number.
    pub(crate) async fn version(&self, version: u64) -> Result<Source, LogError> {
        self.read(move |connection| versions::get(connection, version)).await
    }

    /// Returns all versions, the newest first.
    pub(crate) async fn versions(&self) -> Result<Vec<(u64, Source)>, LogError> {
        self.read(versions::all).await
    }

    /// Notes that the stream ends when its records are delivered.
    pub(crate) async fn mark_ending(&self) -> Result<(), LogError> {
        self.update("UPDATE stream SET is_ending = 1", "noting the end of the stream").await
    }

    /// Notes that a file defines the stream from now on.
    pub(crate) async fn mark_of_file(&self) -> Result<(), LogError> {
        self.update("UPDATE stream SET origin = 'file'", "noting the file of the stream").await
    }

    async fn update(&self, sql: &'static str, doing: &'static str) -> Result<(), LogError> {
        let update = move |connection: &Connection| {
            connection.execute(sql, []).map(|_| ()).map_err(LogError::doing(doing))
        };
        work::run(&self.writer, update, |()| ()).await
    }

    /// Allows the file to grow by at most `bytes` more; a larger write fails as on a full disk. `None` lifts the limit.
    pub(crate) async fn limit_growth(&self, bytes: Option<u64>) -> Result<(), LogError> {
        let limit = move |connection: &Connection| {
            let failed = LogError::doing("limiting the data file");
            let one = |pragma: &str| connection.query_row(pragma, [], |row| number(row, 0)).map_err(failed);
            let most = match bytes {
                Some(bytes) => one("PRAGMA page_count")? + bytes / one("PRAGMA page_size")?,
                None => u64::from(u32::MAX) - 1,
            };
            let set = connection.pragma_update_and_check(None, "max_page_count", wide(most), |_| Ok(()));
            set.map_err(failed)
        };
        work::run(&self.writer, limit, |()| ()).await
    }

    /// Reads the first row after `after`, up to `last`. Blocks on the disk.
    pub(crate) fn row_after(&self, after: u64, last: u64) -> Result<Option<Row>, LogError> {
        let connection = self.reader();
        let sql =
            "SELECT first, shard, body FROM batch WHERE first > ?1 AND first <= ?2 ORDER BY first LIMIT 1";
        let found = connection.prepare_cached(sql).and_then(|mut select| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Row { first: number(row, 0)?, shard: row.get(1)?, body: row.get(2)? })
            };
            select.query_row(params![wide(after), wide(last)], read).optional()
        });
        found.map_err(LogError::doing("reading records"))
    }

    /// Returns the row that has the record `number` or comes before it; 0 if there is none. Blocks on the disk.
    pub(crate) fn row_before(&self, number: u64) -> Result<u64, LogError> {
        let connection = self.reader();
        let sql = "SELECT coalesce(max(first) - 1, 0) FROM batch WHERE first <= ?1";
        let found = connection.query_row(sql, [wide(number)], |row| self::number(row, 0));
        found.map_err(LogError::doing("finding a record"))
    }

    /// Returns the cuts from the number `first` on, with their counts.
    pub(crate) async fn cuts_from(&self, first: u64) -> Result<Vec<(Cut, Counts)>, LogError> {
        self.read(move |connection| totals::cuts_from(connection, first)).await
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        // A connection has no state between statements.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let reader = Arc::clone(&self.reader);
        let task =
            tokio::task::spawn_blocking(move || read(&reader.lock().unwrap_or_else(PoisonError::into_inner)));
        task.await.map_err(|_| LogError::Closed)?
    }
}
