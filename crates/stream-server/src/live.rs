//! One stream while the server runs: its log, the definition in force, and whether it accepts records.

mod heavy_keys;
mod meter;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use stream::file::{Source, diagnose_source};
use stream::{Stream, StreamName};
use tokio::sync::{Notify, watch};

pub use heavy_keys::HotKey;

use crate::log::{AppendError, Group, Log, LogError, Origin, Places};
use heavy_keys::HeavyKeys;
use meter::Meter;

/// A definition that was in force, with its number.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) stream: Stream,
}

/// Whether a stream accepts records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// The stream accepts records.
    Active,
    /// The file of the stream is gone. The records that wait are still delivered.
    FileGone,
    /// The stream was deleted. The records that wait are still delivered; then the log is deleted.
    Ending,
}

/// The reason why records are not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the file of the stream is gone: the stream accepts nothing and delivers the records that wait")]
    FileGone,
    #[error("the stream is being deleted")]
    Ending,
    #[error("the stream has no usable definition: {0}")]
    Undefined(String),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The reason why the delivery of a stream does not advance.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// A sentence for people.
    pub(crate) why: String,
    /// The advice to a person.
    pub(crate) remedy: &'static str,
    /// The place of the files, as `s3://bucket/prefix`.
    pub(crate) folder: String,
    /// The time at which the first of the failed tries began. No try has succeeded since.
    pub(crate) since: Timestamp,
    /// How many steps of the delivery have failed since the start of the server.
    pub(crate) failures: u64,
    /// How often the same step failed in a row.
    pub(crate) tries: u32,
    /// The time at which the delivery is tried again.
    pub(crate) next_try: Timestamp,
}

/// One stream.
pub(crate) struct LiveStream {
    pub(crate) name: StreamName,
    pub(crate) log: Log,
    /// Requests hold this lock from the check until their records are in the log, so that no record gets into the log of
    /// a stream that has ended.
    acceptance: tokio::sync::RwLock<Acceptance>,
    version: RwLock<Option<Arc<Version>>>,
    /// Whether a file defines the stream.
    is_of_file: AtomicBool,
    /// The reason why the newest text of the stream file is not in force.
    file_problem: Mutex<Option<String>>,
    trouble: watch::Sender<Option<Trouble>>,
    /// Rows up to this one are cut without waiting for more.
    flush_through: AtomicU64,
    wish: Notify,
    meter: Mutex<Meter>,
    keys: Mutex<HeavyKeys>,
    /// The most bytes that the server lets the stream keep undelivered.
    backlog_bytes: u64,
    /// Whether a delivery works on the stream.
    is_delivering: AtomicBool,
}

impl std::fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStream").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LiveStream {
    /// Returns the stream of a log, with the last version of its definition.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the version cannot be read, or the name cannot be that of a stream.
    pub(crate) fn new(log: Log, backlog_bytes: u64, now: Timestamp) -> Result<Self, LogError> {
        let header = log.header();
        let name =
            StreamName::new(header.name.as_str()).map_err(|_| LogError::Name(log.path().to_owned()))?;
        let acceptance = match header {
            header if header.is_ending => Acceptance::Ending,
            header if header.origin == Origin::File => Acceptance::FileGone,
            _ => Acceptance::Active,
        };
        let is_of_file = header.origin == Origin::File;
        let stream = Self {
            acceptance: tokio::sync::RwLock::new(acceptance),
            version: RwLock::new(None),
            is_of_file: is_of_file.into(),
            file_problem: Mutex::default(),
            trouble: watch::Sender::new(None),
            flush_through: AtomicU64::new(0),
            wish: Notify::new(),
            meter: Mutex::new(Meter::new(now)),
            keys: Mutex::new(HeavyKeys::new(now)),
            backlog_bytes,
            is_delivering: AtomicBool::new(false),
            name,
            log,
        };
        if let Some((number, source)) = stream.log.last_version()? {
            match stream.parse(number, &source) {
                Ok(version) => stream.put_in_force(version),
                Err(problem) => stream.set_file_problem(Some(problem)),
            }
        }
        Ok(stream)
    }

    /// Reads the definition of a version; the error is the first finding.
    pub(crate) fn parse(&self, number: u64, source: &Source) -> Result<Version, String> {
        let diagnosis = diagnose_source(&self.name, source);
        let first = diagnosis.findings.into_iter().find(|finding| finding.is_error);
        let problem = || first.map_or_else(|| "unreadable".to_owned(), |finding| finding.message);
        diagnosis.stream.map(|stream| Version { number, stream }).ok_or_else(problem)
    }

    /// Returns the version in force.
    pub(crate) fn version(&self) -> Result<Arc<Version>, Refused> {
        let version = self.version.read().unwrap_or_else(PoisonError::into_inner).clone();
        version.ok_or_else(|| Refused::Undefined(self.file_problem().unwrap_or_default()))
    }

    /// Puts a version in force.
    pub(crate) fn put_in_force(&self, version: Version) {
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(version));
        // The buffering may have changed.
        self.wish.notify_one();
    }

    /// Returns whether a file defines the stream.
    pub(crate) fn is_of_file(&self) -> bool {
        self.is_of_file.load(Ordering::Relaxed)
    }

    /// Notes that a file defines the stream.
    pub(crate) async fn set_of_file(&self) -> Result<(), LogError> {
        if !self.is_of_file() {
            self.log.mark_of_file().await?;
            self.is_of_file.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Returns whether the stream accepts records.
    pub(crate) async fn acceptance(&self) -> Acceptance {
        *self.acceptance.read().await
    }

    /// Changes whether the stream accepts records, after the requests under way.
    pub(crate) async fn set_acceptance(&self, acceptance: Acceptance) {
        *self.acceptance.write().await = acceptance;
        self.wish.notify_one();
    }

    /// Accepts the records of a request: all of them or none. Returns when they are on the disk.
    pub(crate) async fn accept(
        &self,
        group: Group,
        version: &Version,
        now: Timestamp,
    ) -> Result<Places, Refused> {
        let acceptance = self.acceptance.read().await;
        match *acceptance {
            Acceptance::Active => {}
            Acceptance::FileGone => return Err(Refused::FileGone),
            Acceptance::Ending => return Err(Refused::Ending),
        }
        let records = group.len() as u64;
        {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            group.keys().filter(|key| !key.is_empty()).for_each(|key| keys.count(key, now));
        }
        let backlog = version.stream.max_backlog_bytes.min(self.backlog_bytes);
        let appended = self.log.append(group, backlog).await?;
        drop(acceptance);
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).count(records, now);
        Ok(appended)
    }

    /// Returns how many records the stream has accepted in each of the last seconds, on average.
    pub(crate) fn records_per_second(&self, now: Timestamp) -> f64 {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner).per_second(now)
    }

    /// Returns the partition key that at least half of the records of the last minutes have, if there is such a key.
    pub(crate) fn hot_key(&self, now: Timestamp) -> Option<HotKey> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).hot(now)
    }

    /// Notes that a delivery works on the stream. Returns whether none did before.
    pub(crate) fn begin_delivery(&self) -> bool {
        !self.is_delivering.swap(true, Ordering::Relaxed)
    }

    /// Asks the delivery to cut everything that the log has now. Returns the last row of the log.
    pub(crate) fn ask_flush(&self) -> u64 {
        let through = self.log.totals().last_row;
        self.flush_through.fetch_max(through, Ordering::Relaxed);
        self.wish.notify_one();
        through
    }

    /// Returns the row up to which a user wants the records delivered without waiting for more.
    pub(crate) fn flush_through(&self) -> u64 {
        self.flush_through.load(Ordering::Relaxed)
    }

    /// Waits until a user or a new definition asks the delivery to look again.
    pub(crate) async fn wished(&self) {
        self.wish.notified().await;
    }

    pub(crate) fn file_problem(&self) -> Option<String> {
        self.file_problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_file_problem(&self, problem: Option<String>) {
        *self.file_problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Returns why the delivery does not advance.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().clone()
    }

    /// Returns a receiver of the troubles of the delivery.
    pub(crate) fn troubles(&self) -> watch::Receiver<Option<Trouble>> {
        self.trouble.subscribe()
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.trouble.send_replace(trouble);
    }
}
