//! Validation: finds every error and warning of a definition, each with its object and field.
//!
//! A definition with errors is stored but cannot be activated, as in AWS. A definition with fatal errors is
//! not stored. A problem that AWS does not report and that does no harm is a warning.

mod advice;
mod checked_definition;
mod copies;
mod cycles;
mod dependency_cycles;
mod dialects;
mod expressions;
mod fields;
mod hints;
mod limits;
mod own_fields;
mod parameter_expressions;
mod parameters;
mod problems;
mod publication;
mod rollups;
mod secrets;
mod staging;
mod unused;

use std::fmt;

use crate::{
    Definition, FieldKey, ObjectId,
    inherit::{InheritError, Inheritance},
    parameters::Parameters,
};
use checked_definition::CheckedDefinition;
use problems::Problems;

pub use hints::nearest;

/// The result of validation, in the order of the definition's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Problems that must be corrected before the definition can be activated.
    pub errors: Vec<Problem>,
    /// Problems that do not prevent an activation.
    pub warnings: Vec<Problem>,
}

/// One problem of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The object or the parameter that the problem is about.
    pub object: ObjectId,
    /// The field that the problem is about.
    pub field: Option<FieldKey>,
    /// A code for programs, such as `INVALID_FIELD_VALUE`.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Whether the definition cannot be stored because of the problem.
    pub fatal: bool,
    /// The index of the field's value that the problem is about.
    pub value: usize,
    /// The byte offset in the text of this value.
    pub offset: Option<usize>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // AWS writes two blanks after the colon.
        write!(f, "{}:  {}", self.code, self.message)
    }
}

impl Report {
    /// Returns whether the definition can be activated.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// Returns whether the definition cannot be stored.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        self.errors.iter().any(|problem| problem.fatal)
    }
}

/// The code of a problem that is shown at the second object with the id.
pub(crate) const DUPLICATE_ID: &str = "DUPLICATE_ID";
/// The code of a problem that is shown at the value of a parameter, not at its declaration.
pub(crate) const INVALID_VALUE: &str = "INVALID_PARAMETER_VALUE";
/// The code of a required parameter without a value.
pub(crate) const MISSING_VALUE: &str = "MISSING_PARAMETER_VALUE";
/// The code of a required field that an object lacks.
pub(crate) const MISSING_FIELD: &str = "MISSING_FIELD";
/// The code of a reference to an object that does not exist.
pub(crate) const DANGLING: &str = "DANGLING_REFERENCE";
/// The code of a parameter that is used or has a value, and is not declared.
pub(crate) const UNKNOWN_PARAMETER: &str = "UNKNOWN_PARAMETER";
/// The code of an object or a parameter without an effect.
pub(crate) const UNUSED: &str = "UNUSED";
const INVALID: &str = "INVALID_FIELD_VALUE";
const UNKNOWN_FIELD: &str = "UNKNOWN_FIELD";
const READ_ONLY: &str = "READ_ONLY_FIELD";
const NOT_ALLOWED: &str = "FIELD_NOT_ALLOWED";
const MISPLACED: &str = "MISPLACED_FIELD";
/// The codes of problems about the name of a field, whatever its value is.
pub(crate) const ABOUT_THE_KEY: &[&str] = &[UNKNOWN_FIELD, READ_ONLY, NOT_ALLOWED, MISPLACED];

/// Validates a definition that is stored.
///
/// A required parameter without a value is a warning, because people store a definition first and pass values
/// when they activate it.
#[must_use]
pub fn validate(definition: &Definition) -> Report {
    check(definition, false)
}

/// Validates a definition that is activated. Unlike in [`validate`], a required parameter without a value is
/// an error.
#[must_use]
pub fn for_activation(definition: &Definition) -> Report {
    check(definition, true)
}

fn check(definition: &Definition, is_activation: bool) -> Report {
    let mut problems = Problems::default();
    let inheritance = Inheritance::of(definition);
    let parameters = Parameters::of(definition);
    limits::check(definition, &inheritance, &mut problems);
    if inheritance.is_cut && problems.has_errors() {
        // Other checks would miss the fields that were not inherited.
        return problems.report(definition);
    }
    let checked = CheckedDefinition::new(definition, &inheritance, &parameters);
    let is_used = |id: &str| checked.used_names().contains(id);
    parameters::check(definition, &parameters, is_activation, is_used, &mut problems);
    parameter_expressions::check(&checked, &mut problems);
    cycles_of_parents(&inheritance.errors, &mut problems);
    fields::check(&checked, &mut problems);
    own_fields::check(&checked, &mut problems);
    dialects::check(&checked, &mut problems);
    copies::check(&checked, &mut problems);
    expressions::check(&checked, &mut problems);
    dependency_cycles::check(&checked, &mut problems);
    rollups::check(&checked, &mut problems);
    advice::check(&checked, &mut problems);
    secrets::check(&checked, &mut problems);
    staging::check(&checked, &mut problems);
    publication::check(&checked, &mut problems);
    if !problems.has_errors() {
        // After an error elsewhere, such as a misspelt reference, an object may only seem to be unused.
        unused::check(&checked, &mut problems);
    }
    problems.report(definition)
}

/// Reports cycles of parents. A missing parent is reported as a dangling reference.
fn cycles_of_parents(errors: &[InheritError], problems: &mut Problems) {
    for error in errors {
        if let InheritError::Cycle { id, .. } = error {
            problems.error(id, Some("parent"), "INHERITANCE_CYCLE", error.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
