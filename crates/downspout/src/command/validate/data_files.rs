//! `validate --with`: reads data files by a definition, without a database.

use std::path::PathBuf;

use definition::counted::counted;
use ec2_worker::RdsInstances;
use ec2_worker::etl::look::Look;
use ec2_worker::failure::Failure;

use super::super::definition_file::DefinitionFile;
use super::super::local_files::{Plan, Purpose};
use super::Line;

/// The longest list of columns that is shown whole.
const COLUMNS: usize = 20;

/// A data file, and the result of reading it as a load of the definition reads it.
pub(super) struct FileLook {
    path: PathBuf,
    /// The id of the S3DataNode.
    input: String,
    pub(super) found: Result<Look, Failure>,
}

/// Reads `files`, texts as `FILE` or `NODE=FILE`. Returns nothing for a definition with errors.
///
/// # Errors
///
/// If a file is not there or belongs to no input, or if a load has a field that cannot be used.
pub(super) async fn looks(definition: &DefinitionFile, files: &[String]) -> anyhow::Result<Vec<FileLook>> {
    if files.is_empty() || definition.diagnosis.errors().next().is_some() {
        return Ok(Vec::new());
    }
    let scratch = tempfile::tempdir()?;
    let plan = Plan::of(
        &definition.diagnosis.definition,
        files,
        Purpose::Look,
        &RdsInstances::default(),
        scratch.path(),
    )?;
    let mut looks: Vec<FileLook> = Vec::new();
    for (load, paths) in &plan.loads {
        for path in paths {
            // Several activities may read the same node.
            if looks.iter().all(|look| (&look.path, &look.input) != (path, &load.input)) {
                let found = load.look(path).await;
                looks.push(FileLook { path: path.clone(), input: load.input.clone(), found });
            }
        }
    }
    Ok(looks)
}

impl FileLook {
    pub(super) fn text(&self) -> String {
        let mut lines = self.lines().into_iter().map(|line| {
            let place = line.line.map_or_else(String::new, |number| format!("line {number}: "));
            match line.severity {
                "note" => format!("  {place}{}\n", line.message),
                severity => format!("  {severity}: {place}{}\n", line.message),
            }
        });
        let first = lines.next().unwrap_or_default();
        format!(
            "{} as {}: {}{}",
            self.path.display(),
            self.input,
            first.trim_start(),
            lines.collect::<String>()
        )
    }

    /// Returns the findings. The first one is about the whole file.
    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |severity, code, number: Option<u64>, message: String| Line {
            file: self.path.display().to_string(),
            severity,
            line: number.and_then(|number| usize::try_from(number).ok()),
            column: None,
            length: None,
            object: Some(self.input.clone()),
            field: None,
            code,
            message,
        };
        let look = match &self.found {
            Ok(look) => look,
            Err(failure) => return vec![line("error", "UNREADABLE_FILE", None, failure.message.clone())],
        };
        let mut lines = vec![line("note", "FILE_READ", None, counts(look))];
        lines.extend(look.notes.iter().map(|note| line("note", "FILE_NOTE", None, note.clone())));
        for reject in &look.rejects {
            let column = reject.column.as_ref().map_or_else(String::new, |name| format!("column `{name}`: "));
            let message = format!("a load refuses the record: {column}{}", reject.reason);
            lines.push(line("warning", "REFUSED_RECORD", Some(reject.at.line), message));
        }
        let others = look.refused - look.rejects.len() as u64;
        if others > 0 {
            lines.push(line("warning", "REFUSED_RECORD", None, format!("{others} more records are refused")));
        }
        lines
    }
}

/// Returns a sentence with the numbers of records, and the columns.
fn counts(look: &Look) -> String {
    let records = |count: u64| counted(count, "record");
    let mut counts = vec![format!("{} can be read", records(look.rows))];
    if look.refused > 0 {
        counts.push(format!("{} refused", look.refused));
    }
    if look.skipped.total() > 0 {
        counts.push(format!("{} left out", look.skipped.total()));
    }
    let mut columns = look.columns.iter().take(COLUMNS).map(String::as_str).collect::<Vec<_>>().join(", ");
    if look.columns.len() > COLUMNS {
        columns.push_str(&format!(" and {} more", look.columns.len() - COLUMNS));
    }
    format!("{}; columns: {columns}", counts.join(", "))
}
