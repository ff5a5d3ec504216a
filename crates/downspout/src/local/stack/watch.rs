//! `--watch DIR`: uploads each file of a folder to the drop bucket after the file has stopped growing.
//!
//! The folder is read twice a second. Change notifications do not work on network shares. They would not save the reads
//! either, because only repeated reads show that a file has stopped growing.

use std::collections::{BTreeMap, BTreeSet};
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
use crate::markers::Markers;
use crate::regular_file::NOT_REGULAR;

/// Time between two reads of the folder.
const READ_INTERVAL: Duration = Duration::from_millis(500);
/// A file that is the same in this many reads in a row has stopped growing.
const QUIET_READS: u32 = 10;
/// The endings that programs add to the names of files while they write them.
const UNFINISHED: [&str; 5] = [".part", ".tmp", ".partial", ".crdownload", ".filepart"];

/// The size and the time of a file. If one of them differs, the file has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    size: u64,
    /// The time of the last change, in nanoseconds since the epoch.
    modified: u128,
}

/// A watched folder.
pub(super) struct Watch {
    folder: PathBuf,
    /// The file to which `uploaded` is saved, so that a restart does not upload the same files again.
    manifest: PathBuf,
    s3: Client,
    bucket: String,
    /// The bucket of the definitions, which say which files are markers.
    definitions: String,
    now: Now,
    uploaded: BTreeMap<PathBuf, FileStamp>,
    growing: BTreeMap<PathBuf, (FileStamp, u32)>,
    /// The files that are never uploaded, and of which the log has a warning.
    left_out: BTreeSet<PathBuf>,
}

impl Watch {
    pub(super) fn open(
        folder: &Path,
        data_dir: &Path,
        endpoints: &Endpoints,
        now: Now,
    ) -> anyhow::Result<Self> {
        let manifest = data_dir.join("watched.json");
        Ok(Self {
            // The manifest contains absolute paths, because the working directory may be different at the next start.
            folder: fs::canonicalize(folder)
                .with_context(|| format!("finding the watched folder {}", folder.display()))?,
            uploaded: read_json(&manifest)?.unwrap_or_default(),
            manifest,
            s3: endpoints.s3(),
            bucket: endpoints.buckets.drop.clone(),
            definitions: endpoints.buckets.definitions.clone(),
            now,
            growing: BTreeMap::new(),
            left_out: BTreeSet::new(),
        })
    }

    /// Uploads files until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(READ_INTERVAL) => {}
            }
            if let Err(error) = self.read_folder().await {
                tracing::warn!(error = %format!("{error:#}"), "the files of the watched folder cannot be uploaded now; the stack will try again");
            }
        }
    }

    async fn read_folder(&mut self) -> anyhow::Result<()> {
        let found = files(&self.folder).with_context(|| format!("reading {}", self.folder.display()))?;
        for (file, reason) in &found.left_out {
            if !self.left_out.contains(file) {
                tracing::warn!(file = %file.display(), reason, "a file of the watched folder is not uploaded");
            }
        }
        self.left_out = found.left_out.into_keys().collect();
        let whole = self.whole(found.files);
        if whole.is_empty() {
            return Ok(());
        }
        // The keys of the files that still grow, or that could not be uploaded. The marker of their set waits for them.
        let is_whole: BTreeSet<&PathBuf> = whole.iter().collect();
        let growing = self.growing.keys().filter(|file| !is_whole.contains(file)).chain(&found.unfinished);
        let mut waiting: Vec<String> = growing.filter_map(|file| self.key(file)).collect();
        let mut files: Vec<_> = whole.into_iter().filter_map(|file| Some((self.key(&file)?, file))).collect();
        let markers = Markers::read(&self.s3, &self.definitions).await.context("looking for markers")?;
        markers.put_last(&mut files, |(key, _)| key);
        for (key, file) in files {
            if let Some(other) = waiting.iter().find(|other| markers.is_marker_of(&key, other)) {
                tracing::info!(s3.key = %key, other = %other, "a marker waits until the other file of its set is uploaded");
                // Its reads are counted from the start again, so the next look comes later.
                self.growing.remove(&file);
                continue;
            }
            // A file that cannot be uploaded does not keep the other files from their upload.
            if let Err(error) = self.upload(&key, file).await {
                tracing::warn!(error = %format!("{error:#}"), "a watched file could not be uploaded; the stack will try again");
                waiting.push(key);
            }
        }
        Ok(())
    }

    /// Returns the key of a file: today's folder and the name of the file.
    fn key(&self, file: &Path) -> Option<String> {
        let day = (self.now)().strftime("%Y-%m-%d");
        Some(format!("incoming/{day}/{}", file.file_name()?.to_str()?))
    }

    async fn upload(&mut self, key: &str, file: PathBuf) -> anyhow::Result<()> {
        // The entry in `growing` is removed before the upload. If the upload fails, the reads are counted from the start
        // again, so the next try comes later.
        let stamp = self.growing.remove(&file).map(|(stamp, _)| stamp);
        upload_file(&self.s3, &self.bucket, &file, key, &|_| {}).await?;
        tracing::info!(s3.key = %key, "uploaded a watched file");
        if let Some(stamp) = stamp {
            self.uploaded.insert(file, stamp);
        }
        write_json(&self.manifest, &self.uploaded)?;
        Ok(())
    }

    /// Returns the files that have stopped growing and were not uploaded in their present form.
    fn whole(&mut self, found: BTreeMap<PathBuf, FileStamp>) -> Vec<PathBuf> {
        self.growing.retain(|file, _| found.contains_key(file));
        // A removed file is forgotten, so that it is uploaded as a new file if it appears again.
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

/// The files of the watched folder.
#[derive(Default)]
struct Found {
    files: BTreeMap<PathBuf, FileStamp>,
    /// The names that files will have which programs are still writing under another name.
    unfinished: BTreeSet<PathBuf>,
    /// The files that are never uploaded, each with the reason.
    left_out: BTreeMap<PathBuf, &'static str>,
}

fn files(folder: &Path) -> std::io::Result<Found> {
    let mut found = Found::default();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            found.left_out.insert(entry.path(), "its name is not UTF-8, so it cannot be part of a key");
            continue;
        };
        let final_name = UNFINISHED.iter().find_map(|ending| name.strip_suffix(ending));
        if let Some(final_name) = final_name.filter(|_| !name.starts_with('.')) {
            found.unfinished.insert(folder.join(final_name));
        }
        let is_unfinished = name.starts_with('.') || final_name.is_some();
        // The program that writes the file may have renamed it by now.
        // The metadata of a symbolic link are its own: a link must not bring in files from elsewhere.
        let Ok(metadata) = entry.metadata() else { continue };
        if is_unfinished || metadata.is_dir() {
            continue;
        }
        if !metadata.is_file() {
            let reason = if metadata.is_symlink() { "it is a symbolic link" } else { NOT_REGULAR };
            found.left_out.insert(entry.path(), reason);
            continue;
        }
        let modified =
            metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        found.files.insert(entry.path(), FileStamp { size: metadata.len(), modified });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_file_that_is_never_uploaded_has_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
        for name in [&b"a.csv"[..], b"latin\xe9.csv", b".hidden", b"b.csv.part"] {
            fs::write(path(name), "x").expect("writable");
        }
        fs::create_dir(path(b"folder")).expect("writable");
        std::os::unix::fs::symlink(path(b"a.csv"), path(b"link.csv")).expect("writable");
        let found = files(folder.path()).expect("readable");
        assert_eq!(found.files.into_keys().collect::<Vec<_>>(), [path(b"a.csv")]);
        assert_eq!(found.unfinished.into_iter().collect::<Vec<_>>(), [path(b"b.csv")]);
        let left_out: Vec<_> = found.left_out.into_iter().collect();
        let expected = [
            (path(b"latin\xe9.csv"), "its name is not UTF-8, so it cannot be part of a key"),
            (path(b"link.csv"), "it is a symbolic link"),
        ];
        assert_eq!(left_out, expected);
    }
}
