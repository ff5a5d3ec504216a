//! The API form of a definition: objects with fields, parameter objects, and parameter values.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        // An `Arc`, because many objects share the same keys and ids.
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                *self.0 == *other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                *self.0 == **other
            }
        }
    };
}

/// The id of the object whose fields every other object inherits.
pub const DEFAULT_ID: &str = "Default";

/// The text that stands in for a secret wherever the secret must not be shown.
pub const MASK: &str = "********";

text_newtype! {
    /// The id of a pipeline object, unique in its definition.
    ObjectId
}
text_newtype! {
    /// The name of a field. The `@` of a runtime field and the `*` of a secret are part of the name.
    FieldKey
}

impl FieldKey {
    /// Returns whether the field holds a secret. The name of a secret field begins with an asterisk.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.0.starts_with('*')
    }
}

/// The value of a field: a string, or a reference to another object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldValue {
    /// `stringValue`: a text. In a definition, the text contains its expressions as written.
    String(String),
    /// `refValue`: the id of another object.
    Ref(ObjectId),
}

impl FieldValue {
    /// Returns the text, or the id of the referenced object.
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::String(text) => text,
            Self::Ref(target) => target.as_str(),
        }
    }

    pub(crate) fn as_string(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Ref(_) => None,
        }
    }

    pub(crate) fn as_reference(&self) -> Option<&ObjectId> {
        match self {
            Self::Ref(target) => Some(target),
            Self::String(_) => None,
        }
    }
}

/// One key with one value. A list is stored as several fields with the same key, in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The name of the field.
    pub key: FieldKey,
    /// The value of the field.
    pub value: FieldValue,
}

impl Field {
    /// Returns a field that holds text.
    pub fn string(key: impl Into<FieldKey>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: FieldValue::String(value.into()) }
    }

    /// Returns a field that refers to the object `target`.
    pub fn reference(key: impl Into<FieldKey>, target: impl Into<ObjectId>) -> Self {
        Self { key: key.into(), value: FieldValue::Ref(target.into()) }
    }
}

/// An object of a definition. An object with runtime fields is an instance or an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineObject {
    /// The id, unique in the definition.
    pub id: ObjectId,
    /// The name. The AWS CLI copies the id if a file gives no name.
    pub name: String,
    /// The fields, in order.
    pub fields: Vec<Field>,
}

impl PipelineObject {
    /// Returns the first string value of `key`.
    #[must_use]
    pub fn string(&self, key: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter(|field| field.key == key);
        fields.find_map(|field| field.value.as_string())
    }

    /// Returns every string value of `key`, in order.
    pub fn strings<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(key).filter_map(FieldValue::as_string)
    }

    /// Returns the first reference of `key`.
    #[must_use]
    pub fn reference(&self, key: &str) -> Option<&ObjectId> {
        let mut fields = self.fields.iter().filter(|field| field.key == key);
        fields.find_map(|field| field.value.as_reference())
    }

    /// Returns every reference of `key`, in order.
    pub fn references<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a ObjectId> {
        self.values(key).filter_map(FieldValue::as_reference)
    }

    /// Returns every value of `key`, in order.
    pub fn values<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a FieldValue> {
        self.fields.iter().filter(move |field| field.key == key).map(|field| &field.value)
    }

    /// Returns the value of the `type` field. An object without a type only passes its fields on to other
    /// objects.
    #[must_use]
    pub fn type_name(&self) -> Option<&str> {
        self.string("type")
    }

    /// Replaces all fields named `key` by one field that holds `value`.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.fields.retain(|field| field.key != key);
        self.fields.push(Field::string(key, value));
    }
}

/// The declaration of a parameter: its attributes (`type`, `default`, `description`, ...) in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterObject {
    /// The id: `my...`, or `*my...` for a secret.
    pub id: String,
    /// The attributes, in order. A list is stored as several attributes with the same key.
    pub attributes: Vec<ParameterAttribute>,
}

impl ParameterObject {
    /// Returns the first value of the attribute `key`.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|attribute| attribute.key == key)
            .map(|attribute| attribute.value.as_str())
    }
}

/// One attribute of a parameter object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterAttribute {
    /// The name of the attribute.
    pub key: String,
    /// The text of the attribute.
    pub value: String,
}

/// A value of a parameter. A list is stored as several values with the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterValue {
    /// The id of the parameter.
    pub id: String,
    /// The text of the value.
    pub value: String,
}

/// A whole definition in the API form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The objects, including `Default`.
    pub objects: Vec<PipelineObject>,
    /// The declared parameters.
    pub parameters: Vec<ParameterObject>,
    /// The values of the parameters.
    pub values: Vec<ParameterValue>,
}

impl Definition {
    /// Returns the first object whose id is `id`.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<&PipelineObject> {
        self.objects.iter().find(|object| object.id == id)
    }
}
