//! Shows a finding as a compiler does: the sentence, the position, the line of the file, and a caret below the line.

use std::fmt::Write as _;
use std::path::Path;

use definition::diagnosis::Finding;
use definition::file::Span;

use super::output::{self, Style};

/// The longest piece of a line that is shown, in characters.
const WIDTH: usize = 100;
/// How many characters of a longer line are shown before the caret.
const BEFORE: usize = 40;
/// Keys that are shown after the first secret of a line. Any other word there may be part of the secret.
const PLAIN_KEYS: [&str; 8] =
    ["id", "name", "type", "description", "default", "watermark", "optional", "allowedValues"];

/// Returns the finding with the line of `text` that it is about.
pub(super) fn of(path: &Path, text: &str, finding: &Finding) -> String {
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
    let is_secret = finding.object.as_ref().is_some_and(|object| object.as_str().starts_with('*'));
    if let Some(line) = text.lines().nth(span.at.line - 1) {
        shown.push_str(&excerpt(line, span, is_secret, style));
    }
    shown
}

fn excerpt(line: &str, span: Span, is_secret: bool, style: Style) -> String {
    let line: Vec<char> = hidden(line.trim_start_matches('\u{feff}'), is_secret).chars().collect();
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

/// Returns a line without its secrets. If the line contains a secret, every text value of the line becomes asterisks.
///
/// A line contains a secret if a text in the line begins with `*`, such as the key `"*password"`, or if `is_secret`
/// says that the finding is about a secret parameter. Expressions after the first secret are shown.
fn hidden(line: &str, is_secret: bool) -> String {
    if !is_secret && !line.contains("\"*") {
        return line.to_owned();
    }
    let mut shown = String::with_capacity(line.len());
    // After the first secret, only `PLAIN_KEYS`, texts that begin with `*`, and expressions that name a single value
    // are shown.
    let begin = if is_secret { 0 } else { line.find("\"*").unwrap_or_default() };
    let (before, mut rest) = line.split_at(begin);
    shown.push_str(&hidden_values(before));
    while let Some(open) = rest.find('"') {
        let (before, string) = rest.split_at(open + 1);
        shown.push_str(&without_words(before));
        let end = end_of(string);
        let (content, after) = string.split_at(end);
        // A key needs the colon after its closing quotation mark, because a value that is cut off may also end at a
        // quotation mark.
        let names_a_value = after.strip_prefix('"').is_some_and(|rest| rest.trim_start().starts_with(':'));
        let is_key = names_a_value && PLAIN_KEYS.contains(&content);
        if is_key || content.starts_with('*') || is_plain_expression(content) {
            shown.push_str(content);
        } else {
            shown.extend(std::iter::repeat_n('*', content.chars().count()));
        }
        let closed = after.len().min(1);
        shown.push_str(&after[..closed]);
        rest = &after[closed..];
    }
    shown.push_str(&without_words(rest));
    shown
}

/// Returns the part of a line before its first secret, with its keys as they are and its values as asterisks.
fn hidden_values(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('"') {
        let (before, string) = rest.split_at(open + 1);
        let (content, after) = string.split_at(end_of(string));
        let is_key = after.trim_start_matches('"').trim_start().starts_with(':');
        shown.push_str(before);
        match is_key {
            true => shown.push_str(content),
            false => shown.extend(std::iter::repeat_n('*', content.chars().count())),
        }
        let closed = after.len().min(1);
        shown.push_str(&after[..closed]);
        rest = &after[closed..];
    }
    shown + rest
}

/// Returns punctuation and blanks as they are, and every other character as an asterisk.
fn without_words(text: &str) -> String {
    text.chars().map(|c| if c.is_whitespace() || "{}[],:\"".contains(c) { c } else { '*' }).collect()
}

/// Returns whether the text is an expression such as `#{*myPassword}`, which cannot be a secret itself.
fn is_plain_expression(text: &str) -> bool {
    let name = text.strip_prefix("#{").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || "*_.@".contains(c)))
}

/// Returns where the content of a string ends: at its quotation mark, or at the end of the line.
fn end_of(string: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in string.char_indices() {
        match c {
            '"' if !is_escaped => return at,
            _ => is_escaped = c == '\\' && !is_escaped,
        }
    }
    string.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_beside_a_finding_is_not_shown() {
        let line = r##"{"id": "Db", "*password": "hu\"sh", "username": "me", "*other": "#{*myPw}"}"##;
        let shown = r##"{"id": "**", "*password": "******", "********": "**", "*other": "#{*myPw}"}"##;
        assert_eq!(hidden(line, false), shown);
        assert_eq!(hidden(r#""default": "hush""#, true), r#""default": "****""#);
        for secret in
            [r#""*pw": {"ref": "hush"}"#, r#""*pw": hush"#, r#""*pw": {"hush": 1}"#, r##""*pw": "#{hush(""##]
        {
            assert!(!hidden(secret, false).contains("hush"), "{}", hidden(secret, false));
        }
        assert_eq!(hidden(r#""a": "b""#, false), r#""a": "b""#);
        let parameter = r#""id": "*myRedshiftPassword""#;
        assert_eq!(hidden(parameter, true), parameter, "the key is no secret");
    }
}
