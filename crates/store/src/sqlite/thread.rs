//! The thread that owns the connection, and its queue; or the same work done where it is asked for.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::StoreError;

/// Pieces of work that may share one commit.
const GROUP_LIMIT: usize = 256;

/// Pieces of work that may wait; a caller beyond that waits for a place.
const QUEUE_LIMIT: usize = 4096;

/// Does a piece of work, and returns what is left to do once the commit is known.
pub(super) type Job = Box<dyn FnOnce(&Connection) -> Done + Send>;
pub(super) type Answer = Box<dyn FnOnce(Option<&str>) + Send>;

/// A piece of work that is not committed yet.
pub(super) struct Done {
    answer: Answer,
    /// What went wrong with it.
    error: Option<String>,
}

/// The way to the connection.
pub(super) enum Writer {
    /// Through the queue of its thread. Dropping it waits until the queue is done.
    Thread {
        /// Absent while it is dropped.
        queue: Option<Sender<Job>>,
        thread: Option<JoinHandle<()>>,
    },
    /// On the caller's thread, at once.
    Inline(Mutex<Connection>),
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, jobs) = channel(QUEUE_LIMIT);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(&connection, jobs))
            .map_err(|error| StoreError::Commit(error.to_string()))?;
        Ok(Self::Thread { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) fn inline(connection: Connection) -> Self {
        Self::Inline(Mutex::new(connection))
    }

    /// Runs `work` on the connection, and returns what it returned once that is durable.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = under_savepoint(connection, work);
            let error = result.as_ref().err().map(StoreError::chain);
            let answer: Answer = Box::new(move |commit_error| {
                let result = match commit_error {
                    Some(error) => result.and_then(|_| Err(StoreError::Commit(error.to_owned()))),
                    None => result,
                };
                // Nobody waits any more: the caller gave up, the work stands.
                let _ = sender.send(result);
            });
            Done { answer, error }
        });
        match self {
            Self::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Closed)?;
                queue.send(job).await.map_err(|_| StoreError::Closed)?;
            }
            Self::Inline(connection) => {
                // SQLite undoes what a panic left half done.
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                commit_group(&connection, job, std::iter::empty());
            }
        }
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Self::Thread { queue, thread } = self else { return };
        *queue = None;
        if let Some(thread) = thread.take() {
            // A panic there has been printed; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

fn work(connection: &Connection, mut jobs: Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        commit_group(connection, first, std::iter::from_fn(|| jobs.try_recv().ok()));
    }
}

/// Does a group of jobs in one transaction, and answers each once it is known whether that was committed.
fn commit_group(connection: &Connection, first: Job, waiting: impl Iterator<Item = Job>) {
    let begun = connection.execute_batch("BEGIN IMMEDIATE");
    let mut answers = Vec::new();
    let mut undone = None;
    if begun.is_ok() {
        for job in std::iter::once(first).chain(waiting).take(GROUP_LIMIT) {
            let Done { answer, error } = job(connection);
            answers.push(answer);
            // A full disk, mostly: SQLite has undone the whole transaction, and what came next would stand alone.
            if connection.is_autocommit() {
                undone = Some(error.unwrap_or_else(|| "the transaction was undone".to_owned()));
                break;
            }
        }
    } else {
        answers.push(refuse(first, connection));
    }
    let committed = match undone {
        Some(error) => Err(error),
        None => begun.and_then(|()| connection.execute_batch("COMMIT")).map_err(|error| error.to_string()),
    };
    let error = committed.err();
    if error.is_some() && !connection.is_autocommit() {
        // What could not be committed is undone; if that fails too, the next BEGIN says so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for answer in answers {
        answer(error.as_deref());
    }
}

/// Lets a job that found no transaction make its answer; what it did outside of one is undone.
fn refuse(job: Job, connection: &Connection) -> Answer {
    // Its savepoint opens a transaction of its own; the caller is told that nothing was kept.
    let _ = connection.execute_batch("SAVEPOINT refused");
    let Done { answer, .. } = job(connection);
    let _ = connection.execute_batch("ROLLBACK TO refused; RELEASE refused");
    answer
}

fn under_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.execute_batch("SAVEPOINT job").map_err(StoreError::doing("opening a savepoint"))?;
    let result = work(connection);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    let ended = connection.execute_batch(end).map_err(StoreError::doing("closing a savepoint"));
    // A savepoint that is gone went with what is told in `result`.
    result.and_then(|value| ended.map(|()| value))
}
