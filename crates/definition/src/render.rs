//! The definition as it will run: values filled in, fields inherited, expressions evaluated.

use foldhash::HashSet;
use rustc_hash::FxHashMap;

use crate::expression::{self, Evaluated, Template};
use crate::inherit::{DEFAULT_ID, Inheritance, Key, Resolved, merged};
use crate::kind::Kind;
use crate::parameters::Parameters;
use crate::preview::Preview;
use crate::schedule::Interval;
use crate::{Definition, Field, FieldValue, MASK, ParameterObject, ParameterValue, PipelineObject};

/// Returns the definition as it runs with the given values, and for the interval if one is given.
///
/// Expressions whose value only a run knows (`#{node.errorMessage}`, `#{@actualStartTime}`) and expressions
/// that use a secret or belong to a secret field stay as written. In a secret field, a text without an
/// expression is replaced by a mask.
///
/// The declarations of parameters that the result still uses stay, too, but a secret parameter loses its
/// default. The value of such a parameter stays if only a run can evaluate it. Objects without a type only pass fields on,
/// so all of them except `Default` are left out.
#[must_use]
pub fn render(definition: &Definition, given: &[ParameterValue], interval: Option<Interval>) -> Definition {
    let resolved = Inheritance::of(definition).objects;
    let parameters = Parameters::for_activation(definition, given);
    let preview = Preview::of(&resolved, &parameters, interval);
    let mut default_keys = DefaultKeys::default();
    let mut objects = Vec::with_capacity(resolved.len());
    for (index, object) in resolved.iter().enumerate() {
        objects.extend(filled(object, &mut default_keys, |text| preview.known_at(index, text)));
    }
    let texts = objects.iter().flat_map(|object| &object.fields).filter_map(|field| match &field.value {
        FieldValue::String(text) => Some(text.as_str()),
        FieldValue::Ref(_) => None,
    });
    let used = used_names(texts, &parameters);
    let declared = definition.parameters.iter().filter(|parameter| used.contains(parameter.id.as_str()));
    let declared = declared.cloned().map(without_secret).collect();
    let mut values: Vec<ParameterValue> = Vec::new();
    for ParameterValue { id, .. } in definition.values.iter().chain(given) {
        if used.contains(id.as_str()) && !id.starts_with('*') && values.iter().all(|value| value.id != *id) {
            values.extend(
                parameters
                    .values(id)
                    .iter()
                    .map(|value| ParameterValue { id: id.clone(), value: value.clone() }),
            );
        }
    }
    Definition { parameters: declared, values, objects }
}

/// The keys of Default that have an effect on each type.
///
/// Every object inherits all fields of Default, but its type gives a meaning only to some of them.
#[derive(Default)]
struct DefaultKeys<'r, 'a> {
    keys: FxHashMap<Kind, Vec<&'r Key<'a>>>,
}

impl<'r, 'a> DefaultKeys<'r, 'a> {
    fn of(&mut self, object: &'r Resolved<'a>, kind: Kind) -> &[&'r Key<'a>] {
        let keys = object.implied_keys();
        if keys.is_empty() {
            return &[];
        }
        self.keys
            .entry(kind)
            .or_insert_with(|| keys.iter().filter(|key| means_something(key, kind)).collect())
    }
}

fn means_something(key: &Key<'_>, kind: Kind) -> bool {
    let name = key.name.as_str();
    name.starts_with("my") || kind.field(name).is_some()
}

/// Returns the object with every known value filled in, or `None` if the object only passes fields on.
fn filled<'r, 'a>(
    object: &'r Resolved<'a>,
    default_keys: &mut DefaultKeys<'r, 'a>,
    known: impl Fn(&'a str) -> Evaluated,
) -> Option<PipelineObject> {
    let PipelineObject { id, name, .. } = object.stated;
    let kind = object.kind();
    if kind.is_none() && *id != DEFAULT_ID {
        return None;
    }
    let default_keys = kind.map_or(&[][..], |kind| default_keys.of(object, kind));
    let own = object.keys_without_default().iter().filter(|key| {
        let is_stated = std::ptr::eq(key.owner, object.stated);
        *key.name != "parent" && (is_stated || kind.is_some_and(|kind| means_something(key, kind)))
    });
    let mut fields = Vec::with_capacity(object.keys_without_default().len() + object.implied_keys().len());
    for key in merged(own, default_keys.iter().copied()) {
        let is_secret = key.name.is_secret();
        let mut add = |value| fields.push(Field { key: key.name.clone(), value });
        for value in key.values() {
            match value {
                FieldValue::String(text) if is_secret && !expression::is_in(text) => {
                    add(FieldValue::String(MASK.to_owned()));
                }
                FieldValue::String(text) if !is_secret && key.has_expression && expression::is_in(text) => {
                    match known(text) {
                        Evaluated::One(text) => add(FieldValue::String(text)),
                        Evaluated::Many(texts) => {
                            texts.into_iter().map(FieldValue::String).for_each(&mut add)
                        }
                    }
                }
                value => add((*value).clone()),
            }
        }
    }
    Some(PipelineObject { id: id.clone(), name: name.clone(), fields })
}

fn without_secret(mut parameter: ParameterObject) -> ParameterObject {
    if parameter.id.starts_with('*') {
        parameter.attributes.retain(|attribute| attribute.key != "default");
    }
    parameter
}

/// Returns the first name of every path in the texts, and in the values of the parameters that they use.
fn used_names<'a>(texts: impl Iterator<Item = &'a str>, parameters: &'a Parameters) -> HashSet<String> {
    let mut names = HashSet::default();
    let mut open: Vec<&str> = texts.collect();
    while let Some(text) = open.pop() {
        if !expression::is_in(text) {
            continue;
        }
        let Ok(template) = Template::parse(text) else { continue };
        for name in template.names().into_iter().filter_map(|path| path.first()) {
            if names.insert(name.to_string()) && parameters.has_expressions(name) {
                open.extend(parameters.values(name).iter().map(String::as_str));
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    #[test]
    fn known_values_are_filled_in_and_unknown_ones_stay() {
        let text = r##"{"objects": [
            {"id": "Default", "workerGroup": "#{myGroup}"},
            {"id": "Logged", "stdout": "s3://b/#{format(@scheduledStartTime, 'YYYY-MM-dd')}/#{@actualStartTime}"},
            {"id": "Say", "type": "ShellCommandActivity", "parent": {"ref": "Logged"}, "command": "echo ${x} #{myWords}"},
            {"id": "Db", "type": "JdbcDatabase", "*password": "#{*myPassword}", "name": "#{myGroup}"},
            {"id": "Old", "type": "SqlDataNode", "table": "t", "*password": "hush"}],
            "parameters": [{"id": "myGroup"}, {"id": "myWords", "isArray": "true"}, {"id": "*myPassword", "default": "hush"}],
            "values": {"myWords": ["a", "b"], "*myPassword": "hush"}}"##;
        let start = "2030-01-31T22:00:00Z".parse().expect("a time");
        let given = [ParameterValue { id: "myGroup".to_owned(), value: "g".to_owned() }];
        let definition = file::parse(text).expect("a definition");
        let rendered = render(&definition, &given, Some(Interval { start, end: start }));
        insta::assert_snapshot!(serde_json::to_string_pretty(&file::to_json(&rendered)).expect("JSON"));
        assert!(!format!("{rendered:?}").contains("hush"));
    }

    #[test]
    fn a_value_that_only_a_run_can_evaluate_stays() {
        let text = r##"{"objects": [{"id": "Say", "type": "ShellCommandActivity", "command": "echo #{myKnown} #{myLate}"}],
            "parameters": [{"id": "myKnown"}, {"id": "myLate"}, {"id": "myDay"}, {"id": "myUnused"}],
            "values": {"myKnown": "on #{myDay}", "myLate": "#{@actualStartTime} #{myDay}", "myDay": "monday", "myUnused": "u"}}"##;
        let definition = file::parse(text).expect("a definition");
        let rendered = render(&definition, &[], None);
        assert_eq!(rendered.objects[0].string("command"), Some("echo on monday #{myLate}"));
        let ids: Vec<_> = rendered.parameters.iter().map(|parameter| parameter.id.as_str()).collect();
        assert_eq!(ids, ["myLate", "myDay"]);
        let values: Vec<_> =
            rendered.values.iter().map(|value| (value.id.as_str(), value.value.as_str())).collect();
        assert_eq!(values, [("myLate", "#{@actualStartTime} #{myDay}"), ("myDay", "monday")]);
    }
}
