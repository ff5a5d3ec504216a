//! The reasons why a worker cannot do some work, known from the definition before anything runs.
//!
//! Each activity lists its hindrances; this module defines the types that they use. Texts may contain expressions that
//! only a run can evaluate. The checks skip such texts. The worker checks them when it reads the task.

use definition::{ObjectId, PipelineObject};

use crate::failure::Failure;
use crate::reader::component;

/// A reason why a worker cannot do some work: an object, a field of it, and the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// The object of the definition.
    pub object: ObjectId,
    /// The field.
    pub field: &'static str,
    /// The problem, as the rest of a sentence: `is PigActivity; …`.
    pub what: String,
}

impl Hindrance {
    /// Returns a problem with a field of an object.
    #[must_use]
    pub fn new(object: &PipelineObject, field: &'static str, what: impl Into<String>) -> Self {
        Self { object: component(object).into(), field, what: what.into() }
    }
}

impl From<Hindrance> for Failure {
    fn from(Hindrance { object, field, what }: Hindrance) -> Self {
        Self::bad_input("Definition", format!("object `{object}`, field `{field}` {what}"))
    }
}

/// A function that finds an object of the definition.
pub type Find<'a> = dyn Fn(&ObjectId) -> Option<&'a PipelineObject> + 'a;

/// Some work of a definition, before anything runs.
pub struct Foreseen<'a> {
    /// The activity or precondition.
    pub work: &'a PipelineObject,
    /// The object that the precondition guards.
    pub guarded: Option<&'a PipelineObject>,
    /// Finds the other objects of the definition.
    pub find: &'a Find<'a>,
}

impl<'a> Foreseen<'a> {
    /// Returns the objects that a field of the work refers to. References to objects that do not exist are left out,
    /// because validation reports them.
    pub fn referred(&self, key: &'static str) -> impl Iterator<Item = &'a PipelineObject> {
        self.work.references(key).filter_map(self.find)
    }
}
