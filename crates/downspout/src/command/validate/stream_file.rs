//! Reads a stream file, and finds its problems.

use std::path::Path;

use definition::diagnosis::{self, Diagnosis};
use definition::file;
use stream::file::stream_name;
use stream::{NameError, StreamName};

use super::super::definition_file::DefinitionFile;

/// The folder of the stream files, beside the definitions.
pub(super) const FOLDER: &str = "streams";

/// Returns whether the file is a stream file, which its folder decides.
pub(super) fn is_one(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|name| name == FOLDER) && name_of(path).is_some()
}

/// Returns the name of the stream of a file, or why the name of the file is none. Returns `None` for other files, such as the schema
/// files beside stream files.
fn name_of(path: &Path) -> Option<Result<StreamName, NameError>> {
    stream_name(path.file_name()?.to_str()?)
}

/// Reads the file, and finds its problems.
///
/// # Errors
///
/// If the file cannot be read, or its name is no name of a stream.
pub(super) fn read(path: &Path) -> anyhow::Result<DefinitionFile> {
    let bytes =
        std::fs::read(path).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))?;
    let name = name_of(path).ok_or_else(|| anyhow::anyhow!("{} is no stream file", path.display()))?;
    let name = name.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let (text, findings) = match file::decode(&bytes) {
        Ok(text) => {
            let beside = |name: &str| {
                std::fs::read_to_string(path.with_file_name(name)).map_err(|error| error.to_string())
            };
            (text.to_owned(), stream::file::diagnose(&name, text, &beside).findings)
        }
        Err(error) => (String::from_utf8_lossy(&bytes).into_owned(), vec![diagnosis::of_file(error, true)]),
    };
    let diagnosis = Diagnosis { findings, ..Diagnosis::default() };
    Ok(DefinitionFile { path: path.to_owned(), text, diagnosis, is_stream: true })
}

#[cfg(test)]
mod tests {
    use super::super::describe;
    use super::*;

    /// Returns the output of `validate` for a stream file.
    fn said(text: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let streams = folder.path().join(FOLDER);
        std::fs::create_dir(&streams).expect("writable");
        let path = streams.join("s.json");
        std::fs::write(&path, text).expect("writable");
        assert!(
            is_one(&path)
                && !is_one(&streams.join("s.schema.json"))
                && !is_one(&folder.path().join("s.json"))
        );
        let mut file = read(&path).expect("the file is there");
        file.path = "streams/s.json".into();
        describe(&file)
    }

    #[test]
    fn an_empty_object_is_a_whole_stream() {
        assert_eq!(said("{}"), "streams/s.json: fit to run\n");
    }

    #[test]
    fn every_problem_is_shown_where_it_stands_and_nothing_is_taken_for_a_secret() {
        let text = "{\n  \"fields\": {\"*\": \"\", \"zip\": \"**zip_code\"},\n  \"bufferSizeMB\": 0, \"bufferSecs\": 5\n}";
        insta::assert_snapshot!(said(text));
    }
}
