//! The outputs of a definition that patterns of dropped files may take. A run whose output is a drop of its own definition
//! would start the next run, without an end.
//!
//! An output is compared as far as its location is known before a run. A part that is not known counts as any text, so the
//! comparison errs on the safe side. If the bucket is not known, the output is not compared.

use std::collections::HashSet;

use super::overlap::{self, CAPTURED, OPEN};
use super::{Pattern, Trigger};
use crate::kind::Kind;
use crate::parameters::{Parameters, override_values};
use crate::preview::Preview;
use crate::{Definition, ObjectId, ParameterValue, PipelineObject, inherit};

/// Stands for the drop bucket. No bucket has this character.
const DROP_BUCKET: &str = "\u{2}";
/// The fields of an S3DataNode that name its location.
const FIELDS: [&str; 2] = ["filePath", "directoryPath"];

/// A location in S3 that the activities of a definition write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The data node.
    pub node: ObjectId,
    /// The field of the node that names the location: `filePath` or `directoryPath`.
    pub field: &'static str,
    /// The location, as the definition writes it.
    pub text: String,
    bucket: OutputBucket,
    /// The key, with [`CAPTURED`] and [`OPEN`] parts.
    key: String,
}

/// The bucket of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
enum OutputBucket {
    /// The bucket of the drops.
    Drop,
    /// The bucket with this name.
    Named(String),
}

/// An output that a pattern may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The output.
    pub output: Output,
    /// The pattern.
    pub pattern: String,
    /// The name of the bucket, if the output is a drop only in case that this is the drop bucket.
    pub if_bucket: Option<String>,
}

/// Returns the locations that the activities of a definition write, as far as they are known before a run. `trigger` is that
/// of the definition.
#[must_use]
pub fn outputs(definition: &Definition, trigger: Option<&Trigger>) -> Vec<Output> {
    let mut valued = definition.clone();
    let captured = trigger.into_iter().flat_map(Trigger::parameters);
    let captured = captured.map(|id| ParameterValue { id, value: CAPTURED.to_string() });
    let bucket = ParameterValue { id: "myDropBucket".to_owned(), value: DROP_BUCKET.to_owned() };
    override_values(&mut valued, &captured.chain([bucket]).collect::<Vec<_>>());
    // Validation reports an unusable parent; without inheritance no output is known.
    let Ok(resolved) = inherit::resolve(&valued) else { return Vec::new() };
    let parameters = Parameters::of(&valued);
    let preview = Preview::new(&resolved, &parameters, None);
    let written: HashSet<&ObjectId> =
        resolved.iter().flat_map(|object| object.references("output").collect::<Vec<_>>()).collect();
    let nodes = resolved
        .iter()
        .filter(|object| Kind::of(object) == Some(Kind::S3DataNode) && written.contains(&object.id));
    nodes.flat_map(|node| FIELDS.into_iter().flat_map(|field| of_field(node, field, &preview))).collect()
}

fn of_field<'a>(node: &'a PipelineObject, field: &'static str, preview: &Preview<'a>) -> Vec<Output> {
    let Some(text) = node.string(field) else { return Vec::new() };
    let known = preview.known(&node.id, text);
    let output = |location: &String| {
        let (bucket, key) = location.strip_prefix("s3://")?.split_once('/')?;
        let bucket = match bucket {
            DROP_BUCKET => OutputBucket::Drop,
            named if named.contains(['#', '{', CAPTURED]) => return None,
            named => OutputBucket::Named(named.to_owned()),
        };
        let mut key = with_open_parts(key);
        if field == "directoryPath" {
            // The names of the files in the folder are not known.
            let folder = key.trim_end_matches('/');
            key = if folder.is_empty() { OPEN.to_string() } else { format!("{folder}/{CAPTURED}{OPEN}") };
        }
        Some(Output { node: node.id.clone(), field, text: text.to_owned(), bucket, key })
    };
    known.iter().filter_map(output).collect()
}

/// Returns the key with [`OPEN`] in place of each expression.
fn with_open_parts(key: &str) -> String {
    let mut open = String::new();
    let mut rest = key;
    while let Some((before, after)) = rest.split_once("#{") {
        open.push_str(before);
        open.push(OPEN);
        rest = end_of_expression(after).map_or("", |end| &after[end..]);
    }
    open + rest
}

/// Returns where the text after an expression begins. Texts in quotation marks may have braces.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (None, '}') => return Some(at + 1),
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            _ => {}
        }
    }
    None
}

impl Trigger {
    /// Returns which of `outputs` a pattern of this trigger may take. `drop_bucket` is the bucket of the drops, if it is known.
    #[must_use]
    pub fn overlaps(&self, outputs: &[Output], drop_bucket: Option<&str>) -> Vec<Overlap> {
        let overlap = |output: &Output| {
            let if_bucket = match (&output.bucket, drop_bucket) {
                (OutputBucket::Drop, _) => None,
                (OutputBucket::Named(name), Some(drop)) if name == drop => None,
                (OutputBucket::Named(_), Some(_)) => return None,
                (OutputBucket::Named(name), None) => Some(name.clone()),
            };
            let pattern = self.patterns().find(|pattern| overlap::may_take(pattern, &output.key))?;
            Some(Overlap { output: output.clone(), pattern: pattern.as_str().to_owned(), if_bucket })
        };
        outputs.iter().filter_map(overlap).collect()
    }

    /// Returns the buckets from which the data nodes of a definition read dropped files, as far as the definition names them.
    pub(super) fn read_buckets(&self, definition: &Definition) -> HashSet<String> {
        let Some(captures) = self.drop_files.first().and_then(Pattern::example) else {
            return HashSet::new();
        };
        let readings = self.readings(definition, None, &captures);
        let paths = readings.iter().filter_map(|reading| {
            let node = definition.object(reading.node.as_str())?;
            FIELDS.iter().find_map(|field| node.string(field))
        });
        let bucket = |path: &str| Some(path.strip_prefix("s3://")?.split_once('/')?.0.to_owned());
        paths.filter_map(bucket).collect()
    }
}

impl Overlap {
    /// Returns a sentence for people about an output that is a drop of the same definition.
    #[must_use]
    pub fn of_itself(&self) -> String {
        let Self { output: Output { field, text, .. }, pattern, if_bucket } = self;
        let bucket =
            if_bucket.as_ref().map(|name| format!(" if '{name}' is the drop bucket")).unwrap_or_default();
        format!(
            "'{field}' is an output at '{text}', where the pattern '{pattern}' of dropped files may take it{bucket}: each run \
             would start the next one. Write the output to another folder, or make the pattern narrower"
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::{Diagnosis, OutsideValues, diagnose};

    use super::*;

    fn diagnosed(pattern: &str, field: &str) -> Diagnosis {
        let text = format!(
            r##"{{"objects": [{{"id": "Default", "scheduleType": "ondemand", "workerGroup": "w", "role": "r",
              "resourceRole": "r", "failureAndRerunMode": "CASCADE", "pipelineLogUri": "s3://logs/x", {pattern}}},
              {{"id": "Out", "type": "S3DataNode", {field}}},
              {{"id": "In", "type": "S3DataNode", "filePath": "s3://ours/in/{{day:yyyyMMdd}}/a_*.csv"}},
              {{"id": "Say", "type": "ShellCommandActivity", "command": "true", "stage": "true",
                "input": {{"ref": "In"}}, "output": {{"ref": "Out"}}}}],
              "parameters": [{{"id": "myDay"}}, {{"id": "myShop"}}, {{"id": "myDropBucket"}},
                {{"id": "myFolder", "default": "in"}}, {{"id": "myOpen"}}, {{"id": "myBucket"}}],
              "values": {{"myDay": "2026-01-05"}}}}"##
        );
        diagnose(&text, OutsideValues { filled: &["myDropBucket", "myOpen"], ..OutsideValues::default() })
    }

    /// Returns the severity of the finding about the output, if there is one.
    fn severity(pattern: &str, field: &str) -> Option<bool> {
        let found = diagnosed(pattern, field);
        let of_output = found.findings.iter().find(|it| it.code == "OUTPUT_IS_DROP")?;
        assert_eq!(of_output.object.as_ref().map(ObjectId::as_str), Some("Out"));
        assert!(of_output.span.is_some() && of_output.field.is_some(), "{of_output:?}");
        Some(of_output.is_error)
    }

    const DATED: &str = r#""myDropFile": "in/{day:yyyyMMdd}/a_*.csv""#;
    const NAMED: &str = r#""myDropFile": "in/{shop}/{day:yyyy-MM-dd}.csv""#;

    #[test]
    fn an_output_that_a_pattern_of_its_own_definition_takes_is_an_error() {
        for (pattern, field) in [
            (DATED, r##""filePath": "s3://#{myDropBucket}/in/20260105/a_clean.csv""##),
            (
                DATED,
                r##""filePath": "s3://#{myDropBucket}/in/#{format(@scheduledStartTime, 'YYYYMMdd')}/a_1.csv""##,
            ),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/in/20260105""##),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/in/""##),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/#{myFolder}""##),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/""##),
            (DATED, r##""filePath": "s3://#{myDropBucket}/#{myOpen}/a_1.csv""##),
            (NAMED, r##""filePath": "s3://#{myDropBucket}/in/done-#{myShop}/#{myDay}.csv""##),
            (NAMED, r##""filePath": "s3://#{myDropBucket}/in/#{myShop}/2026-01-05.csv""##),
            (
                r#""myDropFile": "A.csv", "myIgnoreCase": "true""#,
                r##""filePath": "s3://#{myDropBucket}/a.CSV""##,
            ),
            (
                r#""myDropFile": "a.csv", "myCompressed": "true""#,
                r##""filePath": "s3://#{myDropBucket}/a.csv.gz""##,
            ),
            (
                r#""myDropFile": "a.csv", "myDropFileOptional": "b/*""#,
                r##""directoryPath": "s3://#{myDropBucket}/b""##,
            ),
            // A node of the definition reads its drops from this bucket.
            (DATED, r#""directoryPath": "s3://ours/in/20260105""#),
        ] {
            assert_eq!(severity(pattern, field), Some(true), "{pattern} {field}");
        }
        // The drop bucket is not known here, so an output to any bucket is only a warning.
        assert_eq!(severity(DATED, r#""directoryPath": "s3://theirs/in/20260105""#), Some(false));
    }

    #[test]
    fn an_output_elsewhere_is_none() {
        for (pattern, field) in [
            (DATED, r##""filePath": "s3://#{myDropBucket}/in/20260105/b_clean.csv""##),
            (DATED, r##""filePath": "s3://#{myDropBucket}/in/20261305/a_clean.csv""##),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/in/archive""##),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/results/#{myDay}""##),
            (DATED, r##""directoryPath": "s3://#{myDropBucket}/in/20260105/done""##),
            (DATED, r##""filePath": "s3://#{myDropBucket}/in/20260105/a_1.csv.tmp""##),
            (DATED, r##""filePath": "s3://#{myBucket}/in/20260105/a_1.csv""##),
            (DATED, r##""filePath": "s3://#{myDropBucket}/#{myOpen}/b.csv""##),
            (NAMED, r##""filePath": "s3://#{myDropBucket}/in/#{myShop}/2026-01-05.txt""##),
            (NAMED, r##""filePath": "s3://#{myDropBucket}/in/#{myShop}/last.csv""##),
            (r#""myDropFile": "A.csv""#, r##""filePath": "s3://#{myDropBucket}/a.csv""##),
        ] {
            assert_eq!(severity(pattern, field), None, "{pattern} {field}");
        }
    }
}
