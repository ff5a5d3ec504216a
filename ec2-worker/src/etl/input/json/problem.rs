//! Says what is wrong with an object, and what to change in the file.

use super::place::characters;

/// How a file may have objects.
pub(super) const FORMS: &str = "write each object on one line, as `jq -c .` does, or put all objects into one array, [{…}, {…}], in which they \
     may have several lines";

/// Returns why a line is not an object. `error` is the error about `line`.
pub(super) fn of_line(line: &[u8], error: &serde_json::Error) -> String {
    let at = place_of(line, error);
    let column = characters(&line[..at]) + 1;
    let rest = &line[at..];
    let is_whole_line = line.ends_with(b"\n") || line.ends_with(b"\r");
    let blanks = line.len() - line.trim_ascii_start().len();
    let place = |what: &str| format!("the line is not a JSON object (column {column}): {what}");
    if line.get(blanks) != Some(&b'{') {
        return format!(
            "the line is not a JSON object (column {}): it does not begin with {{; {FORMS}",
            characters(&line[..blanks]) + 1
        );
    }
    if error.is_eof() && !is_whole_line {
        return "the line is not a JSON object: the file ends before the object does; the file is not whole, so drop it again"
            .to_owned();
    }
    if error.is_eof() {
        return format!("the line is not a JSON object: the object does not end in this line; {FORMS}");
    }
    if !error.to_string().starts_with("trailing characters") {
        return place(&explained(error, rest.first().copied()));
    }
    place(match rest.first() {
        Some(b'{') => "another object begins here; begin each object on a line of its own",
        Some(b',' | b']') => {
            "text follows the object; leave the comma or the ] out, or put all objects into one array, [{…}, {…}]"
        }
        _ => "text follows the object; remove it",
    })
}

/// Returns the index of the byte at fault. serde_json counts the byte before or behind it for a control character in a text.
fn place_of(line: &[u8], error: &serde_json::Error) -> usize {
    let last = line.len().saturating_sub(1);
    if error.line() > 1 {
        return last;
    }
    let at = error.column().saturating_sub(1).min(last);
    if !error.to_string().starts_with("control character") {
        return at;
    }
    let control = line[at..].iter().position(|byte| *byte < b' ');
    control.map_or(at, |control| at + control)
}

/// Returns the place in the file of an error about an object for people, and the byte there. The object has the text `bytes`, and begins
/// at the line and the column of `begin`.
pub(super) fn place(bytes: &[u8], begin: (u64, u64), error: &serde_json::Error) -> (String, Option<u8>) {
    // After a line end, serde_json counts the column 0 of the next line.
    let is_at_end = error.column() == 0;
    let row = error.line().saturating_sub(1 + usize::from(is_at_end));
    let line = bytes.split(|byte| *byte == b'\n').nth(row).unwrap_or_default();
    let number = begin.0 + row as u64;
    if is_at_end {
        return (format!("line {number}, at its end"), Some(b'\n'));
    }
    let at = error.column().saturating_sub(1).min(line.len());
    let before = if row == 0 { begin.1 } else { 1 };
    (format!("line {number}, column {}", characters(&line[..at]) + before), line.get(at).copied())
}

/// Returns what is wrong at the place of an error, and what to change. `found` is the byte there, if it is known.
pub(super) fn explained(error: &serde_json::Error, found: Option<u8>) -> String {
    let whole = error.to_string();
    let what = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(what, _)| what);
    let is_break = matches!(found, Some(b'\n' | b'\r'));
    let explained = match what {
        "trailing comma" => "a comma stands before the closing }; remove the comma",
        "expected `,` or `}`" => {
            "neither a comma nor a } follows the value; write a comma between two fields, and double a \\ or write \\\" inside a text"
        }
        "expected `,` or `]`" => {
            "neither a comma nor a ] follows the value; write a comma between two values"
        }
        "expected `:`" => "no colon follows the key; write one between the key and its value",
        "key must be a string" => "a key is not in double quotes; write each key as \"key\"",
        "expected value" | "expected ident" | "invalid number" => {
            "no value of JSON stands here; write a text in double quotes, a number, true, false or null; NaN and Infinity are written in \
             double quotes, as \"NaN\", for a column of numbers with a fraction, or as null"
        }
        _ if what.starts_with("control character") && is_break => {
            "a text is not closed in its line; close it, or write a line break in a text as \\n"
        }
        _ if what.starts_with("control character") => {
            "a text has a control character; write it as an escape, such as \\t for a tab"
        }
        "invalid escape" => "a \\ has no meaning before this letter; write \\\\ for a \\ in a text",
        _ if what.ends_with("appears twice") => return format!("{what}; leave one of them out"),
        _ => return format!("{what}; correct it"),
    };
    explained.to_owned()
}
