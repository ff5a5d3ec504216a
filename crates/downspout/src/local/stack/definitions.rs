//! Uploads the definitions to their bucket: at the start, and whenever a file in their folder changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_sdk_s3::Client;
use definition::expression::escaped;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::regular_file::{self, NOT_REGULAR};
use crate::sdk_error::readable;

use super::config::{DefinitionSource, StackConfig};
use super::data_dir::{read_json, write_json};
use super::endpoints::Endpoints;
use super::streams::StreamFiles;
use super::{WORKER_GROUP, definitions_bucket, shipped};

/// How long the folder must be unchanged before an upload. Editors write in several steps, and an incomplete definition would
/// send a notice.
const QUIET: Duration = Duration::from_millis(300);
/// Time between two reads of the folder if the system cannot report changes.
const READ_INTERVAL: Duration = Duration::from_secs(2);
/// The size of the largest file that is uploaded, in bytes. A larger file is neither a definition nor SQL.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;
/// The name of the file with the values.
const VALUES: &str = "values.json";

/// The definitions of a stack.
pub(super) struct Definitions {
    source: DefinitionSource,
    s3: Client,
    bucket: String,
    /// The values that differ between this machine and AWS.
    values: Map<String, Value>,
    /// The path of the file that lists the keys of the last upload. By this list, an upload finds the keys that it must
    /// remove from the bucket, because their files are no longer in the source.
    manifest: PathBuf,
    /// The files of the source that are left out, and of which the log has a warning.
    left_out: BTreeSet<PathBuf>,
    streams: StreamFiles,
}

impl Definitions {
    pub(super) fn of(
        config: &StackConfig,
        endpoints: &Endpoints,
        streams: StreamFiles,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            source: config.definitions.clone(),
            s3: endpoints.s3(),
            bucket: endpoints.buckets.definitions.clone(),
            values: local_values(endpoints)?,
            manifest: config.data_dir.join("definitions.json"),
            left_out: BTreeSet::new(),
            streams,
        })
    }

    /// Lets the stream files of the source take effect, uploads its changed files and `values.json`, and removes the files of
    /// earlier uploads that the source no longer has. Other objects of the bucket, such as the ledger, stay as they are.
    pub(super) async fn upload(&mut self) -> anyhow::Result<()> {
        let mut files = match &self.source {
            DefinitionSource::Shipped => shipped::DEFINITION_FILES
                .iter()
                .map(|(key, bytes)| ((*key).to_owned(), bytes.to_vec()))
                .collect(),
            DefinitionSource::Folder(folder) => {
                let read = read_folder(folder);
                let read =
                    read.with_context(|| format!("reading the definitions in {}", folder.display()))?;
                self.warn_once(read.left_out);
                read.files
            }
        };
        let values = self.merged_values(files.remove(VALUES));
        files.insert(VALUES.to_owned(), values);
        if let Err(error) = self.streams.take(&files).await {
            tracing::error!(error = %format!("{error:#}"), "people could not be told of a stream file with errors");
        }
        let there = definitions_bucket::etags(&self.s3, &self.bucket).await?;
        let mut changed: Vec<_> = files
            .iter()
            .filter(|(key, bytes)| there.get(*key) != Some(&definitions_bucket::etag(bytes)))
            .collect();
        // The files that a definition refers to are uploaded before the definition.
        changed.sort_by_key(|(key, _)| (is_definition(key), *key));
        for (key, bytes) in changed {
            definitions_bucket::put(&self.s3, &self.bucket, key, bytes.clone()).await?;
            tracing::info!(s3.key = %key, "uploaded a definition file");
        }
        self.remove_deleted(files.into_keys().collect()).await
    }

    /// Uploads the folder again whenever it changes, until `stop`.
    ///
    /// After each upload that succeeds, `changed` is notified, so that errors are reported and possible runs start at once.
    pub(super) async fn follow(mut self, changed: Arc<Notify>, stop: CancellationToken) {
        let DefinitionSource::Folder(folder) = self.source.clone() else { return };
        let (sender, mut changes) = mpsc::channel(1);
        // The watcher ends when it is dropped.
        let _watcher = watch(&folder, sender.clone());
        if _watcher.is_none() {
            tokio::spawn(tick(sender, stop.clone()));
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => if change.is_none() { return },
            }
            while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
            match self.upload().await {
                Ok(()) => changed.notify_one(),
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "the changed definitions could not be uploaded");
                }
            }
        }
    }

    /// Writes one warning about each file that is left out.
    fn warn_once(&mut self, left_out: BTreeMap<PathBuf, String>) {
        for (path, reason) in &left_out {
            if !self.left_out.contains(path) {
                tracing::warn!(file = %path.display(), reason = %reason, "a file among the definitions is left out");
            }
        }
        self.left_out = left_out.into_keys().collect();
    }

    /// Returns the content of `values.json`: the values of the stack and those of `of_folder`, which is the folder's own
    /// file. If both have a value, the folder's value counts. A file that is not a JSON object is returned unchanged.
    fn merged_values(&self, of_folder: Option<Vec<u8>>) -> Vec<u8> {
        let mut values = self.values.clone();
        match of_folder.map(|bytes| (serde_json::from_slice::<Value>(&bytes), bytes)) {
            Some((Ok(Value::Object(theirs)), _)) => values.extend(theirs),
            // The orchestrator reports the error in the file, with line and column, so the file must not be changed here.
            Some((_, bytes)) => return bytes,
            None => {}
        }
        serde_json::to_vec_pretty(&values).expect("a map of text is JSON")
    }

    async fn remove_deleted(&self, present: BTreeSet<String>) -> anyhow::Result<()> {
        let before: BTreeSet<String> = read_json(&self.manifest)?.unwrap_or_default();
        for key in before.difference(&present) {
            let call = self.s3.delete_object().bucket(&self.bucket).key(key);
            call.send()
                .await
                .map_err(readable)
                .with_context(|| format!("removing s3://{}/{key}", self.bucket))?;
            tracing::info!(s3.key = %key, "removed a definition file");
        }
        if before != present {
            write_json(&self.manifest, &present)?;
        }
        Ok(())
    }
}

fn is_definition(key: &str) -> bool {
    key.ends_with(".json") && !key.contains('/') && key != VALUES
}

/// The files of a folder.
#[derive(Default)]
struct FolderFiles {
    /// The bytes of each file, by key.
    files: BTreeMap<String, Vec<u8>>,
    /// The files that are left out although they are not hidden, each with the reason.
    left_out: BTreeMap<PathBuf, String>,
}

/// Reads the files below `folder`. Hidden files, backup files of editors, files that are not regular files, such as pipes, and files
/// larger than [`FILE_LIMIT`] are left out.
fn read_folder(folder: &Path) -> anyhow::Result<FolderFiles> {
    let mut read = FolderFiles::default();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let key = format!("{prefix}{name}");
            // A temporary file of an editor may be gone by now.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_dir() {
                open.push((path, format!("{key}/")));
            } else if metadata.len() > FILE_LIMIT {
                read.left_out.insert(path, format!("it is larger than {} MiB", FILE_LIMIT >> 20));
            } else {
                let bytes = regular_file::read(&path);
                match bytes.with_context(|| format!("reading {}", path.display()))? {
                    Some(bytes) => drop(read.files.insert(key, bytes)),
                    None => drop(read.left_out.insert(path, NOT_REGULAR.to_owned())),
                }
            }
        }
    }
    Ok(read)
}

fn watch(folder: &Path, changes: mpsc::Sender<()>) -> Option<RecommendedWatcher> {
    let on_change = move |event: notify::Result<notify::Event>| {
        // A full channel already contains a change.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            let _ = changes.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(on_change).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::Recursive)?;
        Ok(watcher)
    });
    watcher
        .inspect_err(
            |error| tracing::warn!(error = %error, "the system cannot report changes of the definitions; the folder is read every two seconds"),
        )
        .ok()
}

async fn tick(changes: mpsc::Sender<()>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(READ_INTERVAL) => {}
        }
        let _ = changes.try_send(());
    }
}

/// Returns the values of the local stack.
fn local_values(endpoints: &Endpoints) -> anyhow::Result<Map<String, Value>> {
    let url = Url::parse(&endpoints.postgres)
        .ok()
        .filter(|url| matches!(url.scheme(), "postgres" | "postgresql") && url.host().is_some())
        .context("--database-url is not an address such as postgres://user:password@host:5432/name")?;
    let in_query =
        |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let user = in_query("user").unwrap_or_else(|| decoded(url.username()));
    let password = in_query("password").unwrap_or_else(|| decoded(url.password().unwrap_or_default()));
    let buckets = &endpoints.buckets;
    let values = [
        ("myDatabaseUrl", jdbc_url(&url)),
        ("myDatabaseUsername", user),
        ("*myDatabasePassword", password),
        ("myResultsBucket", buckets.results.clone()),
        ("myLogsBucket", buckets.logs.clone()),
        ("myDefinitionsBucket", buckets.definitions.clone()),
        ("myWorkerGroup", WORKER_GROUP.to_owned()),
    ];
    // Expressions in values are evaluated, except in secrets. An address of the user must arrive as it is.
    let literal = |key: &str, value: String| if key.starts_with('*') { value } else { escaped(&value) };
    Ok(values.into_iter().map(|(key, value)| (key.to_owned(), literal(key, value).into())).collect())
}

/// Returns the URL in the form of JDBC, without user and password.
fn jdbc_url(url: &Url) -> String {
    let host = url.host_str().unwrap_or("127.0.0.1");
    let kept: Vec<&str> = url
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !matches!(pair.split('=').next(), Some("user" | "password")))
        .collect();
    let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
    let name = url.path().trim_start_matches('/');
    let name = if name.is_empty() { url.username() } else { name };
    format!("jdbc:postgresql://{host}:{}/{name}{query}", url.port().unwrap_or(5432))
}

fn decoded(text: &str) -> String {
    // In user names and passwords, `+` stands for itself. The form decoder would read a `+` as a blank, so each `+` is
    // encoded first.
    let pair = format!("v={}", text.replace('+', "%2B"));
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&pair).unwrap_or_default();
    pairs.into_iter().next().map_or_else(|| text.to_owned(), |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jdbc_url_has_no_user_and_no_password() {
        let url =
            Url::parse("postgres://me:p%40ss+word@db.example.com:6432/shop?sslmode=require").expect("an URL");
        assert_eq!(jdbc_url(&url), "jdbc:postgresql://db.example.com:6432/shop?sslmode=require");
        assert_eq!(decoded(url.password().unwrap_or_default()), "p@ss+word");
        let url = Url::parse("postgres://db/shop?user=me&password=secret&sslmode=require").expect("an URL");
        assert_eq!(jdbc_url(&url), "jdbc:postgresql://db:5432/shop?sslmode=require");
    }

    #[test]
    fn a_folder_is_read_with_its_folders_and_without_hidden_files() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("orders")).expect("writable");
        for name in ["orders.json", "orders/tables.sql", ".git", "orders.json~"] {
            fs::write(folder.path().join(name), name).expect("writable");
        }
        let keys: Vec<String> = read_folder(folder.path()).expect("readable").files.into_keys().collect();
        assert_eq!(keys, ["orders.json", "orders/tables.sql"]);
    }

    #[test]
    fn a_pipe_among_the_definitions_is_left_out() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("orders.json"), "{}").expect("writable");
        let pipes = ["fifo.json", "values.json"].map(|name| folder.path().join(name));
        assert!(std::process::Command::new("mkfifo").args(&pipes).status().expect("it starts").success());
        let read = read_folder(folder.path()).expect("readable");
        assert_eq!(read.files.into_keys().collect::<Vec<_>>(), ["orders.json"]);
        assert_eq!(read.left_out.into_keys().collect::<Vec<_>>(), pipes);
    }
}
