//! Elements in the API form inside a file: `"fields": [{"key": ..., "stringValue": ...}]`.
//!
//! Programs that call the API keep such files. The CLI refuses them, so that reading them takes
//! nothing from the file form.

use super::{
    FileError,
    json::{Json, Member, Node},
    last, object_of, text_of,
};
use crate::{Field, FieldKey, FieldValue, ParameterAttribute, ParameterValue};

/// The fields of an object; none when it is in the file form.
pub(super) fn fields(members: &[Member]) -> Result<Option<Vec<Field>>, FileError> {
    list(members, "fields", "key", &["id", "name"])
        .map(|items| {
            let field = |node: &Node| {
                let key = FieldKey::from(required(node, "key")?);
                let value = match (text(node, "stringValue")?, text(node, "refValue")?) {
                    (Some(text), None) => FieldValue::String(text),
                    (None, Some(target)) => FieldValue::Ref(target.into()),
                    _ => {
                        let message = format!("field `{key}` needs either `stringValue` or `refValue`");
                        return Err(FileError::at(node.at, message));
                    }
                };
                Ok(Field { key, value })
            };
            items.iter().map(field).collect()
        })
        .transpose()
}

/// The attributes of a parameter; none when it is in the file form.
pub(super) fn attributes(members: &[Member]) -> Result<Option<Vec<ParameterAttribute>>, FileError> {
    list(members, "attributes", "key", &["id"])
        .map(|items| {
            let attribute = |node: &Node| {
                Ok(ParameterAttribute { key: required(node, "key")?, value: required(node, "stringValue")? })
            };
            items.iter().map(attribute).collect()
        })
        .transpose()
}

/// A list of parameter values; none when they are in the file form.
pub(super) fn values(node: &Node) -> Result<Option<Vec<ParameterValue>>, FileError> {
    let Json::Array(items) = &node.json else { return Ok(None) };
    let value =
        |node: &Node| Ok(ParameterValue { id: required(node, "id")?, value: required(node, "stringValue")? });
    items.iter().map(value).collect::<Result<_, _>>().map(Some)
}

/// The list under `name`, when every item has the key `mark` and the element nothing else but `beside`.
fn list<'a>(members: &'a [Member], name: &str, mark: &str, beside: &[&str]) -> Option<&'a [Node]> {
    let Some(Node { json: Json::Array(items), .. }) = last(members, name) else { return None };
    let is_marked = |node: &Node| matches!(&node.json, Json::Object(item) if last(item, mark).is_some());
    let is_alone = members.iter().all(|it| it.key == name || beside.contains(&it.key.as_str()));
    (is_alone && items.iter().all(is_marked)).then_some(items)
}

fn required(node: &Node, name: &str) -> Result<String, FileError> {
    text(node, name)?.ok_or_else(|| FileError::at(node.at, format!("this lacks its `{name}`")))
}

fn text(node: &Node, name: &str) -> Result<Option<String>, FileError> {
    let members = object_of(node, "an item in the API form")?;
    last(members, name).map(|value| text_of(value, &format!("`{name}`"))).transpose()
}
