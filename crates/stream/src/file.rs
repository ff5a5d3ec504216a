//! The stream file `pipeline-definitions/streams/NAME.json`, and the stream that it defines.

use std::collections::BTreeMap;

pub use definition::diagnosis::Finding;
use jiff::tz::TimeZone;

use crate::StreamName;
use crate::cut::Buffering;
use crate::objects::Place;
use crate::prefix::Prefix;

/// A stream, as its file defines it.
#[derive(Debug)]
pub struct Stream {
    /// The name: that of the file.
    pub name: StreamName,
    /// The texts that the stream was read from.
    pub source: Source,
    /// The bucket of the data. `None`: the drop bucket.
    pub bucket: Option<String>,
    /// The prefix of the data.
    pub prefix: Prefix,
    /// The time zone of the prefixes and names.
    pub time_zone: TimeZone,
    /// How the data is compressed.
    pub compression: Compression,
    /// How much the stream collects before it delivers.
    pub buffering: Buffering,
    /// Where the records go as they came.
    pub raw: Raw,
    /// Where refused records go. `None`: under `quarantine/` in the bucket of the data.
    pub quarantine: Option<Place>,
    /// The number of bytes that may wait undelivered.
    pub max_backlog_bytes: u64,
    /// What a request needs.
    pub authorization: Authorization,
    /// The origins of the web pages that may send.
    pub origins: Vec<String>,
    /// The number of shards.
    pub shards: u32,
}

/// How data objects are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Uncompressed,
    /// With gzip.
    Gzip,
}

/// Where a stream keeps its records as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    /// Nowhere.
    Off,
    /// In the raw bucket.
    Default,
    /// There.
    At(Place),
}

/// What a request to the HTTP door needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// The API key.
    ApiKey,
    /// Nothing.
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

/// Reads a stream file.
///
/// `load` returns the text of a file beside the stream file, or says why there is none. It is called with plain file
/// names only.
#[must_use]
pub fn diagnose(name: &StreamName, text: &str, load: &dyn Fn(&str) -> Result<String, String>) -> Diagnosis {
    let _ = load("x");
    todo!("{name} {text}")
}

/// Reads the texts of an earlier version again.
#[must_use]
pub fn diagnose_source(name: &StreamName, source: &Source) -> Diagnosis {
    let load = |file: &str| source.beside.get(file).cloned().ok_or_else(|| "no such file".to_owned());
    diagnose(name, &source.text, &load)
}
