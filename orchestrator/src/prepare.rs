//! The definition as it is put for one set: parameter values filled in, files pinned to what was dropped.

use std::collections::{HashMap, HashSet};

use definition::expression::{self, Evaluated, Scope, Value};
use definition::parameters::Parameters;
use definition::trigger::Captures;
use definition::{Definition, FieldValue, ObjectId, ParameterValue, PipelineObject, inherit};

use crate::ledger::DroppedFile;

/// What the definition is told about the set.
pub(crate) struct DroppedSet<'a> {
    pub definition_name: &'a str,
    pub bucket: &'a str,
    pub captures: &'a Captures,
    pub files: &'a [DroppedFile],
    pub topic_arn: &'a str,
    /// `values.json`.
    pub values: &'a [ParameterValue],
}

/// Returns the definition that is to be put for the drop.
pub(crate) fn prepared(definition: &Definition, drop: &DroppedSet<'_>) -> Definition {
    let mut prepared = definition.clone();
    override_values(&mut prepared, drop.values.to_vec());
    override_values(&mut prepared, filled_values(definition, drop));
    pin_files(&mut prepared, drop);
    prepared
}

/// Values count where the definition declares their parameter, and nowhere else.
fn override_values(definition: &mut Definition, given: Vec<ParameterValue>) {
    let declared: HashSet<&str> =
        definition.parameters.iter().map(|parameter| parameter.id.as_str()).collect();
    let given: Vec<_> = given.into_iter().filter(|value| declared.contains(value.id.as_str())).collect();
    let ids: HashSet<&str> = given.iter().map(|value| value.id.as_str()).collect();
    definition.values.retain(|value| !ids.contains(value.id.as_str()));
    definition.values.extend(given);
}

fn filled_values(definition: &Definition, drop: &DroppedSet<'_>) -> Vec<ParameterValue> {
    let value = |id: &str, value: &str| ParameterValue { id: id.to_owned(), value: value.to_owned() };
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
    values.extend(drop.captures.parameter_values());
    values
}

fn is_array(definition: &Definition, id: &str) -> bool {
    let parameter = definition.parameters.iter().find(|parameter| parameter.id == id);
    let attribute = parameter.and_then(|parameter| parameter.attribute("isArray"));
    attribute.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Sets `myETag` on each S3DataNode that reads a file of the drop, so that a run loads what triggered it.
fn pin_files(definition: &mut Definition, drop: &DroppedSet<'_>) {
    // An unusable parent was found by validation; without inheritance nothing is pinned.
    let Ok(resolved) = inherit::resolve(definition) else { return };
    let written: HashSet<&str> = resolved
        .iter()
        .flat_map(|object| object.references("output").map(|target| target.as_str()).collect::<Vec<_>>())
        .collect();
    let parameters = Parameters::of(definition);
    let uris: HashMap<String, &str> = drop
        .files
        .iter()
        .map(|file| (format!("s3://{}/{}", drop.bucket, file.key), file.etag.as_str()))
        .collect();
    for object in &resolved {
        if object.type_name() != Some("S3DataNode") || written.contains(object.id.as_str()) {
            continue;
        }
        let etag =
            evaluated(object, "filePath", &resolved, &parameters).and_then(|path| uris.get(&path).copied());
        let own = definition.objects.iter_mut().find(|own| own.id == object.id);
        if let (Some(etag), Some(own)) = (etag, own) {
            own.set("myETag", etag);
        }
    }
}

/// Returns the places in S3 that the pipeline itself writes to: a file that lands there is no drop.
pub(crate) fn own_places(definition: &Definition) -> Vec<String> {
    let Ok(resolved) = inherit::resolve(definition) else { return Vec::new() };
    let parameters = Parameters::of(definition);
    let outputs: HashSet<&ObjectId> =
        resolved.iter().flat_map(|object| object.references("output").collect::<Vec<_>>()).collect();
    let places = resolved.iter().flat_map(|object| {
        let own = if outputs.contains(&object.id) { OUTPUT_FIELDS } else { LOG_FIELDS };
        own.iter().filter_map(|field| evaluated(object, field, &resolved, &parameters))
    });
    places.filter(|place| place.starts_with("s3://")).collect()
}

/// Fields of an output that say where it is.
const OUTPUT_FIELDS: &[&str] = &["filePath", "directoryPath"];
/// Fields of any object that say where logs and refused rows go.
const LOG_FIELDS: &[&str] = &["pipelineLogUri", "myRejectsPath"];

/// A path that only the running pipeline knows is none that a drop can have.
fn evaluated(
    object: &PipelineObject,
    field: &str,
    objects: &[PipelineObject],
    parameters: &Parameters,
) -> Option<String> {
    let scope = ObjectScope { object, objects, parameters, depth: 0 };
    match expression::evaluate(object.string(field)?, &scope) {
        Ok(Evaluated::One(path)) => Some(path),
        Ok(Evaluated::Many(_)) | Err(_) => None,
    }
}

/// Fields that name each other are followed this far.
const MAX_FIELD_DEPTH: usize = 8;

/// An object before it runs: its fields, the objects it refers to, the parameters.
struct ObjectScope<'a> {
    object: &'a PipelineObject,
    objects: &'a [PipelineObject],
    parameters: &'a Parameters,
    depth: usize,
}

impl Scope for ObjectScope<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let fields: Vec<&FieldValue> =
            self.object.fields.iter().filter(|field| field.key == name).map(|field| &field.value).collect();
        let texts = if fields.is_empty() {
            self.parameters.values(name).to_vec()
        } else {
            fields.into_iter().map(|field| self.text(field)).collect::<Option<Vec<_>>>()?
        };
        let mut values = texts.into_iter().map(Value::String);
        match values.len() {
            0 | 1 => values.next(),
            _ => Some(Value::List(values.collect())),
        }
    }

    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>> {
        let target = self.object.reference(name)?;
        let object = self.objects.iter().find(|object| object.id == *target)?;
        Some(Box::new(ObjectScope { object, ..*self }))
    }
}

impl ObjectScope<'_> {
    fn text(&self, value: &FieldValue) -> Option<String> {
        match value {
            FieldValue::Ref(target) => Some(target.to_string()),
            FieldValue::String(_) if self.depth >= MAX_FIELD_DEPTH => None,
            FieldValue::String(text) => {
                match expression::evaluate(text, &ObjectScope { depth: self.depth + 1, ..*self }) {
                    Ok(Evaluated::One(text)) => Some(text),
                    Ok(Evaluated::Many(_)) | Err(_) => None,
                }
            }
        }
    }
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
