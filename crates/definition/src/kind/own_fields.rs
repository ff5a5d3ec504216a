//! Downspout's own fields: the `my…` fields that our programs read.
//!
//! AWS accepts every `my…` field as a field of the user. The table of a type or of the Default object
//! describes each of our fields.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{DEFAULT_OBJECT, FieldSpec, Kind};

/// The objects on which an own field has an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadIn {
    /// The Default object.
    Default,
    /// Objects of these types.
    Kinds(Vec<Kind>),
}

/// Returns the own field `key` and the objects on which the field has an effect, or `None` if there is no such
/// own field.
#[must_use]
pub fn named(key: &str) -> Option<(&'static FieldSpec, ReadIn)> {
    static NAMED: LazyLock<FxHashMap<&str, (&FieldSpec, ReadIn)>> = LazyLock::new(|| {
        let mut named = FxHashMap::default();
        for spec in all() {
            named.entry(spec.key).or_insert_with(|| (spec, read_in(spec.key)));
        }
        named
    });
    NAMED.get(key).cloned()
}

fn read_in(key: &str) -> ReadIn {
    let is_in = |fields: &[FieldSpec]| fields.iter().any(|spec| spec.key == key);
    if is_in(DEFAULT_OBJECT.my_fields) {
        return ReadIn::Default;
    }
    ReadIn::Kinds(Kind::ALL.iter().copied().filter(|kind| is_in(kind.my_fields())).collect())
}

/// Returns the name of every own field once.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let mut seen = FxHashSet::default();
        all().map(|spec| spec.key).filter(|key| seen.insert(*key)).collect()
    });
    NAMES.iter().copied()
}

/// Returns the description of every own field, once for each table that contains the field.
pub fn all() -> impl Iterator<Item = &'static FieldSpec> {
    DEFAULT_OBJECT.my_fields.iter().chain(Kind::ALL.iter().flat_map(|kind| kind.my_fields()))
}
