//! A JSON Schema of stream files. With it, an editor completes and checks a file while the user types.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::spec::{
    AUTHORIZATIONS, BACKLOG_GB, BUFFER_MB, BUFFER_SECONDS, COMPRESSIONS, EDITOR, SHARD_COUNT, SHARDS,
};
use crate::fields::FACTS;

/// A bucket, and a place in S3.
const BUCKET: &str = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$";
const PLACE: &str = "^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/|$)";

/// A field: its name, its description, and the schema of its value.
type Described = (&'static str, &'static str, Value);

/// Returns the JSON Schema of a stream file, with which an editor completes and checks a file.
///
/// The schema uses draft 07, which editors support best. It is more lenient than [`diagnose`](super::diagnose): a file that the
/// schema refuses is refused there too.
#[must_use]
pub fn json_schema() -> Value {
    let mut properties = Map::new();
    properties.insert(
        EDITOR.to_owned(),
        json!({"description": "Address of this schema, for editors.", "type": "string"}),
    );
    for (name, description, mut schema) in contents().into_iter().chain(delivery()).chain(access()) {
        schema["description"] = description.into();
        properties.insert(name.to_owned(), schema);
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Downspout stream",
        "description": "A stream of records. Its name is that of the file, and {} is a whole stream.",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}

fn words(words: &[&str], default: &str) -> Value {
    json!({"enum": words, "default": default})
}

fn number(range: &RangeInclusive<u64>, default: u64) -> Value {
    json!({"type": "integer", "minimum": range.start(), "maximum": range.end(), "default": default})
}

fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// Returns the fields that describe a line.
fn contents() -> [Described; 2] {
    [
        (
            "fields",
            "The fields of a line, each with its source in the record: a JSON Pointer such as /a/b, **/name for the outermost field of that name, or a fact such as @arrivalTimestamp. The key * takes all fields of the object at a JSON Pointer. Default: the record as it is.",
            json!({"type": "object", "minProperties": 1, "additionalProperties": {
                "anyOf": [{"enum": FACTS}, text("^($|/|\\*\\*/.)")]}}),
        ),
        (
            "schema",
            "The JSON Schema of a line, or the name of a file beside with it. A record that it refuses goes to quarantine.",
            json!({"anyOf": [{"type": "object"}, text("^[^/]+\\.schema\\.json$")]}),
        ),
    ]
}

/// Returns the fields that say where and when lines are delivered.
fn delivery() -> [Described; 8] {
    [
        ("bucket", "The bucket of the data. Default: the drop bucket.", text(BUCKET)),
        (
            "prefix",
            "The prefix of the data. It may have the time, as in !{timestamp:yyyy/MM/dd/HH}; without a time, yyyy/MM/dd/HH/ is added. Default: streams/<name>/!{timestamp:yyyy/MM/dd/HH}/.",
            json!({"type": "string"}),
        ),
        (
            "timeZone",
            "The time zone of prefixes and names, such as Europe/Lisbon.",
            json!({"type": "string", "default": "UTC"}),
        ),
        (
            "compressionFormat",
            "How the data is compressed.",
            words(&COMPRESSIONS.map(|(word, _)| word), "UNCOMPRESSED"),
        ),
        ("bufferSizeMB", "Deliver when so many megabytes (2^20 bytes) wait.", number(&BUFFER_MB, 5)),
        (
            "bufferIntervalSeconds",
            "Deliver when the oldest record has waited so long.",
            number(&BUFFER_SECONDS, 300),
        ),
        (
            "raw",
            "Where records are kept as they came, such as s3://bucket/prefix/; false: nowhere. Default: the bucket of raw records.",
            json!({"anyOf": [{"const": false}, text(PLACE)]}),
        ),
        (
            "quarantine",
            "Where refused records go, such as s3://bucket/prefix/. Default: under quarantine/ in the bucket of the data.",
            text(PLACE),
        ),
    ]
}

/// Returns the fields that say who may send, and how much.
fn access() -> [Described; 4] {
    [
        (
            "maxBacklogGB",
            "When so many gigabytes (2^30 bytes) wait undelivered, no more records are accepted.",
            number(&BACKLOG_GB, 10),
        ),
        (
            "authorization",
            "What a request over HTTP needs.",
            words(&AUTHORIZATIONS.map(|(word, _)| word), "API_KEY"),
        ),
        (
            "origins",
            "The origins of the web pages that may send records, such as https://www.example.com. Default: none.",
            json!({"type": "array", "items": text("^https?://[^/]+$")}),
        ),
        (SHARD_COUNT, "The number of shards that Kinesis clients see.", number(&SHARDS, 1)),
    ]
}
