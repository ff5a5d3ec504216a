//! `validate`: every problem of a definition file, as a compiler would say it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use definition::file;
use definition::validate::{Problem, Report};
use serde::Serialize;

use super::{Exit, output};

const AFTER_HELP: &str = "\
Example:
  downspout validate pipeline-definitions/orders.json

Exit code 0: fit to run (there may be warnings); 1: it has errors.";

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
    let findings = findings(&text);
    let errors = findings.iter().filter(|finding| finding.severity == "error").count();
    if args.json {
        output::json(&findings)?;
    } else {
        output::print(&describe(&args.file, &findings, errors))?;
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Failed })
}

fn findings(text: &str) -> Vec<Finding> {
    let definition = match file::parse(text) {
        Ok(definition) => definition,
        Err(error) => {
            let file::FileError { line, column, message } = error;
            return vec![Finding { severity: "error", line, column, object: None, field: None, message }];
        }
    };
    let Report { errors, warnings } = definition::validate::validate(&definition);
    let mut findings: Vec<Finding> = errors.iter().map(|problem| finding(text, "error", problem)).collect();
    findings.extend(warnings.iter().map(|problem| finding(text, "warning", problem)));
    findings.extend(trigger_finding(text, &definition));
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
fn trigger_finding(text: &str, definition: &definition::Definition) -> Option<Finding> {
    let _ = (text, definition);
    None
}

fn describe(file: &Path, findings: &[Finding], errors: usize) -> String {
    let mut text = String::new();
    for finding in findings {
        let Finding { severity, line, column, object, field, message } = finding;
        let object = object.as_ref().map(|object| format!(" object '{object}':")).unwrap_or_default();
        let field = field.as_ref().map(|field| format!(" field '{field}':")).unwrap_or_default();
        text.push_str(&format!("{}:{line}:{column}: {severity}:{object}{field} {message}\n", file.display()));
    }
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
        let found = findings("{\n  \"objects\": [\n    {\"id\": \"Default\" \"name\": \"x\"}\n  ]\n}");
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].severity, found[0].line), ("error", 3));
    }

    #[test]
    fn a_dangling_reference_is_shown_where_it_stands() {
        let text = "{\"objects\": [\n  {\"id\": \"A\", \"type\": \"ShellCommandActivity\", \"command\": \"true\",\n   \
                    \"dependsOn\": {\"ref\": \"B\"}}\n]}";
        insta::assert_snapshot!(describe(Path::new("p.json"), &findings(text), 1));
    }
}
