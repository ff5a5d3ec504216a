//! The fields of a stream file: their names, their meanings and their defaults.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use definition::file::json::{Json, Member, Node};
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::read_schema;
use super::reader::{INVALID_SCHEMA, INVALID_VALUE, MALFORMED, Reader, UNKNOWN_FIELD, bytes_of, hint};
use super::{Authorization, Compression, Source, Stream};
use crate::StreamName;
use crate::cut::Buffering;
use crate::fields::Fields;
use crate::prefix::{Place, Prefix, Purpose};

/// A megabyte of the file: 2 to the power of 20, as in Firehose.
const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;
pub(super) const BUFFER_MB: RangeInclusive<u64> = 1..=128;
pub(super) const BUFFER_SECONDS: RangeInclusive<u64> = 0..=900;
pub(super) const BACKLOG_GB: RangeInclusive<u64> = 1..=10_000;
pub(super) const SHARDS: RangeInclusive<u64> = 1..=1_000;
pub(super) const COMPRESSIONS: [(&str, Compression); 2] =
    [("UNCOMPRESSED", Compression::Uncompressed), ("GZIP", Compression::Gzip)];
pub(super) const AUTHORIZATIONS: [(&str, Authorization); 2] =
    [("API_KEY", Authorization::ApiKey), ("NONE", Authorization::None)];
/// The address of the schema of the file itself, for editors. It is not a field of the stream.
pub(super) const EDITOR: &str = "$schema";
const NAMES: [&str; 13] = [
    "fields",
    "schema",
    "bucket",
    "prefix",
    "timeZone",
    "compressionFormat",
    "bufferSizeMB",
    "bufferIntervalSeconds",
    "raw",
    "quarantine",
    "maxBacklogGB",
    "authorization",
    "origins",
];
pub(super) const SHARD_COUNT: &str = "shards";

/// Returns whether a stream file may have a field of this name.
pub(super) fn is_field(name: &str) -> bool {
    NAMES.contains(&name) || name == SHARD_COUNT
}

/// Returns the stream of a file. Values that cannot be read have their defaults.
pub(super) fn stream(
    name: &StreamName,
    members: &[Member<'_>],
    load: &dyn Fn(&str) -> Result<String, String>,
    reader: &mut Reader<'_>,
) -> Stream {
    let mut stream = default_stream(name);
    let mut seen = HashSet::new();
    let mut schema = None;
    for member in members {
        let key = member.key.as_ref();
        if !seen.insert(key) {
            let message = format!("the field '{key}' stands twice in the file");
            reader.error(member.start..member.end, Some(key), MALFORMED, message);
        }
        match key {
            "schema" => schema = read_schema::read(&member.value, load, reader),
            key => field(key, member, &mut stream, reader),
        }
    }
    if let Some((schema, compiled)) = schema {
        let node = members.iter().find(|member| member.key == "schema").map(|member| &member.value);
        if let (Some(node), Some(fields)) = (node, &stream.fields) {
            required(&schema, fields, node, reader);
        }
        stream.schema = Some(compiled);
    }
    stream
}

/// Warns of fields that the schema requires and no line has: every record would be refused.
fn required(schema: &Value, fields: &Fields, node: &Node<'_>, reader: &mut Reader<'_>) {
    let names =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in names.filter(|name| !fields.may_have(name)) {
        let message =
            format!("the schema requires '{name}', which is not in 'fields': every record would be refused");
        reader.warning(bytes_of(node), "schema", INVALID_SCHEMA, message);
    }
}

fn default_stream(name: &StreamName) -> Stream {
    // The name of a stream is short and has neither `!` nor control characters, so the prefixes can be read.
    let place = |text: String, purpose| Place {
        bucket: None,
        prefix: Prefix::read(&text, purpose).unwrap_or_else(|_| Prefix::empty()),
    };
    let records = || place(format!("streams/{name}/!{{timestamp:yyyy/MM/dd/HH}}/"), Purpose::Records);
    let refused = format!("quarantine/{name}/!{{firehose:error-output-type}}/!{{timestamp:yyyy/MM/dd/HH}}/");
    Stream {
        name: name.clone(),
        source: Source::default(),
        data: records(),
        raw: Some(records()),
        quarantine: place(refused, Purpose::Refused),
        time_zone: TimeZone::UTC,
        compression: Compression::Uncompressed,
        buffering: Buffering { bytes: 5 * MB, interval: SignedDuration::from_secs(300) },
        max_backlog_bytes: 10 * GB,
        authorization: Authorization::ApiKey,
        origins: Vec::new(),
        shards: NonZeroU32::MIN,
        fields: None,
        schema: None,
    }
}

/// Reads one field into the stream.
fn field(key: &str, member: &Member<'_>, stream: &mut Stream, reader: &mut Reader<'_>) {
    let node = &member.value;
    match key {
        EDITOR => drop(reader.string(node, EDITOR).map(str::len)),
        "fields" => stream.fields = fields(node, reader),
        "bucket" => stream.data.bucket = reader.bucket(node, key),
        "prefix" => {
            let text = reader.string(node, key);
            let prefix = text.and_then(|text| reader.prefix((node, 0), text, key, Purpose::Records));
            set(&mut stream.data.prefix, prefix);
        }
        "timeZone" => set(&mut stream.time_zone, time_zone(node, reader)),
        "compressionFormat" => set(&mut stream.compression, reader.word(node, key, &COMPRESSIONS)),
        "bufferSizeMB" => {
            let bytes = reader.whole_number(node, key, &BUFFER_MB).map(|number| number * MB);
            set(&mut stream.buffering.bytes, bytes);
        }
        "bufferIntervalSeconds" => {
            let seconds = reader.whole_number(node, key, &BUFFER_SECONDS);
            let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok());
            set(&mut stream.buffering.interval, seconds.map(SignedDuration::from_secs));
        }
        "raw" if &reader.text[bytes_of(node)] == "false" => stream.raw = None,
        "raw" if matches!(node.json, Json::String(_)) => {
            stream.raw = reader.place(node, key, Purpose::Records);
        }
        "raw" => reader.expected(node, key, "a place such as `s3://bucket/prefix/`, or false"),
        "quarantine" => set(&mut stream.quarantine, reader.place(node, key, Purpose::Refused)),
        "maxBacklogGB" => {
            let bytes = reader.whole_number(node, key, &BACKLOG_GB).map(|number| number * GB);
            set(&mut stream.max_backlog_bytes, bytes);
        }
        "authorization" => set(&mut stream.authorization, reader.word(node, key, &AUTHORIZATIONS)),
        "origins" => stream.origins = origins(node, reader),
        SHARD_COUNT => {
            let count = reader.whole_number(node, key, &SHARDS).and_then(|count| u32::try_from(count).ok());
            set(&mut stream.shards, count.and_then(NonZeroU32::new));
        }
        unknown => {
            let known: Vec<&str> = NAMES.into_iter().chain([SHARD_COUNT]).collect();
            let message = format!("'{unknown}' is not a field of a stream{}", hint(unknown, &known));
            reader.error(member.start..member.end, Some(unknown), UNKNOWN_FIELD, message);
        }
    }
}

/// Gives a field of the stream the value that was read, if one was.
fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn fields(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Fields> {
    const FIELD: &str = "fields";
    let Json::Object(members) = &node.json else {
        reader.expected(node, FIELD, "an object with the source of each field");
        return None;
    };
    if members.is_empty() {
        reader.invalid(node, FIELD, "'fields' names no field: leave it out to keep records as they are");
        return None;
    }
    let mut seen = HashSet::new();
    let (mut sources, mut nodes) = (Vec::new(), Vec::new());
    for member in members {
        if !seen.insert(member.key.as_ref()) {
            let message = format!("the field '{}' stands twice in 'fields'", member.key);
            reader.error(member.start..member.end, Some(FIELD), MALFORMED, message);
        }
        let what = format!("'{}' in 'fields' must be the source of the field in a string", member.key);
        match &member.value.json {
            Json::String(source) => {
                sources.push((member.key.as_ref(), source.as_ref()));
                nodes.push(&member.value);
            }
            other => {
                let message = format!("{what}, found {}", other.describe());
                reader.error(bytes_of(&member.value), Some(FIELD), INVALID_VALUE, message);
            }
        }
    }
    match Fields::read(&sources) {
        Ok(fields) => Some(fields),
        Err(errors) => {
            for (place, reason) in errors {
                reader.error(bytes_of(nodes[place]), Some(FIELD), INVALID_VALUE, reason);
            }
            None
        }
    }
}

fn time_zone(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<TimeZone> {
    let name = reader.string(node, "timeZone")?;
    let zone = if name == "UTC" { Ok(TimeZone::UTC) } else { TimeZone::get(name) };
    let message = format!("there is no time zone '{name}': write a name such as `Europe/Lisbon`");
    zone.map_err(|_| reader.invalid(node, "timeZone", message)).ok()
}

fn origins(node: &Node<'_>, reader: &mut Reader<'_>) -> Vec<String> {
    const FIELD: &str = "origins";
    let Json::Array(items) = &node.json else {
        reader.expected(node, FIELD, "a list of origins");
        return Vec::new();
    };
    let mut origins = Vec::new();
    for item in items {
        let Some(origin) = reader.string(item, FIELD) else { continue };
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_host =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]_".contains(&byte);
        if host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_host)) {
            origins.push(origin.to_owned());
        } else {
            let message = format!(
                "'{origin}' is not an origin: write it as a browser does, such as `https://www.example.com`, without a path"
            );
            reader.invalid(item, FIELD, message);
        }
    }
    origins
}
