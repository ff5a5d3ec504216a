//! What makes commits durable: the log is flushed beside the work on what comes next.
//!
//! SQLite itself would flush before a commit returns, and nothing could be worked on meanwhile. Here a commit only
//! writes to the log; a thread of its own flushes it and then answers all who wait. Whoever reads waits too, since
//! what it read may be a commit that is not flushed yet.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use super::thread::Job;
use crate::StoreError;

/// Work that was committed together, and is answered once that is durable.
pub(super) struct Group {
    pub(super) jobs: Vec<Box<dyn Job>>,
    /// Why it could not be committed.
    pub(super) error: Option<String>,
    /// There is something in the log that was not there before.
    pub(super) has_written: bool,
}

impl Group {
    pub(super) fn answer(self) {
        for job in self.jobs {
            job.answer(self.error.as_deref());
        }
    }
}

/// The thread that flushes the log.
pub(super) struct Flusher {
    /// Without room: what comes while a group waits is one group with all that follows it until then.
    groups: Option<SyncSender<Group>>,
    thread: Option<JoinHandle<()>>,
    /// Why nothing can be kept any more.
    broken: Arc<OnceLock<String>>,
}

impl Flusher {
    /// Begins to flush the log of the data file at `path`, which a connection has open.
    pub(super) fn of_log(path: &Path) -> Result<Self, StoreError> {
        // SQLite names it after the file itself, whatever link leads there.
        let failed = |source| StoreError::Log { path: path.to_owned(), source };
        let mut log = path.canonicalize().map_err(failed)?.into_os_string();
        log.push("-wal");
        // As long as the connection lives it is the same file: SQLite begins it anew in place.
        let log = File::options().write(true).open(Path::new(&log)).map_err(failed)?;
        // What a killed server committed last may not be flushed yet, and is read from now on.
        log.sync_data().map_err(failed)?;
        Self::start(move || log.sync_data())
    }

    /// Begins to flush with `flush`.
    pub(super) fn start(flush: impl FnMut() -> io::Result<()> + Send + 'static) -> Result<Self, StoreError> {
        let (groups, waiting) = sync_channel(0);
        let broken = Arc::new(OnceLock::new());
        let breaks = Arc::clone(&broken);
        let thread = std::thread::Builder::new()
            .name("store-flush".to_owned())
            .spawn(move || answer_flushed(waiting, flush, &breaks))
            .map_err(|error| StoreError::Commit(error.to_string()))?;
        Ok(Self { groups: Some(groups), thread: Some(thread), broken })
    }

    /// Returns why nothing can be kept any more: a flush has failed.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.get().map(String::as_str)
    }

    /// Takes a group over as soon as the one before it is answered.
    pub(super) fn take(&self, group: Group) {
        // Dropping its jobs tells who waits that the store is closed, should the thread have broken down.
        let _ = self.groups.as_ref().map(|groups| groups.send(group));
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.groups = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

fn answer_flushed(
    groups: Receiver<Group>,
    mut flush: impl FnMut() -> io::Result<()>,
    broken: &OnceLock<String>,
) {
    for mut group in groups {
        if broken.get().is_none()
            && group.has_written
            && let Err(error) = flush()
        {
            // What the system could not write it may have dropped, and with it all of the log that comes after it.
            broken.get_or_init(|| {
                format!(
                    "flushing the log of the data file: {error}; nothing more can be kept: restart the server"
                )
            });
        }
        group.error = broken.get().cloned().or(group.error);
        group.answer();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, TryRecvError, channel};

    use super::*;

    /// A job that tells what it is answered.
    struct Told(Sender<Option<String>>);

    impl Job for Told {
        fn work(&mut self, _connection: &rusqlite::Connection) -> Result<(), String> {
            Ok(())
        }

        fn answer(self: Box<Self>, commit_error: Option<&str>) {
            self.0.send(commit_error.map(str::to_owned)).unwrap();
        }
    }

    fn group(has_written: bool) -> (Group, Receiver<Option<String>>) {
        let (told, answers) = channel();
        (Group { jobs: vec![Box::new(Told(told))], error: None, has_written }, answers)
    }

    #[test]
    fn a_write_is_answered_when_it_is_flushed_and_a_read_after_what_came_before_it() {
        let (go, gone) = channel();
        let (write, written) = group(true);
        let (read, was_read) = group(false);
        // It hears that it may go on once, for the write.
        let flusher = Flusher::start(move || gone.recv().map_err(io::Error::other)).unwrap();
        flusher.take(write);
        let early = std::thread::scope(|scope| {
            scope.spawn(|| flusher.take(read));
            let early = [written.try_recv(), was_read.try_recv()];
            go.send(()).unwrap();
            early
        });
        assert_eq!(early, [Err(TryRecvError::Empty), Err(TryRecvError::Empty)]);
        assert_eq!((written.recv(), was_read.recv()), (Ok(None), Ok(None)));
    }

    #[test]
    fn nothing_is_taken_for_durable_after_a_flush_that_failed() {
        let results = Mutex::new(vec![Ok(()), Err(io::Error::other("a bad disk")), Ok(())]);
        let flusher = Flusher::start(move || results.lock().unwrap().pop().unwrap()).unwrap();
        let tell = |has_written| {
            let (group, answer) = group(has_written);
            flusher.take(group);
            answer.recv().unwrap()
        };
        assert_eq!(tell(true), None);
        for has_written in [true, true, false] {
            let refused = tell(has_written).unwrap();
            assert!(refused.contains("a bad disk") && refused.contains("restart"), "{refused}");
        }
    }
}
