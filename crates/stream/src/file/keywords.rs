//! Finds misspelt keywords of a JSON Schema. A checker ignores unknown keywords, so a rule with a misspelt name would
//! silently not be checked.

use definition::file::json::{Json, Member, Node};
use definition::validate::nearest;

/// Keywords whose values are no schemas.
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

/// Calls `found` for each key that is nearly a keyword, with the keyword.
pub(super) fn check(schema: &Node<'_>, found: &mut dyn FnMut(&Member<'_>, &'static str)) {
    match &schema.json {
        Json::Object(members) => members.iter().for_each(|member| keyword(member, found)),
        Json::Array(schemas) => schemas.iter().for_each(|schema| check(schema, found)),
        _ => {}
    }
}

fn keyword(member: &Member<'_>, found: &mut dyn FnMut(&Member<'_>, &'static str)) {
    let key = member.key.as_ref();
    match &member.value.json {
        _ if PLAIN.contains(&key) => {}
        Json::Object(schemas) if BY_NAME.contains(&key) => {
            schemas.iter().for_each(|schema| check(&schema.value, found));
        }
        _ if BY_NAME.contains(&key) => {}
        _ if SCHEMAS.contains(&key) => check(&member.value, found),
        _ => {
            let known = PLAIN.iter().chain(SCHEMAS).chain(BY_NAME).copied();
            if let Some(near) = nearest(key, known) {
                found(member, near);
            }
        }
    }
}
