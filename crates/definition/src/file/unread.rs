//! The parts of a file that could not be read.

use std::collections::BTreeSet;

/// The parts of a file that are left out of its definition because of errors. Validation does not see these parts, so
/// some of its findings are only consequences of the errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    /// Whether `objects` is missing or is not a list.
    pub(crate) is_without_objects: bool,
    /// Whether an object is left out.
    pub(crate) has_unread_objects: bool,
    /// The names of all fields that lost a value, in any object.
    pub(crate) fields: BTreeSet<String>,
    /// Whether the declaration of a parameter is left out.
    pub(crate) has_unread_parameters: bool,
    /// Whether a value or a default of a parameter is left out.
    pub(crate) has_unread_values: bool,
}
