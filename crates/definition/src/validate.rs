//! Validation: every error and warning at once, with object and field.
//!
//! A definition with errors is stored but not activated, as AWS does it; with fatal errors it is
//! not even stored. What AWS is silent about and what works anyway is a warning.

mod advice;
mod circle;
mod fields;
mod findings;
mod graph;
mod limits;
mod nearest;
mod own;
mod slots;
mod subject;
mod texts;
mod values;

use std::fmt;

use crate::{Definition, FieldKey, ObjectId};
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

/// Many times AWS's limits: past them only the limits are looked at.
const MAX_OBJECTS_LOOKED_AT: usize = 1_000;
const MAX_FIELDS_LOOKED_AT: usize = 20_000;

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
    limits::check(definition, &mut findings);
    let fields: usize = definition.objects.iter().map(|object| object.fields.len()).sum();
    let is_small = definition.values.len().max(definition.parameters.len()) <= MAX_OBJECTS_LOOKED_AT;
    if is_small {
        values::check(definition, is_activation, &mut findings);
    }
    if definition.objects.len() <= MAX_OBJECTS_LOOKED_AT && fields <= MAX_FIELDS_LOOKED_AT {
        let subject = Subject::new(definition, &mut findings);
        fields::check(&subject, &mut findings);
        own::check(&subject, &mut findings);
        texts::check(&subject, &mut findings);
        graph::check(&subject, &mut findings);
        advice::check(&subject, &mut findings);
    }
    findings.report(definition)
}

#[cfg(test)]
mod tests;
