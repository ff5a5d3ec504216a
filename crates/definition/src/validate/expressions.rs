//! Expressions: that they can be read, and that the names in them mean something.

use foldhash::HashMap;

use super::{cycles::cycles, findings::Findings, subject::Subject};
use crate::{
    ObjectId,
    expression::{Name, Template, arity, is_pattern},
    inherit::{Resolved, Text},
    kind::{Group, Kind},
};

const INVALID: &str = "INVALID_EXPRESSION";
const UNKNOWN_NAME: &str = "UNKNOWN_NAME";

/// What every object has beside its fields, and `type`, which one without a type may still inherit.
const MEMBERS: &[&str] = &["id", "name", "type"];

pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings) {
    for object in subject.objects() {
        for text in object.stated_texts() {
            match &subject.read(text.text).template {
                Ok(template) => calls(text, template, findings),
                Err(error) => {
                    let Text { key, number, .. } = text;
                    findings.set_position(number, Some(error.offset));
                    let message = format!("'{key}' holds an expression that is not understood, {error}");
                    findings.error(object.id(), Some(key), INVALID, message);
                }
            }
        }
    }
    for (object, kind) in subject.typed() {
        let mut uses = Vec::new();
        for Text { key, number, text, owner } in object.texts() {
            let read = subject.read(text);
            let Ok(template) = &read.template else { continue };
            let is_checked = owner.id == *object.id() || kind.field(key).is_some();
            template.each_path(&mut |path, offset| {
                uses.extend(used(path, object).map(|used| (key, used)));
                if is_checked {
                    findings.set_position(number, Some(offset));
                    name(&Mention { subject, object, kind, owner: &owner.id, key }, path, findings);
                }
            });
        }
        circular(object, &uses, findings);
    }
    findings.clear_position();
}

/// The field of the object that a name means, if it holds expressions itself.
fn used<'a>(path: &[Name<'_>], object: &Resolved<'a>) -> Option<&'a str> {
    let [name] = path else { return None };
    // What begins so is set by the service.
    let name = Some(name).filter(|name| !name.starts_with('@'))?;
    object.key(name).filter(|key| key.has_expression).map(|key| key.name.as_str())
}

/// Fields whose texts use each other have no value; `uses` are pairs of one and another that it uses.
fn circular(object: &Resolved<'_>, uses: &[(&str, &str)], findings: &mut Findings) {
    if uses.is_empty() {
        return;
    }
    let mut keys: Vec<&str> = object.texts().map(|text| text.key).collect();
    // The texts of a key follow each other.
    keys.dedup();
    let indices: HashMap<&str, usize> = keys.iter().enumerate().map(|(index, key)| (*key, index)).collect();
    let mut needs = vec![Vec::new(); keys.len()];
    for (key, used) in uses {
        needs[indices[key]].extend(indices.get(used));
    }
    for cycle in cycles(needs) {
        let quoted: Vec<_> = cycle.iter().map(|index| format!("'{}'", keys[*index])).collect();
        let message = format!("fields use each other in a circle: {} and again", quoted.join(", "));
        let first = keys[cycle[0]];
        findings.error(&object.owner(first).id, Some(first), INVALID, message);
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
        findings.set_position(number, Some(offset));
        findings.error(&owner.id, Some(key), INVALID, message);
    }
}

/// Where a name stands.
struct Mention<'a, 's> {
    subject: &'a Subject<'s>,
    object: &'a Resolved<'s>,
    kind: Kind,
    owner: &'a ObjectId,
    key: &'a str,
}

impl Mention<'_, '_> {
    /// Tells of a name that means nothing. An action leaves it blank and says the rest; everything else fails whenever
    /// it is to run.
    fn unknown(&self, message: String, findings: &mut Findings) {
        if self.kind.is_action() {
            findings.warning(self.owner, Some(self.key), UNKNOWN_NAME, message);
        } else {
            findings.error(self.owner, Some(self.key), UNKNOWN_NAME, message);
        }
    }
}

fn name(mention: &Mention<'_, '_>, path: &[Name<'_>], findings: &mut Findings) {
    match path {
        [] => {}
        [name] => single(mention, name, findings),
        [first, ..] if first == "parent" || first.starts_with('@') => {}
        [first, ..] if first == "node" => {
            if !matches!(mention.kind.group(), Group::Action | Group::Precondition) {
                let message =
                    format!("'{}' uses 'node', which only actions and preconditions have", mention.key);
                findings.error(mention.owner, Some(mention.key), INVALID, message);
            }
        }
        [first, rest @ ..] => followed(mention, first, rest, findings),
    }
}

fn single(mention: &Mention<'_, '_>, name: &str, findings: &mut Findings) {
    let Mention { subject, object, kind, owner, key } = mention;
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
        mention.unknown(format!("'{key}' uses '{name}', which the object lacks{hint}"), findings);
    }
}

fn followed(mention: &Mention<'_, '_>, first: &str, rest: &[Name<'_>], findings: &mut Findings) {
    let Mention { subject, object, key, .. } = mention;
    let Some(target) = object.reference(first) else {
        let name = rest.join(".");
        mention
            .unknown(format!("'{key}' uses '{first}.{name}', but '{first}' is no reference here"), findings);
        return;
    };
    // Longer chains are left to the run, and an unknown type has its own error.
    if let ([name], Some(target)) = (rest, subject.object(target))
        && (target.kind().is_some() || !target.has("type"))
        && !is_field(target, target.kind(), name)
    {
        let message = format!("'{key}' uses '{first}.{name}', but '{}' has no '{name}'", target.id());
        mention.unknown(message, findings);
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
