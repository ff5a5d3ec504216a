//! The thread that owns the connection, and its queue.

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
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(Option<&str>) + Send>;

/// The way to the thread. Dropping it waits until the queue is done.
pub(super) struct Writer {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Self, StoreError> {
        let (queue, jobs) = channel(QUEUE_LIMIT);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(&connection, jobs))
            .map_err(|error| StoreError::Commit(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` on the thread, and returns what it returned once that is durable.
    pub(super) async fn run<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = under_savepoint(connection, work);
            Box::new(move |commit_error| {
                let result = match commit_error {
                    Some(error) => Err(StoreError::Commit(error.to_owned())),
                    None => result,
                };
                // Nobody waits any more: the caller gave up, the work stands.
                let _ = sender.send(result);
            })
        });
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

fn work(connection: &Connection, mut jobs: Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let begun = connection.execute_batch("BEGIN IMMEDIATE");
        let mut answers = Vec::new();
        if begun.is_ok() {
            let waiting = std::iter::from_fn(|| jobs.try_recv().ok());
            let group = std::iter::once(first).chain(waiting).take(GROUP_LIMIT);
            answers.extend(group.map(|job| job(connection)));
        } else {
            answers.push(refuse(first, connection));
        }
        let committed = begun.and_then(|()| connection.execute_batch("COMMIT"));
        let error = committed.err().map(|error| error.to_string());
        if error.is_some() && !connection.is_autocommit() {
            // What could not be committed is undone; if that fails too, the next BEGIN says so.
            let _ = connection.execute_batch("ROLLBACK");
        }
        for answer in answers {
            answer(error.as_deref());
        }
    }
}

/// Lets a job that found no transaction make its answer; what it did outside of one is undone.
fn refuse(job: Job, connection: &Connection) -> Answer {
    // Its savepoint opens a transaction of its own; the caller is told that nothing was kept.
    let _ = connection.execute_batch("SAVEPOINT refused");
    let answer = job(connection);
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
    connection.execute_batch(end).map_err(StoreError::doing("closing a savepoint"))?;
    result
}
