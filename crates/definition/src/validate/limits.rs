//! Checks that a definition can be stored: ids and values are there, and AWS's limits on size and number hold.

use foldhash::HashSet;

use super::{DUPLICATE_ID, MISSING_FIELD, problems::Problems};
use crate::{Definition, Field, ObjectId, PipelineObject, inherit::Inheritance};

const MAX_OBJECTS: usize = 100;
const MAX_FIELDS: usize = 50;
const MAX_ID_CHARACTERS: usize = 1_024;
const MAX_KEY_BYTES: usize = 256;
const MAX_FIELD_BYTES: usize = 10_240;
const MAX_OBJECT_BYTES: usize = 15_360;
pub(super) const MAX_PARAMETERS: usize = 50;
const MAX_VALUES_BYTES: usize = 15 * 1_024;

pub(super) fn check(definition: &Definition, inheritance: &Inheritance<'_>, problems: &mut Problems) {
    count(definition.objects.len(), MAX_OBJECTS, "objects", "Default", problems);
    count(definition.parameters.len(), MAX_PARAMETERS, "parameters", "Default", problems);
    let bytes: usize = definition.values.iter().map(|value| value.id.len() + value.value.len()).sum();
    count(bytes, MAX_VALUES_BYTES, "bytes of parameter values", "Default", problems);
    if inheritance.indices.len() < definition.objects.len() {
        duplicates(definition, problems);
    }
    for object in &definition.objects {
        check_object(object, problems);
    }
}

fn duplicates(definition: &Definition, problems: &mut Problems) {
    let mut seen = HashSet::default();
    for object in definition.objects.iter().filter(|object| !seen.insert(&object.id)) {
        let message = format!("the id '{}' is used by more than one object", object.id);
        problems.fatal(&object.id, None, DUPLICATE_ID, message);
    }
}

fn count(number: usize, most: usize, what: &str, about: &str, problems: &mut Problems) {
    if number > most {
        let message = format!("the definition has {number} {what}; at most {most} are allowed");
        problems.fatal(&ObjectId::from(about), None, "LIMIT_EXCEEDED", message);
    }
}

fn check_object(object: &PipelineObject, problems: &mut Problems) {
    let id = &object.id;
    for (member, text) in [("id", id.as_str()), ("name", object.name.as_str())] {
        if text.is_empty() {
            problems.fatal(id, Some(member), MISSING_FIELD, format!("the object has no '{member}'"));
        } else if utf16_length(text) > MAX_ID_CHARACTERS {
            let message = format!("'{member}' is longer than {MAX_ID_CHARACTERS} characters");
            problems.fatal(id, Some(member), "LIMIT_EXCEEDED", message);
        }
    }
    if object.fields.len() > MAX_FIELDS {
        let message =
            format!("the object has {} fields; at most {MAX_FIELDS} are allowed", object.fields.len());
        problems.fatal(id, None, "LIMIT_EXCEEDED", message);
    }
    let bytes: usize =
        object.fields.iter().map(|field| field.key.as_str().len() + field.value.as_str().len()).sum();
    if bytes > MAX_OBJECT_BYTES {
        let message = format!("the object has {bytes} bytes; at most {MAX_OBJECT_BYTES} are allowed");
        problems.fatal(id, None, "LIMIT_EXCEEDED", message);
    }
    for field in &object.fields {
        check_field(id, field, problems);
    }
}

fn check_field(id: &ObjectId, field: &Field, problems: &mut Problems) {
    let key = field.key.as_str();
    let text = field.value.as_str();
    if key.is_empty() {
        problems.fatal(id, Some(key), MISSING_FIELD, "a field has no name");
    }
    if key.len() > MAX_KEY_BYTES {
        let message = format!("the name of a field is longer than {MAX_KEY_BYTES} bytes");
        problems.fatal(id, Some(key), "LIMIT_EXCEEDED", message);
    }
    if text.is_empty() {
        let message = format!("'{key}' must not be empty: give it a value or remove it");
        problems.fatal(id, Some(key), "EMPTY_FIELD", message);
    }
    if text.len() > MAX_FIELD_BYTES {
        let message = format!("'{key}' has {} bytes; at most {MAX_FIELD_BYTES} are allowed", text.len());
        problems.fatal(id, Some(key), "LIMIT_EXCEEDED", message);
    }
    let mut illegal = [key, text].into_iter().filter(|text| !is_plain(text)).flat_map(str::chars);
    if let Some(illegal) = illegal.find(|c| !is_legal(*c)) {
        let message =
            format!("'{key}' contains the character {}, which is not allowed", illegal.escape_unicode());
        problems.fatal(id, Some(key), "ILLEGAL_CHARACTER", message);
    }
}

/// Returns the length as AWS's Java service counts it.
fn utf16_length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Returns whether the text consists only of printable ASCII characters, as most texts do.
fn is_plain(text: &str) -> bool {
    // A loop without an early exit lets the compiler check many bytes at once.
    text.bytes().fold(true, |is_plain, byte| is_plain & matches!(byte, b' '..=b'~'))
}

/// Returns whether XML 1.0 allows the character. AWS restricts its strings to these.
fn is_legal(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
