//! Validation: every error and warning at once, with object and field.

use std::fmt;

use crate::{Definition, FieldKey, ObjectId};

/// What validation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What must be mended before the definition can be activated.
    pub errors: Vec<Problem>,
    /// What is worth a look.
    pub warnings: Vec<Problem>,
}

/// One thing wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object, or the parameter, it is about.
    pub object: ObjectId,
    /// The field it is about.
    pub field: Option<FieldKey>,
    /// Word for programs, such as `INVALID_FIELD_VALUE`.
    pub code: &'static str,
    /// Sentence for people.
    pub message: String,
    /// Whether the definition cannot even be stored.
    pub fatal: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Two blanks after the colon, as the service writes it.
        write!(f, "{}:  {}", self.code, self.message)
    }
}

impl Report {
    /// Returns whether the definition may be activated.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// Returns whether the definition cannot even be stored.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.errors.iter().any(|problem| problem.fatal)
    }
}

/// Finds what is wrong with a definition that is put.
#[must_use]
pub fn validate(definition: &Definition) -> Report {
    let _ = definition;
    Report::default()
}

/// Finds what is wrong with a definition that is to be activated: as [`validate`], and required parameters
/// must have a value.
#[must_use]
pub fn for_activation(definition: &Definition) -> Report {
    validate(definition)
}
