//! The setup of an orchestrator: everything that the stages share besides the edges.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::book::Book;
use crate::config::{Config, ConfigErrors};
use crate::definitions::Cache;
use crate::ledger::Claim;

/// The configuration, the book of the ledger, and the memory of this process.
///
/// The memory only saves calls: everything in it can be read from S3 again.
pub(crate) struct Setup {
    pub config: Config,
    pub book: Book,
    /// The definition files that this process has read.
    pub definitions: Cache,
    /// The time of the first sight of each definition for which this process knows that time.
    pub first_seen: Mutex<HashMap<String, Timestamp>>,
    /// The ids of the notices without a ledger of their own that this process knows to be published.
    pub published: Mutex<HashSet<String>>,
    /// The ETag of each definition file at the last search for removed and changed ones; `None` before the first search of this process.
    pub seen_definitions: Mutex<Option<BTreeMap<String, String>>>,
    /// The number of claims that this process has tried to make.
    claims: AtomicU64,
}

impl Setup {
    /// Returns the setup for a configuration. Fails if settings are wrong; the error names them all.
    pub(crate) fn new(config: Config) -> Result<Self, ConfigErrors> {
        let definitions = Cache::new(config.drop_bucket.clone());
        let book = Book::new(config.home()?, &config.holder);
        Ok(Self {
            config,
            book,
            definitions,
            first_seen: Mutex::default(),
            published: Mutex::default(),
            seen_definitions: Mutex::default(),
            claims: AtomicU64::new(0),
        })
    }

    /// Returns the time, in whole milliseconds like every stored time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond((self.config.now)().as_millisecond()).unwrap_or_default()
    }

    /// Returns a new claim. The name of its holder differs from that of every other claim.
    pub(crate) fn new_claim(&self) -> Claim {
        let number = self.claims.fetch_add(1, Ordering::Relaxed);
        Claim {
            holder: format!("{}/{number}", self.config.holder),
            now: self.now(),
            lease: self.config.lease,
            slot: None,
        }
    }
}
