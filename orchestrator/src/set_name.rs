//! The name of a file set.

use std::fmt;

/// A definition and the values captured from the keys of a set; `orders/day=2026-11-20` when displayed.
///
/// The displayed form is also the name of each pipeline that runs the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetName {
    pub definition: String,
    /// The captured values, `day=2026-11-20`: the set's part of the name.
    pub id: String,
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.definition, self.id)
    }
}
