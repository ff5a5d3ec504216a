//! The definition as it will run: values filled in, inheritance applied, expressions evaluated.

use std::collections::HashSet;

use crate::expression::{self, Template, is_verbatim};
use crate::inherit::{DEFAULT_ID, Inheritance};
use crate::kind::Kind;
use crate::parameters::Parameters;
use crate::preview::{Interval, Preview};
use crate::{Definition, Field, FieldValue, MASK, ParameterObject, ParameterValue, PipelineObject};

/// Returns the definition as it runs with the given values, for the interval if one is given.
///
/// What only a run knows (`#{node.errorMessage}`, `#{@actualStartTime}`) and what is secret stays as it is written;
/// so do the declarations of the parameters that are still used then. Parents that only pass fields on are left out.
#[must_use]
pub fn render(definition: &Definition, given: &[ParameterValue], interval: Option<Interval>) -> Definition {
    let resolved = Inheritance::of(definition).objects;
    let parameters = Parameters::for_activation(definition, given);
    let preview = Preview::new(&resolved, &parameters, interval);
    let texts: Vec<Vec<Known>> = resolved.iter().map(|object| known(object, &preview)).collect();
    drop(preview);
    let rendered = definition.objects.iter().zip(resolved).zip(texts);
    let objects: Vec<_> =
        rendered.filter_map(|((stated, object), texts)| filled(stated, object, texts)).collect();
    let used = names(&objects);
    let declared = definition.parameters.iter().filter(|parameter| used.contains(&parameter.id));
    Definition { parameters: declared.cloned().map(without_secret).collect(), values: Vec::new(), objects }
}

/// What the field of that number becomes.
type Known = (usize, Vec<String>);

/// Works out the fields of an object that change.
fn known<'a>(object: &'a PipelineObject, preview: &Preview<'a>) -> Vec<Known> {
    let fields = object.fields.iter().enumerate();
    let changed = fields.filter_map(|(number, field)| {
        let FieldValue::String(text) = &field.value else { return None };
        let has_expression = expression::is_in(text);
        match (field.key.is_secret(), has_expression) {
            (true, false) => Some((number, vec![MASK.to_owned()])),
            (false, true) if !is_verbatim(field.key.as_str()) => {
                Some((number, preview.known(&object.id, text)))
            }
            _ => None,
        }
    });
    changed.collect()
}

/// Fills in what was worked out; nothing is left of an object that only passes fields on.
fn filled(stated: &PipelineObject, object: PipelineObject, texts: Vec<Known>) -> Option<PipelineObject> {
    let kind = Kind::of(&object);
    if kind.is_none() && object.id != DEFAULT_ID {
        return None;
    }
    // Default passes everything on to everybody; what means nothing to a type does nothing there.
    let means_something = |key: &str| {
        key.starts_with("my")
            || kind.is_some_and(|kind| kind.field(key).is_some())
            || stated.values(key).next().is_some()
    };
    let mut texts = texts.into_iter().peekable();
    let mut fields = Vec::with_capacity(object.fields.len());
    for (number, field) in object.fields.into_iter().enumerate() {
        let texts = texts.next_if(|(changed, _)| *changed == number);
        if field.key == "parent" || !means_something(field.key.as_str()) {
            continue;
        }
        match texts {
            Some((_, texts)) => {
                fields.extend(texts.into_iter().map(|text| Field::string(field.key.clone(), text)));
            }
            None => fields.push(field),
        }
    }
    fields.sort_by(|a, b| a.key.cmp(&b.key));
    Some(PipelineObject { fields, ..object })
}

fn without_secret(mut parameter: ParameterObject) -> ParameterObject {
    if parameter.id.starts_with('*') {
        parameter.attributes.retain(|attribute| attribute.key != "default");
    }
    parameter
}

/// The single names that texts still use.
fn names(objects: &[PipelineObject]) -> HashSet<String> {
    let mut names = HashSet::new();
    for field in objects.iter().flat_map(|object| &object.fields) {
        let FieldValue::String(text) = &field.value else { continue };
        if expression::is_in(text)
            && let Ok(template) = Template::parse(text)
        {
            names.extend(
                template.names().into_iter().filter_map(|path| path.first()).map(ToString::to_string),
            );
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;

    #[test]
    fn what_is_known_is_filled_in_and_the_rest_stays() {
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
}
