//! Checks the declarations of parameters, and their values.

use foldhash::HashSet;

use super::{DUPLICATE_ID, INVALID_VALUE, MISSING_VALUE, UNKNOWN_PARAMETER, problems::Problems};
use crate::{
    Definition, ObjectId, ParameterObject,
    parameters::{Allowed, ParameterType, Parameters, is_array, is_optional},
};

/// `is_used` says whether an expression uses a name. A parameter that none uses does no harm without a value.
pub(super) fn check(
    definition: &Definition,
    parameters: &Parameters,
    is_activation: bool,
    is_used: impl Fn(&str) -> bool,
    problems: &mut Problems,
) {
    let mut seen = HashSet::default();
    for parameter in &definition.parameters {
        let id = ObjectId::from(parameter.id.as_str());
        let is_first = seen.insert(parameter.id.as_str());
        if !is_first {
            let message = format!("the parameter '{id}' is declared more than once");
            problems.error(&id, Some("id"), DUPLICATE_ID, message);
        }
        declaration(&id, parameter, problems);
        if is_first {
            let must_have_value = is_activation && is_used(&parameter.id);
            value(&id, parameter, parameters, must_have_value, problems);
        }
    }
    undeclared(definition, &seen, problems);
}

fn declaration(id: &ObjectId, parameter: &ParameterObject, problems: &mut Problems) {
    if !parameter.id.trim_start_matches('*').starts_with("my") {
        let message = format!("the id of the parameter '{id}' must begin with 'my' ('*my' for a secret)");
        problems.error(id, Some("id"), "INVALID_PARAMETER", message);
    }
    if let Some(word) = parameter.attribute("type").filter(|word| ParameterType::named(word).is_none()) {
        let words = ParameterType::NAMES;
        let hint = problems.hints.hint(word, words.into_iter());
        let message = format!(
            "the parameter '{id}' has the unknown type '{word}'{hint}; the types are {}",
            words.join(", ")
        );
        problems.error(id, Some("type"), "INVALID_PARAMETER", message);
    }
    for attribute in ["optional", "isArray"] {
        let word = parameter.attribute(attribute).unwrap_or("false");
        if !["true", "false"].iter().any(|legal| legal.eq_ignore_ascii_case(word)) {
            let message =
                format!("'{attribute}' of the parameter '{id}' must be 'true' or 'false'. Found '{word}'");
            problems.error(id, Some(attribute), "INVALID_PARAMETER", message);
        }
    }
}

fn value(
    id: &ObjectId,
    parameter: &ParameterObject,
    parameters: &Parameters,
    must_have_value: bool,
    problems: &mut Problems,
) {
    let values = parameters.values(&parameter.id);
    if values.is_empty() && !is_optional(parameter) {
        let message = format!(
            "the parameter '{id}' has no value: give it one, declare a default, or make it 'optional'"
        );
        if must_have_value {
            problems.error(id, None, MISSING_VALUE, message);
        } else {
            problems.warning(id, None, MISSING_VALUE, message);
        }
    }
    if values.len() > 1 && !is_array(parameter) {
        let message = format!("the parameter '{id}' has {} values but 'isArray' is not 'true'", values.len());
        problems.error(id, None, INVALID_VALUE, message);
    }
    let allowed = Allowed::by(parameter);
    // A value whose expressions use fields has no type before it is used.
    for value in &parameters.known_values(&parameter.id).unwrap_or_default() {
        // The message must not contain the value of a secret.
        let shown = if parameter.id.starts_with('*') { "a secret" } else { &format!("'{value}'") };
        if let Some(must) = ParameterType::of(parameter).complaint(value) {
            let message = format!("the value of the parameter '{id}' must be {must}. Found {shown}");
            problems.error(id, None, INVALID_VALUE, message);
        } else if !allowed.holds(value) {
            let message =
                format!("the value of the parameter '{id}' is not one of its 'allowedValues'. Found {shown}");
            problems.error(id, None, INVALID_VALUE, message);
        }
    }
}

fn undeclared(definition: &Definition, declared: &HashSet<&str>, problems: &mut Problems) {
    for value in definition.values.iter().filter(|value| !declared.contains(value.id.as_str())) {
        let ids = definition.parameters.iter().map(|parameter| parameter.id.as_str());
        let hint = problems.hints.hint(&value.id, ids);
        let message = format!("'values' contains '{}', which 'parameters' does not declare{hint}", value.id);
        // This is only a warning, because an expression can use a value that has no declaration.
        problems.warning(&ObjectId::from(value.id.as_str()), None, UNKNOWN_PARAMETER, message);
    }
}
