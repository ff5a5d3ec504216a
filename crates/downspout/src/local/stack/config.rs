//! What a stack is told at its start.

use std::path::PathBuf;
use std::sync::Arc;

use definition::period::Period;
use tokio::sync::Notify;

use crate::local::Now;
use crate::local::lambda::Limits;
use crate::local::topic::SmtpConfig;

/// Everything that `downspout up` can be told.
pub struct StackConfig {
    /// Where all state is.
    pub data_dir: PathBuf,
    /// Where the definitions come from.
    pub definitions: DefinitionSource,
    /// A database of one's own instead of the embedded one, `postgres://user:password@host:port/name`.
    pub database_url: Option<String>,
    /// A mail server besides the outbox.
    pub smtp: Option<SmtpConfig>,
    /// Sender of the mails.
    pub mail_from: String,
    /// Addresses to subscribe to the topic.
    pub notify: Vec<String>,
    /// A folder whose files are uploaded to the drop bucket.
    pub watch: Option<PathBuf>,
    /// How many workers poll.
    pub workers: usize,
    /// A DynamoDB that preconditions ask about, `http://host:port`.
    pub dynamodb_url: Option<String>,
    /// How long runs are kept after they ended.
    pub keep_runs: Period,
    /// How many resources there are at the same time.
    pub resources: usize,
    /// The clock of everything but signatures; tests wind it by hand.
    pub now: Now,
    /// Notified by whoever wound the clock.
    pub wound: Arc<Notify>,
    /// The numbers of the Lambda host.
    pub lambda: Limits,
}

/// Where the definitions come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionSource {
    /// A folder, followed as it changes.
    Folder(PathBuf),
    /// Those in the program itself.
    Shipped,
}

impl StackConfig {
    /// Returns the settings of a stack on `data_dir` with the shipped definitions and everything embedded.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            definitions: DefinitionSource::Shipped,
            database_url: None,
            smtp: None,
            mail_from: "Downspout <downspout@localhost>".to_owned(),
            notify: Vec::new(),
            watch: None,
            workers: 4,
            dynamodb_url: None,
            keep_runs: Period::parse(server::KEEP_RUNS).expect("it is a period"),
            resources: 4,
            now: Arc::new(jiff::Timestamp::now),
            wound: Arc::new(Notify::new()),
            lambda: Limits::default(),
        }
    }
}
