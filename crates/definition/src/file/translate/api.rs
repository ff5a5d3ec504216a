//! Elements in the API form inside a file: `"fields": [{"key": ..., "stringValue": ...}]`.
//!
//! Programs that call the API keep such files. The CLI refuses them, so that reading them takes
//! nothing from the file form.

use super::Translator;
use crate::file::json::{Json, Member, Node};
use crate::file::last;
use crate::{Field, FieldValue, ParameterAttribute, ParameterValue};

/// The fields of an object; none when it is in the file form.
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

/// The attributes of a parameter; none when it is in the file form.
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

/// The list under `name`, when every item has a `key` and the element nothing else but `beside`.
fn list<'n, 'a>(members: &'n [Member<'a>], name: &str, beside: &[&str]) -> Option<&'n [Node<'a>]> {
    let Some(Node { json: Json::Array(items), .. }) = last(members, name) else { return None };
    let is_marked = |node: &Node<'_>| matches!(&node.json, Json::Object(item) if last(item, "key").is_some());
    let is_alone = members.iter().all(|it| it.key == name || beside.contains(&it.key.as_ref()));
    (is_alone && items.iter().all(is_marked)).then_some(items)
}

/// The key of a field or attribute: what its element has beside them could not be told apart in the file form.
fn own_key(translator: &mut Translator, node: &Node<'_>, beside: &[&str]) -> Option<String> {
    let key = required(translator, node, "key")?;
    if beside.contains(&key.as_str()) {
        translator.error(node, format!("`{key}` stands beside the list, not in it"));
        return None;
    }
    Some(key)
}

fn required(translator: &mut Translator, node: &Node<'_>, name: &str) -> Option<String> {
    let found = text(translator, node, name)?;
    if found.is_none() {
        translator.error(node, format!("this lacks its `{name}`"));
    }
    found
}

/// The text under `name`, if there is one; none when what is there is no text.
fn text(translator: &mut Translator, node: &Node<'_>, name: &str) -> Option<Option<String>> {
    let members = translator.members(node, "an item in the API form")?;
    match last(members, name) {
        Some(value) => translator.text(value, format_args!("`{name}`")).map(|text| Some(text.to_owned())),
        None => Some(None),
    }
}
