//! The file form of a definition: translation to the API form and back, as the AWS CLI translates it.
//!
//! The CLI's rules: `id` and `name` are taken out of an element. The other keys are sorted and become fields.
//! A list becomes one field for each item, and `{"ref": ...}` becomes a reference. In addition, elements in
//! the API form are accepted, a repeated key is an error, and every error has a line and a column.

pub mod json;
mod position;
mod source;
mod translate;
mod unread;

use serde_json::{Map, Value};

use crate::{Definition, Field, FieldValue, ParameterAttribute, ParameterValue};
use json::{Json, Member, Node};

pub use position::{Lines, Position, Span};
pub use source::{Part, Source, SourceIndex};
pub(crate) use unread::Unread;

/// The reason why a file is not a definition, and the position of the error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .span.at)]
pub struct FileError {
    /// The part of the file that is wrong.
    pub span: Span,
    /// The error, and how to correct it.
    pub message: String,
}

/// Returns the text of a file.
///
/// # Errors
///
/// An error at the first byte that is not UTF-8.
pub fn decode(bytes: &[u8]) -> Result<&str, FileError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let span = position::Lines::of(&before).span(before.len(), before.len());
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        let what = if is_utf16 { "the file is in UTF-16" } else { "this byte is not UTF-8" };
        FileError { span, message: format!("{what}: save the file as UTF-8") }
    })
}

/// Reads a definition file into the API form.
///
/// # Errors
///
/// The first error of the file. [`Source::translate`] returns all errors.
pub fn parse(text: &str) -> Result<Definition, FileError> {
    let (definition, errors) = Source::read(text)?.translate();
    errors.into_iter().next().map_or(Ok(definition), Err)
}

/// Reads a file of parameter values: an object with a key for each parameter. That object may also stand
/// under the key `values` of an outer object.
///
/// # Errors
///
/// The first error of the file.
pub fn parse_values(text: &str) -> Result<Vec<ParameterValue>, FileError> {
    let source = Source::read(text)?;
    let mut translator = translate::Translator::default();
    let root = source.root();
    let nested = match &root.json {
        // A file for the AWS CLI's --parameter-values-uri has the object under `values`. No parameter has a list of values
        // and this name.
        Json::Object(members) => {
            last(members, "values").filter(|node| matches!(node.json, Json::Object(_) | Json::Array(_)))
        }
        _ => None,
    };
    let values = match (nested, &root.json) {
        (Some(node), _) => translator.parameter_values(node, "`values`"),
        (None, Json::Array(_)) => {
            translator.error(root, "a values file must be an object, found a list".to_owned());
            Vec::new()
        }
        (None, _) => translator.parameter_values(root, "a values file"),
    };
    match translator.errors.into_iter().next() {
        Some((start, end, message)) => Err(source.error(start, end, message)),
        None => Ok(values),
    }
}

/// Returns a definition in the file form. Repeated keys become a list, in order.
#[must_use]
pub fn to_json(definition: &Definition) -> Value {
    let objects = definition.objects.iter().map(|object| {
        let mut element = Map::new();
        element.insert("id".to_owned(), object.id.as_str().into());
        element.insert("name".to_owned(), object.name.as_str().into());
        for Field { key, value } in &object.fields {
            let value = match value {
                FieldValue::String(text) => Value::from(text.as_str()),
                FieldValue::Ref(target) => serde_json::json!({"ref": target.as_str()}),
            };
            fold(&mut element, key.as_str(), value);
        }
        Value::Object(element)
    });
    let parameters = definition.parameters.iter().map(|parameter| {
        let mut element = Map::new();
        element.insert("id".to_owned(), parameter.id.as_str().into());
        for ParameterAttribute { key, value } in &parameter.attributes {
            fold(&mut element, key, value.as_str().into());
        }
        Value::Object(element)
    });
    let mut values = Map::new();
    for ParameterValue { id, value } in &definition.values {
        fold(&mut values, id, value.as_str().into());
    }
    serde_json::json!({
        "objects": objects.collect::<Vec<_>>(),
        "parameters": parameters.collect::<Vec<_>>(),
        "values": values,
    })
}

/// Adds a value under `key`. A second value under the same key makes a list.
fn fold(element: &mut Map<String, Value>, key: &str, value: Value) {
    match element.get_mut(key) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            element.insert(key.to_owned(), value);
        }
    }
}

/// Returns the value of the last member with this key, as the AWS CLI keeps the last of equal keys.
fn last<'n, 'a>(members: &'n [Member<'a>], key: &str) -> Option<&'n Node<'a>> {
    members.iter().rev().find(|member| member.key == key).map(|member| &member.value)
}

/// Returns the JSON value that holds the parameter values. The key is `values` in the file form, and
/// `parameterValues` in the API form.
fn value_node<'n, 'a>(members: &'n [Member<'a>]) -> Option<&'n Node<'a>> {
    last(members, "values").or_else(|| last(members, "parameterValues"))
}

#[cfg(test)]
mod tests;
