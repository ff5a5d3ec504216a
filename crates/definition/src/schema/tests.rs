//! The schema accepts what validation accepts, and finds a misspelt word.

mod reader;

use std::sync::LazyLock;

use super::*;
use crate::{file, kind::value_check, validate::validate};

static SCHEMA: LazyLock<Value> = LazyLock::new(json_schema);

/// Returns the errors of a file by the schema, each with its position and keyword.
pub(crate) fn complaints(text: &str) -> Vec<String> {
    let file: Value = serde_json::from_str(text).expect("JSON");
    reader::complaints(&SCHEMA, &file)
}

fn of_object(object: &str) -> Vec<String> {
    complaints(&format!(r#"{{"objects": [{object}]}}"#))
}

#[track_caller]
fn passes(object: &str) {
    assert_eq!(of_object(object), Vec::<String>::new(), "{object}");
}

#[track_caller]
fn fails(object: &str) {
    assert!(!of_object(object).is_empty(), "{object}");
}

#[test]
fn the_shipped_definition_is_valid() {
    let text = include_str!("../../../../pipeline-definitions/orders.json");
    assert_eq!(complaints(text), Vec::<String>::new());
    let report = validate(&file::parse(text).expect("a definition"));
    assert!(report.is_ok(), "{report:?}");
}

#[test]
fn a_word_is_taken_in_any_case_or_as_an_expression_and_a_misspelt_one_is_not() {
    let activity = |word: &str| {
        format!(r##"{{"id": "A", "type": "ShellCommandActivity", "failureAndRerunMode": "{word}"}}"##)
    };
    for word in ["cascade", "CASCADE", "Cascade", "none", "#{myMode}"] {
        passes(&activity(word));
    }
    assert_eq!(of_object(&activity("cascad")), ["/objects/0/failureAndRerunMode anyOf"]);
    fails(r#"{"id": "C", "type": "CopyActivity", "myLoadMode": "merge"}"#);
    fails(r#"{"id": "C", "myLoadMode": "merge"}"#);
    fails(r#"{"id": "Default", "myStaleRuns": "drop"}"#);
}

#[test]
fn an_unknown_type_is_refused_and_a_missing_one_is_not() {
    assert_eq!(of_object(r#"{"id": "A", "type": "CopyActivty"}"#), ["/objects/0/type enum"]);
    fails(r#"{"id": "A", "type": "Default"}"#);
    passes(r#"{"id": "Default", "type": "Default"}"#);
    passes(r#"{"id": "Parent", "retryDelay": "30 seconds", "filePath": "s3://b/k"}"#);
}

#[test]
fn values_are_texts_references_or_lists() {
    let objects = [
        (r#"{"id": "A", "type": "SqlActivity", "database": {"ref": "Db"}}"#, true),
        (r#"{"id": "A", "type": "SqlActivity", "database": "Db"}"#, false),
        (r#"{"id": "A", "type": "SqlActivity", "script": {"ref": "Db"}}"#, false),
        (r#"{"id": "A", "type": "SqlActivity", "script": ["select 1"]}"#, true),
        (r#"{"id": "A", "type": "SqlActivity", "script": ["a", "b"]}"#, false),
        (r#"{"id": "A", "type": "SqlActivity", "scriptArgument": ["a", "b"]}"#, true),
        (r#"{"id": "A", "type": "SqlActivity", "maximumRetries": "5"}"#, true),
        (r#"{"id": "A", "type": "SqlActivity", "maximumRetries": "many"}"#, false),
        (r#"{"id": "A", "type": "SqlActivity", "maximumRetries": 5}"#, false),
        (r#"{"id": "A", "type": "HiveActivity", "stage": "TRUE"}"#, true),
        (r#"{"id": "A", "type": "HiveActivity", "stage": true}"#, false),
        (r#"{"id": "A", "type": "SqlActivity", "retryDelay": "10"}"#, false),
        (r#"{"id": "E", "type": "EmrCluster", "terminateAfter": "10"}"#, true),
        (r#"{"id": "E", "type": "EmrCluster", "coreInstanceBidPrice": "ondemandprice"}"#, true),
        (
            r#"{"id": "S", "type": "Schedule", "period": "15 Minutes", "startDateTime": "2030-01-31T22:00:00"}"#,
            true,
        ),
        (r#"{"id": "S", "type": "Schedule", "period": "daily"}"#, false),
        (r#"{"id": "A", "type": "SqlActivity", "@status": "FINISHED"}"#, false),
        (
            r#"{"id": "A", "type": "SqlActivity", "unknown": "x", "myOwn": [{"ref": "B"}, "y"], "*myX": "z"}"#,
            true,
        ),
        (r#"{"id": "A", "type": "SqlActivity", "unknown": {"reff": "B"}}"#, false),
        (r#"{"name": "A"}"#, false),
    ];
    for (object, is_legal) in objects {
        assert_eq!(of_object(object).is_empty(), is_legal, "{object}: {:?}", of_object(object));
    }
}

#[test]
fn parameters_and_values_have_their_shape() {
    let with = |rest: &str| complaints(&format!(r#"{{"objects": [], {rest}}}"#));
    assert_eq!(
        with(
            r#""parameters": [{"id": "*myA", "type": "Integer", "allowedValues": ["1", "2"], "isArray": "True",
                "myComment": "x"}], "values": {"*myA": ["1", "2"]}, "metadata": {"templateName": "t"}"#
        ),
        Vec::<String>::new()
    );
    assert_eq!(with(r#""parameters": [{"id": "other"}]"#), ["/parameters/0/id pattern"]);
    assert_eq!(with(r#""parameters": [{"id": "myA", "type": "Text"}]"#), ["/parameters/0/type anyOf"]);
    assert_eq!(with(r#""values": {"myA": 1}"#), ["/values/myA anyOf"]);
    assert_eq!(complaints("{}"), [" required"]);
}

#[test]
fn elements_in_the_form_of_the_api_are_taken() {
    let text = r#"{"objects": [{"id": "A", "name": "a", "fields": [
            {"key": "type", "stringValue": "CSV"}, {"key": "parent", "refValue": "B"}]}],
        "parameters": [{"id": "myA", "attributes": [{"key": "type", "stringValue": "Integer"}]}],
        "parameterValues": [{"id": "myA", "stringValue": "1"}]}"#;
    assert_eq!(complaints(text), Vec::<String>::new());
}

#[test]
fn no_text_that_validation_takes_is_refused() {
    let texts = [
        "5",
        "+5",
        " 5 ",
        "05",
        "-0",
        "0",
        "1",
        "1000000",
        "1e-1",
        ".5",
        "0.5",
        "1.",
        " 0.05",
        "15 minutes",
        "15minutes",
        "1 HOUR",
        " 3 Years ",
        "0 seconds",
        "1%",
        "1 %",
        " 1.5% ",
        "1e1%",
        "s3://b",
        "s3://b/p/",
        "true",
        " TRUE ",
        "False",
        "2030-01-31",
        "2030-01-31T22:00:00",
        " 2030-01-31T22:00:00.5Z ",
        "2030-01-31 22:00",
        "ONDEMAND_PERIOD",
        "ondemand_period",
        "onDemandPrice",
        "CASCADE ",
        "Timeseries",
        "gzip",
        "NONE",
        "retryAll",
        "terminate",
        "dd/MM/yyyy",
        "order_date dd/MM/yyyy",
        ",",
        "incoming/{day}/a.csv",
        "attempt",
        "UPSERT",
    ];
    let fields = Kind::ALL.iter().flat_map(|kind| kind.fields().chain(kind.my_fields()));
    for spec in
        fields.chain(DEFAULT_OBJECT.my_fields).filter(|spec| !matches!(spec.shape, ValueShape::Ref(_)))
    {
        let schema = json!({"definitions": SCHEMA["definitions"], "allOf": [property(spec)]});
        let legal = |text: &&&str| value_check::complaint(spec.key, spec.shape, text).is_none();
        for text in texts.iter().filter(legal) {
            let found = reader::complaints(&schema, &json!(text));
            assert!(found.is_empty(), "{} {text:?}: {found:?}", spec.key);
        }
    }
}

#[test]
fn every_field_of_every_type_is_described() {
    for kind in Kind::ALL {
        let schema = &SCHEMA["definitions"][kind.name()];
        let shared = schema["allOf"].as_array().expect("the shared groups");
        let shared = shared.iter().map(|it| reader::followed(&SCHEMA, it));
        let properties: Vec<_> = [schema].into_iter().chain(shared).map(|part| &part["properties"]).collect();
        for spec in kind.fields().chain(kind.my_fields()).filter(|spec| spec.key != "type") {
            let found = properties.iter().find_map(|part| part.get(spec.key)).expect(spec.key);
            let description = found["description"].as_str().expect("a description");
            assert!(description.starts_with(spec.doc), "{kind:?} {}", spec.key);
        }
        assert!(kind.runtime_fields().all(|spec| properties.iter().all(|part| part.get(spec.key).is_none())));
    }
}

#[test]
fn a_property_reads_well() {
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&SCHEMA["definitions"]["CopyActivity"]).expect("JSON")
    );
}
