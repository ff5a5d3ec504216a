//! The definition of one set: its parameter values are filled in, and its inputs are pinned to the dropped files.

use std::collections::{HashMap, HashSet};

use definition::diagnosis::override_values;
use definition::expression::escaped;
use definition::parameters::Parameters;
use definition::preview::Preview;
use definition::trigger::Captures;
use definition::{Definition, ObjectId, ParameterValue, PipelineObject, inherit};

use crate::ledger::DroppedFile;

/// The facts about a set that go into its definition.
pub(crate) struct DroppedSet<'a> {
    pub definition_name: &'a str,
    pub bucket: &'a str,
    pub captures: &'a Captures,
    pub files: &'a [DroppedFile],
    pub topic_arn: &'a str,
    /// The values of `values.json`.
    pub values: &'a [ParameterValue],
}

/// Returns the definition to put for the drop.
pub(crate) fn prepared(definition: &Definition, drop: &DroppedSet<'_>) -> Definition {
    let mut prepared = definition.clone();
    override_values(&mut prepared, drop.values);
    override_values(&mut prepared, &filled_values(definition, drop));
    pin_files(&mut prepared, drop);
    prepared
}

/// Returns the values that the drop gives. The service evaluates expressions in values, and anybody may name a file
/// `#{...}.csv`, so each value is escaped.
fn filled_values(definition: &Definition, drop: &DroppedSet<'_>) -> Vec<ParameterValue> {
    let value = |id: &str, value: &str| ParameterValue { id: id.to_owned(), value: escaped(value) };
    let mut values = vec![
        value("myDropBucket", drop.bucket),
        value("myDefinition", drop.definition_name),
        value("myNotifyTopicArn", drop.topic_arn),
    ];
    let keys = drop.files.iter().map(|file| file.key.as_str());
    if is_array(definition, "myDropKeys") {
        values.extend(keys.map(|key| value("myDropKeys", key)));
    } else {
        values.push(value("myDropKeys", &keys.collect::<Vec<_>>().join(",")));
    }
    values
        .extend(drop.captures.parameter_values().iter().map(|captured| value(&captured.id, &captured.value)));
    values
}

fn is_array(definition: &Definition, id: &str) -> bool {
    let parameter = definition.parameters.iter().find(|parameter| parameter.id == id);
    let attribute = parameter.and_then(|parameter| parameter.attribute("isArray"));
    attribute.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Sets `myETag` on each S3DataNode that reads a file of the drop, so that the run loads the bytes that triggered it.
fn pin_files(definition: &mut Definition, drop: &DroppedSet<'_>) {
    // Validation has reported an unusable parent already; without inheritance no file can be pinned.
    let Ok(resolved) = inherit::resolve(definition) else { return };
    let written: HashSet<&str> = resolved
        .iter()
        .flat_map(|object| object.references("output").map(|target| target.as_str()).collect::<Vec<_>>())
        .collect();
    let parameters = Parameters::of(definition);
    let preview = Preview::new(&resolved, &parameters, None);
    let uris: HashMap<String, &str> = drop
        .files
        .iter()
        .map(|file| (format!("s3://{}/{}", drop.bucket, file.key), file.etag.as_str()))
        .collect();
    for object in &resolved {
        if object.type_name() != Some("S3DataNode") || written.contains(object.id.as_str()) {
            continue;
        }
        let etag = path(object, "filePath", &preview).and_then(|path| uris.get(&path).copied());
        let own = definition.objects.iter_mut().find(|own| own.id == object.id);
        if let (Some(etag), Some(own)) = (etag, own) {
            own.set("myETag", etag);
        }
    }
}

/// Returns the locations in S3 to which the pipeline itself writes. A file that arrives there is not a drop.
pub(crate) fn written_locations(definition: &Definition) -> Vec<String> {
    let Ok(resolved) = inherit::resolve(definition) else { return Vec::new() };
    let parameters = Parameters::of(definition);
    let preview = Preview::new(&resolved, &parameters, None);
    let outputs: HashSet<&ObjectId> =
        resolved.iter().flat_map(|object| object.references("output").collect::<Vec<_>>()).collect();
    let locations = resolved.iter().flat_map(|object| {
        let own = if outputs.contains(&object.id) { OUTPUT_FIELDS } else { LOG_FIELDS };
        own.iter().filter_map(|field| path(object, field, &preview))
    });
    locations.filter(|location| location.starts_with("s3://")).collect()
}

/// The fields of an output that name its location.
const OUTPUT_FIELDS: &[&str] = &["filePath", "directoryPath"];
/// The fields of any object that name the location of its logs and refused rows.
const LOG_FIELDS: &[&str] = &["pipelineLogUri", "myRejectsPath"];

/// Returns the value of a path field. Returns `None` if the field is missing, or if the value is not one text that is
/// known before the pipeline runs.
fn path<'a>(object: &'a PipelineObject, field: &str, preview: &Preview<'a>) -> Option<String> {
    let texts = preview.text(&object.id, object.string(field)?)?;
    <[String; 1]>::try_from(texts).ok().map(|[path]| path)
}

#[cfg(test)]
mod tests {
    use definition::trigger::Pattern;
    use definition::{Field, ParameterAttribute, ParameterObject};

    use super::*;

    fn object(id: &str, fields: &[(&str, &str)]) -> PipelineObject {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        PipelineObject { id: id.into(), name: id.to_owned(), fields }
    }

    fn parameter(id: &str, attributes: &[(&str, &str)]) -> ParameterObject {
        let attribute = |(key, value): &(&str, &str)| ParameterAttribute {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        ParameterObject { id: id.to_owned(), attributes: attributes.iter().map(attribute).collect() }
    }

    fn value(id: &str, value: &str) -> ParameterValue {
        ParameterValue { id: id.to_owned(), value: value.to_owned() }
    }

    fn prepare(definition: &Definition, values: &[ParameterValue]) -> Definition {
        let file = |name: &str| DroppedFile {
            key: format!("in/1/{name}.csv"),
            etag: format!("etag-{name}"),
            modified: jiff::Timestamp::UNIX_EPOCH,
        };
        let captures = Pattern::parse("in/{day}/a.csv").unwrap().captures("in/1/a.csv").unwrap();
        let drop = DroppedSet {
            definition_name: "orders",
            bucket: "drop",
            captures: &captures,
            files: &[file("a"), file("b")],
            topic_arn: "arn:topic",
            values,
        };
        prepared(definition, &drop)
    }

    #[test]
    fn declared_parameters_are_filled_and_overridden() {
        let definition = Definition {
            parameters: ["myDay", "myUrl", "myDefinition"].map(|id| parameter(id, &[])).to_vec(),
            values: vec![value("myDay", "0"), value("myUrl", "file"), value("myOther", "stays")],
            ..Definition::default()
        };
        let prepared = prepare(&definition, &[value("myUrl", "values.json"), value("myUnknown", "x")]);
        let expected =
            [("myOther", "stays"), ("myUrl", "values.json"), ("myDefinition", "orders"), ("myDay", "1")];
        assert_eq!(prepared.values, expected.map(|(id, text)| value(id, text)));
    }

    #[test]
    fn dropped_keys_are_a_list_where_the_parameter_is_one() {
        let keys = |attributes: &[(&str, &str)]| {
            let parameters = vec![parameter("myDropKeys", attributes)];
            let definition = Definition { parameters, ..Definition::default() };
            prepare(&definition, &[]).values.into_iter().map(|value| value.value).collect::<Vec<_>>()
        };
        assert_eq!(keys(&[("isArray", "true")]), ["in/1/a.csv", "in/1/b.csv"]);
        assert_eq!(keys(&[]), ["in/1/a.csv,in/1/b.csv"]);
    }

    #[test]
    fn names_of_files_are_never_evaluated() {
        let definition = Definition {
            objects: vec![
                object("In", &[("type", "S3DataNode"), ("filePath", "s3://drop/in/#{myDay}/a.csv")]),
                object(
                    "Say",
                    &[("type", "ShellCommandActivity"), ("command", "#{myDay} #{myDropKeys} #{myGroup}")],
                ),
            ],
            parameters: ["myDay", "myDropKeys", "myGroup"].map(|id| parameter(id, &[])).to_vec(),
            values: vec![value("myGroup", "of #{myDay}"), value("mySecret", "told")],
        };
        let hostile = "#{mySecret}";
        let key = format!("in/{hostile}/a.csv");
        let captures = Pattern::parse("in/{day}/a.csv").unwrap().captures(&key).unwrap();
        let etag = "etag".to_owned();
        let file = DroppedFile { key: key.clone(), etag, modified: jiff::Timestamp::UNIX_EPOCH };
        let drop = DroppedSet {
            definition_name: "orders",
            bucket: "drop",
            captures: &captures,
            files: &[file],
            topic_arn: "arn:topic",
            values: &[],
        };
        let prepared = prepared(&definition, &drop);
        let resolved = inherit::resolve(&prepared).unwrap();
        let parameters = Parameters::of(&prepared);
        let preview = Preview::new(&resolved, &parameters, None);
        let command = preview.text(&"Say".into(), resolved[1].string("command").unwrap());
        assert_eq!(command, Some(vec![format!("{hostile} {key} of {hostile}")]));
        assert_eq!(
            prepared.object("In").unwrap().string("myETag"),
            Some("etag"),
            "the file is found all the same"
        );
    }

    #[test]
    fn inputs_that_were_dropped_are_pinned() {
        let mut copy = object("Copy", &[("type", "CopyActivity")]);
        copy.fields.push(Field::reference("input", "In"));
        copy.fields.push(Field::reference("output", "Out"));
        let definition = Definition {
            objects: vec![
                object("In", &[("type", "S3DataNode"), ("filePath", "s3://drop/in/1/a.csv")]),
                object("Out", &[("type", "S3DataNode"), ("filePath", "s3://drop/in/1/b.csv")]),
                object("Other", &[("type", "S3DataNode"), ("filePath", "s3://drop/in/1/c.csv")]),
                copy,
            ],
            ..Definition::default()
        };
        let prepared = prepare(&definition, &[]);
        let etag = |id: &str| prepared.object(id).unwrap().string("myETag").map(str::to_owned);
        assert_eq!(etag("In"), Some("etag-a".to_owned()));
        assert_eq!((etag("Out"), etag("Other")), (None, None));
    }
}
