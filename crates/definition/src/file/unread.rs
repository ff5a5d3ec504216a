//! The parts of a file that could not be read.

use std::collections::BTreeSet;

/// The parts of a file that are left out of its definition because of errors. Validation misses these parts, so some of its
/// findings are only consequences of the errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    /// Whether the list of objects is missing or no list.
    pub(crate) is_without_objects: bool,
    /// Whether an object is left out.
    pub(crate) has_unread_objects: bool,
    /// The names of fields of which a value is left out, in any object.
    pub(crate) fields: BTreeSet<String>,
    /// Whether the declaration of a parameter is left out.
    pub(crate) has_unread_parameters: bool,
    /// Whether a value of a parameter is left out, or a default.
    pub(crate) has_unread_values: bool,
}
