//! `drop`: uploads files to the drop bucket, and follows the runs that they start.

mod wait;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use definition::harmless::of_line;
use indicatif::{ProgressBar, ProgressStyle};

use crate::file_upload::upload_file;
use crate::markers::Markers;

use super::{Exit, output, run_view, running_stack};

pub(super) use wait::follow_keys;

const AFTER_HELP: &str = "\
Examples:
  downspout drop orders.csv reviews.csv shipments.csv          to incoming/<today>/
  downspout drop --prefix incoming/2026-03-01 --wait *.csv

The file that `myDropMarker` names is uploaded last.

Exit codes with --wait: 0 the run finished; 1 the run failed; 3 nothing ran, because the set is incomplete, \
myMaxRunsPerDay is reached, the definition is paused, or no definition has a pattern that matches. If the files ran before, the earlier run is \
shown, and its result is the exit code.";

/// Arguments of `drop`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DropArgs {
    /// Files to upload
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Prefix of the keys in the drop bucket [default: incoming/<today, UTC>]
    #[arg(long)]
    prefix: Option<String>,
    /// Follow the run that the files start, and exit with its result
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(data_dir: &Path, args: &DropArgs) -> anyhow::Result<Exit> {
    let endpoints = running_stack::reach(data_dir).await?;
    let prefix = args.prefix.clone().unwrap_or_else(today);
    let mut uploads = uploads(&args.files, &prefix)?;
    // The pipelines that exist now, before the upload, were not started by this drop.
    let known: BTreeSet<String> =
        run_view::list(&endpoints.datapipeline()).await?.into_iter().map(|(id, _)| id).collect();
    let bucket = &endpoints.buckets.drop;
    let (s3, bar) = (endpoints.s3(), bar(&uploads));
    Markers::read(&s3, &endpoints.buckets.definitions).await?.put_last(&mut uploads, |(_, key)| key);
    for (file, key) in &uploads {
        bar.set_message(output::shown(key));
        upload_file(&s3, bucket, file, key, &|bytes| bar.inc(bytes)).await?;
        bar.suspend(|| output::line(&format!("s3://{bucket}/{}", of_line(key))))?;
    }
    bar.finish_and_clear();
    if !args.wait {
        return Ok(Exit::Done);
    }
    let keys: Vec<String> = uploads.into_iter().map(|(_, key)| key).collect();
    follow_keys(&endpoints, &keys, &known).await
}

fn bar(uploads: &[(PathBuf, String)]) -> ProgressBar {
    if !output::is_watched() {
        return ProgressBar::hidden();
    }
    let sizes = uploads.iter().map(|(file, _)| std::fs::metadata(file).map_or(0, |metadata| metadata.len()));
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {msg}");
    ProgressBar::new(sizes.sum()).with_style(style.expect("the template is a constant"))
}

/// Returns the default prefix, `incoming/<today>`, with the UTC date.
pub(crate) fn today() -> String {
    format!("incoming/{}", jiff::Timestamp::now().strftime("%Y-%m-%d"))
}

/// Returns each file with its key: the prefix and the name of the file.
///
/// Fails if a path is not a file, if its name is not UTF-8, or if two files have the same name.
fn uploads(files: &[PathBuf], prefix: &str) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let prefix = prefix.trim_matches('/');
    let mut keys = BTreeSet::new();
    let mut uploads = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| {
            format!("the name of {} is not UTF-8, so it cannot be part of a key", file.display())
        })?;
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let metadata = std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?;
        anyhow::ensure!(metadata.is_file(), "{} is not a file", file.display());
        anyhow::ensure!(
            keys.insert(key.clone()),
            "two files are called {name}: the second would replace the first"
        );
        uploads.push((file.clone(), key));
    }
    Ok(uploads)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_prefix_and_the_name() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("orders.csv");
        std::fs::write(&file, "a").expect("the folder is writable");
        let keys = |prefix: &str| {
            uploads(std::slice::from_ref(&file), prefix).expect("the file is there")[0].1.clone()
        };
        assert_eq!(keys("incoming/2026-03-01/"), "incoming/2026-03-01/orders.csv");
        assert_eq!(keys(""), "orders.csv");
        let error = uploads(&[file.clone(), file.clone()], "x").expect_err("one would replace the other");
        assert!(error.to_string().starts_with("two files are called orders.csv"), "{error}");
    }
}
