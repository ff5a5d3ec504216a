//! The configuration of a stack.

use std::path::PathBuf;
use std::sync::Arc;

use definition::period::Period;
use ec2_worker::RdsInstances;
use tokio::sync::Notify;

use super::retention::Keep;
use crate::local::Now;
use crate::local::lambda::{EventForm, Limits};
use crate::local::topic::{AllowedOrigin, SmtpConfig};

/// The limit of open files that a stack reckons with unless it is told.
const FILES: u64 = 4096;
/// The number of endpoints of a stack.
const ENDPOINTS: u64 = 6;

/// The settings of `downspout up`.
pub struct StackConfig {
    /// The directory of all state.
    pub data_dir: PathBuf,
    /// The source of the definitions.
    pub definitions: DefinitionSource,
    /// A database to use instead of the embedded one, as `postgres://user:password@host:port/name`.
    pub database_url: Option<String>,
    /// A mail server that mails are sent to as well as to the outbox.
    pub smtp: Option<SmtpConfig>,
    /// The sender of the mails.
    pub mail_from: String,
    /// The addresses that are subscribed to the topic.
    pub notify: Vec<String>,
    /// The addresses that SNS subscriptions of HTTP endpoints may name.
    pub notify_http: Vec<AllowedOrigin>,
    /// A folder whose files are uploaded to the drop bucket.
    pub watch: Option<PathBuf>,
    /// How many workers poll.
    pub workers: usize,
    /// The DynamoDB for preconditions, as `http://host:port`.
    pub dynamodb_url: Option<String>,
    /// How long runs are kept after their end.
    pub keep_runs: Period,
    /// How long mails, logs and ledgers are kept.
    pub keep: Keep,
    /// The addresses of the instances of RDS that definitions name.
    pub rds: RdsInstances,
    /// How many resources may exist at the same time.
    pub resources: usize,
    /// The mode bits that files made by commands lack, if they are not those of the stack's own files.
    pub command_umask: Option<u32>,
    /// The names, beside those of the loopback interface, by which clients reach the stack.
    pub host_names: Vec<String>,
    /// How many files and connections the process may have open.
    pub files: u64,
    /// The clock of everything except signatures. Tests set it by hand.
    pub now: Now,
    /// Notified after a test has set the clock.
    pub clock_set: Arc<Notify>,
    /// The form in which the orchestrator gets S3 events.
    pub events: EventForm,
    /// The limits of the Lambda runner.
    pub lambda: Limits,
}

/// The source of the definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionSource {
    /// A folder. Changed files take effect at once.
    Folder(PathBuf),
    /// The definitions inside the program.
    Shipped,
}

impl StackConfig {
    /// Returns the limits of each endpoint.
    #[must_use]
    pub fn endpoint_limits(&self) -> http_front::Limits {
        http_front::Limits::for_files(self.files, ENDPOINTS)
    }

    /// Returns the settings of a stack on `data_dir` with the shipped definitions and the embedded database.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            definitions: DefinitionSource::Shipped,
            database_url: None,
            smtp: None,
            mail_from: "Downspout <downspout@localhost>".to_owned(),
            notify: Vec::new(),
            notify_http: Vec::new(),
            watch: None,
            workers: 4,
            dynamodb_url: None,
            keep_runs: Period::parse(server::KEEP_RUNS).expect("it is a period"),
            keep: Keep::default(),
            rds: RdsInstances::default(),
            resources: 4,
            command_umask: None,
            host_names: Vec::new(),
            files: FILES,
            now: Arc::new(jiff::Timestamp::now),
            clock_set: Arc::new(Notify::new()),
            events: EventForm::default(),
            lambda: Limits::default(),
        }
    }
}
