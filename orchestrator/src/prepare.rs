//! The definition of one set: its parameter values are filled in, and its inputs are pinned to the dropped files.

use std::collections::HashSet;
use std::sync::LazyLock;

use definition::diagnosis::override_values;
use definition::expression::escaped;
use definition::parameters::Parameters;
use definition::preview::Preview;
use definition::trigger::{Captures, MatchMode, Pattern, Reading, Trigger};
use definition::{Definition, ObjectId, ParameterValue, PipelineObject, inherit};
use serde_json::json;

use crate::book::Book;
use crate::digest::digest;
use crate::ledger::DroppedFile;

/// The facts about a set that go into its definition.
#[derive(Clone, Copy)]
pub(crate) struct DroppedSet<'a> {
    pub definition_name: &'a str,
    pub bucket: &'a str,
    pub captures: &'a Captures,
    pub files: &'a [DroppedFile],
    pub topic_arn: &'a str,
    /// The values of `values.json`.
    pub values: &'a [ParameterValue],
}

impl<'a> DroppedSet<'a> {
    /// Returns the facts that are known about every set of a definition.
    pub(crate) fn unknown(
        definition_name: &'a str,
        bucket: &'a str,
        topic_arn: &'a str,
        values: &'a [ParameterValue],
    ) -> Self {
        static NONE: LazyLock<Captures> = LazyLock::new(Captures::default);
        Self { definition_name, bucket, captures: &NONE, files: &[], topic_arn, values }
    }
}

/// A definition to put, and the objects that must be written before.
pub(crate) struct Prepared {
    pub definition: Definition,
    pub manifests: Vec<Manifest>,
}

/// The list of the files that a data node reads as one input.
pub(crate) struct Manifest {
    /// The key in the home of the definitions.
    pub key: String,
    pub body: String,
}

/// Returns the definition to put for the drop.
pub(crate) fn prepared(
    definition: &Definition,
    trigger: &Trigger,
    drop: &DroppedSet<'_>,
    book: &Book,
) -> Prepared {
    // The marker says that the data is there, and is not data itself.
    let is_marker = |file: &DroppedFile| {
        trigger.marker.as_ref().is_some_and(|marker| marker.takes(&file.key, drop.captures))
    };
    let data: Vec<DroppedFile> = drop.files.iter().filter(|file| !is_marker(file)).cloned().collect();
    let drop = DroppedSet { files: &data, ..*drop };
    let definition = with_values(definition, &drop);
    if drop.files.is_empty() {
        return Prepared { definition, manifests: Vec::new() };
    }
    pinned(definition, trigger, &drop, book)
}

/// Returns the definition with the parameter values of the drop.
pub(crate) fn with_values(definition: &Definition, drop: &DroppedSet<'_>) -> Definition {
    let mut prepared = definition.clone();
    override_values(&mut prepared, drop.values);
    override_values(&mut prepared, &filled_values(definition, drop));
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

/// Pins each S3DataNode that reads files of the drop to these files, so that the run loads the bytes that triggered it.
///
/// A node that reads one file gets the key of the file and its ETag. A node that reads several files, or an optional file
/// that is not there, gets the list of its files.
fn pinned(mut definition: Definition, trigger: &Trigger, drop: &DroppedSet<'_>, book: &Book) -> Prepared {
    let readings = trigger.readings(&definition, Some(drop.bucket), drop.captures);
    let patterns: Vec<&Pattern> = trigger.data_patterns().collect();
    let mut manifests = Vec::new();
    for reading in readings {
        let is_read = |file: &&DroppedFile| {
            reading.patterns.iter().any(|index| patterns[*index].takes(&file.key, drop.captures))
        };
        let files: Vec<&DroppedFile> = drop.files.iter().filter(is_read).collect();
        let Some(node) = definition.objects.iter_mut().find(|own| own.id == reading.node) else { continue };
        let newest = files.iter().max_by_key(|file| (file.modified, &file.key));
        match newest {
            Some(file) if reading.mode(trigger) != MatchMode::All => {
                let path = format!("s3://{}/{}", drop.bucket, file.key);
                node.set("filePath", escaped(&path));
                node.set("myETag", &file.etag);
            }
            _ => {
                let manifest = manifest(drop, &files, book);
                if let (Some(path), false) = (paths(&patterns, &reading, drop).next(), reading.is_directory) {
                    node.set("filePath", escaped(&path));
                }
                node.set("myManifest", escaped(&book.home.uri(&manifest.key)));
                manifests.push(manifest);
            }
        }
    }
    Prepared { definition, manifests }
}

/// Returns the location of the files of each pattern that a node reads, with `*` where their names differ.
fn paths<'a>(
    patterns: &'a [&'a Pattern],
    reading: &'a Reading,
    drop: &'a DroppedSet<'_>,
) -> impl Iterator<Item = String> + 'a {
    let filled = reading.patterns.iter().filter_map(|index| patterns[*index].filled(drop.captures));
    filled.map(|key| format!("s3://{}/{key}", drop.bucket))
}

/// Returns the list of `files` in the form of a manifest of Redshift, with the ETag of each file.
fn manifest(drop: &DroppedSet<'_>, files: &[&DroppedFile], book: &Book) -> Manifest {
    let entry = |file: &&DroppedFile| {
        let url = json!(format!("s3://{}/{}", drop.bucket, file.key));
        format!(r#"{{"url":{url},"mandatory":true,"etag":{}}}"#, json!(file.etag))
    };
    // The name of the list is made from its text, so the text is written here in one form.
    let body = format!(r#"{{"entries":[{}]}}"#, files.iter().map(entry).collect::<Vec<_>>().join(","));
    let folder = book.folder(drop.definition_name);
    Manifest { key: format!("{folder}_manifests/{}.json", digest(&[&body])), body }
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

/// The value of a capture that is not known. No key has it.
const UNKNOWN: char = '\u{1}';

/// Returns the values that stand for the captures of a trigger where they are not known.
pub(crate) fn unknown_values(trigger: &Trigger) -> impl Iterator<Item = ParameterValue> {
    trigger.parameters().map(|id| ParameterValue { id, value: UNKNOWN.to_string() })
}

/// Returns the known beginnings of the locations in S3 to which pipelines of a definition write. The captures have their
/// [`unknown_values`].
pub(crate) fn written_beginnings(definition: &Definition) -> Vec<String> {
    let Ok(resolved) = inherit::resolve(definition) else { return Vec::new() };
    let parameters = Parameters::of(definition);
    let preview = Preview::new(&resolved, &parameters, None);
    let outputs: HashSet<&ObjectId> =
        resolved.iter().flat_map(|object| object.references("output").collect::<Vec<_>>()).collect();
    let texts = resolved.iter().flat_map(|object| {
        let own = if outputs.contains(&object.id) { OUTPUT_FIELDS } else { LOG_FIELDS };
        let texts = own.iter().filter_map(|field| object.string(field));
        texts.flat_map(|text| preview.known(&object.id, text)).collect::<Vec<_>>()
    });
    let known = texts.map(|text| {
        let end = text.find(UNKNOWN).into_iter().chain(text.find("#{")).min();
        text[..end.unwrap_or(text.len())].to_owned()
    });
    known.filter(|text| text.starts_with("s3://")).collect()
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
    use definition::{Field, ParameterAttribute, ParameterObject};

    use super::*;
    use crate::home::Home;

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

    fn book() -> Book {
        let home = Home { bucket: "definitions".to_owned(), prefix: String::new() };
        Book::new(home, "handler")
    }

    fn trigger(fields: &[(&str, &str)]) -> Trigger {
        let definition = Definition { objects: vec![object("Default", fields)], ..Definition::default() };
        Trigger::of(&definition).unwrap().unwrap()
    }

    /// Prepares a definition for the first of `keys`, and the others, which are dropped in this order.
    fn prepare_keys(
        definition: &Definition,
        trigger: &Trigger,
        keys: &[&str],
        values: &[ParameterValue],
    ) -> Prepared {
        let file = |(second, key): (usize, &&str)| DroppedFile {
            key: (*key).to_owned(),
            etag: format!("etag-{key}"),
            modified: jiff::Timestamp::from_second(second as i64).unwrap(),
            is_spare: false,
        };
        let files: Vec<_> = keys.iter().enumerate().map(file).collect();
        let captures = trigger.captures(keys[0]).unwrap();
        let (captures, topic_arn) = (&captures, "arn:topic");
        let drop = DroppedSet {
            definition_name: "orders",
            bucket: "drop",
            captures,
            files: &files,
            topic_arn,
            values,
        };
        prepared(definition, trigger, &drop, &book())
    }

    fn prepare(definition: &Definition, values: &[ParameterValue]) -> Definition {
        let trigger = trigger(&[("myDropFile", "in/{day}/a.csv"), ("myDropFile", "in/{day}/b.csv")]);
        prepare_keys(definition, &trigger, &["in/1/a.csv", "in/1/b.csv"], values).definition
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
    fn dropped_keys_are_a_list_for_an_array_parameter() {
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
        let trigger = trigger(&[("myDropFile", "in/{day:.+}/a.csv")]);
        let prepared = prepare_keys(&definition, &trigger, &[&key], &[]).definition;
        let resolved = inherit::resolve(&prepared).unwrap();
        let parameters = Parameters::of(&prepared);
        let preview = Preview::new(&resolved, &parameters, None);
        let command = preview.text(&"Say".into(), resolved[1].string("command").unwrap());
        assert_eq!(command, Some(vec![format!("{hostile} {key} of {hostile}")]));
        assert_eq!(
            prepared.object("In").unwrap().string("myETag"),
            Some(format!("etag-{key}").as_str()),
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
        assert_eq!(etag("In"), Some("etag-in/1/a.csv".to_owned()));
        assert_eq!((etag("Out"), etag("Other")), (None, None));
    }

    #[test]
    fn a_node_whose_path_is_a_pattern_reads_the_newest_file() {
        let paths = ["s3://drop/in/#{myDay}/a_*.csv", "s3://#{myDropBucket}/in/{day:yyyy-MM-dd}/a_*.csv"];
        for path in paths {
            let definition = Definition {
                objects: vec![object("In", &[("type", "S3DataNode"), ("filePath", path)])],
                parameters: ["myDay", "myDropBucket"].map(|id| parameter(id, &[])).to_vec(),
                ..Definition::default()
            };
            let trigger = trigger(&[("myDropFile", "in/{day:yyyy-MM-dd}/a_*.csv")]);
            let keys = ["in/2026-01-05/a_2.csv", "in/2026-01-05/a_#{1}.csv"];
            let prepared = prepare_keys(&definition, &trigger, &keys, &[]);
            let node = prepared.definition.object("In").unwrap();
            let path = escaped("s3://drop/in/2026-01-05/a_#{1}.csv");
            assert_eq!(node.string("filePath"), Some(path.as_str()));
            assert_eq!(node.string("myETag"), Some("etag-in/2026-01-05/a_#{1}.csv"));
            assert!(prepared.manifests.is_empty());
        }
    }

    #[test]
    fn a_directory_and_an_absent_optional_file_get_a_list_of_their_files() {
        let directory = [("type", "S3DataNode"), ("directoryPath", "s3://drop/in/#{myDay}/")];
        let optional = [("type", "S3DataNode"), ("filePath", "s3://drop/in/#{myDay}/extra.csv")];
        let definition = Definition {
            objects: vec![object("In", &directory), object("Extra", &optional)],
            parameters: ["myDay", "myDropKeys"].map(|id| parameter(id, &[])).to_vec(),
            ..Definition::default()
        };
        let trigger = trigger(&[
            ("myDropFile", "in/{day}/part-*"),
            ("myDropFileOptional", "in/{day}/extra.csv"),
            ("myDropMarker", "in/{day}/_SUCCESS"),
        ]);
        let keys = ["in/1/part-2", "in/1/part-1", "in/1/_SUCCESS"];
        let prepared = prepare_keys(&definition, &trigger, &keys, &[]);
        let bodies: Vec<&str> = prepared.manifests.iter().map(|manifest| manifest.body.as_str()).collect();
        let entry =
            |key: &str| format!(r#"{{"url":"s3://drop/{key}","mandatory":true,"etag":"etag-{key}"}}"#);
        let both = format!(r#"{{"entries":[{},{}]}}"#, entry("in/1/part-2"), entry("in/1/part-1"));
        assert_eq!(bodies, [both.as_str(), r#"{"entries":[]}"#]);
        for (id, manifest) in ["In", "Extra"].iter().zip(&prepared.manifests) {
            let uri = format!("s3://definitions/{}", manifest.key);
            assert_eq!(prepared.definition.object(id).unwrap().string("myManifest"), Some(uri.as_str()));
        }
        let values: Vec<_> = prepared.definition.values.iter().map(|value| value.value.as_str()).collect();
        assert!(values.contains(&"in/1/part-2,in/1/part-1"), "the marker is not data: {values:?}");
    }
}
