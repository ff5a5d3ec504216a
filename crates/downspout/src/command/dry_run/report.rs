//! The result of a dry run of one load, as text and as JSON.

use std::path::PathBuf;

use ec2_worker::by_hand::TableLoad;
use ec2_worker::etl::load::dry_run::{Changes, DryLoad, Sample};
use serde_json::{Value, json};

use super::super::output::{self, Style};

/// The largest number of characters of a value that a sample shows.
const SHOWN: usize = 60;

/// The result of one load.
pub(super) struct Report<'a> {
    pub(super) load: &'a TableLoad,
    pub(super) files: &'a [PathBuf],
    pub(super) result: &'a DryLoad,
}

impl Report<'_> {
    /// Returns the result for programs.
    pub(super) fn json(&self) -> Value {
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        json!({"activity": self.load.activity, "files": files, "result": self.result})
    }

    /// Returns the result for people.
    pub(super) fn text(&self) -> String {
        let DryLoad { table, reasons, refused, changes, failure, .. } = self.result;
        let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
        let heading =
            format!("{}: {} into {table} ({})", self.load.activity, files.join(", "), self.load.database());
        let mut lines = vec![output::paint(&heading, Style::Bold)];
        if let Some((id, message)) = failure {
            lines.push(output::paint(
                &format!("  would fail: {id}: {}", output::harmless(message)),
                Style::Bad,
            ));
        }
        if let Some(changes) = changes {
            lines.extend(counts(changes));
            lines.extend(changes.samples.iter().map(|sample| format!("  {}", row(changes, sample))));
        }
        if *refused > 0 {
            let count = output::count(*refused);
            lines.push(output::paint(&format!("  {count} refused"), Style::Warn));
            lines.extend(reasons.iter().map(|reason| format!("  refused: {}", output::harmless(reason))));
        }
        let notes = self.result.fields.iter().filter(|(key, _)| key == "note");
        lines.extend(notes.map(|(_, note)| format!("  note: {}", output::harmless(note))));
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

fn counts(changes: &Changes) -> Vec<String> {
    let Changes { added, changed, removed, unchanged, .. } = changes;
    let count = |number: &i64| output::count(u64::try_from(*number).unwrap_or_default());
    let mut lines = vec![format!(
        "  would add {}, change {}, remove {} and leave {} rows as they are",
        count(added),
        count(changed),
        count(removed),
        count(unchanged)
    )];
    if changes.creates_table {
        lines.push("  would create the table".to_owned());
    }
    if changes.key.is_empty() && *removed > 0 {
        lines.push(
            "  (the table has no primary key, so a changed row counts as removed and added)".to_owned(),
        );
    }
    lines
}

/// Returns a sample as one line: all values of a row that is added or removed, or the values that change.
fn row(changes: &Changes, sample: &Sample) -> String {
    let pairs = |values: &[Option<String>]| {
        let pairs = changes.columns.iter().zip(values);
        pairs
            .map(|(column, value)| format!("{column}={}", shown(value.as_ref())))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (&sample.before, &sample.after) {
        (Some(before), Some(after)) => {
            let columns = || changes.columns.iter().zip(before.iter().zip(after));
            let key = columns().filter(|(column, _)| changes.key.contains(column));
            let key: Vec<String> =
                key.map(|(column, (_, now))| format!("{column}={}", shown(now.as_ref()))).collect();
            let others = columns().filter(|(_, (old, new))| old != new);
            let others: Vec<String> = others
                .map(|(column, (old, new))| {
                    format!("{column} {} -> {}", shown(old.as_ref()), shown(new.as_ref()))
                })
                .collect();
            format!("~ {}: {}", key.join(", "), others.join(", "))
        }
        (None, Some(after)) => format!("+ {}", pairs(after)),
        (Some(before), None) => format!("- {}", pairs(before)),
        (None, None) => String::new(),
    }
}

fn shown(value: Option<&String>) -> String {
    let Some(value) = value else { return "NULL".to_owned() };
    let text: String = output::harmless(value).replace(['\n', '\t'], " ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
