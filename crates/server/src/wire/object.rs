//! Pipeline objects, parameters and tags in their wire form.

use definition::{Field, FieldValue, ParameterAttribute, ParameterObject, ParameterValue, PipelineObject};
use serde::{Deserialize, Serialize};

use super::check::{Check, FIELD_NAME, FIELD_VALUE, ID, TAG_KEY, TAG_VALUE};

/// The limit of tags per pipeline.
pub(crate) const MOST_TAGS: usize = 10;

/// `Field`: a key with a string or a reference.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireField {
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ref_value: Option<String>,
}

/// `PipelineObject`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct WireObject {
    id: Option<String>,
    name: Option<String>,
    // The Developer Guide's raw HTTP sample calls the fields `slots`. No SDK does.
    #[serde(alias = "slots")]
    fields: Option<Vec<WireField>>,
}

/// `ParameterAttribute`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireAttribute {
    key: Option<String>,
    string_value: Option<String>,
}

/// `ParameterObject`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct WireParameter {
    id: Option<String>,
    attributes: Option<Vec<WireAttribute>>,
}

/// `ParameterValue`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireValue {
    id: Option<String>,
    string_value: Option<String>,
}

/// `Tag`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireTag {
    key: Option<String>,
    value: Option<String>,
}

impl WireField {
    /// Returns a field with a text.
    pub(crate) fn string(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: Some(key.into()), string_value: Some(value.into()), ref_value: None }
    }

    fn read(self, at: &str, check: &mut Check) -> Field {
        let key = check.required(&format!("{at}.key"), self.key, FIELD_NAME);
        let text = check.optional(&format!("{at}.stringValue"), self.string_value, FIELD_VALUE);
        let target = check.optional(&format!("{at}.refValue"), self.ref_value, FIELD_NAME);
        match (text, target) {
            (None, Some(target)) => Field::reference(key, target),
            // A field without a value counts as empty, which validation calls fatal.
            (text, _) => Field::string(key, text.unwrap_or_default()),
        }
    }
}

impl From<Field> for WireField {
    fn from(field: Field) -> Self {
        let key = Some(field.key.to_string());
        match field.value {
            FieldValue::String(text) => Self { key, string_value: Some(text), ref_value: None },
            FieldValue::Ref(target) => Self { key, string_value: None, ref_value: Some(target.to_string()) },
        }
    }
}

impl From<PipelineObject> for WireObject {
    fn from(object: PipelineObject) -> Self {
        Self {
            id: Some(object.id.to_string()),
            name: Some(object.name),
            fields: Some(object.fields.into_iter().map(WireField::from).collect()),
        }
    }
}

impl From<ParameterObject> for WireParameter {
    fn from(parameter: ParameterObject) -> Self {
        let attribute = |attribute: ParameterAttribute| WireAttribute {
            key: Some(attribute.key),
            string_value: Some(attribute.value),
        };
        let attributes = parameter.attributes.into_iter().map(attribute).collect();
        Self { id: Some(parameter.id), attributes: Some(attributes) }
    }
}

impl From<ParameterValue> for WireValue {
    fn from(value: ParameterValue) -> Self {
        Self { id: Some(value.id), string_value: Some(value.value) }
    }
}

impl From<(String, String)> for WireTag {
    fn from((key, value): (String, String)) -> Self {
        Self { key: Some(key), value: Some(value) }
    }
}

/// Reads a list of fields.
pub(crate) fn read_fields(at: &str, fields: Option<Vec<WireField>>, check: &mut Check) -> Vec<Field> {
    members(at, fields.unwrap_or_default(), |at, field| field.read(at, check))
}

/// Reads the objects of a definition.
pub(crate) fn read_objects(
    at: &str,
    objects: Option<Vec<WireObject>>,
    check: &mut Check,
) -> Vec<PipelineObject> {
    let objects = check.member(at, objects).unwrap_or_default();
    members(at, objects, |at, object| {
        // The front end accepts an empty id or name. Validation calls it fatal.
        let id = check.member(&format!("{at}.id"), object.id).unwrap_or_default();
        let name = check.member(&format!("{at}.name"), object.name).unwrap_or_default();
        let fields_at = format!("{at}.fields");
        let fields = check.member(&fields_at, object.fields);
        PipelineObject { id: id.into(), name, fields: read_fields(&fields_at, fields, check) }
    })
}

/// Reads the declared parameters of a definition.
pub(crate) fn read_parameters(
    at: &str,
    list: Option<Vec<WireParameter>>,
    check: &mut Check,
) -> Vec<ParameterObject> {
    members(at, list.unwrap_or_default(), |at, parameter| {
        let id = check.required(&format!("{at}.id"), parameter.id, FIELD_NAME);
        let attributes_at = format!("{at}.attributes");
        let attributes = check.member(&attributes_at, parameter.attributes).unwrap_or_default();
        let attributes = members(&attributes_at, attributes, |at, attribute| ParameterAttribute {
            key: check.required(&format!("{at}.key"), attribute.key, FIELD_NAME),
            value: check.required(&format!("{at}.stringValue"), attribute.string_value, FIELD_VALUE),
        });
        ParameterObject { id, attributes }
    })
}

/// Reads parameter values.
pub(crate) fn read_values(at: &str, list: Option<Vec<WireValue>>, check: &mut Check) -> Vec<ParameterValue> {
    members(at, list.unwrap_or_default(), |at, value| ParameterValue {
        id: check.required(&format!("{at}.id"), value.id, FIELD_NAME),
        value: check.required(&format!("{at}.stringValue"), value.string_value, FIELD_VALUE),
    })
}

/// Reads tags as pairs of key and value.
pub(crate) fn read_tags(at: &str, list: Vec<WireTag>, check: &mut Check) -> Vec<(String, String)> {
    check.at_most(at, &list, MOST_TAGS);
    members(at, list, |at, tag| {
        let key = check.required(&format!("{at}.key"), tag.key, TAG_KEY);
        (key, check.required(&format!("{at}.value"), tag.value, TAG_VALUE))
    })
}

/// Reads a list of ids.
pub(crate) fn read_ids(at: &str, list: Option<Vec<String>>, check: &mut Check) -> Vec<String> {
    let list = check.member(at, list).unwrap_or_default();
    members(at, list, |at, id| check.required(at, Some(id), ID))
}

/// Reads each member of a list. Violations name the position of the member, counted from 1 as in AWS's front end.
fn members<T, U>(at: &str, list: Vec<T>, mut read: impl FnMut(&str, T) -> U) -> Vec<U> {
    let path = |index: usize| format!("{at}.{}.member", index + 1);
    list.into_iter().enumerate().map(|(index, member)| read(&path(index), member)).collect()
}
