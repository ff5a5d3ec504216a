//! Jobs: pieces of work for the one connection that writes to a data file.

use rusqlite::{Connection, ErrorCode};

/// A piece of work for the connection that writes, and the caller who waits for the result of the work.
pub trait Job: Send {
    /// Does the work and keeps its result for [`Job::answer`].
    ///
    /// With [`crate::Undo::Repeat`], this function may be called a second time. Before that, everything that the first
    /// call changed is undone.
    ///
    /// # Errors
    ///
    /// If the work failed; its changes are then undone. The caller learns of the failure from the result that the job keeps,
    /// which may contain an error of another type.
    fn work(&mut self, connection: &Connection) -> Result<(), Failure>;

    /// Answers the caller. If `committed` is `Ok`, all changes of the work are durable, and the answer is the result that
    /// the job keeps. Otherwise the answer is the reason why the changes were not committed.
    fn answer(self: Box<Self>, committed: Result<(), &Failure>);
}

/// The reason why a job failed, or why a group of jobs was not committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The reason, with its causes.
    pub message: String,
    /// Whether the disk is full, or the data file has reached its limit.
    pub is_full: bool,
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self { message: error.to_string(), is_full: is_full(&error) }
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self { message: message.to_owned(), is_full: false }
    }
}

/// Returns whether SQLite failed because the disk is full, or because the data file has reached its limit.
#[must_use]
pub fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// The answer to a job of a test.
    pub(crate) type Answer = Receiver<Result<(), Failure>>;

    /// A job that inserts a number, and then fails if `fails` is true.
    pub(crate) struct Insert {
        number: i64,
        fails: bool,
        worked: Option<Result<(), Failure>>,
        answer: Sender<Result<(), Failure>>,
    }

    impl Insert {
        pub(crate) fn job(number: i64, fails: bool) -> (Box<dyn Job>, Answer) {
            let (answer, answered) = channel();
            (Box::new(Self { number, fails, worked: None, answer }), answered)
        }
    }

    impl Job for Insert {
        fn work(&mut self, connection: &Connection) -> Result<(), Failure> {
            let inserted = connection.execute("INSERT INTO numbers VALUES (?1)", [self.number]);
            let worked = match inserted {
                Ok(_) if self.fails => Err("told to fail".into()),
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            };
            self.worked = Some(worked.clone());
            worked
        }

        fn answer(self: Box<Self>, committed: Result<(), &Failure>) {
            let worked = self.worked.unwrap_or_else(|| Err("not done".into()));
            let answer = worked.and(committed.map_err(Failure::clone));
            self.answer.send(answer).unwrap();
        }
    }

    /// Returns a connection to a table of numbers, in memory.
    pub(crate) fn numbers() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (value INTEGER)").unwrap();
        connection
    }

    /// Returns the numbers in the table, in the order in which they were inserted.
    pub(crate) fn kept(connection: &Connection) -> Vec<i64> {
        let mut select = connection.prepare("SELECT value FROM numbers ORDER BY rowid").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }
}
