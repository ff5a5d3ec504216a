//! Expressions: that they can be read, and that the names in them mean something.

use super::{
    circle::{Needs, circles},
    findings::Findings,
    nearest,
    subject::Subject,
};
use crate::{
    FieldValue, ObjectId, PipelineObject,
    expression::{Template, arity, is_pattern, is_verbatim},
    kind::{Group, Kind},
};

const INVALID: &str = "INVALID_EXPRESSION";

/// Fields that the service sets and that carry no `@`.
const RUNTIME: &[&str] = &[
    "id",
    "name",
    "type",
    "attemptStatus",
    "cancellationReason",
    "currentRetryCount",
    "emrStepLog",
    "errorId",
    "errorMessage",
    "errorStackTrace",
    "hadoopJobLog",
    "hostname",
    "lastRetryTime",
    "node",
    "reportProgressTime",
];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for object in &subject.definition.objects {
        for (key, text) in texts(object) {
            match Template::parse(text) {
                Ok(template) => calls(&object.id, key, &template, findings),
                Err(error) => {
                    let message = format!("'{key}' holds an expression that is not understood, {error}");
                    findings.error(&object.id, Some(key), INVALID, message);
                }
            }
        }
    }
    for (object, kind) in subject.typed() {
        for (key, text) in texts(object) {
            let owner = subject.owner(object, key);
            if kind.field(key).is_none() && *owner != object.id {
                continue;
            }
            let Ok(template) = Template::parse(text) else { continue };
            for path in template.names() {
                name(&Place { subject, object, kind, owner, key }, path, findings);
            }
        }
        circular(subject, object, findings);
    }
}

/// Fields whose texts use each other have no value.
fn circular(subject: &Subject<'_>, object: &PipelineObject, findings: &mut Findings) {
    let order: Vec<&str> = texts(object).map(|(key, _)| key).collect();
    let mut needs = Needs::new();
    for (key, text) in texts(object) {
        let Ok(template) = Template::parse(text) else { continue };
        for path in template.names() {
            if let [name] = path
                && let Some(used) = order.iter().find(|field| *field == name)
            {
                needs.entry(key).or_default().insert(*used);
            }
        }
    }
    for circle in circles(needs, &order) {
        let quoted: Vec<_> = circle.iter().map(|key| format!("'{key}'")).collect();
        let message = format!("fields use each other in a circle: {} and again", quoted.join(", "));
        findings.error(subject.owner(object, circle[0]), Some(circle[0]), INVALID, message);
    }
}

fn texts(object: &PipelineObject) -> impl Iterator<Item = (&str, &str)> {
    object.fields.iter().filter_map(|field| match &field.value {
        FieldValue::String(text) if text.contains("#{") && !is_verbatim(field.key.as_str()) => {
            Some((field.key.as_str(), text.as_str()))
        }
        _ => None,
    })
}

fn calls(object: &ObjectId, key: &str, template: &Template, findings: &mut Findings) {
    for call in template.calls() {
        let function = call.function;
        let message = match (arity(function), call.pattern) {
            (None, _) => {
                let hint = nearest::hint(function, crate::expression::FUNCTIONS.iter().copied());
                format!("'{key}' calls '{function}', which is no function{hint}")
            }
            (Some(arity), _) if !arity.contains(&call.arguments) => {
                let (takes, given) = (arity.end(), call.arguments);
                format!("'{key}' calls '{function}' with {given} arguments; it takes {takes}")
            }
            (_, Some(pattern)) if function == "format" && !is_pattern(pattern) => {
                format!("'{key}' holds '{pattern}', which is no Joda date pattern")
            }
            _ => continue,
        };
        findings.error(object, Some(key), INVALID, message);
    }
}

/// Where a name stands.
struct Place<'a> {
    subject: &'a Subject<'a>,
    object: &'a PipelineObject,
    kind: Kind,
    owner: &'a ObjectId,
    key: &'a str,
}

fn name(place: &Place<'_>, path: &[String], findings: &mut Findings) {
    match path {
        [] => {}
        [name] => single(place, name, findings),
        [first, ..] if first == "parent" || first.starts_with('@') => {}
        [first, ..] if first == "node" => {
            if !matches!(place.kind.group(), Group::Action | Group::Precondition) {
                let message =
                    format!("'{}' uses 'node', which only actions and preconditions have", place.key);
                findings.error(place.owner, Some(place.key), INVALID, message);
            }
        }
        [first, rest @ ..] => followed(place, first, rest, findings),
    }
}

fn single(place: &Place<'_>, name: &str, findings: &mut Findings) {
    let Place { subject, object, kind, owner, key } = place;
    let parameters = &subject.parameters;
    let is_parameter = parameters.declaration(name).is_some() || !parameters.values(name).is_empty();
    if is_parameter || is_field(object, Some(*kind), name) {
        return;
    }
    let declared = subject.definition.parameters.iter().map(|parameter| parameter.id.as_str());
    if name.starts_with("my") || name.starts_with('*') {
        let hint = nearest::hint(name, declared);
        let message = format!(
            "'{key}' uses '{name}', which is neither a parameter nor a field of the object{hint}: declare it \
             under 'parameters'"
        );
        findings.error(owner, Some(key), "UNKNOWN_PARAMETER", message);
    } else {
        let hint = nearest::hint(name, kind.fields().map(|spec| spec.key).chain(declared));
        let message = format!("'{key}' uses '{name}', which the object lacks{hint}");
        findings.warning(owner, Some(key), "UNKNOWN_NAME", message);
    }
}

fn followed(place: &Place<'_>, first: &str, rest: &[String], findings: &mut Findings) {
    let Place { subject, object, owner, key, .. } = place;
    let Some(target) = object.reference(first) else {
        let message =
            format!("'{key}' uses '{first}.{}', but '{first}' is no reference here", rest.join("."));
        findings.warning(owner, Some(key), "UNKNOWN_NAME", message);
        return;
    };
    // Longer chains are left to the run.
    if let ([name], Some(target)) = (rest, subject.object(target))
        && !is_field(target, Kind::of(target), name)
    {
        let message = format!("'{key}' uses '{first}.{name}', but '{}' has no '{name}'", target.id);
        findings.warning(owner, Some(key), "UNKNOWN_NAME", message);
    }
}

fn is_field(object: &PipelineObject, kind: Option<Kind>, name: &str) -> bool {
    name.starts_with('@')
        || RUNTIME.contains(&name)
        || object.values(name).next().is_some()
        || kind.is_some_and(|kind| kind.field(name).is_some())
}
