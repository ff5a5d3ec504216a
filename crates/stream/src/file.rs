//! The stream file `pipeline-definitions/streams/NAME.json`, and the stream that it defines.
//!
//! The file is a flat JSON object, and `{}` is a whole stream. Every problem of a file is reported with its position, in the
//! same form as the problems of a definition.

mod editor;
mod keywords;
mod read_schema;
mod reader;
mod spec;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub use definition::diagnosis::Finding;
use definition::file::json::{self, Json};
use jiff::tz::TimeZone;

use crate::cut::Buffering;
use crate::fields::Fields;
use crate::prefix::Place;
use crate::schema::{FILE_END, RecordSchema};
use crate::{NameError, StreamName};

pub use editor::json_schema;

/// A stream, as its file defines it.
#[derive(Debug)]
pub struct Stream {
    /// The name: that of the file.
    pub name: StreamName,
    /// The texts that the stream was read from.
    pub source: Source,
    /// The target of the lines.
    pub data: Place,
    /// The target of the records as they came; `None` if the records are not stored in this form.
    pub raw: Option<Place>,
    /// The target of refused records.
    pub quarantine: Place,
    /// The time zone of the prefixes and names.
    pub time_zone: TimeZone,
    /// How the data is compressed.
    pub compression: Compression,
    /// How much the stream collects before it delivers.
    pub buffering: Buffering,
    /// The number of bytes that may wait undelivered.
    pub max_backlog_bytes: u64,
    /// The credential that a request needs.
    pub authorization: Authorization,
    /// The origins of the web pages that may send.
    pub origins: Vec<String>,
    /// The number of shards.
    pub shards: NonZeroU32,
    fields: Option<Fields>,
    schema: Option<RecordSchema>,
}

impl Stream {
    pub(crate) fn fields(&self) -> Option<&Fields> {
        self.fields.as_ref()
    }

    pub(crate) fn record_schema(&self) -> Option<&RecordSchema> {
        self.schema.as_ref()
    }
}

/// How data objects are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Uncompressed,
    /// With gzip.
    Gzip,
}

/// The credential that a request to the HTTP door needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// The API key.
    ApiKey,
    /// No credential.
    None,
}

/// The texts that a stream was read from. They are kept with each version of a stream, so that a version can be read
/// again when its files have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// The text of the stream file.
    pub text: String,
    /// The texts of the schema files beside it, by name.
    pub beside: BTreeMap<String, String>,
}

/// A stream, and everything that is wrong with its file.
#[derive(Debug)]
pub struct Diagnosis {
    /// The stream, if there is no error.
    pub stream: Option<Stream>,
    /// The findings, in the order of the file.
    pub findings: Vec<Finding>,
}

/// Returns the name of the stream that a file in the folder of stream files defines.
///
/// Returns `None` if the file is not a stream file: its name does not end in `.json`, or it ends in `.schema.json`, as those
/// of the schemas beside do.
///
/// # Errors
///
/// The reason why the name of the stream file cannot be the name of a stream.
#[must_use]
pub fn stream_name(file_name: &str) -> Option<Result<StreamName, NameError>> {
    let name = file_name.strip_suffix(".json").filter(|_| !file_name.ends_with(FILE_END))?;
    Some(StreamName::new(name))
}

/// Returns whether a JSON text has fields of a stream file, and no `objects` as a pipeline definition has.
#[must_use]
pub fn looks_like_one(text: &str) -> bool {
    let root = json::parse(text).map(|root| root.json);
    let Ok(Json::Object(members)) = root else { return false };
    let is_of_pipeline = members.iter().any(|member| member.key == "objects");
    !is_of_pipeline && (members.is_empty() || members.iter().any(|member| spec::is_field(&member.key)))
}

/// Reads a stream file.
///
/// `load` returns the text of a file beside the stream file, or says why there is none. It is called with names only that
/// have no folder and end in `.schema.json`.
#[must_use]
pub fn diagnose(name: &StreamName, text: &str, load: &dyn Fn(&str) -> Result<String, String>) -> Diagnosis {
    let mut reader = reader::Reader::new(text);
    let root = match json::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let message = format!("not JSON: {}", error.message);
            reader.error(error.at..error.at + 1, None, reader::MALFORMED, message);
            return Diagnosis { stream: None, findings: reader.findings };
        }
    };
    let Json::Object(members) = &root.json else {
        let message = format!("a stream file is an object, found {}", root.json.describe());
        reader.error(root.start..root.end, None, reader::MALFORMED, message);
        return Diagnosis { stream: None, findings: reader.findings };
    };
    let beside = RefCell::new(BTreeMap::new());
    let load_and_keep = |file: &str| {
        let text = load(file)?;
        beside.borrow_mut().insert(file.to_owned(), text.clone());
        Ok(text)
    };
    let stream = spec::stream(name, members, &load_and_keep, &mut reader);
    let mut findings = reader.findings;
    findings.sort_by_key(|finding| finding.span);
    let is_usable = findings.iter().all(|finding| !finding.is_error);
    let source = Source { text: text.to_owned(), beside: beside.into_inner() };
    Diagnosis { stream: is_usable.then_some(Stream { source, ..stream }), findings }
}

/// Reads the texts of an earlier version again.
#[must_use]
pub fn diagnose_source(name: &StreamName, source: &Source) -> Diagnosis {
    let load = |file: &str| source.beside.get(file).cloned().ok_or_else(|| "no such file".to_owned());
    diagnose(name, &source.text, &load)
}

#[cfg(test)]
pub(crate) mod tests;
