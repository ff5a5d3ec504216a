//! Validation: every error and warning at once, with object and field.
//!
//! A definition with errors is stored but not activated, as AWS does it; with fatal errors it is
//! not even stored. What AWS is silent about and what works anyway is a warning.

mod advice;
mod cycles;
mod dependency_cycles;
mod expressions;
mod fields;
mod findings;
mod hints;
mod limits;
mod own_fields;
mod parameters;
mod rollups;
mod secrets;
mod subject;
mod unused;

use std::fmt;

use crate::{
    Definition, FieldKey, ObjectId,
    inherit::{InheritError, Inheritance},
    parameters::Parameters,
};
use findings::Findings;
use subject::Subject;

/// What validation found, in the order of the definition's objects.
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
    /// Which of the field's values it is about, from zero.
    pub value: usize,
    /// The byte of that value's text at which it shows.
    pub offset: Option<usize>,
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

/// The codes that a finder of places must know.
pub(crate) const DUPLICATE_ID: &str = "DUPLICATE_ID";
/// The value of a parameter, not its declaration.
pub(crate) const INVALID_VALUE: &str = "INVALID_PARAMETER_VALUE";
pub(crate) const MISSING_VALUE: &str = "MISSING_PARAMETER_VALUE";
const INVALID: &str = "INVALID_FIELD_VALUE";
const UNKNOWN_FIELD: &str = "UNKNOWN_FIELD";
const READ_ONLY: &str = "READ_ONLY_FIELD";
const NOT_ALLOWED: &str = "FIELD_NOT_ALLOWED";
const MISPLACED: &str = "MISPLACED_FIELD";
/// What is about a field's name, whatever it holds.
pub(crate) const ABOUT_THE_KEY: &[&str] = &[UNKNOWN_FIELD, READ_ONLY, NOT_ALLOWED, MISPLACED];

/// Finds what is wrong with a definition that is put.
///
/// A required parameter without a value is a warning: people put first, and pass values when activating.
#[must_use]
pub fn validate(definition: &Definition) -> Report {
    check(definition, false)
}

/// Finds what is wrong with a definition that is to be activated: as [`validate`], and required parameters
/// must have a value.
#[must_use]
pub fn for_activation(definition: &Definition) -> Report {
    check(definition, true)
}

fn check(definition: &Definition, is_activation: bool) -> Report {
    let mut findings = Findings::default();
    let inheritance = Inheritance::of(definition);
    let parameters = Parameters::of(definition);
    limits::check(definition, &inheritance, &mut findings);
    parameters::check(definition, &parameters, is_activation, &mut findings);
    let subject = Subject::new(definition, &inheritance, &parameters);
    circles_of_parents(&inheritance.errors, &mut findings);
    fields::check(&subject, &mut findings);
    own_fields::check(&subject, &mut findings);
    expressions::check(&subject, &mut findings);
    dependency_cycles::check(&subject, &mut findings);
    rollups::check(&subject, &mut findings);
    advice::check(&subject, &mut findings);
    secrets::check(&subject, &mut findings);
    if !findings.has_errors() {
        // What is misspelt elsewhere would show here as unused.
        unused::check(&subject, &mut findings);
    }
    findings.report(definition)
}

/// A missing parent is a dangling reference, and told as one.
fn circles_of_parents(errors: &[InheritError], findings: &mut Findings) {
    for error in errors {
        if let InheritError::Cycle { id, .. } = error {
            findings.error(id, Some("parent"), "INHERITANCE_CYCLE", error.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
