//! `validate`: every problem of a definition file, as a compiler would say it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use definition::trigger::{Trigger, TriggerError};
use definition::validate::{Problem, Report};
use definition::{ParameterValue, file};
use serde::Serialize;

use super::{Exit, output};

const AFTER_HELP: &str = "\
Example:
  downspout validate pipeline-definitions/orders.json

A `values.json` beside the file counts, and so does what the orchestrator fills in for a drop.

Exit code 0: fit to run (there may be warnings); 1: it has errors.";

/// The warning about a parameter without a value.
const MISSING_VALUE: &str = "MISSING_PARAMETER_VALUE";
/// Parameters that the orchestrator fills where they are declared.
const FILLED_FOR_A_DROP: [&str; 4] = ["myDropBucket", "myDropKeys", "myDefinition", "myNotifyTopicArn"];
/// Parameters in the `values.json` that `up` writes.
const FILLED_BY_UP: [&str; 7] = [
    "myDatabaseUrl",
    "myDatabaseUsername",
    "*myDatabasePassword",
    "myResultsBucket",
    "myLogsBucket",
    "myDefinitionsBucket",
    "myWorkerGroup",
];

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ValidateArgs {
    /// The definition, a JSON file as the AWS CLI takes it
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One problem with its place.
#[derive(Debug, Serialize)]
struct Finding {
    severity: &'static str,
    line: usize,
    column: usize,
    object: Option<String>,
    field: Option<String>,
    message: String,
}

pub(super) fn run(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("reading {}", args.file.display()))?;
    let beside = args.file.with_file_name("values.json");
    let values = std::fs::read_to_string(&beside).ok().and_then(|text| file::parse_values(&text).ok());
    let findings = findings(&text, &values.unwrap_or_default());
    match args.json {
        true => output::json(&findings)?,
        false => output::print(&describe(&args.file, &findings))?,
    }
    Ok(if errors(&findings) == 0 { Exit::Done } else { Exit::Failed })
}

fn errors(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == "error").count()
}

fn findings(text: &str, values: &[ParameterValue]) -> Vec<Finding> {
    let definition = match file::parse(text) {
        Ok(definition) => definition,
        Err(error) => {
            let file::FileError { line, column, message } = error;
            return vec![Finding { severity: "error", line, column, object: None, field: None, message }];
        }
    };
    let Report { errors, mut warnings } = definition::validate::validate(&definition);
    let trigger = Trigger::of(&definition);
    let filled = filled(trigger.as_ref().ok().and_then(Option::as_ref), values);
    warnings.retain(|problem| problem.code != MISSING_VALUE || !filled.contains(problem.object.as_str()));
    let mut findings: Vec<Finding> = errors.iter().map(|problem| finding(text, "error", problem)).collect();
    findings.extend(warnings.iter().map(|problem| finding(text, "warning", problem)));
    findings.extend(trigger.err().map(|error| trigger_finding(text, &error)));
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings
}

fn finding(text: &str, severity: &'static str, problem: &Problem) -> Finding {
    let field = problem.field.as_ref().map(ToString::to_string);
    let at = file::locate(text, problem.object.as_str(), field.as_deref());
    let (line, column) = at.map_or((1, 1), |at| (at.line, at.column));
    Finding {
        severity,
        line,
        column,
        object: Some(problem.object.to_string()),
        field,
        message: problem.to_string(),
    }
}

/// The trigger is ours, so the service's validation does not look at it.
fn trigger_finding(text: &str, error: &TriggerError) -> Finding {
    let at = file::locate(text, error.object.as_str(), Some(error.field.as_str()));
    let (line, column) = at.map_or((1, 1), |at| (at.line, at.column));
    let (object, field) = (error.object.to_string(), error.field.to_string());
    Finding {
        severity: "error",
        line,
        column,
        object: Some(object),
        field: Some(field),
        message: error.message.clone(),
    }
}

/// Returns the parameters that have a value when a drop starts the pipeline, though the file itself gives none.
fn filled(trigger: Option<&Trigger>, values: &[ParameterValue]) -> BTreeSet<String> {
    let mut filled: BTreeSet<String> = values.iter().map(|value| value.id.clone()).collect();
    let Some(trigger) = trigger else { return filled };
    filled.extend(FILLED_FOR_A_DROP.map(str::to_owned));
    filled.extend(FILLED_BY_UP.map(str::to_owned));
    for pattern in &trigger.drop_files {
        // A key that fits the pattern, made of its own text, tells which names it captures.
        let key = pattern.as_str().replace(['{', '}'], "");
        let captures = pattern.captures(&key).map(|captures| captures.parameter_values());
        filled.extend(captures.into_iter().flatten().map(|value| value.id));
    }
    filled
}

fn describe(file: &Path, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding { severity, line, column, object, field, message } = finding;
        let object = object.as_ref().map(|object| format!(" object '{object}':")).unwrap_or_default();
        // Most messages name the field themselves.
        let field = field.as_ref().filter(|field| !message.contains(&format!("'{field}'")));
        let field = field.map(|field| format!(" field '{field}':")).unwrap_or_default();
        text.push_str(&format!("{}:{line}:{column}: {severity}:{object}{field} {message}\n", file.display()));
    }
    let errors = errors(findings);
    let warnings = findings.len() - errors;
    let verdict = if errors == 0 { "fit to run" } else { "not fit to run" };
    text.push_str(&format!("{}: {verdict}: {errors} errors, {warnings} warnings\n", file.display()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_names_line_and_column() {
        let found = findings("{\n  \"objects\": [\n    {\"id\": \"Default\" \"name\": \"x\"}\n  ]\n}", &[]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].severity, found[0].line), ("error", 3));
    }

    #[test]
    fn a_dangling_reference_is_shown_where_it_stands() {
        let text = "{\"objects\": [\n  {\"id\": \"A\", \"type\": \"ShellCommandActivity\", \"command\": \"true\",\n   \
                    \"dependsOn\": {\"ref\": \"B\"}}\n]}";
        insta::assert_snapshot!(describe(Path::new("p.json"), &findings(text, &[])));
    }

    #[test]
    fn the_shipped_definition_has_nothing_to_warn_of() {
        let text = include_str!("../../../../pipeline-definitions/orders.json");
        let found = findings(text, &[]);
        assert!(found.is_empty(), "{}", describe(Path::new("orders.json"), &found));
    }

    #[test]
    fn a_drop_pattern_that_cannot_be_read_is_an_error_at_its_line() {
        let text = "{\"objects\": [\n  {\"id\": \"Default\", \"scheduleType\": \"ondemand\",\n   \
                    \"myDropFile\": \"incoming/{day/x.csv\"}\n]}";
        let found = findings(text, &[]);
        let error = found.iter().find(|finding| finding.severity == "error").expect("the brace is left open");
        assert_eq!((error.line, error.field.as_deref()), (3, Some("myDropFile")));
    }
}
