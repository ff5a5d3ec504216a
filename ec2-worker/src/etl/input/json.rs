//! Turns JSON lines, or one array of objects, into CSV. The keys of the objects are the header.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use serde_json::value::RawValue;

use super::super::dialect::Dialect;
use super::super::header;
use super::bad_bytes;
use super::csv_text::push_record;
use objects::{Fields, Object, Objects};
use quick::{Keys, Quick};

mod frame;
mod objects;
mod place;
mod problem;
mod quick;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The number of objects whose keys make the header.
const LEADING: usize = 1000;
/// The largest size of these objects in bytes. After it, fewer than [`LEADING`] objects make the header.
const LEADING_BYTES: usize = 4 * 1024 * 1024;

/// Returns `text` as CSV with a header. An object must be shorter than the longest record of `dialect`. `encoding` is the encoding
/// of the file for messages.
///
/// # Errors
///
/// If the text begins neither with an object nor with an array, or if none of its objects can be read.
pub(super) fn csv(
    text: Box<dyn BufRead + Send>,
    dialect: &Dialect,
    encoding: &'static str,
) -> io::Result<Csv> {
    let mut objects = Objects::begin(text, dialect.longest_record as u64, encoding)?;
    let (mut leading, mut bytes, mut keys) = (VecDeque::new(), 0, Keys::default());
    let mut has_more = true;
    while has_more && leading.len() < LEADING && bytes < LEADING_BYTES {
        let Some(object) = objects.next()? else {
            has_more = false;
            continue;
        };
        if let Ok(Fields(fields)) = &object.fields {
            for (key, value) in fields {
                bytes += key.len() + value.get().len();
                keys.add(key);
            }
        }
        leading.push_back(object);
    }
    check_leading(&objects, &leading, &keys)?;
    let table_note = if has_more { None } else { frame::note(&leading)? };
    let json_keys = &dialect.json_keys;
    let mut keys = if keys.names.is_empty() { keys } else { keys.beginning_with(&json_keys.first) };
    let is_missing = |name: &&String| !keys.names.is_empty() && !header::has_alike(&keys.names, name);
    let missing: Vec<&String> = json_keys.known.iter().filter(is_missing).collect();
    missing.iter().for_each(|name| keys.add(name));
    keys.needed = keys.names.iter().map(|name| header::has_alike(&json_keys.needed, name)).collect();
    keys.literals = dialect.literals.of_keys(&keys.names);
    let notes =
        note(leading.len(), has_more, json_keys.ignores_others, &missing).into_iter().chain(table_note);
    let notes = notes.collect();
    let ignores_others = json_keys.ignores_others && has_more;
    let mut out = Vec::new();
    if !keys.names.is_empty() {
        push_record(keys.names.iter().map(|key| Some((key.as_str(), true))), &mut out);
    }
    (0..objects.blank_lines).for_each(|_| out.push(b'\n'));
    let quick = Quick::new(&keys);
    Ok(Csv { objects, leading, keys, ignores_others, notes, quick, out, next: 0, failure: None })
}

/// Fails if no object can be read, because there is no header then.
fn check_leading(objects: &Objects, leading: &VecDeque<Object>, keys: &Keys) -> io::Result<()> {
    let reasons = leading.iter().zip(objects.blank_lines + 1..);
    let mut reasons = reasons.filter_map(|(object, line)| Some((object.fields.as_ref().err()?, line)));
    match reasons.next() {
        Some(((reason, _), line)) if keys.names.is_empty() => {
            Err(io::Error::other(format!("line {line}: {reason}")))
        }
        _ => Ok(()),
    }
}

/// Returns a sentence for the user about keys that may be missing or left out. `leading` is the number of the objects whose keys are
/// known, and `missing` are the columns that none of them names.
fn note(leading: usize, has_more: bool, ignores_others: bool, missing: &[&String]) -> Option<String> {
    if has_more && ignores_others {
        return Some(format!(
            "keys that stand in none of the first {leading} objects of the file, and are not columns of the table, are left out"
        ));
    }
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let needs_note = !has_more && !names.is_empty();
    needs_note.then(|| format!("no object has a key for {}, so the column is NULL", names.join(", ")))
}

/// The CSV of the objects.
pub(super) struct Csv {
    objects: Objects,
    /// The objects that were read for the header and are not yet written.
    leading: VecDeque<Object>,
    keys: Keys,
    /// Whether keys that are not in the header are left out.
    ignores_others: bool,
    notes: Vec<String>,
    quick: Quick,
    out: Vec<u8>,
    /// The index in `out` of the first byte that was not yet read.
    next: usize,
    /// The failure that comes after the bytes of `out`.
    failure: Option<io::Error>,
}

impl Csv {
    /// Returns sentences for the user about keys that may be missing or left out, and about the form of the objects.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// Appends the record of the next object, and returns whether there is one.
    fn push_next(&mut self) -> io::Result<bool> {
        if let Some(object) = self.leading.pop_front() {
            self.push_object(&object);
            return Ok(true);
        }
        if self.objects.is_array && !self.objects.begin_element()? {
            return Ok(false);
        }
        if self.objects.quick(&mut self.quick, &self.keys, &mut self.out)? {
            return Ok(true);
        }
        let object = match self.objects.is_array {
            true => Some(self.objects.element()?),
            false => self.objects.next_line()?,
        };
        object.iter().for_each(|object| self.push_object(object));
        Ok(object.is_some())
    }

    fn push_object(&mut self, object: &Object) {
        if object.has_mark {
            // The reader of records leaves it out, and notes its line.
            self.out.extend_from_slice(BYTE_ORDER_MARK);
        }
        let fields = match &object.fields {
            Ok(Fields(fields)) if fields.is_empty() => {
                self.out.push(b'\n');
                return;
            }
            Ok(Fields(fields)) => fields,
            Err((reason, raw)) => return bad_bytes::push_reason(reason, raw, &mut self.out),
        };
        let mut texts = vec![None; self.keys.names.len()];
        let (mut left_out, mut known) = (None, 0);
        for (key, value) in fields {
            let text = match self.keys.places.get(key) {
                Some(place) => {
                    known += 1;
                    let literal = self.keys.literals.get(*place).copied().flatten();
                    match literal.and_then(|literal| literal.refusal(key, value.get())) {
                        Some(reason) => Err(reason),
                        None => text(key, value.get()).map(|text| texts[*place] = text),
                    }
                }
                None if header::has_alike(&self.keys.names, key) => Err(format!(
                    "the key `{key}` is written in another way in the first {LEADING} objects of the file; write it alike everywhere"
                )),
                None if self.ignores_others => {
                    left_out = Some(key);
                    Ok(())
                }
                None => Err(format!(
                    "the key `{key}` does not stand in the first {LEADING} objects of the file; add it to the first \
                         object, with the value null"
                )),
            };
            if let Err(reason) = text {
                return bad_bytes::push_reason(&reason, &written(fields), &mut self.out);
            }
        }
        let mut absent = self.keys.names.iter().zip(&self.keys.needed);
        let lacks =
            |(name, is_needed): &(&String, &bool)| **is_needed && !fields.iter().any(|(key, _)| key == *name);
        if let (Some((name, _)), true) = (absent.find(lacks), known > 0) {
            let reason = format!(
                "the key `{name}` is missing, and NULL would take the place of the default of its column, or in an upsert of the stored \
                 value; write the key in each object, with null if there is no value"
            );
            return bad_bytes::push_reason(&reason, &written(fields), &mut self.out);
        }
        // Without this check, the object would be taken for a line without any value.
        if let (Some(key), 0) = (left_out, known) {
            let reason = format!(
                "none of its keys is a column of the table, as `{key}`; write them as the table has them"
            );
            return bad_bytes::push_reason(&reason, &written(fields), &mut self.out);
        }
        let texts = texts.iter().map(|text| text.as_ref().map(|(text, is_text)| (text.as_str(), *is_text)));
        push_record(texts, &mut self.out);
    }
}

/// Returns the text of a JSON value, and whether it is a string; `None` for `null`.
///
/// # Errors
///
/// If the value is a string that is not Unicode text, such as one with half of a surrogate pair.
fn text(key: &str, raw: &str) -> Result<Option<(String, bool)>, String> {
    Ok(match raw {
        "null" => None,
        _ if raw.starts_with('"') => {
            let text = serde_json::from_str(raw);
            Some((
                text.map_err(|error| format!("the value of `{key}` is not text: {error}; correct it"))?,
                true,
            ))
        }
        _ => Some((raw.to_owned(), false)),
    })
}

/// Returns an object as JSON.
fn written(fields: &[(String, Box<RawValue>)]) -> String {
    let fields = fields
        .iter()
        .map(|(key, value)| format!("{}: {}", serde_json::Value::from(key.as_str()), value.get()));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

impl Read for Csv {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.next == self.out.len() {
            self.out.clear();
            self.next = 0;
            self.failure.take().map_or(Ok(()), Err)?;
            // Few long reads, because the caller clears the buffer for each of them.
            while self.out.len() < buffer.len() {
                match self.push_next() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(failure) if self.out.is_empty() => return Err(failure),
                    Err(failure) => {
                        self.failure = Some(failure);
                        break;
                    }
                }
            }
        }
        let count = buffer.len().min(self.out.len() - self.next);
        buffer[..count].copy_from_slice(&self.out[self.next..self.next + count]);
        self.next += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
