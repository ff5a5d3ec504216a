//! The one thread that writes the index.
//!
//! Writers that wait at the same time share one commit, and so one flush of the disk (see [`sqlite_writer`]). Each job
//! has a savepoint of its own. A job is never run a second time, because its first run gives away the files of its
//! contents. SQLite itself flushes before a commit returns: the reading connections must not see an object that a power
//! cut can still take back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use sqlite_writer::{Closed, Failure, Job, Undo, is_full};
use tokio::sync::{oneshot, watch};

use super::blobs::{BlobId, Blobs, NewBlob};
use super::error::StoreError;

/// The transaction in which a job runs.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    effects: Effects,
}

/// The changes beside the index that a job asks for. The writer makes these changes once the transaction of the job has
/// committed.
#[derive(Default)]
struct Effects {
    /// New contents. These contents are kept if the transaction commits, and removed otherwise.
    kept: Vec<NewBlob>,
    /// Contents that no object uses any more once the transaction has committed. Their files are then removed.
    dead: Vec<BlobId>,
    has_events: bool,
}

impl Tx<'_> {
    /// Keeps `blob` if this transaction commits.
    pub(super) fn keep(&mut self, blob: NewBlob) {
        self.effects.kept.push(blob);
    }

    /// Removes the content `blob` once this transaction has committed.
    pub(super) fn bury(&mut self, blob: BlobId) {
        self.effects.dead.push(blob);
    }

    /// Wakes the delivery of events once this transaction has committed.
    pub(super) fn announce(&mut self) {
        self.effects.has_events = true;
    }
}

/// Sends jobs to the writing thread.
pub(super) struct Writer {
    writer: sqlite_writer::Writer,
    beside: Arc<Beside>,
}

/// The things beside the index that a transaction can change: the files of contents, and the delivery of events.
struct Beside {
    blobs: Arc<Blobs>,
    events: watch::Sender<u64>,
}

impl Writer {
    /// Starts the thread. After the `Writer` is dropped, the thread finishes the waiting jobs and ends.
    pub(super) fn start(connection: Connection, blobs: Arc<Blobs>, events: watch::Sender<u64>) -> Self {
        let writer = sqlite_writer::Writer::start("s3-index", connection, Undo::Savepoints, None);
        let writer = writer.expect("a thread can be started while the program starts");
        Self { writer, beside: Arc::new(Beside { blobs, events }) }
    }

    /// Runs `job` in a transaction, and returns its result when the transaction is on the disk.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let beside = Arc::clone(&self.beside);
        let job = Write { job: Some(job), done: None, beside, answer };
        self.writer.submit(Box::new(job)).await.map_err(|Closed| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

/// A closure as a job.
struct Write<T, F> {
    /// `None` after the closure has run.
    job: Option<F>,
    done: Option<Result<(T, Effects), StoreError>>,
    beside: Arc<Beside>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send,
{
    fn work(&mut self, connection: &Connection) -> Result<(), Failure> {
        let job = self.job.take().ok_or("the job was done before")?;
        let mut tx = Tx { connection, effects: Effects::default() };
        // A job that fails drops its effects, and with them the contents that it wanted to keep.
        let done = job(&mut tx).map(|value| (value, tx.effects)).map_err(|error| self.beside.full_or(error));
        let worked = done.as_ref().map(|_| ()).map_err(failure);
        self.done = Some(done);
        worked
    }

    fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
        let done = self.done.unwrap_or(Err(StoreError::Closed));
        let done = match committed {
            Ok(()) => done.map(|(value, effects)| {
                self.beside.apply(effects);
                value
            }),
            Err(failure) => Err(self.beside.not_committed(failure)),
        };
        // An error means that the requester has gone, so the answer is not needed.
        let _ = self.answer.send(done);
    }
}

fn failure(error: &StoreError) -> Failure {
    Failure { message: error.to_string(), is_full: matches!(error, StoreError::DiskFull(_)) }
}

impl Beside {
    fn apply(&self, effects: Effects) {
        effects.kept.into_iter().for_each(NewBlob::keep);
        for blob in effects.dead {
            self.blobs.remove(blob);
        }
        if effects.has_events {
            self.events.send_modify(|changes| *changes += 1);
        }
    }

    /// Turns an error that means a full disk into the error for a full disk; returns any other error as it is.
    fn full_or(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Index(cause) if is_full(&cause) => self.full(),
            other => other,
        }
    }

    fn not_committed(&self, failure: &Failure) -> StoreError {
        if failure.is_full {
            return self.full();
        }
        let source = io::Error::other(failure.message.clone());
        StoreError::Io { path: PathBuf::from("index.sqlite"), source }
    }

    fn full(&self) -> StoreError {
        let root: &Path = self.blobs.root();
        StoreError::DiskFull(root.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    /// Returns a writer whose index may grow by `more` pages at most.
    fn writer(folder: &Path, more: i64) -> (Writer, watch::Receiver<u64>) {
        let connection = Connection::open(folder.join("index.sqlite")).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE bytes (value BLOB)").unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.pragma_update_and_check(None, "max_page_count", pages + more, |_| Ok(())).unwrap();
        let blobs = Arc::new(Blobs::open(folder.join("blobs")).unwrap());
        let (sender, events) = watch::channel(0);
        (Writer::start(connection, blobs, sender), events)
    }

    /// Inserts `bytes` bytes with a content beside them.
    async fn put(writer: &Writer, bytes: i64, fails: bool) -> Result<(), StoreError> {
        let (blob, mut file) = writer.beside.blobs.create().unwrap();
        file.write_all(b"content").unwrap();
        let job = move |tx: &mut Tx<'_>| {
            tx.keep(blob);
            tx.announce();
            tx.connection.execute("INSERT INTO bytes VALUES (zeroblob(?1))", [bytes])?;
            if fails { Err(StoreError::NoSuchEvent(1)) } else { Ok(()) }
        };
        writer.write(job).await
    }

    fn contents(folder: &Path) -> usize {
        fs::read_dir(folder.join("blobs")).unwrap().count()
    }

    #[tokio::test]
    async fn a_refused_job_takes_its_content_along_and_none_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, events) = writer(folder.path(), 1_000);
        let puts = (0..50).map(|number| put(&writer, 10, number % 5 == 0));
        let done = futures::future::join_all(puts).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 40);
        assert_eq!((contents(folder.path()), *events.borrow()), (40, 40));
    }

    #[tokio::test]
    async fn a_full_disk_keeps_no_refused_content_and_takes_small_contents_later() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, _events) = writer(folder.path(), 8);
        let puts = (0..50).map(|number| put(&writer, if number % 5 == 0 { 100_000 } else { 10 }, false));
        let done = futures::future::join_all(puts).await;
        let refused: Vec<_> = done.iter().filter_map(|done| done.as_ref().err()).collect();
        assert!(!refused.is_empty());
        assert!(refused.iter().all(|error| matches!(error, StoreError::DiskFull(_))), "{refused:?}");
        assert_eq!(contents(folder.path()), done.len() - refused.len());
        put(&writer, 10, false).await.unwrap();
    }
}
