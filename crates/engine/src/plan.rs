//! The plan of a run: a definition with its inherited fields merged in. Its objects are found by id.

use std::collections::HashMap;

use definition::inherit::DEFAULT_ID;
use definition::kind::field;
use definition::parameters::Parameters;
use definition::preview::Preview;
use definition::{Definition, ObjectId, PipelineObject, inherit};

use crate::expand_error::ExpandError;

/// The number of runs at work at once on a schedule, if the definition does not set it. This is the quota of AWS.
const MOST_ACTIVE: usize = 5;

/// The definition of a run as it was activated, with its parameter values.
#[derive(Clone, Debug)]
pub struct Plan {
    definition: Definition,
    objects: Vec<PipelineObject>,
    positions: HashMap<ObjectId, usize>,
    parameters: Parameters,
}

impl Plan {
    /// Resolves `definition`, which holds the parameter values of the activation.
    ///
    /// # Errors
    ///
    /// [`ExpandError`] if the `parent` fields cannot be resolved.
    pub fn of(definition: Definition) -> Result<Self, ExpandError> {
        let objects = inherit::resolve(&definition)?;
        let parameters = Parameters::of(&definition);
        let positions =
            objects.iter().enumerate().map(|(position, object)| (object.id.clone(), position)).collect();
        Ok(Self { definition, objects, positions, parameters })
    }

    /// Returns the definition as it was activated.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// Returns the parameters with the values of the activation.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns how many runs may be at work at once: `maxActiveInstances` of the Default object.
    ///
    /// If that field is missing or cannot be read, the number is 1 on demand and 5 on a schedule.
    #[must_use]
    pub fn max_active_instances(&self, is_scheduled: bool) -> usize {
        let preview = Preview::new(&self.objects, &self.parameters, None);
        let default = self.object(DEFAULT_ID).map(|default| preview.object(default));
        let stated = default.and_then(|default| field::MAX_ACTIVE_INSTANCES.of(&default).ok()?);
        stated.unwrap_or(if is_scheduled { MOST_ACTIVE } else { 1 })
    }

    /// Returns the object that gives `id` its values of `field`: the object itself or one of its parents, but not Default.
    pub(crate) fn stated_by(&self, id: &str, field: &str) -> Option<&PipelineObject> {
        // Merged objects and stated objects have the same order. Parents never form a circle in a plan.
        let stated = |id: &str| self.positions.get(id).map(|position| &self.definition.objects[*position]);
        let parent = |object: &&PipelineObject| stated(object.reference("parent")?.as_str());
        let mut line =
            std::iter::successors(stated(id), parent).take_while(|object| object.id != *DEFAULT_ID);
        line.find(|object| object.values(field).next().is_some())
    }

    /// Returns the object `id` with its inherited fields; `None` if the definition has no such object.
    #[must_use]
    pub fn object(&self, id: &str) -> Option<&PipelineObject> {
        self.positions.get(id).map(|position| &self.objects[*position])
    }

    /// Returns every object with its inherited fields, in the order of the definition.
    #[must_use]
    pub fn objects(&self) -> &[PipelineObject] {
        &self.objects
    }
}
