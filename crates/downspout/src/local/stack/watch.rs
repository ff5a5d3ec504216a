//! `--watch DIR`: a file put there is uploaded to the drop bucket once it has stopped growing.
//!
//! The folder is read twice a second rather than asked for changes: it may be on a network share, and "stopped
//! growing" is a matter of looking twice anyway.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_sdk_s3::Client;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::data_dir::{read_json, write_json};
use super::endpoints::Endpoints;
use crate::file_upload::upload_file;
use crate::local::Now;

/// Time between two reads.
const READ_INTERVAL: Duration = Duration::from_millis(500);
/// A file that stayed the same this many reads in a row has stopped growing.
const QUIET_READS: u32 = 10;
/// Names that programs give to files while they write them.
const UNFINISHED: [&str; 5] = [".part", ".tmp", ".partial", ".crdownload", ".filepart"];

/// A file as it was stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    size: u64,
    /// Nanoseconds since the epoch.
    modified: u128,
}

/// A watched folder.
pub(super) struct Watch {
    folder: PathBuf,
    /// Remembers what was uploaded, by path, over restarts too.
    manifest: PathBuf,
    s3: Client,
    bucket: String,
    now: Now,
    uploaded: BTreeMap<PathBuf, FileStamp>,
    growing: BTreeMap<PathBuf, (FileStamp, u32)>,
}

impl Watch {
    pub(super) fn open(
        folder: &Path,
        data_dir: &Path,
        endpoints: &Endpoints,
        now: Now,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("creating the watched folder {}", folder.display()))?;
        let manifest = data_dir.join("watched.json");
        Ok(Self {
            // The manifest is by path, and the working directory may be another at the next start.
            folder: fs::canonicalize(folder)
                .with_context(|| format!("finding the watched folder {}", folder.display()))?,
            uploaded: read_json(&manifest)?.unwrap_or_default(),
            manifest,
            s3: endpoints.s3(),
            bucket: endpoints.buckets.drop.clone(),
            now,
            growing: BTreeMap::new(),
        })
    }

    /// Uploads until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(READ_INTERVAL) => {}
            }
            if let Err(error) = self.read_folder().await {
                tracing::warn!(error = %format!("{error:#}"), "the watched folder cannot be read; it is tried again");
            }
        }
    }

    async fn read_folder(&mut self) -> anyhow::Result<()> {
        let found = files(&self.folder).with_context(|| format!("reading {}", self.folder.display()))?;
        for file in self.whole(found) {
            // One file that cannot be read does not keep the others.
            if let Err(error) = self.upload(file).await {
                tracing::warn!(error = %format!("{error:#}"), "a watched file could not be uploaded; it is tried again");
            }
        }
        Ok(())
    }

    async fn upload(&mut self, file: PathBuf) -> anyhow::Result<()> {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
        let day = (self.now)().strftime("%Y-%m-%d");
        let key = format!("incoming/{day}/{name}");
        // Taken out first: a file that fails starts to be watched anew, and is not tried at every read_folder.
        let stamp = self.growing.remove(&file).map(|(stamp, _)| stamp);
        upload_file(&self.s3, &self.bucket, &file, &key, &|_| {}).await?;
        tracing::info!(s3.key = %key, "uploaded a watched file");
        if let Some(stamp) = stamp {
            self.uploaded.insert(file, stamp);
        }
        write_json(&self.manifest, &self.uploaded)?;
        Ok(())
    }

    /// Returns the files that have stopped growing and are not uploaded as they are.
    fn whole(&mut self, found: BTreeMap<PathBuf, FileStamp>) -> Vec<PathBuf> {
        self.growing.retain(|file, _| found.contains_key(file));
        // What was taken away is a new file when it comes again.
        self.uploaded.retain(|file, _| file.parent() != Some(&self.folder) || found.contains_key(file));
        let mut whole = Vec::new();
        for (file, stamp) in found {
            if self.uploaded.get(&file) == Some(&stamp) {
                continue;
            }
            let reads = match self.growing.get(&file) {
                Some((before, reads)) if *before == stamp => reads + 1,
                _ => 1,
            };
            self.growing.insert(file.clone(), (stamp, reads));
            if reads >= QUIET_READS {
                whole.push(file);
            }
        }
        whole
    }
}

fn files(folder: &Path) -> std::io::Result<BTreeMap<PathBuf, FileStamp>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_unfinished = name.starts_with('.') || UNFINISHED.iter().any(|ending| name.ends_with(ending));
        // It may be gone by now: who writes it renamed it.
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        if is_unfinished || !metadata.is_file() {
            continue;
        }
        let modified =
            metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        found.insert(entry.path(), FileStamp { size: metadata.len(), modified });
    }
    Ok(found)
}
