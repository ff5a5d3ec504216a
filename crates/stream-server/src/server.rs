//! The server as a whole: opens the logs, serves the endpoint, and delivers.

mod admin;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use jiff::Timestamp;
use sigv4::Verifier;
use stream::StreamName;
use stream::file::{Finding, Source, diagnose};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alarm::{self, DeliveryNotice, ReportedTroubles};
use crate::answers::{Flushed, Quarantine, Replayed, StreamList, Tail};
use crate::config::Config;
use crate::deliver::Dock;
use crate::endpoint;
use crate::intake::{ApiKey, Budget, Intake};
use crate::live::LiveStream;
use crate::log::LogError;
use crate::query::{self, QueryError, Span, Wish};
use crate::streams::{CreateError, Streams};
use crate::summary;

/// The folder of objects that are being made, in the folder of the logs.
const SPOOL: &str = "spool";

/// A server of streams. Clones are the same server.
#[derive(Clone)]
pub struct StreamServer {
    intake: Arc<Intake>,
    limits: http_front::Limits,
}

/// The findings about a stream file.
#[derive(Debug)]
pub struct FileReport {
    /// The name of the stream.
    pub name: String,
    /// The findings in the file. With an error among them, the version before stays in force.
    pub findings: Vec<Finding>,
    /// The reason why the definition could not be taken although the file has no error.
    pub failure: Option<String>,
}

impl StreamServer {
    /// Opens the logs of a folder, and begins to deliver the records that wait in them.
    ///
    /// The server accepts nothing until [`StreamServer::run`] is called. It must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the folder or a log cannot be used, or another server uses it.
    pub async fn open(config: Config) -> Result<Self, LogError> {
        let Config { folder, before_flush, backlog_bytes, now, .. } = &config;
        let backlog_bytes = *backlog_bytes;
        let (folder, before_flush, clock) = (folder.clone(), before_flush.clone(), Arc::clone(now));
        let opened = tokio::task::spawn_blocking(move || {
            let streams = Streams::open(&folder, before_flush, backlog_bytes, clock)?;
            let spool = folder.join(SPOOL);
            let failed = |source| LogError::File { path: spool.clone(), doing: "emptying", source };
            // A server that was killed leaves unfinished objects.
            if spool.exists() {
                std::fs::remove_dir_all(&spool).map_err(failed)?;
            }
            std::fs::create_dir(&spool).map_err(failed)?;
            Ok((streams, spool))
        });
        let (streams, spool) = opened.await.map_err(|_| LogError::Closed)??;
        let streams = Arc::new(streams);
        let dock = Arc::new(Dock {
            streams: Arc::clone(&streams),
            s3: config.s3,
            homes: config.homes,
            now: Arc::clone(&config.now),
            clock_set: config.clock_set,
            pauses: config.pauses,
            steps: watch::Sender::new(0),
            spool,
            makers: Dock::makers(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        for stream in streams.all() {
            dock.begin(stream);
        }
        let keys = vec![config.credentials];
        let intake = Intake {
            streams,
            dock,
            now: config.now,
            kinesis: Verifier::new(&config.region, "kinesis", keys.clone()),
            firehose: Verifier::new(&config.region, "firehose", keys),
            region: config.region,
            account_id: config.account_id,
            hosts: config.hosts,
            budget: Budget::new(config.body_bytes),
            api_key: ApiKey::new(&config.api_key),
            keyless: Arc::new(AtomicU64::new(0)),
        };
        // The AWS SDK for JavaScript speaks HTTP/2 to Kinesis, also without TLS.
        let limits = http_front::Limits { takes_http2: true, ..config.limits };
        Ok(Self { intake: Arc::new(intake), limits })
    }

    /// Takes stream files for the definitions in force, by the names of their streams. A stream whose file is missing
    /// accepts nothing any more, and delivers the records that wait. May be called again whenever files change.
    ///
    /// An error in place of a text is the reason why the file cannot be read. `load` returns the text of a file beside the stream
    /// files, or says why there is none.
    pub async fn set_files(
        &self,
        files: &BTreeMap<String, Result<String, String>>,
        load: &(dyn Fn(&str) -> Result<String, String> + Sync),
    ) -> Vec<FileReport> {
        let mut reports = Vec::new();
        for (name, text) in files {
            reports.push(self.set_file(name, text.as_deref(), load).await);
        }
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        self.intake.streams.keep_files(&names).await;
        reports
    }

    async fn set_file(
        &self,
        name: &str,
        text: Result<&str, &String>,
        load: &(dyn Fn(&str) -> Result<String, String> + Sync),
    ) -> FileReport {
        let report = |findings, failure| FileReport { name: name.to_owned(), findings, failure };
        let stream_name = match StreamName::new(name) {
            Ok(stream_name) => stream_name,
            Err(error) => return report(Vec::new(), Some(error.to_string())),
        };
        let (source, findings) = match text {
            Ok(text) => {
                let diagnosis = diagnose(&stream_name, text, &|file| load(file));
                // A file with errors goes the same way, so that listings can show the problem.
                let source = diagnosis.stream.map(|stream| stream.source);
                let source = source.unwrap_or_else(|| Source { text: text.to_owned(), ..Source::default() });
                (Ok(source), diagnosis.findings)
            }
            Err(problem) => (Err(problem.clone()), Vec::new()),
        };
        let is_known = self.intake.streams.get(name).is_some();
        let failure = match self.intake.streams.set_file(name, source).await {
            Ok(Ok(())) => {
                if !is_known && let Some(stream) = self.intake.streams.get(name) {
                    self.intake.dock.begin(stream);
                }
                None
            }
            // If the file has a text, the findings contain the problem already.
            Ok(Err(_)) => text.err().cloned(),
            Err(CreateError::Exists(_)) => Some(
                "the stream of this name is being deleted; its file is taken when that is done".to_owned(),
            ),
            Err(error) => Some(http_front::with_causes(&error)),
        };
        report(findings, failure)
    }

    /// Serves the requests that arrive at `listener`, until `stop`. Then interrupts the deliveries, which go on at the next
    /// start, and waits for the threads that work on them.
    pub async fn run(&self, listener: TcpListener, stop: CancellationToken) {
        let intake = Arc::clone(&self.intake);
        let answer = move |request| {
            let intake = Arc::clone(&intake);
            async move { endpoint::answer(&intake, request).await }
        };
        http_front::serve(listener, None, self.limits, stop, answer, endpoint::full).await;
        self.close().await;
    }

    /// Interrupts the deliveries and waits for the threads that work on them, for a server that was not [run](Self::run).
    pub async fn close(&self) {
        let dock = &self.intake.dock;
        dock.stop.cancel();
        dock.tasks.close();
        dock.tasks.wait().await;
    }

    /// Returns the routes for users, which the caller mounts behind a check of its own:
    ///
    /// | route | answer |
    /// | --- | --- |
    /// | `GET /streams` | [`StreamList`] |
    /// | `GET /streams/{name}/tail?after=SEQUENCE&last=N&limit=N` | [`Tail`], after up to 10 s if there is no record |
    /// | `POST /streams/{name}/flush` | [`Flushed`], when everything is delivered |
    /// | `POST /streams/{name}/replay?from=TIME&to=TIME&quarantined=BOOL` | [`Replayed`] |
    /// | `GET /streams/{name}/quarantine?limit=N` | [`Quarantine`] |
    ///
    /// A refusal is one sentence, with the status 400, 404, 409, 500 or 503.
    pub fn admin(&self) -> Router {
        admin::routes(self.clone())
    }

    /// Returns a counter that changes after each step of a delivery, whether the step worked or not.
    #[must_use]
    pub fn deliveries(&self) -> watch::Receiver<u64> {
        self.intake.dock.steps.subscribe()
    }

    /// Returns the notices that are due about deliveries that fail or work again. `reported` are the troubles that were reported before.
    #[must_use]
    pub fn delivery_notices(&self, reported: &ReportedTroubles) -> Vec<DeliveryNotice> {
        alarm::due(&self.intake.streams, reported, (self.intake.now)())
    }

    /// Returns the state of all streams.
    pub async fn list(&self) -> StreamList {
        let mut streams = Vec::new();
        for stream in self.intake.streams.visible().await {
            streams.push(summary::of(&stream, (self.intake.now)()).await);
        }
        StreamList { streams }
    }

    /// Returns records of the log after a sequence number or, without one, the `last` newest. Waits up to 10 seconds if
    /// there is no record. The log has the records that wait, and the newest 16 MiB of those that are delivered.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the stream does not exist, or the log cannot be read.
    pub async fn tail(
        &self,
        name: &str,
        after: Option<String>,
        last: Option<u64>,
        limit: Option<u64>,
    ) -> Result<Tail, QueryError> {
        let wish = Wish { after, last, limit };
        query::tail(&self.stream(name)?, &wish, &self.intake.dock.stop).await
    }

    /// Delivers everything that a stream has accepted before the call. Returns when it is delivered.
    ///
    /// # Errors
    ///
    /// [`QueryError::NotDelivered`] if the delivery fails twice; it goes on nevertheless.
    pub async fn flush(&self, name: &str) -> Result<Flushed, QueryError> {
        let stream = self.stream(name)?;
        query::flush(&self.intake.dock, &stream).await
    }

    /// Runs the definition in force over the raw objects, or the quarantine objects, that hold a record which arrived at `from` or
    /// later, and before `to`. A second time changes nothing.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the time span is empty, or an object cannot be read or put. The same call goes on where it stopped.
    pub async fn replay(
        &self,
        name: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        quarantined: bool,
    ) -> Result<Replayed, QueryError> {
        let span = Span { from: from.unwrap_or(Timestamp::MIN), to: to.unwrap_or(Timestamp::MAX) };
        query::replay(&self.intake.dock, &self.stream(name)?, span, quarantined).await
    }

    /// Lists the refused records that no replay has taken, the newest first.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if an object cannot be read.
    pub async fn quarantine(&self, name: &str, limit: Option<usize>) -> Result<Quarantine, QueryError> {
        let stream = self.stream(name)?;
        query::quarantine(&self.intake.dock, &stream, limit).await
    }

    /// Allows the log of a stream to grow by at most `bytes` more; a larger request is refused as on a full disk. `None`
    /// lifts the limit.
    ///
    /// # Errors
    ///
    /// [`QueryError`] if the stream does not exist, or the limit cannot be set.
    pub async fn limit_growth(&self, name: &str, bytes: Option<u64>) -> Result<(), QueryError> {
        Ok(self.stream(name)?.log.limit_growth(bytes).await?)
    }

    fn stream(&self, name: &str) -> Result<Arc<LiveStream>, QueryError> {
        self.intake.streams.get(name).ok_or_else(|| QueryError::NoStream(name.to_owned()))
    }
}
