//! The file form of a definition, to the API form and back, as the AWS CLI translates it.
//!
//! The CLI's rules: `id` and `name` leave an element, the other keys are sorted and become
//! fields, a list becomes one field per item, `{"ref": ...}` a reference. Beyond the CLI, a
//! key repeated in one object is kept as a list, elements in the API form are read as such, and every
//! error has a line and a column.

mod api;
mod json;

use serde_json::{Map, Value};

use crate::{
    Definition, Field, FieldKey, FieldValue, ParameterAttribute, ParameterObject, ParameterValue,
    PipelineObject,
};
pub use json::Position;
use json::{Json, Member, Node};

/// Why a file is no definition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FileError {
    /// Line, from one.
    pub line: usize,
    /// Column in characters, from one.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl FileError {
    fn at(at: Position, message: impl Into<String>) -> Self {
        Self { line: at.line, column: at.column, message: message.into() }
    }
}

impl From<json::SyntaxError> for FileError {
    fn from(error: json::SyntaxError) -> Self {
        Self::at(error.at, format!("not JSON: {}", error.message))
    }
}

/// Reads a definition file into the API form.
pub fn parse(text: &str) -> Result<Definition, FileError> {
    let root = json::parse(text)?;
    let members = object_of(&root, "a definition file")?;
    let Some(objects) = last(members, "objects") else {
        return Err(FileError::at(root.at, "the definition lacks `objects`, the list of its objects"));
    };
    Ok(Definition {
        objects: list_of(objects, "`objects`")?.iter().map(pipeline_object).collect::<Result<_, _>>()?,
        parameters: match last(members, "parameters") {
            Some(node) => {
                list_of(node, "`parameters`")?.iter().map(parameter_object).collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        },
        values: match value_node(members) {
            Some(node) => parameter_values(node, "`values`")?,
            None => Vec::new(),
        },
    })
}

/// Reads a file of parameter values: a flat object, or one with the object under `values`.
pub fn parse_values(text: &str) -> Result<Vec<ParameterValue>, FileError> {
    let root = json::parse(text)?;
    let members = object_of(&root, "a values file")?;
    match last(members, "values") {
        // The AWS CLI's --parameter-values-uri file has the object under `values`.
        Some(node) if matches!(node.json, Json::Object(_)) => parameter_values(node, "`values`"),
        _ => parameter_values(&root, "a values file"),
    }
}

/// Writes the file form: repeated keys fold into a list in order.
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

/// Finds where a file states an object's field, or the object when `field` is none or absent.
///
/// Parameters and `values` are found by their id as well.
#[must_use]
pub fn locate(text: &str, object_id: &str, field: Option<&str>) -> Option<Position> {
    let root = json::parse(text).ok()?;
    let Json::Object(members) = &root.json else { return None };
    for part in ["objects", "parameters"] {
        let Some(Node { json: Json::Array(elements), .. }) = last(members, part) else { continue };
        for element in elements {
            let Json::Object(element_members) = &element.json else { continue };
            if has_id(element, object_id) {
                let member = element_members.iter().find(|member| Some(member.key.as_str()) == field);
                return Some(member.map_or(element.at, |member| member.at));
            }
        }
    }
    match &value_node(members)?.json {
        Json::Object(values) => values.iter().find(|member| member.key == object_id).map(|member| member.at),
        Json::Array(values) => values.iter().find(|value| has_id(value, object_id)).map(|value| value.at),
        _ => None,
    }
}

/// The parameter values; `parameterValues` is the API's name, which comes with its form.
fn value_node(members: &[Member]) -> Option<&Node> {
    last(members, "values").or_else(|| last(members, "parameterValues"))
}

fn has_id(node: &Node, id: &str) -> bool {
    let Json::Object(members) = &node.json else { return false };
    matches!(last(members, "id").map(|node| &node.json), Some(Json::String(found)) if found == id)
}

/// Adds a value under `key`; the second one makes a list.
fn fold(element: &mut Map<String, Value>, key: &str, value: Value) {
    match element.get_mut(key) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            element.insert(key.to_owned(), value);
        }
    }
}

fn pipeline_object(node: &Node) -> Result<PipelineObject, FileError> {
    let members = object_of(node, "an element of `objects`")?;
    let id = required_id(node, members, "an element of `objects`")?;
    let name = match last(members, "name") {
        Some(name) => text_of(name, "`name`")?,
        None => id.clone(),
    };
    if let Some(fields) = api::fields(members)? {
        return Ok(PipelineObject { id: id.into(), name, fields });
    }
    let mut fields = Vec::new();
    for member in sorted(members, &["id", "name"]) {
        for value in items(&member.value) {
            let value = field_value(value, &member.key)?;
            fields.push(Field { key: FieldKey::from(member.key.as_str()), value });
        }
    }
    Ok(PipelineObject { id: id.into(), name, fields })
}

fn field_value(node: &Node, key: &str) -> Result<FieldValue, FileError> {
    if let Json::Object(members) = &node.json
        && let [member] = members.as_slice()
        && member.key == "ref"
    {
        return Ok(FieldValue::Ref(text_of(&member.value, "`ref`")?.into()));
    }
    if matches!(node.json, Json::Object(_)) {
        let message = format!("the object in field `{key}` must be of the form {{\"ref\": \"ObjectId\"}}");
        return Err(FileError::at(node.at, message));
    }
    Ok(FieldValue::String(text_of(node, &format!("field `{key}`"))?))
}

fn parameter_object(node: &Node) -> Result<ParameterObject, FileError> {
    let members = object_of(node, "an element of `parameters`")?;
    let id = required_id(node, members, "an element of `parameters`")?;
    if let Some(attributes) = api::attributes(members)? {
        return Ok(ParameterObject { id, attributes });
    }
    let mut attributes = Vec::new();
    for member in sorted(members, &["id"]) {
        for value in items(&member.value) {
            let value = text_of(value, &format!("attribute `{}` of parameter `{id}`", member.key))?;
            attributes.push(ParameterAttribute { key: member.key.clone(), value });
        }
    }
    Ok(ParameterObject { id, attributes })
}

fn parameter_values(node: &Node, what: &str) -> Result<Vec<ParameterValue>, FileError> {
    if let Some(values) = api::values(node)? {
        return Ok(values);
    }
    let mut values = Vec::new();
    for member in object_of(node, what)? {
        for item in items(&member.value) {
            let value = text_of(item, &format!("the value of parameter `{}`", member.key))?;
            values.push(ParameterValue { id: member.key.clone(), value });
        }
    }
    Ok(values)
}

/// The members without those that leave, sorted by name as the CLI sorts them; equal keys keep their order.
fn sorted<'a>(members: &'a [Member], leave: &[&str]) -> Vec<&'a Member> {
    let mut stay: Vec<_> = members.iter().filter(|member| !leave.contains(&member.key.as_str())).collect();
    stay.sort_by(|a, b| a.key.cmp(&b.key));
    stay
}

/// The items of a list, or the one value that is no list.
fn items(node: &Node) -> &[Node] {
    match &node.json {
        Json::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn last<'a>(members: &'a [Member], key: &str) -> Option<&'a Node> {
    members.iter().rev().find(|member| member.key == key).map(|member| &member.value)
}

fn required_id(node: &Node, members: &[Member], what: &str) -> Result<String, FileError> {
    match last(members, "id") {
        Some(id) => text_of(id, "`id`"),
        None => Err(FileError::at(node.at, format!("{what} lacks its `id`"))),
    }
}

fn object_of<'a>(node: &'a Node, what: &str) -> Result<&'a [Member], FileError> {
    match &node.json {
        Json::Object(members) => Ok(members),
        other => Err(FileError::at(node.at, format!("{what} must be an object, found {}", other.describe()))),
    }
}

fn list_of<'a>(node: &'a Node, what: &str) -> Result<&'a [Node], FileError> {
    match &node.json {
        Json::Array(items) => Ok(items),
        other => Err(FileError::at(node.at, format!("{what} must be a list, found {}", other.describe()))),
    }
}

fn text_of(node: &Node, what: &str) -> Result<String, FileError> {
    match &node.json {
        Json::String(text) => Ok(text.clone()),
        quoteless @ (Json::Number | Json::Bool) => {
            let message =
                format!("{what} must be a string, found {}: put it in double quotes", quoteless.describe());
            Err(FileError::at(node.at, message))
        }
        other => Err(FileError::at(node.at, format!("{what} must be a string, found {}", other.describe()))),
    }
}

#[cfg(test)]
mod tests;
