//! Finds misspelt words of a JSON Schema. A checker ignores unknown keywords and formats, so a rule with a misspelt name would
//! silently not be checked; and for a misspelt type, a checker does not say which word is wrong.

use std::collections::HashSet;
use std::ops::Range;

use definition::file::json::{Json, Member, Node};
use definition::validate::nearest;

use super::reader::{bytes_of, hint};
use crate::fields::listed;

/// Keywords whose values are not schemas.
const PLAIN: &[&str] = &[
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$recursiveAnchor",
    "$recursiveRef",
    "$ref",
    "$schema",
    "$vocabulary",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// Keywords whose values are a schema, or a list of schemas.
const SCHEMAS: &[&str] = &[
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose values have a schema for each name.
const BY_NAME: &[&str] =
    &["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"];
/// The types.
const TYPES: &[&str] = &["array", "boolean", "integer", "null", "number", "object", "string"];
/// The formats that are checked.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// A word of a schema that is wrong or misspelt.
pub(super) struct Problem {
    /// The bytes of the word.
    pub(super) at: Range<usize>,
    pub(super) message: String,
    /// The kind of the problem.
    pub(super) kind: ProblemKind,
}

/// The kinds of problems.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    /// A key stands twice.
    Twice,
    /// The schema cannot be used.
    Wrong,
    /// A rule that is not checked.
    Ignored,
}

/// Returns the problems of a schema.
pub(super) fn problems(schema: &Node<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    twice(schema, &mut problems);
    check(schema, &mut problems);
    problems
}

/// Finds keys that stand twice in one object. A reader would keep only one of the two.
fn twice(node: &Node<'_>, problems: &mut Vec<Problem>) {
    match &node.json {
        Json::Object(members) => {
            let mut keys = HashSet::new();
            for member in members {
                if !keys.insert(member.key.as_ref()) {
                    let message = format!("the key '{}' stands twice in this object", member.key);
                    problems.push(Problem {
                        at: member.start..member.end,
                        message,
                        kind: ProblemKind::Twice,
                    });
                }
                twice(&member.value, problems);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| twice(item, problems)),
        _ => {}
    }
}

fn check(schema: &Node<'_>, problems: &mut Vec<Problem>) {
    match &schema.json {
        Json::Object(members) => members.iter().for_each(|member| keyword(member, problems)),
        Json::Array(schemas) => schemas.iter().for_each(|schema| check(schema, problems)),
        _ => {}
    }
}

fn keyword(member: &Member<'_>, problems: &mut Vec<Problem>) {
    let key = member.key.as_ref();
    match &member.value.json {
        Json::String(_) if key == "type" => type_name(&member.value, problems),
        Json::Array(types) if key == "type" => types.iter().for_each(|one| type_name(one, problems)),
        Json::String(format) if key == "format" && !FORMATS.contains(&format.as_ref()) => {
            let message =
                format!("there is no format '{format}'{}, so it is not checked", hint(format, FORMATS));
            problems.push(Problem { at: bytes_of(&member.value), message, kind: ProblemKind::Ignored });
        }
        _ if PLAIN.contains(&key) => {}
        Json::Object(schemas) if BY_NAME.contains(&key) => {
            schemas.iter().for_each(|schema| check(&schema.value, problems));
        }
        _ if BY_NAME.contains(&key) => {}
        _ if SCHEMAS.contains(&key) => check(&member.value, problems),
        _ => {
            let known = PLAIN.iter().chain(SCHEMAS).chain(BY_NAME).copied();
            if let Some(near) = nearest(key, known) {
                let message = format!("'{key}' is not a keyword of JSON Schema (did you mean '{near}'?)");
                problems.push(Problem { at: member.start..member.end, message, kind: ProblemKind::Ignored });
            }
        }
    }
}

fn type_name(node: &Node<'_>, problems: &mut Vec<Problem>) {
    let Json::String(name) = &node.json else { return };
    if !TYPES.contains(&name.as_ref()) {
        let message = format!("'{name}' is not a type{}; the types are {}", hint(name, TYPES), listed(TYPES));
        problems.push(Problem { at: bytes_of(node), message, kind: ProblemKind::Wrong });
    }
}
