//! Parameters: their declarations, and the values given to them.

use std::collections::HashSet;

use super::{findings::Findings, nearest};
use crate::{
    Definition, ObjectId, ParameterObject,
    parameters::{ParameterType, Parameters, is_allowed, is_array, is_optional},
};

const INVALID: &str = "INVALID_PARAMETER_VALUE";

pub(super) fn check(definition: &Definition, is_activation: bool, findings: &mut Findings) {
    let mut met = HashSet::new();
    let parameters = Parameters::of(definition);
    for parameter in &definition.parameters {
        let id = ObjectId::from(parameter.id.as_str());
        if !met.insert(&parameter.id) {
            let message = format!("the parameter '{id}' is declared more than once");
            findings.error(&id, Some("id"), "DUPLICATE_ID", message);
        }
        declaration(&id, parameter, findings);
        value(&id, parameter, &parameters, is_activation, findings);
    }
    undeclared(definition, &met, findings);
}

fn declaration(id: &ObjectId, parameter: &ParameterObject, findings: &mut Findings) {
    if !parameter.id.trim_start_matches('*').starts_with("my") {
        let message = format!("the id of the parameter '{id}' must begin with 'my' ('*my' for a secret)");
        findings.error(id, Some("id"), "INVALID_PARAMETER", message);
    }
    if let Some(word) = parameter.attribute("type").filter(|word| ParameterType::named(word).is_none()) {
        let words = ["String", "Integer", "Double", "AWS::S3::ObjectKey"];
        let hint = nearest::hint(word, words.into_iter());
        let message =
            format!("the parameter '{id}' has the type '{word}'{hint}; there are {}", words.join(", "));
        findings.error(id, Some("type"), "INVALID_PARAMETER", message);
    }
    for attribute in ["optional", "isArray"] {
        let word = parameter.attribute(attribute).unwrap_or("false");
        if !["true", "false"].iter().any(|legal| legal.eq_ignore_ascii_case(word)) {
            let message =
                format!("'{attribute}' of the parameter '{id}' must be 'true' or 'false'. Found '{word}'");
            findings.error(id, Some(attribute), "INVALID_PARAMETER", message);
        }
    }
}

fn value(
    id: &ObjectId,
    parameter: &ParameterObject,
    parameters: &Parameters,
    is_activation: bool,
    findings: &mut Findings,
) {
    let values = parameters.values(&parameter.id);
    if values.is_empty() && !is_optional(parameter) {
        let message =
            format!("the parameter '{id}' has no value: give one, or declare a default or 'optional'");
        if is_activation {
            findings.error(id, None, "MISSING_PARAMETER_VALUE", message);
        } else {
            findings.warning(id, None, "MISSING_PARAMETER_VALUE", message);
        }
    }
    if values.len() > 1 && !is_array(parameter) {
        let message = format!("the parameter '{id}' has {} values but 'isArray' is not 'true'", values.len());
        findings.error(id, None, INVALID, message);
    }
    for value in values {
        // The text of a secret stays out of messages.
        let shown = if parameter.id.starts_with('*') { "a secret" } else { &format!("'{value}'") };
        if let Some(must) = ParameterType::of(parameter).complaint(value) {
            let message = format!("the value of the parameter '{id}' must be {must}. Found {shown}");
            findings.error(id, None, INVALID, message);
        } else if !is_allowed(parameter, value) {
            let message =
                format!("the value of the parameter '{id}' is not among its 'allowedValues'. Found {shown}");
            findings.error(id, None, INVALID, message);
        }
    }
}

fn undeclared(definition: &Definition, declared: &HashSet<&String>, findings: &mut Findings) {
    for value in definition.values.iter().filter(|value| !declared.contains(&value.id)) {
        let hint = nearest::hint(&value.id, declared.iter().map(|id| id.as_str()));
        let message = format!("'values' has '{}', which 'parameters' does not declare{hint}", value.id);
        findings.error(&ObjectId::from(value.id.as_str()), None, "UNKNOWN_PARAMETER", message);
    }
}
