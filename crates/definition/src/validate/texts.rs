//! Expressions: that they can be read, and that the names in them mean something.

use super::{
    circle::{Needs, circles},
    findings::Findings,
    subject::Subject,
};
use crate::{
    ObjectId,
    expression::{Name, Template, arity, is_pattern},
    inherit::{Resolved, Text},
    kind::{Group, Kind},
};

const INVALID: &str = "INVALID_EXPRESSION";

/// What every object has beside its fields, and `type`, which one without a type may still inherit.
const MEMBERS: &[&str] = &["id", "name", "type"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for object in subject.objects() {
        for text in object.texts().take_while(|text| std::ptr::eq(text.owner, object.stated)) {
            match subject.template(text.text).as_ref() {
                Ok(template) => calls(text, template, findings),
                Err(error) => {
                    let Text { key, number, .. } = text;
                    findings.look_at(number, Some(error.offset));
                    let message = format!("'{key}' holds an expression that is not understood, {error}");
                    findings.error(object.id(), Some(key), INVALID, message);
                }
            }
        }
    }
    for (object, kind) in subject.typed() {
        let mut needs = Needs::default();
        for Text { key, number, text, owner } in object.texts() {
            let template = subject.template(text);
            let Ok(template) = template.as_ref() else { continue };
            let paths = template.paths();
            for used in own_names(&paths, object) {
                needs.entry(key).or_default().insert(used);
            }
            if owner.id != *object.id() && kind.field(key).is_none() {
                continue;
            }
            for (path, offset) in paths {
                findings.look_at(number, Some(offset));
                name(&Place { subject, object, kind, owner: &owner.id, key }, path, findings);
            }
        }
        circular(object, &needs, findings);
    }
    findings.look_away();
}

/// Which fields with expressions the names of a text mean.
fn own_names<'a>(paths: &[(&[Name<'_>], usize)], object: &Resolved<'a>) -> impl Iterator<Item = &'a str> {
    let single = paths.iter().filter_map(|(path, _)| if let [name] = path { Some(name) } else { None });
    let keys = single.filter_map(|name| object.key(name)).filter(|key| key.has_expression);
    keys.map(|key| key.name.as_str())
}

/// Fields whose texts use each other have no value.
fn circular(object: &Resolved<'_>, needs: &Needs<&str>, findings: &mut Findings) {
    if needs.is_empty() {
        return;
    }
    let order: Vec<&str> = object.texts().map(|text| text.key).collect();
    for circle in circles(needs, &order) {
        let quoted: Vec<_> = circle.iter().map(|key| format!("'{key}'")).collect();
        let message = format!("fields use each other in a circle: {} and again", quoted.join(", "));
        findings.error(&object.owner(circle[0]).id, Some(circle[0]), INVALID, message);
    }
}

fn calls(Text { key, number, owner, .. }: Text<'_>, template: &Template<'_>, findings: &mut Findings) {
    for call in template.calls() {
        let function = call.function;
        let mut offset = call.offset;
        let message = match (arity(function), call.pattern) {
            (None, _) => {
                let hint = findings.hints.hint(function, crate::expression::FUNCTIONS.iter().copied());
                format!("'{key}' calls '{function}', which is no function{hint}")
            }
            (Some(arity), _) if !arity.contains(&call.arguments) => {
                let (takes, given) = (arity.end(), call.arguments);
                format!("'{key}' calls '{function}' with {given} arguments; it takes {takes}")
            }
            (_, Some((pattern, at))) if function == "format" && !is_pattern(pattern) => {
                offset = at;
                format!("'{key}' holds '{pattern}', which is no Joda date pattern")
            }
            _ => continue,
        };
        findings.look_at(number, Some(offset));
        findings.error(&owner.id, Some(key), INVALID, message);
    }
}

/// Where a name stands.
struct Place<'a, 's> {
    subject: &'a Subject<'s>,
    object: &'a Resolved<'s>,
    kind: Kind,
    owner: &'a ObjectId,
    key: &'a str,
}

fn name(place: &Place<'_, '_>, path: &[Name<'_>], findings: &mut Findings) {
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

fn single(place: &Place<'_, '_>, name: &str, findings: &mut Findings) {
    let Place { subject, object, kind, owner, key } = place;
    if subject.is_parameter(name) || is_field(object, Some(*kind), name) {
        return;
    }
    let declared = subject.definition.parameters.iter().map(|parameter| parameter.id.as_str());
    if name.starts_with("my") || name.starts_with('*') {
        let hint = findings.hints.hint(name, declared);
        let message = format!(
            "'{key}' uses '{name}', which is neither a parameter nor a field of the object{hint}: declare it \
             under 'parameters'"
        );
        findings.error(owner, Some(key), "UNKNOWN_PARAMETER", message);
    } else {
        let fields = kind.fields().chain(kind.runtime_fields()).map(|spec| spec.key);
        let hint = findings.hints.hint(name, fields.chain(declared));
        let message = format!("'{key}' uses '{name}', which the object lacks{hint}");
        findings.warning(owner, Some(key), "UNKNOWN_NAME", message);
    }
}

fn followed(place: &Place<'_, '_>, first: &str, rest: &[Name<'_>], findings: &mut Findings) {
    let Place { subject, object, owner, key, .. } = place;
    let Some(target) = object.reference(first) else {
        let message =
            format!("'{key}' uses '{first}.{}', but '{first}' is no reference here", rest.join("."));
        findings.warning(owner, Some(key), "UNKNOWN_NAME", message);
        return;
    };
    // Longer chains are left to the run.
    if let ([name], Some(target)) = (rest, subject.object(target))
        && !is_field(target, target.kind(), name)
    {
        let message = format!("'{key}' uses '{first}.{name}', but '{}' has no '{name}'", target.id());
        findings.warning(owner, Some(key), "UNKNOWN_NAME", message);
    }
}

fn is_field(object: &Resolved<'_>, kind: Option<Kind>, name: &str) -> bool {
    let is_of = |kind: Kind| kind.field(name).is_some() || kind.runtime_field(name).is_some();
    name.starts_with('@')
        || MEMBERS.contains(&name)
        || object.has(name)
        || kind.is_some_and(is_of)
        // Without a type the heirs decide.
        || (kind.is_none() && Kind::ALL.iter().any(|kind| kind.runtime_field(name).is_some()))
}
