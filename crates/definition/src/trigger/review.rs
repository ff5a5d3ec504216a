//! Checks how the objects of a definition use its dropped files: the nodes that read them, and the captured texts that
//! become commands and queries.

use std::collections::BTreeSet;

use super::{MatchMode, OUTPUT_IS_DROP, Overlap, Reading, Trigger, outputs};
use crate::expression::{self, Template, escaped};
use crate::kind::Kind;
use crate::parameters::override_values;
use crate::validate::Problem;
use crate::{Definition, FieldValue, ObjectId, ParameterValue, PipelineObject, inherit};

/// The fields whose text a shell or a database reads as code.
const CODE: [&str; 11] = [
    "command",
    "createTableSql",
    "filterSql",
    "hiveScript",
    "insertQuery",
    "myExpect",
    "myExpectWarn",
    "script",
    "selectQuery",
    "transformSql",
    "queries",
];
/// The bucket of the checks. The bucket of the drops is known only later.
const ANY_BUCKET: &str = "drop";

/// The problems with the use of dropped files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// Problems that would make a run fail.
    pub errors: Vec<Problem>,
    /// Problems that may be intended.
    pub warnings: Vec<Problem>,
}

impl Trigger {
    /// Checks how the objects of `definition` use the dropped files.
    #[must_use]
    pub fn review(&self, definition: &Definition) -> Review {
        let mut review = Review::default();
        self.review_nodes(definition, &mut review);
        self.review_code(definition, &mut review);
        self.review_outputs(definition, &mut review);
        review
    }

    fn review_nodes(&self, definition: &Definition, review: &mut Review) {
        let Some(captures) = self.drop_files.first().and_then(super::Pattern::example) else { return };
        let mut valued = definition.clone();
        let mut values = captures.parameter_values();
        values.push(ParameterValue { id: "myDropBucket".to_owned(), value: ANY_BUCKET.to_owned() });
        values.iter_mut().for_each(|value| value.value = escaped(&value.value));
        override_values(&mut valued, &values);
        let readings = self.readings(&valued, None, &captures);
        let Ok(resolved) = inherit::resolve(&valued) else { return };
        for node in resolved.iter().filter(|object| Kind::of(object) == Some(Kind::S3DataNode)) {
            let reading = readings.iter().find(|reading| reading.node == node.id);
            self.review_node(definition, node, reading, review);
        }
    }

    fn review_node(
        &self,
        definition: &Definition,
        node: &PipelineObject,
        reading: Option<&Reading>,
        review: &mut Review,
    ) {
        let states = |field: &str| definition.object(node.id.as_str())?.string(field);
        let problem = |field: &str, message: String| problem(&node.id, field, "INVALID_TRIGGER", message);
        match reading {
            Some(reading) if reading.is_directory => {
                if let Some(MatchMode::Newest | MatchMode::One) = reading.stated {
                    let message = "a 'directoryPath' reads all files: write 'all' in 'myMatch', or name one file with a \
                                   'filePath' that is the pattern";
                    review.errors.push(problem("myMatch", message.to_owned()));
                }
            }
            Some(_) => {}
            None => {
                let patterns: Vec<_> = self.data_patterns().map(super::Pattern::as_str).collect();
                let patterns = patterns.join(", ");
                if states("myMatch").is_some() {
                    let message = format!(
                        "'myMatch' has no effect here: the path is none of the patterns of dropped files, {patterns}"
                    );
                    review.warnings.push(problem("myMatch", message));
                }
                let is_pattern = |path: &&str| without_expressions(path).contains(['*', '{']);
                if let Some(path) = states("filePath").filter(is_pattern) {
                    let message = format!(
                        "'{path}' is none of the patterns of dropped files, {patterns}; a file is found by a '*' or a name in \
                         braces only if the path is one of them"
                    );
                    review.warnings.push(problem("filePath", message));
                }
            }
        }
    }

    /// Refuses an output that is a drop of the same definition. If the drop bucket is not known, this is a warning.
    fn review_outputs(&self, definition: &Definition, review: &mut Review) {
        let read_buckets = self.read_buckets(definition);
        for overlap in self.overlaps(&outputs(definition, Some(self)), None) {
            let is_sure = overlap.if_bucket.as_ref().is_none_or(|bucket| read_buckets.contains(bucket));
            let overlap = Overlap { if_bucket: overlap.if_bucket.clone().filter(|_| !is_sure), ..overlap };
            let (node, field) = (&overlap.output.node, overlap.output.field);
            let problem = problem(node, field, OUTPUT_IS_DROP, overlap.of_itself());
            if is_sure { &mut review.errors } else { &mut review.warnings }.push(problem);
        }
    }

    /// Warns of code that contains text of any characters from the key of a file.
    fn review_code(&self, definition: &Definition, review: &mut Review) {
        let ids = users_of(definition, self.unsafe_parameters());
        if ids.is_empty() {
            return;
        }
        for object in &definition.objects {
            for field in &object.fields {
                let (key, FieldValue::String(text)) = (field.key.as_str(), &field.value) else { continue };
                if !CODE.contains(&key) {
                    continue;
                }
                let Some(id) = uses(text, &ids) else { continue };
                let kind = definition.object(object.id.as_str()).and_then(Kind::of);
                review.warnings.push(problem(&object.id, key, "CAPTURED_CODE", captured_code(key, id, kind)));
            }
        }
    }
}

/// Returns `text` without its expressions, as far as their ends can be seen without reading them.
fn without_expressions(text: &str) -> String {
    let mut pieces = text.split("#{");
    let mut rest = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        rest.push_str(piece.split_once('}').map_or("", |(_, after)| after));
    }
    rest
}

fn captured_code(key: &str, id: &str, kind: Option<Kind>) -> String {
    let remedy = match kind {
        Some(Kind::SqlActivity) => format!(
            "write ? in the script and \"scriptArgument\": \"#{{{id}}}\", which the database takes as a value"
        ),
        Some(Kind::ShellCommandActivity) => format!(
            "write \"$1\" (with its quotes) in the command and \"scriptArgument\": \"#{{{id}}}\", which the shell takes as a value"
        ),
        _ => "let the pattern capture safe characters only, as {name}, {day:yyyyMMdd} and {n:[0-9]+} do"
            .to_owned(),
    };
    format!(
        "'{key}' contains '{id}', a part of the key of a dropped file that may have any characters, and runs it as code: {remedy}"
    )
}

/// Returns `ids`, and all parameters whose values use one of them.
fn users_of(definition: &Definition, ids: Vec<String>) -> BTreeSet<String> {
    let mut users: BTreeSet<String> = ids.into_iter().collect();
    let defaults = definition.parameters.iter().flat_map(|parameter| {
        let defaults = parameter.attributes.iter().filter(|attribute| attribute.key == "default");
        defaults.map(|attribute| (parameter.id.as_str(), attribute.value.as_str()))
    });
    let values = definition.values.iter().map(|value| (value.id.as_str(), value.value.as_str()));
    let all: Vec<_> = defaults.chain(values).filter(|(_, value)| expression::is_in(value)).collect();
    loop {
        let before = users.len();
        let more = all.iter().filter(|(_, value)| uses(value, &users).is_some());
        let more: Vec<String> = more.map(|(id, _)| (*id).to_owned()).collect();
        users.extend(more);
        if users.len() == before {
            return users;
        }
    }
}

/// Returns the first of `ids` that an expression in `text` uses.
fn uses<'i>(text: &str, ids: &'i BTreeSet<String>) -> Option<&'i str> {
    if !expression::is_in(text) {
        return None;
    }
    let template = Template::parse(text).ok()?;
    let mut names = template.names().into_iter().flat_map(|path| path.iter());
    names.find_map(|name| ids.get(&name.to_string())).map(String::as_str)
}

fn problem(id: &ObjectId, field: &str, code: &'static str, message: String) -> Problem {
    Problem {
        object: id.clone(),
        field: Some(field.into()),
        code,
        message,
        fatal: false,
        value: 0,
        offset: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::diagnosis::{OutsideValues, diagnose};

    /// Returns the findings about dropped files for a definition with this pattern and object.
    fn findings(patterns: &str, object: &str) -> Vec<String> {
        let text = format!(
            r##"{{"objects": [{{"id": "Default", "scheduleType": "ondemand", "workerGroup": "w", "role": "r",
              "resourceRole": "r", "failureAndRerunMode": "CASCADE", "pipelineLogUri": "s3://logs/x", "myDropFile": {patterns}}},
              {object}], "parameters": [{{"id": "myDay"}}, {{"id": "myName"}}, {{"id": "myDropKeys"}}, {{"id": "myDropBucket"}},
              {{"id": "myTitle", "default": "of #{{myName}}"}}]}}"##
        );
        let found = diagnose(
            &text,
            OutsideValues { filled: &["myDropKeys", "myDropBucket"], ..OutsideValues::default() },
        );
        let of_trigger =
            found.findings.iter().filter(|it| ["INVALID_TRIGGER", "CAPTURED_CODE"].contains(&it.code));
        of_trigger
            .map(|it| format!("{} {}", if it.is_error { "error" } else { "warning" }, it.message))
            .collect()
    }

    fn node(fields: &str) -> String {
        format!(
            r#"{{"id": "In", "type": "S3DataNode", {fields}}},
               {{"id": "Say", "type": "ShellCommandActivity", "command": "true", "stage": "true", "input": {{"ref": "In"}}}}"#
        )
    }

    #[test]
    fn a_node_with_a_pattern_that_nobody_drops_is_reported() {
        let of = |fields: &str| findings(r#"["in/{day:yyyyMMdd}/a_*.csv"]"#, &node(fields));
        for fine in [
            r#""filePath": "s3://b/in/{day:yyyyMMdd}/a_*.csv", "myMatch": "one""#,
            r##""filePath": "s3://#{myDropBucket}/in/20260105/x.csv""##,
            r##""filePath": "s3://b/#{2 * 3}/x.csv""##,
            r#""directoryPath": "s3://b/in/{day:yyyyMMdd}", "myMatch": "all""#,
        ] {
            assert_eq!(of(fine), Vec::<String>::new(), "{fine}");
        }
        for (fields, message) in [
            (
                r#""filePath": "s3://b/in/{day:yyyyMMdd}/b_*.csv""#,
                "warning 's3://b/in/{day:yyyyMMdd}/b_*.csv' is none of",
            ),
            (r#""filePath": "s3://b/x.csv", "myMatch": "all""#, "warning 'myMatch' has no effect here"),
            (
                r#""directoryPath": "s3://b/in/{day:yyyyMMdd}", "myMatch": "one""#,
                "error a 'directoryPath' reads all",
            ),
        ] {
            let found = of(fields);
            assert!(found.len() == 1 && found[0].starts_with(message), "{fields}: {found:?}");
        }
    }

    #[test]
    fn text_of_any_characters_in_code_is_reported_with_the_argument_that_binds_it() {
        let shell = |command: &str| {
            format!(r#"{{"id": "Say", "type": "ShellCommandActivity", "command": "{command}"}}"#)
        };
        let wide = r#"["in/{day:yyyyMMdd}/{name:[^/]+}.csv"]"#;
        assert_eq!(findings(wide, &shell("echo #{myDay}")), Vec::<String>::new());
        for command in ["echo #{myName}", "echo #{myDropKeys}", "echo '#{myTitle}'"] {
            let found = findings(wide, &shell(command));
            assert!(
                found.len() == 1 && found[0].contains("\"scriptArgument\": \"#{my"),
                "{command}: {found:?}"
            );
        }
        let safe = r#"["in/{day:yyyyMMdd}/{name}.csv"]"#;
        assert_eq!(findings(safe, &shell("echo #{myName} #{myDropKeys}")), Vec::<String>::new());
    }
}
