//! A reader of the part of draft 07 that our schema uses. An unknown keyword fails the test, so that no
//! keyword is ignored. A crate for the whole of draft 07 would need about twenty other crates.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use regex::Regex;
use serde_json::{Map, Value};

pub(super) fn complaints(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Reader { root: schema }.read(schema, value, "", &mut found);
    found
}

/// Returns the schema that a `$ref` refers to.
pub(super) fn followed<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(pointer) = schema.get("$ref") else { return schema };
    assert_eq!(schema.as_object().map(Map::len), Some(1), "draft 07 ignores what stands beside a $ref");
    let pointer = pointer.as_str().and_then(|text| text.strip_prefix('#')).expect("a pointer");
    root.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"))
}

struct Reader<'a> {
    root: &'a Value,
}

impl Reader<'_> {
    fn is_met(&self, schema: &Value, value: &Value) -> bool {
        let mut found = Vec::new();
        self.read(schema, value, "", &mut found);
        found.is_empty()
    }

    fn read(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        let schema = followed(self.root, schema);
        if let Value::Bool(is_met) = schema {
            if !is_met {
                found.push(format!("{at} false"));
            }
            return;
        }
        for (keyword, demand) in schema.as_object().expect("a schema") {
            if !self.keyword(schema, keyword, demand, value, at, found) {
                found.push(format!("{at} {keyword}"));
            }
        }
    }

    /// Returns whether the value satisfies the keyword. Errors of parts of the value go to `found`.
    fn keyword(
        &self,
        schema: &Value,
        keyword: &str,
        demand: &Value,
        value: &Value,
        at: &str,
        found: &mut Vec<String>,
    ) -> bool {
        let list = || demand.as_array().expect("a list");
        let number = || usize::try_from(demand.as_u64().expect("a number")).expect("a small number");
        match keyword {
            "$schema" | "title" | "description" | "default" | "definitions" | "enumDescriptions" => true,
            "type" => demand == type_of(value) || demand.as_array().is_some_and(|all| has_type(all, value)),
            "enum" => list().contains(value),
            "const" => demand == value,
            "pattern" => {
                value.as_str().is_none_or(|text| is_match(demand.as_str().expect("a pattern"), text))
            }
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= number()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= number()),
            "required" => value.as_object().is_none_or(|members| {
                list().iter().all(|key| members.contains_key(key.as_str().expect("a key")))
            }),
            "anyOf" => list().iter().any(|schema| self.is_met(schema, value)),
            "allOf" => {
                list().iter().for_each(|schema| self.read(schema, value, at, found));
                true
            }
            "if" => {
                let branch = if self.is_met(demand, value) { "then" } else { "else" };
                if let Some(schema) = schema.get(branch) {
                    self.read(schema, value, at, found);
                }
                true
            }
            "then" | "else" => schema.get("if").is_some(),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.read(demand, item, &format!("{at}/{index}"), found);
                }
                true
            }
            "properties" | "patternProperties" | "additionalProperties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    for schema in governing(schema, keyword, demand, key) {
                        self.read(schema, member, &format!("{at}/{key}"), found);
                    }
                }
                true
            }
            unknown => panic!("the reader does not know `{unknown}`"),
        }
    }
}

/// Returns the schemas that `keyword` applies to the member `key`.
fn governing<'a>(schema: &'a Value, keyword: &str, demand: &'a Value, key: &str) -> Vec<&'a Value> {
    let by_pattern = |patterns: &'a Value| -> Vec<&'a Value> {
        let all = patterns.as_object().into_iter().flatten();
        all.filter(|(pattern, _)| is_match(pattern, key)).map(|(_, schema)| schema).collect()
    };
    match keyword {
        "properties" => demand.get(key).into_iter().collect(),
        "patternProperties" => by_pattern(demand),
        _ => {
            let is_named = schema.get("properties").is_some_and(|named| named.get(key).is_some());
            let is_matched = schema.get("patternProperties").is_some_and(|all| !by_pattern(all).is_empty());
            if is_named || is_matched { Vec::new() } else { vec![demand] }
        }
    }
}

fn is_match(pattern: &str, text: &str) -> bool {
    // Compiling a pattern takes much longer than using it, and the same patterns are used many times.
    static READY: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut ready = READY.lock().expect("no test panics while it holds this");
    let regex = ready.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).expect("a pattern"));
    regex.is_match(text)
}

fn has_type(types: &[Value], value: &Value) -> bool {
    types.iter().any(|one| one == type_of(value))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
