//! Our own `my` fields, which AWS lets pass and our programs read: each stands in the table of a type or in
//! that of the Default object, and is found here by its name.

use super::{DEFAULT_OBJECT, FieldSpec, Kind};

/// Where one of our own fields is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the Default object.
    Default,
    /// On objects of these types.
    Kinds(Vec<Kind>),
}

/// Returns the field `key` and where it is read, when it is one of our own.
#[must_use]
pub fn named(key: &str) -> Option<(&'static FieldSpec, Place)> {
    if let Some(spec) = DEFAULT_OBJECT.my_fields.iter().find(|spec| spec.key == key) {
        return Some((spec, Place::Default));
    }
    let has_it = |kind: &Kind| kind.my_fields().iter().any(|spec| spec.key == key);
    let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(has_it).collect();
    let spec = kinds.first()?.my_fields().iter().find(|spec| spec.key == key)?;
    Some((spec, Place::Kinds(kinds)))
}

/// Returns every one of our own fields, once for each place that it is read in.
pub fn all() -> impl Iterator<Item = &'static FieldSpec> {
    DEFAULT_OBJECT.my_fields.iter().chain(Kind::ALL.iter().flat_map(|kind| kind.my_fields()))
}
