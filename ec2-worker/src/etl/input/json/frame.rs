//! Recognises a file with one object that is a whole table by columns, as pandas writes it by default.
//!
//! Such an object would become one row. In a table of texts, no other check would notice that.

use std::collections::VecDeque;
use std::io;

use serde_json::value::RawValue;

use super::objects::{Fields, Object};

/// How to write the rows of a table as objects.
const REMEDY: &str = "write an object for each row, in pandas by `to_json(orient=\"records\", lines=True)`";

/// Returns a note if the only object of a file may be a table by columns.
///
/// # Errors
///
/// If the object certainly is a table by columns: the keys in each of its values are the numbers of the rows.
pub(super) fn note(objects: &VecDeque<Object>) -> io::Result<Option<String>> {
    let mut filled =
        objects.iter().filter(|object| !matches!(&object.fields, Ok(Fields(fields)) if fields.is_empty()));
    let (Some(Object { fields: Ok(Fields(fields)), .. }), None) = (filled.next(), filled.next()) else {
        return Ok(None);
    };
    let columns: Option<Vec<Vec<String>>> = fields.iter().map(|(_, value)| rows_of(value)).collect();
    let Some(columns) = columns else { return Ok(None) };
    let Some(first) =
        columns.first().filter(|rows| !rows.is_empty() && columns.iter().all(|all| all == *rows))
    else {
        return Ok(None);
    };
    if columns.len() * first.len() > 1
        && first.iter().enumerate().all(|(index, key)| *key == index.to_string())
    {
        return Err(io::Error::other(format!(
            "the file has one object, and the keys in its values are the numbers of rows, 0, 1, …, so it is a table by columns; {REMEDY}"
        )));
    }
    let is_table = columns.len() > 1 && first.len() > 1;
    Ok(is_table.then(|| {
        format!("the file has one object, whose values have the same keys, and it is loaded as one row; if it is a table by columns, {REMEDY}")
    }))
}

/// Returns the keys of the rows in a value, if the value may be a column. In a list, the keys are places.
fn rows_of(value: &RawValue) -> Option<Vec<String>> {
    let text = value.get();
    if text.starts_with('[') {
        let rows: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        // A list of rows is not a proof, because a value of a single object may well be a list.
        return Some(rows.iter().map(|_| "of a list".to_owned()).collect());
    }
    let Fields(rows) = serde_json::from_str(text).ok()?;
    Some(rows.into_iter().map(|(key, _)| key).collect())
}
