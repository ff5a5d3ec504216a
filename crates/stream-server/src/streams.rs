//! All streams of the server, by name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use stream::file::Source;

use crate::config::Now;
use crate::live::{Acceptance, LiveStream, Version};
use crate::log::{self, BeforeFlush, Log, LogError, NewLog, Origin};

/// The ending of the files of logs.
const ENDING: &str = "sqlite";

/// All streams of the server.
pub(crate) struct Streams {
    folder: std::path::PathBuf,
    before_flush: Option<BeforeFlush>,
    backlog_bytes: u64,
    now: Now,
    by_name: RwLock<BTreeMap<String, Arc<LiveStream>>>,
    /// The streams whose logs cannot be used, with the reasons.
    unusable: BTreeMap<String, String>,
    /// Held while a stream is created, changed or removed.
    change: tokio::sync::Mutex<()>,
    /// The lock that keeps other servers from the folder.
    _lock: File,
}

/// A stream that a protocol creates.
pub(crate) struct NewStream {
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) is_on_demand: bool,
    pub(crate) role_arn: Option<String>,
    pub(crate) source: Source,
}

/// The reason why a stream cannot be created.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CreateError {
    #[error("the stream exists")]
    Exists(Arc<LiveStream>),
    #[error("{0}")]
    Definition(String),
    #[error("{0}: repair the data file, or move it away to begin with an empty one; then restart the server")]
    Unusable(String),
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Opens all logs in the folder.
    pub(crate) fn open(
        folder: &Path,
        before_flush: Option<BeforeFlush>,
        backlog_bytes: u64,
        now: Now,
    ) -> Result<Self, LogError> {
        let failed = |doing| move |source| LogError::File { path: folder.to_owned(), doing, source };
        fs::create_dir_all(folder).map_err(failed("creating"))?;
        let lock = log::lock(folder)?;
        let mut by_name: BTreeMap<String, Arc<LiveStream>> = BTreeMap::new();
        let mut unusable = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(failed("listing"))? {
            let path = entry.map_err(failed("listing"))?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            let opened = open_one(&path, before_flush.clone(), backlog_bytes, now()).and_then(|stream| {
                let other = stream.as_ref().and_then(|stream| by_name.get(stream.name.as_str()));
                match other {
                    Some(other) => {
                        Err(LogError::Twice { first: other.log.path().to_owned(), second: path.clone() })
                    }
                    None => Ok(stream),
                }
            });
            match opened {
                Ok(Some(stream)) => drop(by_name.insert(stream.name.to_string(), Arc::new(stream))),
                Ok(None) => {}
                // The records of this stream stay where they are, and the other streams go on.
                Err(error) => {
                    let (name, error) = (name_of(&path), http_front::with_causes(&error));
                    tracing::error!(stream.name = name, error, "the data file of a stream cannot be used");
                    unusable.insert(name, error);
                }
            }
        }
        // With two logs of one name, nobody knows which has the records that wait.
        unusable.keys().for_each(|name| drop(by_name.remove(name)));
        Ok(Self {
            folder: folder.to_owned(),
            before_flush,
            backlog_bytes,
            now,
            by_name: RwLock::new(by_name),
            unusable,
            change: tokio::sync::Mutex::default(),
            _lock: lock,
        })
    }

    /// Returns a stream.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<LiveStream>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Returns all streams in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<LiveStream>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Returns the streams that listings show. A stream is left out if its file is gone and it has delivered everything.
    pub(crate) async fn visible(&self) -> Vec<Arc<LiveStream>> {
        let mut visible = Vec::new();
        for stream in self.all() {
            let is_over = stream.acceptance().await == Acceptance::FileGone
                && stream.log.totals().waiting().records == 0;
            if !is_over {
                visible.push(stream);
            }
        }
        visible
    }

    /// Fails if there is a log of this name that cannot be used: a new log would hide the records in it.
    fn check_usable(&self, name: &str) -> Result<(), CreateError> {
        self.unusable.get(name).map_or(Ok(()), |why| Err(CreateError::Unusable(why.clone())))
    }

    /// Returns whether there is a log of this name that cannot be used.
    pub(crate) fn is_unusable(&self, name: &str) -> bool {
        self.unusable.contains_key(name)
    }

    fn insert(&self, stream: Arc<LiveStream>) {
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(stream.name.to_string(), stream);
    }

    /// Creates a stream, which accepts records from now on.
    pub(crate) async fn create(&self, new: NewStream) -> Result<Arc<LiveStream>, CreateError> {
        let _change = self.change.lock().await;
        if let Some(stream) = self.get(&new.name) {
            return Err(CreateError::Exists(stream));
        }
        self.check_usable(&new.name)?;
        // Before anything is written, so that a definition with errors leaves no log.
        check(&new.name, &new.source).map_err(CreateError::Definition)?;
        let stream = self.start(&new).await?;
        self.put_in_force(&stream, &new.source).await?.map_err(CreateError::Definition)?;
        Ok(stream)
    }

    /// Takes the definition of a file for the one in force. A stream that does not exist is created. The error of `source` is
    /// the reason why the file has no text.
    ///
    /// The inner error is the problem of a definition that cannot be read; the one before stays in force.
    pub(crate) async fn set_file(
        &self,
        name: &str,
        source: Result<Source, String>,
    ) -> Result<Result<(), String>, CreateError> {
        let _change = self.change.lock().await;
        let stream = match self.get(name) {
            Some(stream) if stream.acceptance().await == Acceptance::Ending => {
                return Err(CreateError::Exists(stream));
            }
            Some(stream) => stream,
            None => {
                self.check_usable(name)?;
                let source = match &source {
                    Ok(source) => source.clone(),
                    Err(problem) => return Ok(Err(problem.clone())),
                };
                if let Err(problem) = check(name, &source) {
                    return Ok(Err(problem));
                }
                let (name, origin) = (name.to_owned(), Origin::File);
                let new = NewStream { name, origin, is_on_demand: false, role_arn: None, source };
                self.start(&new).await?
            }
        };
        let set = match &source {
            Ok(source) => self.put_in_force(&stream, source).await?,
            Err(problem) => Err(problem.clone()),
        };
        stream.set_file_problem(set.as_ref().err().cloned());
        // An unreadable file does not end a stream that an earlier text of the file has begun.
        if set.is_ok() || stream.is_of_file() {
            stream.set_of_file().await?;
            if stream.acceptance().await != Acceptance::Active && stream.version().is_ok() {
                stream.set_acceptance(Acceptance::Active).await;
            }
        }
        Ok(set)
    }

    /// Notes that the files of all streams whose names are not in `names` are gone: these streams stop accepting records.
    pub(crate) async fn keep_files(&self, names: &[&str]) {
        let _change = self.change.lock().await;
        for stream in self.all() {
            let is_gone = stream.is_of_file() && !names.contains(&stream.name.as_str());
            if is_gone && stream.acceptance().await == Acceptance::Active {
                stream.set_acceptance(Acceptance::FileGone).await;
                stream.set_file_problem(None);
            }
        }
    }

    /// Lets a stream end. Its waiting records are delivered first.
    pub(crate) async fn delete(&self, stream: &LiveStream) -> Result<(), LogError> {
        let _change = self.change.lock().await;
        stream.log.mark_ending().await?;
        stream.set_acceptance(Acceptance::Ending).await;
        Ok(())
    }

    /// Removes a stream that has ended, with its log.
    pub(crate) async fn remove(&self, stream: &LiveStream) -> Result<(), LogError> {
        let _change = self.change.lock().await;
        self.by_name.write().unwrap_or_else(PoisonError::into_inner).remove(stream.name.as_str());
        log::remove(stream.log.path())
    }

    async fn start(&self, new: &NewStream) -> Result<Arc<LiveStream>, LogError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = self.folder.join(format!("{}.{id}.{ENDING}", new.name));
        let log = NewLog {
            name: new.name.clone(),
            id,
            origin: new.origin,
            is_on_demand: new.is_on_demand,
            role_arn: new.role_arn.clone(),
            now: (self.now)(),
        };
        let (before_flush, backlog_bytes, now) =
            (self.before_flush.clone(), self.backlog_bytes, (self.now)());
        let opened = tokio::task::spawn_blocking(move || {
            LiveStream::new(Log::open(&path, Some(&log), before_flush)?, backlog_bytes, now)
        });
        let stream = Arc::new(opened.await.map_err(|_| LogError::Closed)??);
        Ok(stream)
    }

    async fn put_in_force(
        &self,
        stream: &Arc<LiveStream>,
        source: &Source,
    ) -> Result<Result<(), String>, LogError> {
        if let Err(problem) = stream.parse(0, source) {
            return Ok(Err(problem));
        }
        let is_new = self.get(stream.name.as_str()).is_none();
        let number = match stream.log.save_version(source.clone(), (self.now)()).await {
            Ok(number) => number,
            Err(error) => {
                if is_new {
                    log::remove(stream.log.path())?;
                }
                return Err(error);
            }
        };
        let is_known = stream.version().is_ok_and(|version| version.number == number);
        if !is_known {
            let version = stream.parse(number, source);
            version.map(|version: Version| stream.put_in_force(version)).unwrap_or_default();
        }
        if is_new {
            self.insert(Arc::clone(stream));
        }
        Ok(Ok(()))
    }
}

/// Opens the log at `path`. There is no stream if its creation was interrupted.
fn open_one(
    path: &Path,
    before_flush: Option<BeforeFlush>,
    backlog_bytes: u64,
    now: Timestamp,
) -> Result<Option<LiveStream>, LogError> {
    let log = match Log::open(path, None, before_flush) {
        Err(LogError::Unfinished(_)) => {
            log::remove(path)?;
            return Ok(None);
        }
        opened => opened?,
    };
    // The server was killed before the new stream had a definition.
    if log.last_version()?.is_none() && log.totals().accepted.records == 0 {
        drop(log);
        log::remove(path)?;
        return Ok(None);
    }
    LiveStream::new(log, backlog_bytes, now).map(Some)
}

/// Returns the name of the stream in the name of its log.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    stem.rsplit_once('.').map_or(stem.as_ref(), |(name, _id)| name).to_owned()
}

/// Returns the first problem of a definition.
fn check(name: &str, source: &Source) -> Result<(), String> {
    let name = stream::StreamName::new(name).map_err(|error| error.to_string())?;
    let diagnosis = stream::file::diagnose_source(&name, source);
    let first = diagnosis.findings.into_iter().find(|finding| finding.is_error);
    match (diagnosis.stream, first) {
        (Some(_), _) => Ok(()),
        (None, first) => Err(first.map_or_else(|| "unreadable".to_owned(), |finding| finding.message)),
    }
}

/// Returns the age of something that happened at `then`: zero if the clock was set back since.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> jiff::SignedDuration {
    now.duration_since(then).max(jiff::SignedDuration::ZERO)
}
