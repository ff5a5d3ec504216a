//! Checks the fields of data formats and loads against each other: fields that a dialect does not use, and patterns that give a
//! date two meanings.

use std::collections::BTreeMap;

use super::{INVALID, checked_definition::CheckedDefinition, problems::Problems};
use crate::{
    PipelineObject, expression,
    inherit::Resolved,
    kind::{
        Group, date_patterns,
        dialect_fields::{self, Reading},
    },
};

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    for (object, kind) in checked.with_kinds() {
        if kind.is_some_and(|kind| kind.group() == Group::DataFormat) {
            unused_fields(object, problems);
        }
        two_meanings(object.stated, problems);
    }
}

/// Warns of fields that the dialect of a data format does not use.
fn unused_fields(object: &Resolved<'_>, problems: &mut Problems) {
    let written = object.string("myDialect");
    let Some(reading) = Reading::of(written) else { return };
    let name = written.map_or_else(|| "text".to_owned(), |word| format!("'myDialect' {}", word.trim()));
    for (key, why) in dialect_fields::unused(reading) {
        let is_harmless = *key == "myHeader" && object.string(key).is_none_or(is_true);
        if !object.has(key) || is_harmless {
            continue;
        }
        problems.warning(
            object.id(),
            Some(key),
            "IGNORED_FIELD",
            format!("'{key}' has no effect with {name}: {why}"),
        );
    }
}

fn is_true(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("true")
}

/// Reports patterns of one object that read the same text as different dates.
fn two_meanings(object: &PipelineObject, problems: &mut Problems) {
    let plain = |key| object.strings(key).filter(|text| !expression::is_in(text));
    let for_all: Vec<&str> = plain("myDateFormat").collect();
    let mut by_column: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (column, pattern) in plain("myColumn").filter_map(|text| text.trim().split_once(char::is_whitespace))
    {
        by_column.entry(column).or_default().push(pattern.trim());
    }
    let what = |(one, other): (&str, &str), of: &str| {
        format!(
            "'{one}' and '{other}' read the same text as two different dates; keep the one that the file has{of}"
        )
    };
    if let Some(pair) = date_patterns::ambiguous(&for_all) {
        let message = what(pair, ", or give each column its own pattern by 'myColumn'");
        problems.error(&object.id, Some("myDateFormat"), INVALID, message);
    }
    for (column, patterns) in by_column {
        if let Some(pair) = date_patterns::ambiguous(&patterns) {
            problems.error(
                &object.id,
                Some("myColumn"),
                INVALID,
                what(pair, &format!(" in column '{column}'")),
            );
        }
    }
}
