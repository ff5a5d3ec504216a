//! The one thread that writes the index.
//!
//! Whatever waits at the same moment is committed together, so many small writers share one disk sync.
//! Each job stands in a savepoint of its own: one that fails takes nothing of the others with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::blobs::{BlobId, Blobs, NewBlob};
use super::error::StoreError;

/// Jobs committed together at most: bounds how long the first of them waits for the others.
const BATCH: usize = 128;

/// What a job sees of the transaction it runs in.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    root: &'a Path,
    /// Contents that live on if the transaction commits, and are removed otherwise.
    kept: Vec<NewBlob>,
    /// Contents that nothing refers to any more once the transaction has committed.
    dead: Vec<BlobId>,
    has_events: bool,
}

impl Tx<'_> {
    /// Keeps `blob` if this transaction commits.
    pub(super) fn keep(&mut self, blob: NewBlob) {
        self.kept.push(blob);
    }

    /// Removes the content `blob` once this transaction has committed.
    pub(super) fn bury(&mut self, blob: BlobId) {
        self.dead.push(blob);
    }

    /// Wakes whoever delivers events once this transaction has committed.
    pub(super) fn announce(&mut self) {
        self.has_events = true;
    }
}

type Reply = Box<dyn FnOnce(Option<StoreError>)>;
/// Runs in the transaction; with `None` there is none, and the reply brings the reason.
type Job = Box<dyn for<'a, 'b> FnOnce(Option<&'a mut Tx<'b>>) -> Reply + Send>;

/// The way to the writing thread.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread; it ends when the last `Writer` is gone.
    pub(super) fn start(connection: Connection, blobs: Arc<Blobs>, events: watch::Sender<u64>) -> Self {
        let (jobs, queue) = mpsc::channel();
        let worker = Worker { connection, blobs, events };
        thread::Builder::new()
            .name("s3-index".to_owned())
            .spawn(move || worker.run(&queue))
            .expect("a thread can be started while the program starts");
        Self { jobs }
    }

    /// Runs `job` in a transaction and returns when that is on the disk.
    pub(super) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let done = tx.map_or(Err(StoreError::Closed), |tx| in_savepoint(tx, job));
            Box::new(move |failed| {
                // A requester that has gone away needs no answer.
                let _ = answer.send(match failed {
                    Some(error) => Err(error),
                    None => done,
                });
            })
        });
        self.jobs.send(job).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

fn in_savepoint<T>(
    tx: &mut Tx<'_>,
    job: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (kept, dead, had_events) = (tx.kept.len(), tx.dead.len(), tx.has_events);
    tx.connection.execute_batch("SAVEPOINT job")?;
    let done = job(tx).map_err(|error| match error {
        StoreError::Index(cause) if StoreError::is_index_full(&cause) => {
            StoreError::DiskFull(tx.root.to_owned())
        }
        other => other,
    });
    if done.is_err() {
        tx.kept.truncate(kept);
        tx.dead.truncate(dead);
        tx.has_events = had_events;
        tx.connection.execute_batch("ROLLBACK TO job")?;
    }
    tx.connection.execute_batch("RELEASE job")?;
    done
}

struct Worker {
    connection: Connection,
    blobs: Arc<Blobs>,
    events: watch::Sender<u64>,
}

impl Worker {
    fn run(self, queue: &mpsc::Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let batch = std::iter::once(first).chain(queue.try_iter()).take(BATCH);
            self.commit(batch);
        }
    }

    fn commit(&self, batch: impl Iterator<Item = Job>) {
        let mut tx = Tx {
            connection: &self.connection,
            root: self.blobs.root(),
            kept: vec![],
            dead: vec![],
            has_events: false,
        };
        let mut replies = Vec::new();
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        let ended = match begun {
            Ok(()) => {
                // A full disk makes SQLite roll back the whole transaction by itself. What comes after it must not
                // begin and commit one of its own: the contents that its rows name go with this batch.
                replies.extend(batch.map(|job| match self.connection.is_autocommit() {
                    false => job(Some(&mut tx)),
                    true => job(None),
                }));
                self.connection.execute_batch("COMMIT")
            }
            Err(error) => {
                replies.extend(batch.map(|job| job(None)));
                Err(error)
            }
        };
        match ended {
            Ok(()) => self.settle(tx),
            Err(ref error) => {
                tracing::error!(%error, "the index of the object store could not be committed");
                drop(tx);
                // SQLite rolls back by itself in some failures; then there is nothing to roll back here.
                let _ = self.connection.execute_batch("ROLLBACK");
                if StoreError::is_index_full(error) {
                    self.reuse_log();
                }
            }
        }
        for reply in replies {
            reply(ended.as_ref().err().map(|error| self.commit_failed(error)));
        }
    }

    fn settle(&self, tx: Tx<'_>) {
        tx.kept.into_iter().for_each(NewBlob::keep);
        for blob in tx.dead {
            self.blobs.remove(blob);
        }
        if tx.has_events {
            self.events.send_modify(|changes| *changes += 1);
        }
    }

    /// Begins the log anew in the room that it has: so a delete may still go through and make room for others.
    fn reuse_log(&self) {
        let checkpointed = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
        if let Err(error) = checkpointed {
            tracing::warn!(%error, "the log of the object store's index could not begin anew");
        }
    }

    fn commit_failed(&self, error: &rusqlite::Error) -> StoreError {
        if StoreError::is_index_full(error) {
            return StoreError::DiskFull(self.blobs.root().to_owned());
        }
        StoreError::Io {
            path: PathBuf::from("index.sqlite"),
            source: std::io::Error::other(error.to_string()),
        }
    }
}
