//! Reads the field `schema` of a stream file.

use std::collections::HashSet;

use definition::file::json::{Json, Member, Node};
use serde_json::Value;

use super::keywords;
use super::reader::{INVALID_SCHEMA, MALFORMED, Reader, bytes_of, hint};
use crate::schema::{FILE_END, RecordSchema, SchemaError, is_file_name};

const FIELD: &str = "schema";

/// Reads the schema, which stands in the file or in a file beside it.
pub(super) fn read(
    node: &Node<'_>,
    load: &dyn Fn(&str) -> Result<String, String>,
    reader: &mut Reader<'_>,
) -> Option<(Value, RecordSchema)> {
    let load = |file: &str| {
        let text = load(file)?;
        serde_json::from_str::<Value>(&text)
            .map_err(|error| format!("not JSON at line {}, column {}", error.line(), error.column()))
    };
    let schema = match &node.json {
        Json::String(file) => in_file(file, node, &load, reader)?,
        Json::Object(_) => in_place(node, reader)?,
        _ => {
            reader.expected(node, FIELD, "a JSON Schema or the name of a file beside");
            return None;
        }
    };
    match RecordSchema::compile(&schema, &load) {
        Ok(compiled) => Some((schema, compiled)),
        Err(SchemaError { at, message }) => {
            let (part, message) = match &node.json {
                Json::String(file) => (node, format!("{file}, at `{at}`: {message}")),
                _ => (find(node, &at), message),
            };
            reader.error(bytes_of(part), Some(FIELD), INVALID_SCHEMA, format!("no JSON Schema: {message}"));
            None
        }
    }
}

fn in_file(
    file: &str,
    node: &Node<'_>,
    load: &dyn Fn(&str) -> Result<Value, String>,
    reader: &mut Reader<'_>,
) -> Option<Value> {
    if !is_file_name(file) {
        let message = format!(
            "'{file}' is not the name of a schema file: it lies in the folder of the stream file, and its name ends in `{FILE_END}`"
        );
        reader.invalid(node, FIELD, message);
        return None;
    }
    load(file).map_err(|reason| reader.invalid(node, FIELD, format!("{file}: {reason}"))).ok()
}

fn in_place(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Value> {
    let before = reader.findings.len();
    twice(node, reader);
    keywords::check(node, &mut |member: &Member<'_>, near: &str| {
        let message =
            format!("'{}' is not a keyword of JSON Schema{}", member.key, hint(&member.key, &[near]));
        reader.warning(member.start..member.end, FIELD, INVALID_SCHEMA, message);
    });
    if reader.findings[before..].iter().any(|finding| finding.is_error) {
        return None;
    }
    let value = serde_json::from_str(&reader.text[bytes_of(node)]);
    value
        .map_err(|error| {
            // The reader of files is lenient with numbers.
            let message = format!("not JSON: {error}");
            reader.error(bytes_of(node), Some(FIELD), MALFORMED, message);
        })
        .ok()
}

/// Refuses keys that stand twice in one object.
fn twice(node: &Node<'_>, reader: &mut Reader<'_>) {
    match &node.json {
        Json::Object(members) => {
            let mut keys = HashSet::new();
            for member in members {
                if !keys.insert(member.key.as_ref()) {
                    let message = format!("the key '{}' stands twice in this object", member.key);
                    reader.error(member.start..member.end, Some(FIELD), MALFORMED, message);
                }
                twice(&member.value, reader);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| twice(item, reader)),
        _ => {}
    }
}

/// Returns the part of a schema at a JSON Pointer, as far as it leads.
fn find<'n, 'a>(node: &'n Node<'a>, pointer: &str) -> &'n Node<'a> {
    let mut at = node;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let next = match &at.json {
            Json::Object(members) => {
                members.iter().find(|member| member.key == token).map(|member| &member.value)
            }
            Json::Array(items) => token.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        let Some(next) = next else { break };
        at = next;
    }
    at
}
