//! `validate`: shows every problem of definition files, as a compiler does.

mod circles;
mod data_files;
mod listing;
mod runnable;
mod stream_file;

use std::path::PathBuf;

use clap::Args;
use ec2_worker::{RdsInstance, RdsInstances};
use serde::Serialize;

use super::definition_file::{self, DefinitionFile, Setting};
use super::{Exit, excerpt, output};
use runnable::Unrunnable;

const AFTER_HELP: &str = "\
Examples:
  downspout validate pipeline-definitions
  downspout validate orders.json --set myDay=2026-01-31 --set '*myPassword=x'
  downspout validate orders.json --with orders.csv

Of a folder, every file NAME.json is checked, in the order of the names, except values.json. The last line sums up. Definitions \
that are checked together and would start each other in a circle are warned of.

Values come from the file, from a `values.json` beside it, and from --set; the orchestrator fills in its own parameters for \
each drop.

--with reads a data file as the definition would, without a database. It says which separator and columns the file has, how \
many records a load leaves out, and which ones it would refuse whatever the table is. A file belongs to the input whose key \
ends with the same name; NODE=FILE names the S3DataNode. To try the table too, use dry-run.

Exit codes: 0 fit to run, perhaps with warnings; 1 there are errors; 2 a file cannot be read, or wrong usage.";

/// Arguments of `validate`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ValidateArgs {
    /// Definitions: JSON files as the AWS CLI takes them; stream files, in a folder `streams`; or folders with them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Value of a parameter, instead of the file's own; may be repeated
    #[arg(long = "set", value_name = "myKey=value")]
    settings: Vec<Setting>,
    /// Data file to read by the definition; may be repeated
    #[arg(long = "with", value_name = "[NODE=]FILE")]
    data_files: Vec<String>,
    /// Address of an instance of RDS that `up` will know, by `rdsInstanceId`; may be repeated
    #[arg(long = "rds-instance", env = "RDS_INSTANCES", value_name = "ID=HOST:PORT", value_delimiter = ',')]
    rds_instances: Vec<RdsInstance>,
    /// Check for AWS alone: leave out what Downspout's own workers cannot do
    #[arg(long)]
    aws: bool,
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

pub(super) async fn run(args: &ValidateArgs) -> anyhow::Result<Exit> {
    let rds = RdsInstances::from(args.rds_instances.clone());
    let (mut exit, mut files) = (Exit::Done, Vec::new());
    for path in listing::definitions(&args.files) {
        let read = path.and_then(|path| match stream_file::is_one(&path) {
            true => stream_file::read(&path),
            false => definition_file::read(&path, &args.settings),
        });
        match read {
            Ok(file) if file.is_stream => files.push(file),
            Ok(mut file) => {
                file.diagnosis.require_values();
                stream_file::hint(&mut file);
                files.push(if args.aws { file } else { with_work(file, &rds) });
            }
            Err(error) => {
                output::complain!("downspout: {error:#}");
                exit = Exit::Usage;
            }
        }
    }
    circles::warn(&mut files);
    let mut lines = Vec::new();
    for file in &files {
        let looks = data_files::looks(file, &args.data_files).await?;
        match args.json {
            true => {
                lines.extend(json_lines(file));
                lines.extend(looks.iter().flat_map(data_files::FileLook::lines));
            }
            false => {
                output::print(&describe(file))?;
                looks.iter().try_for_each(|look| output::print(&look.text()))?;
            }
        }
        let is_unreadable = looks.iter().any(|look| look.found.is_err());
        if exit == Exit::Done && (is_unreadable || file.diagnosis.errors().next().is_some()) {
            exit = Exit::Failed;
        }
    }
    match args.json {
        true => output::json(&lines)?,
        false if listing::is_many(&args.files) => output::print(&summary(&files))?,
        false => {}
    }
    Ok(exit)
}

/// Returns a line about all files together.
fn summary(files: &[DefinitionFile]) -> String {
    let findings = || files.iter().flat_map(|file| &file.diagnosis.findings);
    let errors = findings().filter(|finding| finding.is_error).count();
    let counts = counts(errors, findings().count() - errors);
    let fit = files.iter().filter(|file| file.diagnosis.errors().next().is_none()).count();
    let verdict = match files.len() - fit {
        0 => "fit to run".to_owned(),
        unfit => format!("{fit} fit to run, {unfit} not"),
    };
    format!("{}: {verdict}{counts}\n", counted(files.len(), "definition"))
}

fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

/// Returns the numbers of problems as the end of a line.
fn counts(errors: usize, warnings: usize) -> String {
    match (errors, warnings) {
        (0, 0) => String::new(),
        (_, 0) => format!(": {}", counted(errors, "error")),
        (0, _) => format!(": {}", counted(warnings, "warning")),
        _ => format!(": {}, {}", counted(errors, "error"), counted(warnings, "warning")),
    }
}

/// Adds the work that Downspout cannot do to the problems of a definition without errors.
fn with_work(mut file: DefinitionFile, rds: &RdsInstances) -> DefinitionFile {
    if file.diagnosis.errors().next().is_none() {
        let Unrunnable { refused, left_to_others } = runnable::unrunnable(&file.diagnosis.definition, rds);
        file.diagnosis.add(&file.text, refused, true);
        file.diagnosis.add(&file.text, left_to_others, false);
    }
    file
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
        // A stream file has no secrets, and `*` at the beginning of a word means something else there.
        let shown = if file.is_stream { excerpt::of_public } else { excerpt::of };
        text.push_str(&shown(&file.path, &file.text, finding));
        text.push('\n');
    }
    let errors = file.diagnosis.errors().count();
    let has_work = file.diagnosis.definition.objects.iter().any(|object| object.id != "Default");
    let verdict = match errors {
        0 if has_work || file.is_stream => "fit to run",
        0 => "nothing to run: there are no objects",
        _ => "not fit to run",
    };
    let counts = counts(errors, findings.len() - errors);
    text.push_str(&format!("{}: {verdict}{counts}\n", file.path.display()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the output of `validate` for a text.
    fn said(text: &str) -> String {
        said_with(text, &RdsInstances::default())
    }

    /// Returns the output of `validate` for a text, with the addresses of instances of RDS.
    fn said_with(text: &str, rds: &RdsInstances) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("p.json");
        std::fs::write(&path, text).expect("the folder is writable");
        let mut file = definition_file::read(&path, &[]).expect("the file is there");
        file.diagnosis.require_values();
        let mut file = with_work(file, rds);
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
    fn an_unknown_time_zone_is_shown_with_the_nearest_name() {
        let text = "{\"objects\": [\n  {\"id\": \"Default\", \"scheduleType\": \"ondemand\", \"myDropFile\": \"x.csv\",\n   \
                    \"myWaitFor\": \"by 8\", \"myTimeZone\": \"Berlin\"}\n]}";
        let said = said(text);
        assert!(said.contains("p.json:3:39  (object 'Default')"), "{said}");
        assert!(said.contains("Found 'Berlin' (did you mean 'Europe/Berlin'?)"), "{said}");
        assert!(said.contains("\n  |                                       ^^^^^^^^"), "{said}");
        assert!(said.contains("p.json:3:17  (object 'Default')"), "{said}");
    }

    #[test]
    fn a_key_that_would_run_as_code_is_shown_with_the_binding_argument() {
        let text = r##"{"objects": [
  {"id": "Default", "scheduleType": "ondemand", "workerGroup": "w", "myDropFile": "incoming/{name:.+}_*.csv"},
  {"id": "Say", "type": "ShellCommandActivity", "command": "echo #{myName}"}
], "parameters": [{"id": "myName"}]}"##;
        let said = said(text);
        assert!(said.contains("warning[CAPTURED_CODE]") && said.contains("p.json:3:60"), "{said}");
        assert!(said.contains(r##""scriptArgument": "#{myName}""##), "{said}");
    }

    /// Returns the output for a script that runs where `runner` says, on a database of RDS.
    fn on_rds(runner: &str, rds: &RdsInstances) -> String {
        let text = format!(
            r#"{{"objects": [
  {{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "cascade", "pipelineLogUri": "s3://l/",
   "role": "r", "resourceRole": "r"}},
  {{"id": "Sql", "type": "SqlActivity", "script": "SELECT 1", "database": {{"ref": "Db"}}, {runner}}},
  {{"id": "Ec2", "type": "Ec2Resource", "terminateAfter": "1 hour"}},
  {{"id": "Db", "type": "RdsDatabase",
   "rdsInstanceId": "i", "username": "u", "*password": "x"}}
]}}"#
        );
        said_with(&text, rds)
    }

    #[test]
    fn work_that_an_activation_would_refuse_is_an_error() {
        let group = format!(r#""workerGroup": "{}""#, crate::local::stack::WORKER_GROUP);
        for runner in [r#""runsOn": {"ref": "Ec2"}"#, &group] {
            let said = on_rds(runner, &RdsInstances::default());
            assert!(said.contains("p.json:6:24  (object 'Db')"), "{said}");
            let reason = "an activation here will be refused, since nobody here can do this work: it is RdsDatabase, \
                          which names no address";
            assert!(said.contains(reason) && said.contains("p.json: not fit to run: 1 error"), "{said}");
        }
    }

    #[test]
    fn a_database_of_rds_with_a_known_address_is_fit_to_run() {
        let group = format!(r#""workerGroup": "{}""#, crate::local::stack::WORKER_GROUP);
        let rds = RdsInstances::from(vec!["i=db.example.com".parse().expect("an instance")]);
        let said = on_rds(&group, &rds);
        assert!(said.contains("p.json: fit to run") && !said.contains("nobody here"), "{said}");
    }

    #[test]
    fn work_that_is_left_to_other_task_runners_is_a_warning() {
        let said = on_rds(r#""workerGroup": "theirs""#, &RdsInstances::default());
        assert!(said.contains("`ec2-worker` cannot do this work: it is RdsDatabase"), "{said}");
        assert!(said.contains("p.json: fit to run: "), "{said}");
    }

    #[test]
    fn a_parameter_without_a_value_is_an_error_if_every_drop_would_fail() {
        let text = |trigger: &str| {
            format!(
                r##"{{"objects": [
  {{"id": "Default", "scheduleType": "ondemand", "workerGroup": "w", {trigger} "role": "r"}},
  {{"id": "Say", "type": "ShellCommandActivity", "command": "echo #{{myDay}} #{{myShop}} #{{myNote}} #{{myLogsBucket}}"}}
], "parameters": [{{"id": "myDay"}}, {{"id": "myShop"}}, {{"id": "myNote", "optional": "true"}}, {{"id": "myLogsBucket"}},
  {{"id": "myUnused"}}]}}"##
            )
        };
        let dropped = said(&text(r#""myDropFile": "in/{day}.csv","#));
        assert!(
            dropped.contains("error[MISSING_PARAMETER_VALUE]: the parameter 'myShop' has no value"),
            "{dropped}"
        );
        assert!(
            dropped.contains("p.json:4:43") && dropped.contains("the run of every drop fails"),
            "{dropped}"
        );
        assert!(dropped.contains("warning[MISSING_PARAMETER_VALUE]: the parameter 'myUnused'"), "{dropped}");
        assert_eq!(dropped.matches("MISSING_PARAMETER_VALUE").count(), 2, "{dropped}");
        // A person who activates the pipeline may give the value.
        assert!(!said(&text("")).contains("error[MISSING"), "{}", said(&text("")));
    }

    #[test]
    fn an_undeclared_parameter_is_reported_once() {
        let uses: Vec<String> = (0..10).map(|number| format!("#{{my{number}}}")).collect();
        let command = |id: &str| {
            format!(
                r#"{{"id": "{id}", "type": "ShellCommandActivity", "workerGroup": "w", "command": "echo {} {}"}}"#,
                uses.concat(),
                uses[0]
            )
        };
        let said = said(&format!(
            r#"{{"objects": [{}, {}], "values": {{"myOther": "1", "my0": "x"}}}}"#,
            command("A"),
            command("B")
        ));
        assert_eq!(said.matches("[UNKNOWN_PARAMETER]").count(), 11, "{said}");
        assert_eq!(said.matches("'my7', which is neither").count(), 1, "{said}");
    }

    #[test]
    fn an_excerpt_hides_the_secret_and_nothing_else() {
        let text = r#"{"objects": [
  {"id": "Db", "type": "JdbcDatabase", "*password": "hush", "username": "me", "connectionstring": "jdbc:postgresql://h/d"}
]}"#;
        let said = said(text);
        assert!(
            said.contains(r#""*password": "****", "username": "me", "conn"#) && !said.contains("hush"),
            "{said}"
        );
    }

    #[test]
    fn an_empty_definition_is_nothing_to_run() {
        assert_eq!(said("{\"objects\": []}"), "p.json: nothing to run: there are no objects\n");
    }
}
