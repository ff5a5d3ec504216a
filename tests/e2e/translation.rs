//! The AWS CLI and Downspout translate definitions in the same way: from a file to the API form, and back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use definition::{Definition, Field, FieldValue, file};
use e2e::definitions::shipped_folder;
use serde_json::{Value, json};

/// Returns the fixtures of the definition crate, and the shipped definition.
fn files() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/definition/tests/fixtures");
    let mut files: Vec<PathBuf> = fs::read_dir(&fixtures)
        .expect("the fixtures of the definition crate")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no fixtures in {}", fixtures.display());
    files.push(shipped_folder().join("orders.json"));
    files
}

/// Returns the translations of the AWS CLI, by the path of the file.
fn by_the_cli(files: &[PathBuf]) -> Value {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    assert!(python.exists(), "the AWS CLI is missing: run `tests/setup`");
    let output = Command::new(python)
        .arg(tests.join("e2e/translate.py"))
        .args(files)
        .stdin(Stdio::null())
        .output()
        .expect("starting Python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON of translate.py")
}

/// Returns the API form as the JSON of the service.
fn api_form(definition: &Definition) -> Value {
    let field = |field: &Field| match &field.value {
        FieldValue::String(text) => json!({"key": field.key.as_str(), "stringValue": text}),
        FieldValue::Ref(target) => json!({"key": field.key.as_str(), "refValue": target.as_str()}),
    };
    let objects = definition.objects.iter().map(|object| {
        let fields: Vec<Value> = object.fields.iter().map(field).collect();
        json!({"id": object.id.as_str(), "name": object.name, "fields": fields})
    });
    let parameters = definition.parameters.iter().map(|parameter| {
        let attributes = parameter.attributes.iter();
        let attributes: Vec<Value> =
            attributes.map(|it| json!({"key": it.key, "stringValue": it.value})).collect();
        json!({"id": parameter.id, "attributes": attributes})
    });
    let values = definition.values.iter().map(|value| json!({"id": value.id, "stringValue": value.value}));
    json!({
        "pipelineObjects": objects.collect::<Vec<_>>(),
        "parameterObjects": parameters.collect::<Vec<_>>(),
        "parameterValues": values.collect::<Vec<_>>(),
    })
}

#[test]
fn the_aws_cli_translates_every_fixture_as_we_do_and_back() {
    let files = files();
    let by_the_cli = by_the_cli(&files);
    for path in &files {
        let name = path.to_str().expect("UTF-8");
        let text = fs::read_to_string(path).expect("a fixture");
        let definition = file::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(api_form(&definition), by_the_cli[name]["api"], "{name}");
        assert_eq!(file::to_json(&definition), by_the_cli[name]["back"], "{name}, back");
    }
}
