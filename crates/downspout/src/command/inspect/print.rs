//! The report about a file as text for people.

use std::fmt::Write as _;

use definition::counted::counted;
use ec2_worker::etl::inspect::report::{Column, Report, Suspicion};

use super::super::output::{self, Style, count, harmless};

/// The longest value in the table of columns, in characters.
const WIDTH: usize = 24;

/// Returns the whole report.
pub(super) fn report(report: &Report) -> String {
    let mut text = format!("{}\n", output::paint(&harmless(&report.file), Style::Bold));
    for (what, value) in facts(report) {
        let _ = writeln!(text, "  {what:<11} {}", harmless(&value));
    }
    text.push('\n');
    text.push_str(&output::table(
        &["column", "type", "fits", "null", "distinct", "min", "max", "longest", "examples"],
        report.columns.iter().map(row).collect(),
    ));
    let remarks: Vec<String> = report.columns.iter().filter_map(remark).collect();
    if !remarks.is_empty() {
        let _ = writeln!(text, "\n{}", output::paint("columns", Style::Bold));
        remarks.iter().for_each(|remark| text.push_str(remark));
    }
    if report.suspicious.is_empty() {
        text.push_str("\nNothing is suspicious.\n");
    } else {
        let _ = writeln!(text, "\n{}", output::paint("suspicious", Style::Warn));
        report.suspicious.iter().for_each(|found| text.push_str(&suspicion(found)));
    }
    text.push('\n');
    text
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let mut size = bytes(report.bytes);
    if let Some(packing) = report.packing {
        let _ = write!(size, ", {packing}, {} of text", bytes(report.text_bytes));
    }
    let mut facts = vec![("size", size)];
    if report.form == "workbook" {
        facts.push(("form", "Excel workbook".to_owned()));
    } else {
        if report.form == "json" {
            facts.push(("form", "JSON".to_owned()));
        }
        facts.push(("encoding", report.encoding.clone()));
        facts.push(("line ends", line_ends(report)));
    }
    if report.form == "text" {
        let separator = report.separator.clone().unwrap_or_else(|| "none was found".to_owned());
        facts.push(("separator", separator));
        facts.push(("quote", report.quote.clone().unwrap_or_else(|| "none".to_owned())));
        facts.extend(report.escape.clone().map(|escape| ("escape", escape)));
        facts.extend(report.comment.clone().map(|comment| ("comments", format!("lines after {comment}"))));
    }
    if report.skip_lines > 0 {
        facts.push((
            "first lines",
            format!("{} are not records; `mySkipLines` leaves them out", report.skip_lines),
        ));
    }
    facts.push(("header", header(report)));
    let mut rows = count(report.rows);
    if report.blank > 0 {
        let _ = write!(rows, ", and {} blank", count(report.blank));
    }
    facts.push(("rows", rows));
    facts.extend(report.notes.iter().filter(|note| !is_known(note)).map(|note| ("note", note.clone())));
    facts
}

/// Returns whether the first record is the header, how sure that is, and why.
pub(in crate::command) fn header(report: &Report) -> String {
    let found = if report.header { "yes" } else { "no" };
    let sure = if report.header_is_sure { "" } else { ", but that is a guess" };
    format!("{found}{sure}, because {}", report.header_reason)
}

/// Returns whether a note repeats a part of the report.
fn is_known(note: &str) -> bool {
    ["found the separator", "no separator was found", "the file is "]
        .iter()
        .any(|start| note.starts_with(start))
}

fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{} bytes", output::count(count)),
        10_000..10_000_000 => format!("{} kB", output::count(count / 1000)),
        _ => format!("{} MB", output::count(count / 1_000_000)),
    }
}

fn line_ends(report: &Report) -> String {
    let ends = report.line_ends;
    let kinds = [("CR LF", ends.crlf), ("LF", ends.lf), ("CR", ends.cr)];
    let there: Vec<_> = kinds.into_iter().filter(|(_, count)| *count > 0).collect();
    match there[..] {
        [] => "none".to_owned(),
        [(kind, _)] => kind.to_owned(),
        _ => {
            let all: Vec<String> = there
                .iter()
                .map(|(kind, number)| format!("{kind} {}", counted(count(*number), "time")))
                .collect();
            format!("mixed: {}", all.join(", "))
        }
    }
}

fn row(column: &Column) -> Vec<String> {
    let value = |text: &Option<String>| short(text.as_deref().unwrap_or_default());
    let distinct = count(column.distinct as u64);
    vec![
        short(named(&column.name)),
        column.likely.to_string(),
        percent(column.share),
        percent(column.null_share),
        if column.distinct_is_least { format!("{distinct}+") } else { distinct },
        value(&column.min),
        value(&column.max),
        column.longest.to_string(),
        column.examples.iter().map(|text| short(text)).collect::<Vec<_>>().join(" | "),
    ]
}

fn remark(column: &Column) -> Option<String> {
    let mut remarks = Vec::new();
    if !column.patterns.is_empty() {
        remarks.push(format!("read by {}", column.patterns.join(" and ")));
    }
    remarks.extend(column.remarks.iter().cloned());
    if let Some(obstacle) = &column.obstacle {
        remarks.push(format!("text is safer: {obstacle}"));
    }
    if column.looks_like_key {
        remarks.push("looks like a key".to_owned());
    }
    let text = remarks.join("; ");
    (!text.is_empty()).then(|| format!("  {}: {}\n", harmless(named(&column.name)), harmless(&text)))
}

fn suspicion(found: &Suspicion) -> String {
    let mut text = String::from("  ");
    if let Some(column) = &found.column {
        let _ = write!(text, "{}: ", harmless(named(column)));
    }
    let _ = writeln!(text, "{} (in {})", harmless(&found.message), times(found.count));
    for place in &found.places {
        let _ = writeln!(text, "    line {}: {}", place.line, harmless(&one_line(&place.text)));
    }
    if found.count > found.places.len() as u64 && !found.places.is_empty() {
        text.push_str("    …\n");
    }
    text
}

fn times(number: u64) -> String {
    counted(count(number), "row")
}

/// Returns a share in percent. Only a whole is 100 %, and only nothing is 0 %.
pub(in crate::command) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match () {
        () if share >= 1.0 => "100 %".to_owned(),
        () if percent > 99.9 => "99.9+ %".to_owned(),
        () if share > 0.0 && percent < 0.1 => "<0.1 %".to_owned(),
        () if percent.fract() < 0.05 => format!("{percent:.0} %"),
        () => format!("{percent:.1} %"),
    }
}

/// Returns the name of a column, or `(no name)` if the header has none.
fn named(name: &str) -> &str {
    if name.is_empty() { "(no name)" } else { name }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\t'], " ")
}

fn short(text: &str) -> String {
    let text = harmless(&one_line(text));
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
