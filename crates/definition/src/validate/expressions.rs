//! Checks expressions: whether they can be parsed, and whether the names in them are known.

use foldhash::{HashMap, HashSet};

use super::{
    UNKNOWN_PARAMETER,
    checked_definition::{CheckedDefinition, StatedText},
    cycles::cycles,
    hints::Hints,
    limits::MAX_PARAMETERS,
    problems::Problems,
};
use crate::{
    ObjectId,
    expression::{Name, Template, arity, is_pattern},
    inherit::{Key, Resolved, Text},
    kind::{Group, Kind},
};

const INVALID: &str = "INVALID_EXPRESSION";
const UNKNOWN_NAME: &str = "UNKNOWN_NAME";

/// The names that expressions can use in every object, besides its fields. `type` is one of them even if the
/// object states no type, because the object can inherit its type.
const MEMBERS: &[&str] = &["id", "name", "type"];

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for StatedText { object, text, read } in checked.stated_texts() {
        match &read.template {
            Ok(template) => calls(*text, template, problems),
            Err(error) => {
                let Text { key, index, .. } = *text;
                problems.set_position(index, Some(error.offset));
                let message = format!("'{key}' contains an expression that cannot be parsed, {error}");
                problems.error(object, Some(key), INVALID, message);
            }
        }
    }
    for (object, kind) in checked.typed() {
        let mut uses = Vec::new();
        for Text { key, index, text, owner } in object.texts() {
            let read = checked.read(text);
            let Ok(template) = &read.template else { continue };
            let is_checked = owner.id == *object.id() || kind.field(key).is_some();
            template.each_path(&mut |path, offset| {
                let field = field_of(path, object);
                uses.extend(field.filter(|used| used.has_expression).map(|used| (key, used.name.as_str())));
                if is_checked && field.is_none() {
                    problems.set_position(index, Some(offset));
                    name(&Mention { checked, object, kind, owner: &owner.id, key }, path, problems);
                }
            });
        }
        circular(object, &uses, problems);
    }
    problems.clear_position();
}

/// Returns the stated or inherited field of the object that a name means.
fn field_of<'o, 'a>(path: &[Name<'_>], object: &'o Resolved<'a>) -> Option<&'o Key<'a>> {
    match path {
        // The service sets names that begin with `@`.
        [name] if !name.starts_with('@') => object.key(name),
        _ => None,
    }
}

/// Reports fields whose texts use each other, because such fields have no value. Each pair in `uses` is a
/// field and a field that it uses.
fn circular(object: &Resolved<'_>, uses: &[(&str, &str)], problems: &mut Problems) {
    if uses.is_empty() {
        return;
    }
    let mut keys: Vec<&str> = object.texts().map(|text| text.key).collect();
    // The texts of one key are adjacent.
    keys.dedup();
    let indices: HashMap<&str, usize> = keys.iter().enumerate().map(|(index, key)| (*key, index)).collect();
    let mut needs = vec![Vec::new(); keys.len()];
    for (key, used) in uses {
        needs[indices[key]].extend(indices.get(used));
    }
    for cycle in cycles(needs) {
        let quoted: Vec<_> = cycle.iter().map(|index| format!("'{}'", keys[*index])).collect();
        let first = keys[cycle[0]];
        let message =
            format!("fields use each other in a cycle: {}, then '{first}' again", quoted.join(", "));
        problems.error(&object.owner(first).id, Some(first), INVALID, message);
    }
}

fn calls(Text { key, index, owner, .. }: Text<'_>, template: &Template<'_>, problems: &mut Problems) {
    for (message, offset) in wrong_calls(template, || format!("'{key}'"), &mut problems.hints) {
        problems.set_position(index, Some(offset));
        problems.error(&owner.id, Some(key), INVALID, message);
    }
}

/// Returns a message about each function call that cannot be computed, and the byte offset of its cause. `text` says in the
/// message which text the call is in.
pub(super) fn wrong_calls(
    template: &Template<'_>,
    text: impl Fn() -> String,
    hints: &mut Hints,
) -> Vec<(String, usize)> {
    let mut wrong = Vec::new();
    for call in template.calls() {
        let function = call.function;
        wrong.push(match (arity(function), call.pattern) {
            (None, _) => {
                let hint = hints.hint(function, crate::expression::FUNCTIONS.iter().copied());
                (format!("{} calls '{function}', which is not a function{hint}", text()), call.offset)
            }
            (Some(arity), _) if !arity.contains(&call.arguments) => {
                let (takes, given) = (arity.end(), call.arguments);
                let message =
                    format!("{} calls '{function}' with {given} arguments; it takes {takes}", text());
                (message, call.offset)
            }
            (_, Some((pattern, at))) if function == "format" && !is_pattern(pattern) => {
                (format!("{} contains '{pattern}', which is not a Joda date pattern", text()), at)
            }
            _ => continue,
        });
    }
    wrong
}

/// The text in which a name is mentioned.
struct Mention<'a, 's> {
    checked: &'a CheckedDefinition<'s>,
    object: &'a Resolved<'s>,
    kind: Kind,
    owner: &'a ObjectId,
    key: &'a str,
}

impl Mention<'_, '_> {
    /// Reports a name without a meaning. An action replaces the name by the empty text and sends the rest of
    /// its message. Any other object fails when it runs.
    fn unknown(&self, message: String, problems: &mut Problems) {
        if self.kind.is_action() {
            problems.warning(self.owner, Some(self.key), UNKNOWN_NAME, message);
        } else {
            problems.error(self.owner, Some(self.key), UNKNOWN_NAME, message);
        }
    }
}

fn name(mention: &Mention<'_, '_>, path: &[Name<'_>], problems: &mut Problems) {
    match path {
        [] => {}
        [name] => single(mention, name, problems),
        [first, ..] if first == "parent" || first.starts_with('@') => {}
        [first, ..] if first == "node" => {
            if !matches!(mention.kind.group(), Group::Action | Group::Precondition) {
                let message =
                    format!("'{}' uses 'node', which only actions and preconditions have", mention.key);
                problems.error(mention.owner, Some(mention.key), INVALID, message);
            }
        }
        [first, rest @ ..] => followed(mention, first, rest, problems),
    }
}

/// Checks a name that is not a field of the object, unless the type has such a field.
fn single(mention: &Mention<'_, '_>, name: &str, problems: &mut Problems) {
    let Mention { checked, kind, owner, key, .. } = mention;
    // A field takes precedence over a parameter.
    if is_field_of(Some(*kind), name) {
        return;
    }
    if checked.is_parameter(name) {
        in_value(mention, name, problems);
        return;
    }
    let declared = checked.definition.parameters.iter().map(|parameter| parameter.id.as_str());
    if name.starts_with("my") || name.starts_with('*') {
        if !problems.is_first_use(name) {
            return;
        }
        let hint = problems.hints.hint(name, declared);
        let message = format!(
            "'{key}' uses '{name}', which is neither a parameter nor a field of the object{hint}: declare it \
             under 'parameters'"
        );
        problems.error(owner, Some(key), UNKNOWN_PARAMETER, message);
    } else {
        let fields = kind.fields().chain(kind.runtime_fields()).map(|spec| spec.key);
        let hint = problems.hints.hint(name, fields.chain(declared));
        mention.unknown(format!("'{key}' uses '{name}', which is not a field of the object{hint}"), problems);
    }
}

/// Checks the names in the value of a parameter. They mean fields of the object whose text uses the parameter.
///
/// The check of the parameters reports the names of parameters that do not exist.
fn in_value(mention: &Mention<'_, '_>, parameter: &str, problems: &mut Problems) {
    let Mention { checked, object, kind, .. } = mention;
    if !checked.parameters.has_expressions(parameter) {
        return;
    }
    let mut seen = HashSet::from_iter([parameter.to_owned()]);
    let mut open = vec![parameter.to_owned()];
    while let Some(id) = open.pop().filter(|_| seen.len() <= MAX_PARAMETERS) {
        if !checked.parameters.has_expressions(&id) {
            continue;
        }
        for value in checked.parameters.values(&id) {
            let read = checked.read(value);
            let Ok(template) = &read.template else { continue };
            for path in template.names() {
                match path {
                    [name] if is_field(object, Some(*kind), name) => {}
                    [other] if checked.is_parameter(other) => {
                        if seen.insert(other.to_string()) {
                            open.push(other.to_string());
                        }
                    }
                    [other] if other.starts_with("my") || other.starts_with('*') => {}
                    path => name(mention, path, problems),
                }
            }
        }
    }
}

fn followed(mention: &Mention<'_, '_>, first: &str, rest: &[Name<'_>], problems: &mut Problems) {
    let Mention { checked, object, key, .. } = mention;
    let Some(target) = object.reference(first) else {
        let name = rest.join(".");
        mention.unknown(
            format!("'{key}' uses '{first}.{name}', but '{first}' is not a reference here"),
            problems,
        );
        return;
    };
    // Longer chains are checked in the run. An unknown type is reported separately.
    if let ([name], Some(target)) = (rest, checked.object(target))
        && (target.kind().is_some() || !target.has("type"))
        && !is_field(target, target.kind(), name)
    {
        let message = format!("'{key}' uses '{first}.{name}', but '{}' has no field '{name}'", target.id());
        mention.unknown(message, problems);
    }
}

fn is_field(object: &Resolved<'_>, kind: Option<Kind>, name: &str) -> bool {
    object.has(name) || is_field_of(kind, name)
}

/// Returns whether objects of the type `kind` can have the field `name`.
fn is_field_of(kind: Option<Kind>, name: &str) -> bool {
    let is_of = |kind: Kind| kind.field(name).is_some() || kind.runtime_field(name).is_some();
    name.starts_with('@')
        || MEMBERS.contains(&name)
        || kind.is_some_and(is_of)
        // An object without a type may pass the text on to an object of any type.
        || (kind.is_none() && Kind::ALL.iter().any(|kind| kind.runtime_field(name).is_some()))
}
