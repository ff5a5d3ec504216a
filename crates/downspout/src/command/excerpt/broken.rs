//! Hides secrets in a line of a file that is not JSON.

use super::secrets::{end_of, is_plain_expression};

/// Keys that are shown after the first secret of a line. Any other word there may be part of the secret.
const PLAIN_KEYS: [&str; 8] =
    ["id", "name", "type", "description", "default", "watermark", "optional", "allowedValues"];

/// Returns a line without its secrets. If the line contains a secret, every text value of the line becomes asterisks.
///
/// A line contains a secret if a text in the line begins with `*`, such as the key `"*password"`, or if `is_secret`
/// says that the finding is about a secret parameter. Expressions after the first secret are shown.
pub(super) fn hidden(line: &str, is_secret: bool) -> String {
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
        assert_eq!(hidden(parameter, true), parameter, "the key is not a secret");
    }
}
