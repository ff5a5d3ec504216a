//! Reads a definition file, and the values beside it, for `validate`, `render`, `graph` and `dry-run`.

use std::path::{Path, PathBuf};

use definition::diagnosis::{self, Diagnosis, OutsideValues};
use definition::{ParameterValue, file};

use crate::regular_file;

/// The parameters that get their values from elsewhere: from the orchestrator for each drop, or from the `values.json`
/// of `up`.
const FILLED: [&str; 11] = [
    "myDropBucket",
    "myDropKeys",
    "myDefinition",
    "myNotifyTopicArn",
    "myDatabaseUrl",
    "myDatabaseUsername",
    "*myDatabasePassword",
    "myResultsBucket",
    "myLogsBucket",
    "myDefinitionsBucket",
    "myWorkerGroup",
];

/// One `--set` of the command line.
#[derive(Clone, Debug)]
pub(super) struct Setting(pub(super) ParameterValue);

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, value) = text.split_once('=').ok_or("write it as myKey=value")?;
        if id.is_empty() {
            return Err("the id of the parameter is missing before the `=`".to_owned());
        }
        Ok(Self(ParameterValue { id: id.to_owned(), value: value.to_owned() }))
    }
}

/// A definition file, or a stream file, with the problems found in it.
pub(super) struct DefinitionFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) diagnosis: Diagnosis,
    /// Whether it is a stream file. Then the definition in `diagnosis` is empty.
    pub(super) is_stream: bool,
}

/// Reads the file and finds its problems. Fails if the file cannot be read, or if the `values.json` beside the file is
/// not legal. A file that is read but cannot be decoded is not an error; the returned diagnosis contains this problem.
///
/// A value in `settings` replaces one in the `values.json` beside the file, which replaces one in the file.
pub(super) fn read(path: &Path, settings: &[Setting]) -> anyhow::Result<DefinitionFile> {
    read_with(path, settings, &[])
}

/// Does the same as [`read`]. A value in `of_stack` replaces one in the file.
pub(super) fn read_with(
    path: &Path,
    settings: &[Setting],
    of_stack: &[ParameterValue],
) -> anyhow::Result<DefinitionFile> {
    let bytes =
        std::fs::read(path).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))?;
    let text = match file::decode(&bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let diagnosis =
                Diagnosis { findings: vec![diagnosis::of_file(error, true)], ..Diagnosis::default() };
            return Ok(DefinitionFile { path: path.to_owned(), text, diagnosis, is_stream: false });
        }
    };
    let beside = path.with_file_name("values.json");
    let stored = match regular_file::read(&beside) {
        Ok(Some(bytes)) => file::decode(&bytes)
            .and_then(file::parse_values)
            .map_err(|error| anyhow::anyhow!("{}: {error}", beside.display()))?,
        Ok(None) | Err(_) => Vec::new(),
    };
    let is_stored = |value: &&ParameterValue| stored.iter().any(|own| own.id == value.id);
    let stored: Vec<_> =
        of_stack.iter().filter(|value| !is_stored(value)).cloned().chain(stored.iter().cloned()).collect();
    let settings: Vec<_> = settings.iter().map(|Setting(value)| value.clone()).collect();
    let outside = OutsideValues { values: &stored, settings: &settings, filled: &FILLED };
    let diagnosis = diagnosis::diagnose(&text, outside);
    Ok(DefinitionFile { path: path.to_owned(), text, diagnosis, is_stream: false })
}
