//! A group of jobs in one transaction.

use rusqlite::Connection;

use crate::job::{Failure, Job};

/// The most jobs that share one commit.
const GROUP_LIMIT: usize = 256;

/// The way to undo a job that failed half way, while the changes of the other jobs of its group stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// All jobs are undone and then done again, each under a savepoint of its own. This is the cheaper way where jobs
    /// seldom fail half way. Their work must allow that it is done twice.
    Repeat,
    /// Every job has a savepoint of its own from the start, and is done once.
    Savepoints,
}

/// Jobs that were done in one transaction. They are answered when the transaction is durable.
pub(crate) struct Group {
    pub(crate) jobs: Vec<Box<dyn Job>>,
    /// Whether the transaction was committed; the error says why not. If the flush of the log fails, the
    /// [`crate::Flusher`] replaces `Ok` with the error of the flush.
    pub(crate) committed: Result<(), Failure>,
    /// Whether jobs changed rows, so that the log must be flushed. A change counts even if it was undone.
    pub(crate) has_written: bool,
}

impl Group {
    /// Answers every caller.
    pub(crate) fn answer(self) {
        for job in self.jobs {
            job.answer(self.committed.as_ref().copied());
        }
    }
}

/// Does a group of jobs in one transaction: `first`, and those that wait, at most [`GROUP_LIMIT`] jobs. The result says
/// whether the transaction was committed; the callers have not been answered yet.
pub(crate) fn commit_group(
    connection: &Connection,
    undo: Undo,
    first: Box<dyn Job>,
    waiting: impl Iterator<Item = Box<dyn Job>>,
) -> Group {
    let before = connection.total_changes();
    let mut jobs = vec![first];
    let waiting = waiting.take(GROUP_LIMIT - 1);
    let done = match undo {
        Undo::Repeat => match do_together(connection, &mut jobs, waiting) {
            Err(Undone::Spoiled) => do_apart(connection, &mut jobs, std::iter::empty()),
            done => done,
        },
        Undo::Savepoints => do_apart(connection, &mut jobs, waiting),
    };
    let committed = done.map_err(|undone| match undone {
        Undone::Failed(failure) => failure,
        // Not reached: under savepoints of their own, jobs cannot spoil each other's changes.
        Undone::Spoiled => "the transaction was undone".into(),
    });
    Group { jobs, committed, has_written: connection.total_changes() != before }
}

/// The reason why nothing of a group was committed.
enum Undone {
    /// A job failed half way, and its changes cannot be distinguished from those of the other jobs.
    Spoiled,
    /// The transaction could not be begun, kept or committed.
    Failed(Failure),
}

/// Does the jobs without savepoints, which is cheap and nearly always enough. The waiting jobs join the group.
fn do_together(
    connection: &Connection,
    group: &mut Vec<Box<dyn Job>>,
    waiting: impl Iterator<Item = Box<dyn Job>>,
) -> Result<(), Undone> {
    in_transaction(connection, || {
        each(group, waiting, |job| {
            let before = connection.total_changes();
            let worked = job.work(connection);
            must_be_open(connection, &worked)?;
            match worked {
                Err(_) if connection.total_changes() != before => Err(Undone::Spoiled),
                Ok(()) | Err(_) => Ok(()),
            }
        })
    })
}

/// Does each job under a savepoint of its own, so that a job that fails half way is undone alone.
fn do_apart(
    connection: &Connection,
    group: &mut Vec<Box<dyn Job>>,
    waiting: impl Iterator<Item = Box<dyn Job>>,
) -> Result<(), Undone> {
    in_transaction(connection, || {
        each(group, waiting, |job| {
            run(connection, "SAVEPOINT job")?;
            let worked = job.work(connection);
            must_be_open(connection, &worked)?;
            run(connection, if worked.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })
        })
    })
}

/// Applies `work` to the jobs of the group, and then to the jobs that wait; these join the group.
fn each(
    group: &mut Vec<Box<dyn Job>>,
    waiting: impl Iterator<Item = Box<dyn Job>>,
    mut work: impl FnMut(&mut dyn Job) -> Result<(), Undone>,
) -> Result<(), Undone> {
    group.iter_mut().try_for_each(|job| work(&mut **job))?;
    for mut job in waiting {
        let worked = work(&mut *job);
        group.push(job);
        worked?;
    }
    Ok(())
}

/// Fails if SQLite has undone the whole transaction by itself, as it does on a full disk: later jobs would run
/// outside of a transaction.
fn must_be_open(connection: &Connection, worked: &Result<(), Failure>) -> Result<(), Undone> {
    if !connection.is_autocommit() {
        return Ok(());
    }
    let failure = worked.as_ref().err().cloned();
    Err(Undone::Failed(failure.unwrap_or_else(|| "the transaction was undone".into())))
}

fn in_transaction(connection: &Connection, work: impl FnOnce() -> Result<(), Undone>) -> Result<(), Undone> {
    let done =
        run(connection, "BEGIN IMMEDIATE").and_then(|()| work()).and_then(|()| run(connection, "COMMIT"));
    if done.is_err() && !connection.is_autocommit() {
        // If the rollback fails too, the next BEGIN says so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    done
}

fn run(connection: &Connection, sql: &str) -> Result<(), Undone> {
    connection.execute_batch(sql).map_err(|error| Undone::Failed(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::tests::{Insert, kept, numbers};

    #[test]
    fn a_job_that_fails_half_way_is_undone_and_the_others_stand() {
        for undo in [Undo::Repeat, Undo::Savepoints] {
            let connection = numbers();
            let (mut jobs, mut answers) = (Vec::new(), Vec::new());
            for (number, fails) in [(1, false), (2, true), (3, false), (4, true)] {
                let (job, answer) = Insert::job(number, fails);
                jobs.push(job);
                answers.push(answer);
            }
            let mut jobs = jobs.into_iter();
            while let Some(first) = jobs.next() {
                commit_group(&connection, undo, first, &mut jobs).answer();
            }
            let answers: Vec<_> = answers.iter().map(|answer| answer.recv().unwrap()).collect();
            let own_error = || Err(Failure::from("told to fail"));
            assert_eq!(answers, [Ok(()), own_error(), Ok(()), own_error()], "{undo:?}");
            assert_eq!(kept(&connection), [1, 3], "{undo:?}");
        }
    }

    #[test]
    fn every_job_is_answered_where_no_transaction_begins() {
        for undo in [Undo::Repeat, Undo::Savepoints] {
            let connection = numbers();
            connection.execute_batch("BEGIN").unwrap();
            let (first, answer) = Insert::job(1, false);
            commit_group(&connection, undo, first, std::iter::empty()).answer();
            assert!(answer.recv().unwrap().is_err(), "{undo:?}");
        }
    }

    #[test]
    fn on_a_full_disk_all_jobs_of_the_transaction_are_refused_and_later_jobs_wait() {
        for undo in [Undo::Repeat, Undo::Savepoints] {
            let connection = numbers();
            connection.execute_batch("CREATE TABLE bytes (value BLOB)").unwrap();
            let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
            let (small, of_small) = Insert::job(1, false);
            let (later, _of_later) = Insert::job(2, false);
            let mut jobs = vec![Box::new(Fill) as Box<dyn Job>, later].into_iter();
            let group = commit_group(&connection, undo, small, &mut jobs);
            assert!(group.committed.as_ref().is_err_and(|failure| failure.is_full), "{undo:?}");
            assert_eq!((jobs.len(), kept(&connection)), (1, vec![]), "{undo:?}");
            group.answer();
            assert!(of_small.recv().unwrap().is_err_and(|failure| failure.is_full), "{undo:?}");
        }
    }

    /// A job that needs more room than there is.
    struct Fill;

    impl Job for Fill {
        fn work(&mut self, connection: &Connection) -> Result<(), Failure> {
            connection.execute("INSERT INTO bytes VALUES (zeroblob(1000000))", [])?;
            Ok(())
        }

        fn answer(self: Box<Self>, _committed: Result<(), &Failure>) {}
    }
}
