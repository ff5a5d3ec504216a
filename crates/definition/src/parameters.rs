//! The declared parameters and the values that hold for them.

use std::collections::HashMap;

use crate::{Definition, ParameterObject, ParameterValue};

/// The parameters of a definition with the values in force: given ones, else the default.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    declared: HashMap<String, ParameterObject>,
    values: HashMap<String, Vec<String>>,
}

impl Parameters {
    /// Returns the parameters of `definition`, valued by its own `values`.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        Self::for_activation(definition, &[])
    }

    /// Returns the parameters with `given` beating the stored values, id by id.
    #[must_use]
    pub fn for_activation(definition: &Definition, given: &[ParameterValue]) -> Self {
        let mut values = HashMap::new();
        for parameter in &definition.parameters {
            let defaults: Vec<String> = parameter
                .attributes
                .iter()
                .filter(|attribute| attribute.key == "default")
                .map(|attribute| attribute.value.clone())
                .collect();
            if !defaults.is_empty() {
                values.insert(parameter.id.clone(), defaults);
            }
        }
        for layer in [definition.values.as_slice(), given] {
            values.extend(by_id(layer));
        }
        let declared = definition.parameters.iter().map(|p| (p.id.clone(), p.clone())).collect();
        Self { declared, values }
    }

    /// Returns the values of the parameter `id`; nothing when it has none.
    #[must_use]
    pub fn values(&self, id: &str) -> &[String] {
        self.values.get(id).map_or(&[], Vec::as_slice)
    }

    /// Returns the first value of the parameter `id`.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<&str> {
        self.values(id).first().map(String::as_str)
    }

    /// Returns how the parameter `id` is declared.
    #[must_use]
    pub fn declaration(&self, id: &str) -> Option<&ParameterObject> {
        self.declared.get(id)
    }
}

fn by_id(values: &[ParameterValue]) -> HashMap<String, Vec<String>> {
    let mut by_id: HashMap<String, Vec<String>> = HashMap::new();
    for ParameterValue { id, value } in values {
        by_id.entry(id.clone()).or_default().push(value.clone());
    }
    by_id
}
