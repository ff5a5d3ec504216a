//! A definition file as `validate`, `render` and `graph` read it: with the values beside it.

use std::path::{Path, PathBuf};

use definition::diagnosis::{self, Diagnosis, OutsideValues};
use definition::{ParameterValue, file};

/// Parameters that somebody fills in where they are declared: the orchestrator for a drop, and `up` by its
/// `values.json`.
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

/// The command line's `--set`.
#[derive(Clone, Debug)]
pub(super) struct Setting(ParameterValue);

impl std::str::FromStr for Setting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, value) = text.split_once('=').ok_or("write it as myKey=value")?;
        if id.is_empty() {
            return Err("the parameter's id is missing before the `=`".to_owned());
        }
        Ok(Self(ParameterValue { id: id.to_owned(), value: value.to_owned() }))
    }
}

/// A file that was read.
pub(super) struct DefinitionFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) diagnosis: Diagnosis,
}

/// Reads and diagnoses the file; the error is why it cannot be read at all.
///
/// Values count in this order: `settings`, a `values.json` beside the file, the file's own.
pub(super) fn read(path: &Path, settings: &[Setting]) -> anyhow::Result<DefinitionFile> {
    let bytes =
        std::fs::read(path).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))?;
    let text = match file::decode(&bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let diagnosis =
                Diagnosis { findings: vec![diagnosis::of_file(error, true)], ..Diagnosis::default() };
            return Ok(DefinitionFile { path: path.to_owned(), text, diagnosis });
        }
    };
    let beside = path.with_file_name("values.json");
    let stored = match std::fs::read(&beside) {
        Ok(bytes) => file::decode(&bytes)
            .and_then(file::parse_values)
            .map_err(|error| anyhow::anyhow!("{}: {error}", beside.display()))?,
        Err(_) => Vec::new(),
    };
    let settings: Vec<_> = settings.iter().map(|Setting(value)| value.clone()).collect();
    let outside = OutsideValues { values: &stored, settings: &settings, filled: &FILLED };
    let diagnosis = diagnosis::diagnose(&text, outside);
    Ok(DefinitionFile { path: path.to_owned(), text, diagnosis })
}
