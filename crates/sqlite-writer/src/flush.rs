//! Makes the commits of a group durable while the writer works on the next group.
//!
//! SQLite itself would flush before a commit returns, and the writer would wait meanwhile. With a flusher
//! (`PRAGMA synchronous = NORMAL`), a commit only writes to the log; a separate thread flushes the log and then answers
//! the callers. Callers that only read wait too, since they may have read a commit that is not flushed yet. A database
//! that is also read over other connections needs `synchronous = FULL` and no flusher: those connections would see commits
//! that a power cut can still take back.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crate::group::Group;
use crate::job::Failure;

/// The thread that flushes the log.
pub struct Flusher {
    /// A channel without room: while a group waits, the writer collects all later jobs into one next group.
    groups: Option<SyncSender<Group>>,
    thread: Option<JoinHandle<()>>,
    /// The reason why a flush failed. After a failed flush no change can be made durable any more.
    broken: Arc<OnceLock<Failure>>,
}

impl Flusher {
    /// Begins to flush the log of the data file at `path`, which a connection has open; `name` names the thread.
    ///
    /// # Errors
    ///
    /// If the log cannot be opened or flushed, or the thread does not start.
    pub fn of_log(name: &str, path: &Path) -> io::Result<Self> {
        Self::of_log_after(name, path, || Ok(()))
    }

    /// Begins to flush like [`Flusher::of_log`], and calls `before` ahead of every flush. An error of `before` counts as the
    /// error of the flush, so that tests can let a flush fail.
    ///
    /// # Errors
    ///
    /// As [`Flusher::of_log`].
    pub fn of_log_after(
        name: &str,
        path: &Path,
        mut before: impl FnMut() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        // SQLite names the log after the file itself, whatever link leads there.
        let mut log = path.canonicalize()?.into_os_string();
        log.push("-wal");
        // The log stays the same file as long as the connection lives: SQLite overwrites it in place.
        let log = File::options().write(true).open(Path::new(&log))?;
        // The last commits of a killed server may not be flushed yet. From now on they are read, so they must be durable.
        log.sync_data()?;
        Self::start(name, move || before().and_then(|()| log.sync_data()))
    }

    /// Begins to flush with `flush`; `name` names the thread.
    ///
    /// # Errors
    ///
    /// If the thread does not start.
    pub fn start(name: &str, flush: impl FnMut() -> io::Result<()> + Send + 'static) -> io::Result<Self> {
        let (groups, waiting) = sync_channel(0);
        let broken = Arc::new(OnceLock::new());
        let breaks = Arc::clone(&broken);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || answer_flushed(waiting, flush, &breaks))?;
        Ok(Self { groups: Some(groups), thread: Some(thread), broken })
    }

    /// Returns why a flush failed; `None` if none has failed.
    pub(crate) fn broken(&self) -> Option<&Failure> {
        self.broken.get()
    }

    /// Hands a group to the thread. Blocks until the thread has answered the previous group.
    pub(crate) fn take(&self, group: Group) {
        // If the thread has panicked, dropping the jobs tells their callers that the writer is closed.
        let _ = self.groups.as_ref().map(|groups| groups.send(group));
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.groups = None;
        if let Some(thread) = self.thread.take() {
            // If the thread has panicked, it has printed the panic itself.
            let _ = thread.join();
        }
    }
}

fn answer_flushed(
    groups: Receiver<Group>,
    mut flush: impl FnMut() -> io::Result<()>,
    broken: &OnceLock<Failure>,
) {
    for mut group in groups {
        if broken.get().is_none()
            && group.has_written
            && let Err(error) = flush()
        {
            // The operating system may have dropped the bytes that it could not write. SQLite could then not read
            // anything that follows them in the log.
            let message = format!(
                "flushing the log of the data file: {error}; no further change can be saved: restart the server"
            );
            broken.get_or_init(|| Failure { message, is_full: false });
        }
        if let Some(why) = broken.get() {
            group.committed = Err(why.clone());
        }
        group.answer();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{TryRecvError, channel};

    use super::*;
    use crate::job::tests::{Answer, Insert, numbers};

    /// Returns a group of one job that is done.
    fn group(has_written: bool) -> (Group, Answer) {
        let (mut job, answer) = Insert::job(1, false);
        job.work(&numbers()).unwrap();
        (Group { jobs: vec![job], committed: Ok(()), has_written }, answer)
    }

    #[test]
    fn a_write_is_answered_after_its_flush_and_a_read_after_earlier_writes() {
        let (go, gone) = channel();
        let (write, written) = group(true);
        let (read, was_read) = group(false);
        // The flush for the write waits for `go`. The read needs no flush, so `go` is sent only once.
        let flusher = Flusher::start("flush", move || gone.recv().map_err(io::Error::other)).unwrap();
        flusher.take(write);
        let early = std::thread::scope(|scope| {
            scope.spawn(|| flusher.take(read));
            let early = [written.try_recv(), was_read.try_recv()];
            go.send(()).unwrap();
            early
        });
        assert_eq!(early, [Err(TryRecvError::Empty), Err(TryRecvError::Empty)]);
        assert_eq!((written.recv().unwrap(), was_read.recv().unwrap()), (Ok(()), Ok(())));
    }

    #[test]
    fn nothing_is_taken_for_durable_after_a_flush_that_failed() {
        let results = Mutex::new(vec![Ok(()), Err(io::Error::other("a bad disk")), Ok(())]);
        let flusher = Flusher::start("flush", move || results.lock().unwrap().pop().unwrap()).unwrap();
        let flush_after = |has_written| {
            let (group, answer) = group(has_written);
            flusher.take(group);
            answer.recv().unwrap()
        };
        assert_eq!(flush_after(true), Ok(()));
        for has_written in [true, true, false] {
            let refused = flush_after(has_written).unwrap_err().message;
            assert!(refused.contains("a bad disk") && refused.contains("restart"), "{refused}");
        }
    }
}
