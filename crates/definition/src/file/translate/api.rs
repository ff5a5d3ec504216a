//! Elements in the API form inside a file: `"fields": [{"key": ..., "stringValue": ...}]`.
//!
//! Programs that call the API write such files. The AWS CLI refuses these elements, so no valid file in the file form
//! contains one by chance.

use super::Translator;
use crate::file::json::{Json, Member, Node};
use crate::file::last;
use crate::{Field, FieldValue, ParameterAttribute, ParameterValue};

/// Returns the items in `fields` of an object, or `None` if the object is in the file form.
pub(super) fn fields<'n, 'a>(members: &'n [Member<'a>]) -> Option<&'n [Node<'a>]> {
    list(members, "fields", &["id", "name"])
}

pub(super) fn field(translator: &mut Translator, node: &Node<'_>) -> Option<Field> {
    let key = own_key(translator, node, &["id", "name"])?;
    let value = match (text(translator, node, "stringValue")?, text(translator, node, "refValue")?) {
        (Some(text), None) => FieldValue::String(text),
        (None, Some(target)) => FieldValue::Ref(target.into()),
        _ => {
            translator.error(node, format!("field `{key}` needs either `stringValue` or `refValue`"));
            return None;
        }
    };
    Some(Field { key: translator.key(&key), value })
}

/// Returns the key of an item, even if the rest of the item cannot be read.
pub(super) fn key_of(node: &Node<'_>) -> Option<String> {
    let Json::Object(members) = &node.json else { return None };
    match &last(members, "key")?.json {
        Json::String(key) => Some(key.to_string()),
        _ => None,
    }
}

/// Returns the items in `attributes` of a parameter, or `None` if the parameter is in the file form.
pub(super) fn attributes<'n, 'a>(members: &'n [Member<'a>]) -> Option<&'n [Node<'a>]> {
    list(members, "attributes", &["id"])
}

pub(super) fn attribute(translator: &mut Translator, node: &Node<'_>) -> Option<ParameterAttribute> {
    let key = own_key(translator, node, &["id"])?;
    Some(ParameterAttribute { key, value: required(translator, node, "stringValue")? })
}

pub(super) fn value(translator: &mut Translator, node: &Node<'_>) -> Option<ParameterValue> {
    let id = required(translator, node, "id")?;
    Some(ParameterValue { id, value: required(translator, node, "stringValue")? })
}

/// Returns the list under `name` if every item has a `key` and the element has no other members than
/// `beside`.
fn list<'n, 'a>(members: &'n [Member<'a>], name: &str, beside: &[&str]) -> Option<&'n [Node<'a>]> {
    let Some(Node { json: Json::Array(items), .. }) = last(members, name) else { return None };
    let is_marked = |node: &Node<'_>| matches!(&node.json, Json::Object(item) if last(item, "key").is_some());
    let is_alone = members.iter().all(|it| it.key == name || beside.contains(&it.key.as_ref()));
    (is_alone && items.iter().all(is_marked)).then_some(items)
}

/// Returns the key of a field or attribute. A key in `beside` is an error, because the file form could not
/// express such a field.
fn own_key(translator: &mut Translator, node: &Node<'_>, beside: &[&str]) -> Option<String> {
    let key = required(translator, node, "key")?;
    if beside.contains(&key.as_str()) {
        translator.error(node, format!("`{key}` belongs beside the list, not in it"));
        return None;
    }
    Some(key)
}

fn required(translator: &mut Translator, node: &Node<'_>, name: &str) -> Option<String> {
    let found = text(translator, node, name)?;
    if found.is_none() {
        translator.error(node, format!("this item has no `{name}`"));
    }
    found
}

/// Returns the text under `name`, or `Some(None)` if the item has no such member. If the item is not an object
/// or the value is not a text, reports an error and returns `None`.
fn text(translator: &mut Translator, node: &Node<'_>, name: &str) -> Option<Option<String>> {
    let members = translator.members(node, "an item in the API form")?;
    match last(members, name) {
        Some(value) => translator.text(value, format_args!("`{name}`")).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}
