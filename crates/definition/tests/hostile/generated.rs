//! Generated definitions and texts: each is diagnosed, rendered, drawn, written and read again.

use std::{fs, path::Path};

use definition::kind::{Kind, own_fields};
use definition::{
    Definition, Field, ParameterAttribute, ParameterObject, ParameterValue, PipelineObject, file,
};
use proptest::prelude::*;

use super::expressions::evaluated;
use super::*;

/// Generates names of types and fields, and texts with a meaning for some types.
fn word() -> impl Strategy<Value = String> {
    let types = Kind::ALL.iter().map(|kind| kind.name().to_owned());
    let words =
        ["Default", "A", "B", "1 day", "ondemand", "true", "s3://b/k", "2030-01-31T22:00:00", "1%", "", "*x"];
    let texts = [
        "#{myA}",
        "#{my_b + 1}",
        "#{input.filePath}",
        "#{format(@scheduledStartTime, 'YYYY')}",
        "#{",
        "{a}/{b}.csv",
    ];
    let known: Vec<String> = types.chain(words.into_iter().chain(texts).map(str::to_owned)).collect();
    prop_oneof![9 => proptest::sample::select(known), 1 => any::<String>()]
}

fn key() -> impl Strategy<Value = String> {
    let fields = Kind::ALL.iter().flat_map(|kind| kind.fields()).map(|spec| spec.key.to_owned());
    let own = own_fields::all().map(|spec| spec.key.to_owned());
    let mut keys: Vec<String> = fields.chain(own).chain(["my_b".to_owned(), "type".to_owned()]).collect();
    keys.sort();
    keys.dedup();
    let legal = |key: &String| !matches!(key.as_str(), "id" | "name");
    prop_oneof![9 => proptest::sample::select(keys), 1 => any::<String>().prop_filter("beside the fields", legal)]
}

fn field() -> impl Strategy<Value = Field> {
    let id = proptest::sample::select(vec!["Default", "A", "B", "C", "nobody"]);
    prop_oneof![
        2 => (key(), word()).prop_map(|(key, text)| Field::string(key, text)),
        1 => (key(), id).prop_map(|(key, target)| Field::reference(key, target)),
    ]
}

fn pipeline_object() -> impl Strategy<Value = PipelineObject> {
    let id = prop_oneof![9 => proptest::sample::select(vec!["Default", "A", "B", "C"]).prop_map(str::to_owned), 1 => any::<String>()];
    let kind = proptest::option::of(proptest::sample::select(Kind::ALL.to_vec()));
    (id, word(), kind, proptest::collection::vec(field(), 0..12)).prop_map(|(id, name, kind, mut fields)| {
        fields.extend(kind.map(|kind| Field::string("type", kind.name())));
        // The order of fields in a file.
        fields.sort_by(|one, other| one.key.cmp(&other.key));
        PipelineObject { id: id.into(), name, fields }
    })
}

fn parameter() -> impl Strategy<Value = ParameterObject> {
    let keys = vec!["type", "default", "optional", "isArray", "allowedValues", "description"];
    let attribute = (proptest::sample::select(keys), word());
    ("\\*?my[AB]", proptest::collection::btree_map(attribute, Just(()), 0..6)).prop_map(|(id, attributes)| {
        let attributes = attributes.into_keys();
        let attributes = attributes.map(|(key, value)| ParameterAttribute { key: key.to_owned(), value });
        ParameterObject { id, attributes: attributes.collect() }
    })
}

fn a_definition() -> impl Strategy<Value = Definition> {
    let objects = proptest::collection::vec(pipeline_object(), 0..6);
    let parameters = proptest::collection::vec(parameter(), 0..4);
    let values =
        proptest::collection::btree_map("\\*?my[ABC]", proptest::collection::vec(word(), 1..3), 0..4);
    (objects, parameters, values).prop_map(|(objects, parameters, values)| {
        let values = values.into_iter().flat_map(|(id, values)| {
            values.into_iter().map(move |value| ParameterValue { id: id.clone(), value })
        });
        Definition { objects, parameters, values: values.collect() }
    })
}

#[test]
fn every_fixture_is_written_and_read_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let paths = fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry").path());
    for path in paths {
        let definition = file::parse(&fs::read_to_string(&path).expect("a fixture")).expect("a definition");
        let written = file::to_json(&definition).to_string();
        assert_eq!(file::parse(&written).as_ref(), Ok(&definition), "{}", path.display());
    }
}

proptest! {
    #[test]
    fn a_definition_is_written_and_read_again(definition in a_definition()) {
        let text = serde_json::to_string_pretty(&file::to_json(&definition)).expect("JSON");
        let read = file::parse(&text).expect("a definition file");
        prop_assert_eq!(&read, &definition);
        prop_assert_eq!(file::to_json(&read), file::to_json(&definition));
    }

    #[test]
    fn any_definition_is_diagnosed_rendered_and_drawn(definition in a_definition()) {
        let diagnosis = everything(&file::to_json(&definition).to_string());
        prop_assert_eq!(diagnosis.definition, definition);
        // A finding has a position in the file.
        for finding in diagnosis.findings.iter().filter(|finding| finding.code != "LIMIT_EXCEEDED") {
            let has_object = finding.object.as_ref().is_none_or(|id| *id != "Default");
            prop_assert!(finding.span.is_some() || !has_object, "{:?}", finding);
        }
    }

    #[test]
    fn any_text_is_diagnosed(text in any::<String>()) {
        everything(&text);
        everything(&objects([format!(r#"{{"id": "A", "command": {}}}"#, serde_json::Value::from(text))]));
    }

    #[test]
    fn any_expression_is_evaluated(text in r#"#\{[a-z0-9 +*/^().,'"@{}#-]{0,40}\}"#) {
        let _ = evaluated(&text);
    }
}
