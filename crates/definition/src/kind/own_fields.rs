//! Our own `my` fields, which AWS lets pass and our programs read: each stands in the table of a type or in
//! that of the Default object, and is found here by its name.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{DEFAULT_OBJECT, FieldSpec, Kind};

/// Where one of our own fields is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadIn {
    /// On the Default object.
    Default,
    /// On objects of these types.
    Kinds(Vec<Kind>),
}

/// Returns the field `key` and where it is read, when it is one of our own.
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

/// Returns the name of every one of our own fields, once.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| {
        let mut met = FxHashSet::default();
        all().map(|spec| spec.key).filter(|key| met.insert(*key)).collect()
    });
    NAMES.iter().copied()
}

/// Returns every one of our own fields, once for each place that it is read in.
pub fn all() -> impl Iterator<Item = &'static FieldSpec> {
    DEFAULT_OBJECT.my_fields.iter().chain(Kind::ALL.iter().flat_map(|kind| kind.my_fields()))
}
