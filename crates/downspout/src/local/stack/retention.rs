//! Removes mails of the outbox, logs of runs and objects of the ledger that are older than the user wants to keep.
//!
//! The pipeline service removes old runs and deleted pipelines itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use definition::period::Period;
use jiff::Timestamp;
use orchestrator::Orchestrator;
use tokio_util::sync::CancellationToken;

use super::endpoints::Endpoints;
use crate::bucket_listing;
use crate::local::Now;
use crate::sdk_error::readable;

/// The time between two removals.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// The shortest time for which objects of the ledger are kept: the cap slots of a day are needed until the day ends everywhere.
const SHORTEST_LEDGER: jiff::SignedDuration = jiff::SignedDuration::from_hours(72);

/// How long things are kept.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Mails in the outbox.
    pub mails: Period,
    /// Logs of runs.
    pub logs: Period,
    /// Ledgers of sets whose files are gone, cap slots, records of published notices, and manifests.
    pub ledgers: Period,
}

/// How long mails and logs are kept unless the user says otherwise.
pub const KEEP_MAILS: &str = "90 days";
/// How long ledgers are kept unless the user says otherwise.
pub const KEEP_LEDGERS: &str = "2 years";

impl Default for Keep {
    fn default() -> Self {
        let period = |text| Period::parse(text).expect("the constant is a period");
        Self { mails: period(KEEP_MAILS), logs: period(KEEP_MAILS), ledgers: period(KEEP_LEDGERS) }
    }
}

/// The parts of the stack whose old contents are removed.
pub(super) struct Retention {
    pub(super) keep: Keep,
    pub(super) endpoints: Endpoints,
    pub(super) orchestrator: Arc<Orchestrator>,
    pub(super) now: Now,
}

impl Retention {
    /// Removes old things at the start and once an hour, or more often if they are kept for less, until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let shortest = self.keep.mails.duration().min(self.keep.logs.duration());
        let every = EVERY.min(shortest).max(Duration::from_secs(1));
        loop {
            // The failure of one removal does not stop the others, and the next hour repeats it.
            let removals = [
                ("mails", self.remove_mails().await),
                ("logs", self.remove_logs().await),
                ("ledgers", self.forget().await),
            ];
            for (what, removed) in removals {
                match removed {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(what, count, "removed what was older than it is kept"),
                    Err(error) => {
                        tracing::warn!(what, error = %format!("{error:#}"), "old things cannot be removed now");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// Returns the time before which things are too old; `None` if the period reaches back before all time.
    fn before(&self, keep: Period) -> Option<Timestamp> {
        keep.nth_after((self.now)(), -1)
    }

    async fn remove_mails(&self) -> anyhow::Result<usize> {
        let Some(before) = self.before(self.keep.mails) else { return Ok(0) };
        let outbox = self.endpoints.outbox.clone();
        tokio::task::spawn_blocking(move || remove_files(&outbox, before)).await?
    }

    async fn remove_logs(&self) -> anyhow::Result<usize> {
        let Some(before) = self.before(self.keep.logs) else { return Ok(0) };
        let (s3, bucket) = (self.endpoints.s3(), &self.endpoints.buckets.logs);
        let mut removed = 0;
        for object in bucket_listing::objects(&s3, bucket, "").await? {
            if object.last_modified.parse::<Timestamp>().is_ok_and(|modified| modified < before) {
                let delete = s3.delete_object().bucket(bucket).key(&object.key).send().await;
                delete.map_err(readable).with_context(|| format!("deleting s3://{bucket}/{}", object.key))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn forget(&self) -> anyhow::Result<usize> {
        let Some(before) = self.before(self.keep.ledgers) else { return Ok(0) };
        self.orchestrator.forget(before.min((self.now)() - SHORTEST_LEDGER)).await
    }
}

/// Removes the files of a folder that were changed before `before`.
fn remove_files(folder: &Path, before: Timestamp) -> anyhow::Result<usize> {
    let before = SystemTime::from(before);
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut old: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let entry = entry?;
        // The file may be gone by now.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && metadata.modified()? < before {
            old.push(entry.path());
        }
    }
    for path in &old {
        fs::remove_file(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(old.len())
}
