//! What can be said about an object type and about one field of it, and the words to say it in.

use super::{Group, Kind, RefTarget, ValueShape};

/// Everything there is to say about one object type.
#[derive(Debug)]
pub struct KindSpec {
    /// The word in the `type` field.
    pub name: &'static str,
    /// What the type is for.
    pub group: Group,
    /// One sentence for people.
    pub doc: &'static str,
    /// The fields that this type has for itself, runtime fields among them.
    pub fields: &'static [FieldSpec],
    /// The fields that it shares with other types.
    pub includes: &'static [FieldGroup],
    /// The groups of fields of which one must be there.
    pub one_of: &'static [OneOf],
    /// The fields that AWS lets pass as a user's own and that our programs read.
    pub my_fields: &'static [FieldSpec],
}

/// What is usual on the Default object, which may hold any field for its heirs.
#[derive(Debug)]
pub struct DefaultSpec {
    /// One sentence for people.
    pub doc: &'static str,
    /// Usual fields that are not shared by everything that is executed.
    pub fields: &'static [FieldSpec],
    /// Usual fields of what inherits them.
    pub includes: &'static [FieldGroup],
    /// The fields that start runs: AWS lets them pass as a user's own, and our programs read them.
    pub my_fields: &'static [FieldSpec],
}

/// Fields that many types share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldGroup {
    /// Who has them, such as `Of everything that is scheduled`.
    pub title: &'static str,
    /// The fields.
    pub fields: &'static [FieldSpec],
}

/// What a field is, on one object type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldSpec {
    /// The field's name.
    pub key: &'static str,
    /// What it is for: one sentence for people.
    pub doc: &'static str,
    /// What it holds.
    pub shape: ValueShape,
    /// The value that counts when an object has none, where that is one value; other rules stand in `doc`.
    pub default: Option<&'static str>,
    /// Whether an object lacks something without it.
    pub is_required: bool,
    /// Whether it may repeat.
    pub is_multi: bool,
    /// Whether the service sets it and a definition cannot.
    pub is_runtime: bool,
}

/// Fields of which at least one must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneOf {
    /// The fields.
    pub keys: &'static [&'static str],
    /// Whether more than one is an error.
    pub is_exclusive: bool,
}

impl OneOf {
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
