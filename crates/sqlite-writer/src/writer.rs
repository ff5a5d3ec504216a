//! The writer owns the connection and does jobs. It has a thread that takes jobs from a queue, or each caller does its job
//! itself.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::flush::Flusher;
use crate::group::{Undo, commit_group};
use crate::job::Job;

/// The most jobs that wait in the queue; further callers wait until there is room.
const QUEUE_LIMIT: usize = 4096;

/// The writer has ended.
#[derive(Debug)]
pub struct Closed;

/// Does jobs on the one connection that writes to the data file.
pub struct Writer(Way);

enum Way {
    /// Through the queue of the writer's thread.
    Thread {
        /// Absent while the writer is being dropped.
        queue: Option<Sender<Box<dyn Job>>>,
        thread: Option<JoinHandle<()>>,
    },
    /// On the caller's thread, at once.
    Inline(Mutex<Connection>),
}

impl Writer {
    /// Starts the thread, which is called `name`. `undo` says how a job that failed is undone within its group. A
    /// `flusher` answers the jobs of each group; without one, the thread answers them after the commit.
    ///
    /// Dropping the writer waits until all jobs in the queue are done.
    ///
    /// # Errors
    ///
    /// If the thread does not start.
    pub fn start(
        name: &str,
        connection: Connection,
        undo: Undo,
        flusher: Option<Flusher>,
    ) -> io::Result<Self> {
        let (queue, jobs) = channel(QUEUE_LIMIT);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&connection, undo, jobs, flusher.as_ref()))?;
        Ok(Self(Way::Thread { queue: Some(queue), thread: Some(thread) }))
    }

    /// Returns a writer without a thread: the thread of each caller does its job in a transaction of its own and answers it.
    #[must_use]
    pub fn inline(connection: Connection) -> Self {
        Self(Way::Inline(Mutex::new(connection)))
    }

    /// Submits a job. The writer's thread answers it later, and the caller waits while the queue is full. A writer without
    /// a thread has answered the job when this method returns.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the writer's thread has ended.
    pub async fn submit(&self, job: Box<dyn Job>) -> Result<(), Closed> {
        match &self.0 {
            Way::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(Closed)?;
                queue.send(job).await.map_err(|_| Closed)
            }
            Way::Inline(connection) => {
                // A poisoned lock does no harm: SQLite undoes the work of a job that panicked half way.
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                commit_group(&connection, Undo::Repeat, job, std::iter::empty()).answer();
                Ok(())
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Way::Thread { queue, thread } = &mut self.0 else { return };
        *queue = None;
        if let Some(thread) = thread.take() {
            // If the thread has panicked, it has printed the panic itself.
            let _ = thread.join();
        }
    }
}

fn work(connection: &Connection, undo: Undo, mut jobs: Receiver<Box<dyn Job>>, flusher: Option<&Flusher>) {
    while let Some(first) = jobs.blocking_recv() {
        if let Some(why) = flusher.and_then(Flusher::broken) {
            first.answer(Err(why));
            continue;
        }
        let group = commit_group(connection, undo, first, std::iter::from_fn(|| jobs.try_recv().ok()));
        let is_full = match &group.committed {
            Ok(()) => false,
            Err(failure) => {
                tracing::error!(error = failure.message, "a transaction of the data file was not committed");
                failure.is_full
            }
        };
        match flusher {
            Some(flusher) => flusher.take(group),
            None => group.answer(),
        }
        if is_full {
            reuse_log(connection);
        }
    }
}

/// Makes SQLite overwrite the log from its beginning. On a full disk, a deletion frees space, but first needs room in the log.
fn reuse_log(connection: &Connection) {
    let checkpointed = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
    if let Err(error) = checkpointed {
        tracing::warn!(%error, "the log of the data file could not be reused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::{Insert, kept, numbers};

    #[tokio::test]
    async fn dropping_the_writer_waits_until_the_queue_is_done() {
        let folder = std::env::temp_dir().join(format!("sqlite-writer-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("numbers.sqlite");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("CREATE TABLE numbers (value INTEGER)").unwrap();
        let writer = Writer::start("writer", connection, Undo::Savepoints, None).unwrap();
        let mut answers = Vec::new();
        for number in 0..1_000 {
            let (job, answer) = Insert::job(number, false);
            writer.submit(job).await.unwrap();
            answers.push(answer);
        }
        drop(writer);
        assert!(answers.iter().all(|answer| answer.try_recv() == Ok(Ok(()))));
        assert_eq!(kept(&Connection::open(&path).unwrap()), Vec::from_iter(0..1_000));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn an_inline_writer_has_answered_when_submitting_returns() {
        let writer = Writer::inline(numbers());
        for fails in [false, true] {
            let (job, answer) = Insert::job(1, fails);
            writer.submit(job).await.unwrap();
            assert_eq!(answer.try_recv().unwrap().is_err(), fails);
        }
    }
}
