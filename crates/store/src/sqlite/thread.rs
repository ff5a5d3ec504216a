//! The thread that owns the connection, and its queue; or the same work done where it is asked for.

use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::flush::{Flusher, Group};
use crate::StoreError;

/// Pieces of work that may share one commit.
const GROUP_LIMIT: usize = 256;

/// Pieces of work that may wait; a caller beyond that waits for a place.
const QUEUE_LIMIT: usize = 4096;

/// A piece of work for the connection, and who waits for it.
pub(super) trait Job: Send {
    /// Does the work and keeps what came of it; says what went wrong. May be done again, when all that was done is undone.
    fn work(&mut self, connection: &Connection) -> Result<(), String>;

    /// Answers with what came of it, or with why that could not be committed.
    fn answer(self: Box<Self>, commit_error: Option<&str>);
}

struct Piece<T, W> {
    work: W,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W> Job for Piece<T, W>
where
    T: Send,
    W: Fn(&Connection) -> Result<T, StoreError> + Send,
{
    fn work(&mut self, connection: &Connection) -> Result<(), String> {
        let result = (self.work)(connection);
        let done = result.as_ref().map(|_| ()).map_err(StoreError::chain);
        self.result = Some(result);
        done
    }

    fn answer(self: Box<Self>, commit_error: Option<&str>) {
        let failed = || Err(StoreError::Commit(commit_error.unwrap_or("the work was not done").to_owned()));
        let result = match (self.result, commit_error) {
            (Some(Ok(value)), None) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(_)) | None, _) => failed(),
        };
        // Nobody waits any more: the caller gave up, the work stands.
        let _ = self.answer.send(result);
    }
}

/// The way to the connection.
pub(super) enum Writer {
    /// Through the queue of its thread. Dropping it waits until the queue is done.
    Thread {
        /// Absent while it is dropped.
        queue: Option<Sender<Box<dyn Job>>>,
        thread: Option<JoinHandle<()>>,
    },
    /// On the caller's thread, at once.
    Inline(Mutex<Connection>),
}

impl Writer {
    /// Begins to work. What is done is answered by the `flusher` if there is one, and else at once.
    pub(super) fn start(connection: Connection, flusher: Option<Flusher>) -> Result<Self, StoreError> {
        let (queue, jobs) = channel(QUEUE_LIMIT);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(&connection, jobs, flusher.as_ref()))
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
        W: Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let job = Box::new(Piece { work, result: None, answer: sender });
        match self {
            Self::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(StoreError::Closed)?;
                queue.send(job).await.map_err(|_| StoreError::Closed)?;
            }
            Self::Inline(connection) => {
                // SQLite undoes what a panic left half done.
                let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                commit_group(&connection, job, std::iter::empty()).answer();
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

fn work(connection: &Connection, mut jobs: Receiver<Box<dyn Job>>, flusher: Option<&Flusher>) {
    while let Some(first) = jobs.blocking_recv() {
        if let Some(why) = flusher.and_then(Flusher::broken) {
            first.answer(Some(why));
            continue;
        }
        let group = commit_group(connection, first, std::iter::from_fn(|| jobs.try_recv().ok()));
        match flusher {
            Some(flusher) => flusher.take(group),
            None => group.answer(),
        }
    }
}

/// Does a group of jobs in one transaction.
fn commit_group(
    connection: &Connection,
    first: Box<dyn Job>,
    waiting: impl Iterator<Item = Box<dyn Job>>,
) -> Group {
    let before = connection.total_changes();
    let mut group = vec![first];
    let committed = match do_together(connection, &mut group, waiting.take(GROUP_LIMIT - 1)) {
        Err(Undone::Spoiled) => do_apart(connection, &mut group),
        Err(Undone::Failed(error)) => Err(error),
        Ok(()) => Ok(()),
    };
    let has_written = connection.total_changes() != before;
    Group { jobs: group, error: committed.err(), has_written }
}

/// Why nothing of a group was committed.
enum Undone {
    /// A piece of work failed half way, and what it left cannot be told from what the others did.
    Spoiled,
    Failed(String),
}

/// Does the jobs with nothing between them, which is cheap and nearly always enough. Those that wait join the group.
fn do_together(
    connection: &Connection,
    group: &mut Vec<Box<dyn Job>>,
    waiting: impl Iterator<Item = Box<dyn Job>>,
) -> Result<(), Undone> {
    in_transaction(connection, || {
        let mut work = |job: &mut Box<dyn Job>| {
            let before = connection.total_changes();
            let worked = job.work(connection);
            // A full disk, mostly: SQLite has undone the whole transaction, and what came next would stand alone.
            if connection.is_autocommit() {
                let error = worked.err().unwrap_or_else(|| "the transaction was undone".to_owned());
                return Err(Undone::Failed(error));
            }
            match worked {
                Err(_) if connection.total_changes() != before => Err(Undone::Spoiled),
                Ok(()) | Err(_) => Ok(()),
            }
        };
        group.iter_mut().try_for_each(&mut work)?;
        for mut job in waiting {
            let worked = work(&mut job);
            group.push(job);
            worked?;
        }
        Ok(())
    })
}

/// Does each job under a savepoint of its own, so that what one leaves half done is undone alone.
fn do_apart(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<(), String> {
    let run = |sql: &str| connection.execute_batch(sql).map_err(|error| Undone::Failed(error.to_string()));
    let done = in_transaction(connection, || {
        for job in group {
            run("SAVEPOINT job")?;
            match job.work(connection) {
                Err(error) if connection.is_autocommit() => return Err(Undone::Failed(error)),
                Err(_) => run("ROLLBACK TO job; RELEASE job")?,
                Ok(()) => run("RELEASE job")?,
            }
        }
        Ok(())
    });
    done.map_err(|undone| match undone {
        Undone::Failed(error) => error,
        Undone::Spoiled => "the transaction was undone".to_owned(),
    })
}

fn in_transaction(connection: &Connection, work: impl FnOnce() -> Result<(), Undone>) -> Result<(), Undone> {
    let run = |sql: &str| connection.execute_batch(sql).map_err(|error| Undone::Failed(error.to_string()));
    let done = run("BEGIN IMMEDIATE").and_then(|()| work()).and_then(|()| run("COMMIT"));
    if done.is_err() && !connection.is_autocommit() {
        // What could not be committed is undone; if that fails too, the next BEGIN says so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answer = oneshot::Receiver<Result<(), StoreError>>;

    /// A job that inserts `value`, and then fails if it `fails`.
    fn insert(value: i64, fails: bool) -> (Box<dyn Job>, Answer) {
        let (answer, answered) = oneshot::channel();
        let work = move |connection: &Connection| {
            connection
                .execute("INSERT INTO numbers VALUES (?1)", [value])
                .map_err(StoreError::doing("inserting"))?;
            if fails { Err(StoreError::Closed) } else { Ok(()) }
        };
        (Box::new(Piece { work, result: None, answer }), answered)
    }

    #[test]
    fn what_a_job_leaves_half_done_is_undone_and_the_others_stand() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (value INTEGER)").unwrap();
        let (queue, jobs) = channel(4);
        let answers = [(1, false), (2, true), (3, false), (4, true)].map(|(value, fails)| {
            let (job, answer) = insert(value, fails);
            assert!(queue.try_send(job).is_ok(), "the queue has room");
            answer
        });
        drop(queue);
        work(&connection, jobs, None);
        let answers = answers.map(|answer| answer.blocking_recv().unwrap());
        assert!(matches!(answers, [Ok(()), Err(StoreError::Closed), Ok(()), Err(StoreError::Closed)]));
        let kept: String =
            connection.query_row("SELECT group_concat(value) FROM numbers", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, "1,3");
    }

    #[test]
    fn every_job_is_answered_where_no_transaction_begins() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let (first, answered) = insert(1, false);
        commit_group(&connection, first, std::iter::empty()).answer();
        assert!(matches!(answered.blocking_recv().unwrap(), Err(StoreError::Commit(_))));
    }
}
