//! The rows of the tables that describe object types and their fields, and short functions to write them.

use super::{Group, Kind, RefTarget, ValueShape};

/// The description of one object type.
#[derive(Debug)]
pub struct KindSpec {
    /// The word in the `type` field.
    pub name: &'static str,
    /// The group that the type belongs to.
    pub group: Group,
    /// The purpose of the type in one sentence.
    pub doc: &'static str,
    /// The particular fields of the type, including the ones that the service sets.
    pub fields: &'static [FieldSpec],
    /// The fields that the type shares with other types.
    pub includes: &'static [SharedFields],
    /// The choices: for each of them, an object needs at least one of its fields.
    pub one_of: &'static [FieldChoice],
    /// The own fields of the type. AWS accepts them as fields of the user, and our programs read them.
    pub my_fields: &'static [FieldSpec],
}

/// The usual fields of the Default object. The Default object may contain any other field for the objects
/// that inherit from it.
#[derive(Debug)]
pub struct DefaultSpec {
    /// The purpose of the object in one sentence.
    pub doc: &'static str,
    /// The usual fields that are not in a shared group.
    pub fields: &'static [FieldSpec],
    /// The shared groups that objects usually inherit from Default.
    pub includes: &'static [SharedFields],
    /// The own fields that start runs. AWS accepts them as fields of the user, and our programs read them.
    pub my_fields: &'static [FieldSpec],
}

/// Fields that many types share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharedFields {
    /// The types that share the fields, as a heading such as `Fields of everything that is scheduled`.
    pub title: &'static str,
    /// The fields.
    pub fields: &'static [FieldSpec],
}

/// The description of one field of one object type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldSpec {
    /// The name of the field.
    pub key: &'static str,
    /// The purpose of the field in one sentence.
    pub doc: &'static str,
    /// The values that the field holds.
    pub shape: ValueShape,
    /// The value of the field for an object that lacks it. If the default depends on other fields, `doc`
    /// describes it.
    pub default: Option<&'static str>,
    /// Whether every object needs the field.
    pub is_required: bool,
    /// Whether the field can repeat.
    pub is_multi: bool,
    /// Whether the service sets the field. A definition cannot set such a field.
    pub is_runtime: bool,
}

/// A choice: an object needs at least one of the fields, or exactly one if the choice is exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// The fields.
    pub keys: &'static [&'static str],
    /// Whether more than one of the fields is an error.
    pub is_exclusive: bool,
}

impl FieldChoice {
    pub(super) const fn at_least(keys: &'static [&'static str]) -> Self {
        Self { keys, is_exclusive: false }
    }

    pub(super) const fn exactly(keys: &'static [&'static str]) -> Self {
        Self { keys, is_exclusive: true }
    }
}

pub(super) const fn spec(key: &'static str, shape: ValueShape, doc: &'static str) -> FieldSpec {
    FieldSpec { key, doc, shape, default: None, is_required: false, is_multi: false, is_runtime: false }
}

pub(super) const fn text(key: &'static str, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Text, doc)
}

pub(super) const fn boolean(key: &'static str, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Boolean, doc)
}

pub(super) const fn period(key: &'static str, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Period, doc)
}

pub(super) const fn time(key: &'static str, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::DateTime, doc)
}

pub(super) const fn integer(key: &'static str, least: i64, most: i64, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Integer { least, most }, doc)
}

pub(super) const fn count(key: &'static str, doc: &'static str) -> FieldSpec {
    integer(key, 0, i64::MAX, doc)
}

pub(super) const fn word(key: &'static str, words: &'static [&'static str], doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Word(words), doc)
}

pub(super) const fn to(key: &'static str, kinds: &'static [Kind], doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Ref(RefTarget::Kinds(kinds)), doc)
}

pub(super) const fn to_group(key: &'static str, group: Group, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Ref(RefTarget::Group(group)), doc)
}

pub(super) const fn to_any(key: &'static str, doc: &'static str) -> FieldSpec {
    spec(key, ValueShape::Ref(RefTarget::Any), doc)
}

impl FieldSpec {
    pub(super) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(super) const fn multi(mut self) -> Self {
        self.is_multi = true;
        self
    }

    pub(super) const fn runtime(mut self) -> Self {
        self.is_runtime = true;
        self
    }

    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.default = Some(value);
        self
    }
}
