//! A definition made ready to run: inherited fields merged, objects found by id.

use std::collections::HashMap;

use definition::parameters::Parameters;
use definition::{Definition, ObjectId, PipelineObject, inherit};

use crate::expand::ExpandError;

/// The definition of a run as it was activated, with its parameter values.
#[derive(Clone, Debug)]
pub struct Plan {
    definition: Definition,
    objects: HashMap<ObjectId, PipelineObject>,
    order: Vec<ObjectId>,
    parameters: Parameters,
}

impl Plan {
    /// Resolves `definition`, whose values are those of the activation.
    ///
    /// # Errors
    ///
    /// [`ExpandError`] if objects cannot inherit as they say.
    pub fn of(definition: Definition) -> Result<Self, ExpandError> {
        let resolved = inherit::resolve(&definition)?;
        let parameters = Parameters::of(&definition);
        let order = resolved.iter().map(|object| object.id.clone()).collect();
        let objects = resolved.into_iter().map(|object| (object.id.clone(), object)).collect();
        Ok(Self { definition, objects, order, parameters })
    }

    /// Returns the definition as it was activated.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Returns the parameters with the values in force.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the object `id` with its inherited fields.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<&PipelineObject> {
        self.objects.get(id)
    }

    /// Returns every object with its inherited fields, in the order of the definition.
    pub fn objects(&self) -> impl Iterator<Item = &PipelineObject> {
        self.order.iter().filter_map(|id| self.objects.get(id))
    }
}
