//! The definition files that the arguments of `validate` name.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::super::output;
use super::stream_file;
use crate::regular_file::NOT_REGULAR;

/// Returns whether the arguments name more than one file.
pub(super) fn is_many(arguments: &[PathBuf]) -> bool {
    arguments.len() > 1 || arguments.iter().any(|path| path.is_dir())
}

/// Returns the files that the arguments name: those that are named, and the definitions and stream files of each folder, sorted. The
/// error of a folder is returned in its place.
pub(super) fn definitions(arguments: &[PathBuf]) -> Vec<anyhow::Result<PathBuf>> {
    // A shell pattern such as *.json also matches `values.json`, which is not a definition.
    let files = arguments.iter().filter(|path| arguments.len() == 1 || !path.ends_with("values.json"));
    let of = |path: &PathBuf| match path.is_dir() {
        true => {
            in_folder(path).map_or_else(|error| vec![Err(error)], |files| files.into_iter().map(Ok).collect())
        }
        false => vec![Ok(path.clone())],
    };
    files.flat_map(of).collect()
}

fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = folder.display();
    let mut files = json_files(folder)?;
    let is_of_streams = folder.file_name().is_some_and(|name| name == stream_file::FOLDER);
    if is_of_streams {
        files.retain(|path| stream_file::is_one(path));
    }
    let streams = folder.join(stream_file::FOLDER);
    if streams.is_dir() {
        files.extend(json_files(&streams)?.into_iter().filter(|path| stream_file::is_one(path)));
    }
    ensure!(!files.is_empty(), "{shown}: there is no definition in this folder, no file NAME.json");
    Ok(files)
}

/// Returns the JSON files of a folder except `values.json`, sorted. Complains about those that are left out, as `up` does.
fn json_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = folder.display();
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {shown}"))?;
    let paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("reading {shown}"))?;
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mut paths: Vec<PathBuf> = paths.into_iter().filter(is_json).collect();
    paths.sort();
    let is_other = |path: &&PathBuf| path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir());
    for path in paths.iter().filter(is_other) {
        output::complain!("{}: skipped, because {NOT_REGULAR}", path.display());
    }
    let is_wanted = |path: &PathBuf| !path.ends_with("values.json") && path.is_file();
    Ok(paths.into_iter().filter(is_wanted).collect())
}
