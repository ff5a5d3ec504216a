//! Reads the field `schema` of a stream file.

use std::cell::RefCell;
use std::ops::Range;

use definition::file::Lines;
use definition::file::json::{self, Json, Node};
use serde_json::Value;

use super::keywords::{self, Problem, ProblemKind};
use super::reader::{INVALID_SCHEMA, MALFORMED, Reader, bytes_of};
use crate::schema::{FILE_END, RecordSchema, SchemaError, is_file_name};

const FIELD: &str = "schema";

/// Reads the schema, which stands in the file or in a file beside it.
pub(super) fn read(
    node: &Node<'_>,
    load: &dyn Fn(&str) -> Result<String, String>,
    reader: &mut Reader<'_>,
) -> Option<(Value, RecordSchema)> {
    let problems = RefCell::default();
    let load = |file: &str| beside(file, &load(file)?, &problems);
    let schema = match &node.json {
        Json::String(file) => in_file(file, node, &load, reader),
        Json::Object(_) => in_place(node, reader),
        _ => {
            reader.expected(node, FIELD, "a JSON Schema or the name of a file beside");
            None
        }
    };
    let compiled = schema.map(|schema| (RecordSchema::compile(&schema, &load), schema));
    let problems = problems.into_inner();
    let is_reported = problems.iter().any(|(kind, _)| *kind != ProblemKind::Ignored);
    for (kind, message) in problems {
        report(bytes_of(node), kind, message, reader);
    }
    match compiled? {
        (Ok(compiled), schema) => (!is_reported).then_some((schema, compiled)),
        // The problem is already reported; the checker would repeat it in other words.
        (Err(_), _) if is_reported => None,
        (Err(SchemaError { at, message }), _) => {
            let (part, message) = match &node.json {
                Json::String(file) => (node, format!("{file}, at `{at}`: {message}")),
                _ => (find(node, &at), message),
            };
            reader.error(bytes_of(part), Some(FIELD), INVALID_SCHEMA, format!("no JSON Schema: {message}"));
            None
        }
    }
}

/// Adds a problem of a schema to the findings.
fn report(at: Range<usize>, kind: ProblemKind, message: String, reader: &mut Reader<'_>) {
    match kind {
        ProblemKind::Twice => reader.error(at, Some(FIELD), MALFORMED, message),
        ProblemKind::Wrong => reader.error(at, Some(FIELD), INVALID_SCHEMA, message),
        ProblemKind::Ignored => reader.warning(at, FIELD, INVALID_SCHEMA, message),
    }
}

/// Reads the text of a schema file, and adds its problems with the name of the file and their places in it.
fn beside(file: &str, text: &str, problems: &RefCell<Vec<(ProblemKind, String)>>) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value = serde_json::from_str::<Value>(text)
        .map_err(|error| format!("not JSON at line {}, column {}", error.line(), error.column()))?;
    let mut problems = problems.borrow_mut();
    // The checker may load a file more than once.
    let start = format!("{file}:");
    if let Ok(node) = json::parse(text)
        && !problems.iter().any(|(_, message)| message.starts_with(&start))
    {
        let lines = Lines::of(text);
        for Problem { at, message, kind } in keywords::problems(&node) {
            let place = lines.position(at.start);
            // Versions of streams that are in force may have such a file, so it must stay readable.
            let (kind, effect) = match kind {
                ProblemKind::Twice => (ProblemKind::Ignored, ": the last one counts"),
                kind => (kind, ""),
            };
            problems.push((kind, format!("{start}{}:{}: {message}{effect}", place.line, place.column)));
        }
    }
    Ok(value)
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
    let problems = keywords::problems(node);
    let is_usable = problems.iter().all(|problem| problem.kind == ProblemKind::Ignored);
    for problem in problems {
        report(problem.at, problem.kind, problem.message, reader);
    }
    if !is_usable {
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
