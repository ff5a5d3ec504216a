//! Reads a stream file, and finds its problems.

use std::io::ErrorKind;
use std::path::Path;

use definition::diagnosis::{self, Diagnosis, Finding};
use definition::file;
use stream::file::{looks_like_one, stream_name};
use stream::{NameError, StreamName};

use super::super::definition_file::DefinitionFile;
use crate::local::stack::NO_SCHEMA;
use crate::regular_file;

/// The folder of the stream files, beside the definitions.
pub(super) const FOLDER: &str = "streams";

/// Returns whether the file is a stream file. Its folder decides that.
pub(super) fn is_one(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::file_name);
    folder.is_some_and(|name| name == FOLDER) && name_of(path).is_some()
}

/// Returns the name of the stream of a file, or why the file name cannot be that of a stream. Returns `None` for other files,
/// such as the schema files beside stream files.
fn name_of(path: &Path) -> Option<Result<StreamName, NameError>> {
    stream_name(path.file_name()?.to_str()?)
}

/// Reads the file, and finds its problems.
///
/// # Errors
///
/// If the file cannot be read, or its name is not that of a stream.
pub(super) fn read(path: &Path) -> anyhow::Result<DefinitionFile> {
    let bytes =
        std::fs::read(path).map_err(|error| anyhow::anyhow!("reading {}: {error}", path.display()))?;
    let name = name_of(path).ok_or_else(|| anyhow::anyhow!("{} is not a stream file", path.display()))?;
    let name = name.map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let (text, findings) = match file::decode(&bytes) {
        Ok(text) => {
            let beside = |name: &str| beside(&path.with_file_name(name));
            (text.to_owned(), stream::file::diagnose(&name, text, &beside).findings)
        }
        Err(error) => (String::from_utf8_lossy(&bytes).into_owned(), vec![diagnosis::of_file(error, true)]),
    };
    let diagnosis = Diagnosis { findings, ..Diagnosis::default() };
    Ok(DefinitionFile { path: path.to_owned(), text, diagnosis, is_stream: true })
}

/// Reads a schema file, or says in words why it cannot be read.
fn beside(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err("it is a folder and not a file".to_owned());
    }
    let bytes = regular_file::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => NO_SCHEMA.to_owned(),
        ErrorKind::PermissionDenied => "this user may not read the file".to_owned(),
        _ => error.to_string(),
    });
    let bytes = bytes?.ok_or_else(|| regular_file::NOT_REGULAR.to_owned())?;
    file::decode(&bytes).map(str::to_owned).map_err(|error| error.to_string())
}

/// Adds to the problems of a definition that the file looks like one of a stream, if it does. Its folder decides what a file is.
pub(super) fn hint(file: &mut DefinitionFile) {
    let name = file.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let message = if name.ends_with(".schema.json") {
        "this looks like a schema of records: validate checks it together with the stream file that names it"
            .to_owned()
    } else if looks_like_one(&file.text) {
        format!(
            "this looks like a stream file, which must lie in a folder `{FOLDER}`: move it to {FOLDER}/{name}"
        )
    } else {
        return;
    };
    file.diagnosis.findings.push(Finding {
        is_error: false,
        span: None,
        object: None,
        field: None,
        code: "STREAM_FILE",
        message,
    });
}

#[cfg(test)]
mod tests {
    use super::super::super::definition_file;
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
    fn a_schema_file_that_cannot_be_read_is_reported_in_words() {
        let said = said(r#"{"schema": "none.schema.json"}"#);
        assert!(said.contains("none.schema.json: there is no such file beside the stream file"), "{said}");
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(beside(folder.path()), Err("it is a folder and not a file".to_owned()));
        let latin = folder.path().join("latin.schema.json");
        std::fs::write(&latin, b"{\"title\": \"caf\xe9\"}").expect("writable");
        let error = beside(&latin).unwrap_err();
        assert_eq!(error, "line 1, column 15: this byte is not UTF-8: save the file as UTF-8");
    }

    #[test]
    fn a_stream_file_in_another_folder_is_reported_with_the_right_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hinted = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("writable");
            let mut file = definition_file::read(&path, &[]).expect("the file is there");
            let before = file.diagnosis.findings.len();
            hint(&mut file);
            file.diagnosis
                .findings
                .split_off(before)
                .into_iter()
                .map(|finding| finding.message)
                .collect::<Vec<_>>()
        };
        let error = hinted("events.json", "{\"bufferSizeMB\": 5}");
        assert_eq!(
            error,
            [
                "this looks like a stream file, which must lie in a folder `streams`: move it to streams/events.json"
            ]
        );
        assert!(
            hinted("user.schema.json", "{\"type\": \"object\"}")[0].contains("together with the stream file")
        );
        assert_eq!(hinted("orders.json", "{\"objects\": []}"), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_shown_where_it_stands_and_nothing_is_taken_for_a_secret() {
        let text = "{\n  \"fields\": {\"*\": \"\", \"zip\": \"**zip_code\"},\n  \"bufferSizeMB\": 0, \"bufferSecs\": 5\n}";
        insta::assert_snapshot!(said(text));
    }
}
