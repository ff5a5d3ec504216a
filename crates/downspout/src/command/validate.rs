//! `validate`: shows every problem of definition files, as a compiler does.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::definition_file::{self, DefinitionFile, Setting};
use super::{Exit, excerpt, output};

const AFTER_HELP: &str = "\
Examples:
  downspout validate pipeline-definitions/*.json
  downspout validate orders.json --set myDay=2026-01-31 --set '*myPassword=x'

Values come from the file, from a `values.json` beside it, and from --set; the orchestrator fills in its own parameters for \
each drop.

Exit codes: 0 fit to run, perhaps with warnings; 1 there are errors; 2 a file cannot be read, or wrong usage.";

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ValidateArgs {
    /// Definitions: JSON files as the AWS CLI takes them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Value of a parameter, instead of the file's own; may be repeated
    #[arg(long = "set", value_name = "myKey=value")]
    settings: Vec<Setting>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One problem with its position, for programs.
#[derive(Debug, Serialize)]
struct Line {
    file: String,
    severity: &'static str,
    line: Option<usize>,
    column: Option<usize>,
    length: Option<usize>,
    object: Option<String>,
    field: Option<String>,
    code: &'static str,
    message: String,
}

pub(super) fn run(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    let mut lines = Vec::new();
    // A shell pattern such as *.json also matches `values.json`, which is not a definition.
    let files = args.files.iter().filter(|path| args.files.len() == 1 || !path.ends_with("values.json"));
    for path in files {
        let file = match definition_file::read(path, &args.settings) {
            Ok(file) => file,
            Err(error) => {
                output::complain!("downspout: {error:#}");
                exit = Exit::Usage;
                continue;
            }
        };
        match args.json {
            true => lines.extend(json_lines(&file)),
            false => output::print(&describe(&file))?,
        }
        if exit == Exit::Done && file.diagnosis.errors().next().is_some() {
            exit = Exit::Failed;
        }
    }
    if args.json {
        output::json(&lines)?;
    }
    Ok(exit)
}

fn json_lines(file: &DefinitionFile) -> Vec<Line> {
    let findings = file.diagnosis.findings.iter();
    let line = |finding: &definition::diagnosis::Finding| Line {
        file: file.path.display().to_string(),
        severity: if finding.is_error { "error" } else { "warning" },
        line: finding.span.map(|span| span.at.line),
        column: finding.span.map(|span| span.at.column),
        length: finding.span.map(|span| span.length),
        object: finding.object.as_ref().map(ToString::to_string),
        field: finding.field.as_ref().map(ToString::to_string),
        code: finding.code,
        message: finding.message.clone(),
    };
    findings.map(line).collect()
}

/// Returns a text with all problems of a file. Its last line says whether the definition is fit to run.
pub(super) fn describe(file: &DefinitionFile) -> String {
    let findings = &file.diagnosis.findings;
    let mut text = String::new();
    for finding in findings {
        text.push_str(&excerpt::of(&file.path, &file.text, finding));
        text.push('\n');
    }
    let errors = file.diagnosis.errors().count();
    let counted = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let has_work = file.diagnosis.definition.objects.iter().any(|object| object.id != "Default");
    let verdict = match errors {
        0 if has_work => "fit to run",
        0 => "nothing to run: there are no objects",
        _ => "not fit to run",
    };
    let counts = match findings.len() - errors {
        0 if errors == 0 => String::new(),
        0 => format!(": {}", counted(errors, "error")),
        warnings if errors == 0 => format!(": {}", counted(warnings, "warning")),
        warnings => format!(": {}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    text.push_str(&format!("{}: {verdict}{counts}\n", file.path.display()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the output of `validate` for a text.
    fn said(text: &str) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("p.json");
        std::fs::write(&path, text).expect("the folder is writable");
        let mut file = definition_file::read(&path, &[]).expect("the file is there");
        file.path = "p.json".into();
        describe(&file)
    }

    #[test]
    fn a_dangling_reference_is_shown_where_it_stands() {
        let text = "{\"objects\": [\n  {\"id\": \"A\", \"type\": \"ShellCommandActivity\", \"command\": \"true\",\n   \
                    \"dependsOn\": {\"ref\": \"B\"}}\n]}";
        insta::assert_snapshot!(said(text));
    }

    #[test]
    fn the_shipped_definition_has_nothing_to_warn_of() {
        let text = include_str!("../../../../pipeline-definitions/orders.json");
        assert_eq!(said(text), "p.json: fit to run\n");
    }

    #[test]
    fn a_drop_pattern_that_cannot_be_read_is_shown() {
        let text = "{\"objects\": [\n  {\"id\": \"Default\", \"scheduleType\": \"ondemand\",\n   \
                    \"myDropFile\": \"incoming/{day/x.csv\"}\n]}";
        let said = said(text);
        assert!(said.contains("p.json:3:18  (object 'Default', field 'myDropFile')"), "{said}");
    }

    #[test]
    fn an_empty_definition_is_nothing_to_run() {
        assert_eq!(said("{\"objects\": []}"), "p.json: nothing to run: there are no objects\n");
    }
}
