//! Shows a finding as a compiler does: the sentence, the position, the line of the file, and a caret below the line.

mod broken;
mod secrets;

use std::fmt::Write as _;
use std::path::Path;

use definition::diagnosis::Finding;
use definition::file::Span;
use definition::{FieldKey, ObjectId};
use serde::de::IgnoredAny;

use super::output::{self, Style};

/// The longest piece of a line that is shown, in characters.
const WIDTH: usize = 100;
/// How many characters of a longer line are shown before the caret.
const BEFORE: usize = 40;

/// Returns the finding with the line of `text` that it is about. The secrets of a definition are hidden.
pub(super) fn of(path: &Path, text: &str, finding: &Finding) -> String {
    let is_secret = |name: Option<&str>| name.is_some_and(|name| name.starts_with('*'));
    let is_secret = is_secret(finding.object.as_ref().map(ObjectId::as_str))
        || is_secret(finding.field.as_ref().map(FieldKey::as_str));
    // In a file that is not JSON, the end of a secret cannot be found.
    let is_json = serde_json::from_str::<IgnoredAny>(text.trim_start_matches('\u{feff}')).is_ok();
    with_line(path, text, finding, |line| match is_json {
        true => secrets::hidden(line, is_secret),
        false => broken::hidden(line, is_secret),
    })
}

/// Returns the finding with the line of `text` that it is about, in a file without secrets.
pub(super) fn of_public(path: &Path, text: &str, finding: &Finding) -> String {
    with_line(path, text, finding, str::to_owned)
}

/// Returns the finding with the line of `text` that it is about, as `shown_line` makes it.
fn with_line(path: &Path, text: &str, finding: &Finding, shown_line: impl FnOnce(&str) -> String) -> String {
    let style = if finding.is_error { Style::Bad } else { Style::Warn };
    let severity = if finding.is_error { "error" } else { "warning" };
    let mut shown =
        format!("{}: {}\n", output::paint(&format!("{severity}[{}]", finding.code), style), finding.message);
    let object = finding.object.as_ref().map(|object| format!("object '{object}'"));
    // Most messages name the field already.
    let field = finding.field.as_ref().filter(|field| !finding.message.contains(&format!("'{field}'")));
    let field = field.map(|field| format!("field '{field}'"));
    let about: Vec<_> = object.into_iter().chain(field).collect();
    let about = if about.is_empty() { String::new() } else { format!("  ({})", about.join(", ")) };
    let Some(span) = finding.span else {
        let _ = writeln!(shown, "  --> {}{about}", path.display());
        return shown;
    };
    let _ = writeln!(shown, "  --> {}:{}:{}{about}", path.display(), span.at.line, span.at.column);
    if let Some(line) = text.lines().nth(span.at.line - 1) {
        shown.push_str(&excerpt(&shown_line(line.trim_start_matches('\u{feff}')), span, style));
    }
    shown
}

fn excerpt(line: &str, span: Span, style: Style) -> String {
    let line: Vec<char> = line.chars().collect();
    let caret = (span.at.column - 1).min(line.len());
    let begin = if line.len() > WIDTH { caret.saturating_sub(BEFORE) } else { 0 };
    let end = line.len().min(begin + WIDTH);
    let (head, tail) = (if begin > 0 { "..." } else { "" }, if end < line.len() { "..." } else { "" });
    let piece: String = line[begin..end].iter().map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let gutter = " ".repeat(span.at.line.to_string().len());
    let length = span.length.clamp(1, (end - caret.min(end)).max(1));
    let under =
        format!("{}{}", " ".repeat(head.len() + caret - begin), output::paint(&"^".repeat(length), style));
    let number = span.at.line;
    format!("{gutter} |\n{number} | {head}{}{tail}\n{gutter} | {under}\n", piece.trim_end())
}
