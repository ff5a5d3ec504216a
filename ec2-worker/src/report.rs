//! Makes the reports of a worker legal for the service.
//!
//! The service refuses a whole request if one text has a character or a length that the model forbids (API reference,
//! `Field`, `SetTaskStatus`). Texts come from files, databases and commands, and may contain anything. So every
//! report and every final status passes through this module.

use std::fmt::Write as _;

use aws_sdk_datapipeline::types::Field;

use crate::progress::Fields;

/// The largest number of fields in a report. The number is the quota of fields of an object.
const MOST_FIELDS: usize = 50;
/// The length of the longest key of a field (API model, `fieldNameString`). All lengths here are in UTF-16 code units,
/// as the service counts them.
const LONGEST_KEY: usize = 256;
/// The length of the longest value of a field (API model, `fieldStringValue`).
const LONGEST_VALUE: usize = 10_240;
/// The length of the longest `errorId` and of the longest `errorStackTrace` (API model, `string`).
const LONGEST_STRING: usize = 1024;
/// The length of the longest `errorMessage`. The service has no limit, but people do not read longer messages.
const LONGEST_MESSAGE: usize = 5000;
/// The beginning of error ids that only the service may use.
const RESERVED: &str = "Service_";

/// Returns legal fields: the first fifty that have a key.
pub(crate) fn fields(fields: &Fields) -> Vec<Field> {
    let named = fields.iter().filter(|(key, _)| !key.is_empty()).take(MOST_FIELDS);
    let legal = named.filter_map(|(key, value)| {
        let field = Field::builder().key(text(key, LONGEST_KEY)).string_value(text(value, LONGEST_VALUE));
        field.build().ok()
    });
    legal.collect()
}

/// Returns `id` as a legal `errorId`.
pub(crate) fn error_id(id: &str) -> String {
    let own = if id.starts_with(RESERVED) { format!("Worker:{id}") } else { id.to_owned() };
    text(&own, LONGEST_STRING)
}

/// Returns `message` as a legal `errorMessage`.
pub(crate) fn error_message(message: &str) -> String {
    text(message, LONGEST_MESSAGE)
}

/// Returns `trace` as a legal `errorStackTrace`.
pub(crate) fn stack_trace(trace: &str) -> String {
    text(trace, LONGEST_STRING)
}

/// Writes each forbidden character as an escape (`\u{1}`), so that a reader sees it, and cuts the text to `most` units.
fn text(text: &str, most: usize) -> String {
    let (mut legal, mut units) = (String::with_capacity(text.len().min(3 * most)), 0);
    let mut escape = String::new();
    for character in text.chars() {
        let length = if is_legal(character) {
            character.len_utf16()
        } else {
            escape.clear();
            let _ = write!(escape, "{}", character.escape_unicode());
            escape.len()
        };
        units += length;
        if units > most {
            break;
        }
        if is_legal(character) { legal.push(character) } else { legal.push_str(&escape) }
    }
    legal
}

/// Returns whether the pattern of the model allows a character: tab, line feed, carriage return, U+0020 to U+D7FF,
/// U+E000 to U+FFFD, and everything from U+10000.
fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(given: &[(&str, &str)]) -> Vec<String> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        fields(&given).iter().map(|field| field.string_value().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_forbidden_character_is_written_as_an_escape() {
        let given = "a\u{1}b\0c\u{1f}\u{fffe}\u{ffff}\u{fffd}\t\r\n\u{7f}ü\u{10ffff}";
        let legal = "a\\u{1}b\\u{0}c\\u{1f}\\u{fffe}\\u{ffff}\u{fffd}\t\r\n\u{7f}ü\u{10ffff}";
        assert_eq!(values(&[("resultPreview", given)]), [legal]);
        assert_eq!(error_message(given), legal);
        assert_eq!(stack_trace(given), legal);
        assert_eq!(error_id("Bad\u{2}:Input"), "Bad\\u{2}:Input");
        let key = fields(&vec![("k\u{3}".to_owned(), String::new())]).first().map(|f| f.key().to_owned());
        assert_eq!(key.as_deref(), Some("k\\u{3}"));
    }

    #[test]
    fn lengths_are_counted_in_utf16_units_after_escaping() {
        let units = |text: &str| text.encode_utf16().count();
        let [value] = values(&[("k", &"\u{10000}".repeat(6000))]).try_into().expect("one field");
        assert_eq!(units(&value), 10_240);
        let [value] = values(&[("k", &"\u{1}".repeat(6000))]).try_into().expect("one field");
        assert!(units(&value) <= 10_240 && value.ends_with("\\u{1}"), "no escape is cut in two");
        assert_eq!(units(&error_id(&"é".repeat(2000))), 1024);
        assert_eq!(units(&stack_trace(&"\u{1f600}".repeat(2000))), 1024);
    }

    #[test]
    fn no_report_has_more_than_fifty_fields_or_one_without_a_name() {
        let many: Vec<_> = (0..60).map(|number| (number.to_string(), String::new())).collect();
        assert_eq!(fields(&many).len(), 50);
        assert_eq!(values(&[("", "nameless"), ("k", "v")]), ["v"]);
    }

    #[test]
    fn an_error_id_of_the_service_is_not_used() {
        assert_eq!(error_id("Service_Down"), "Worker:Service_Down");
    }
}
