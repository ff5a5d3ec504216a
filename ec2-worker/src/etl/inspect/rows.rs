//! Reads all records of a file, finds its header, and counts the kinds of values in its columns.

use std::collections::BTreeMap;

use super::super::cell;
use super::super::dialect::{Dialect, Form};
use super::super::header::ROW_NAMES;
use super::super::input::bad_bytes;
use super::super::records::{Record, Records, Skipped};
use super::header_sign::{self, HeaderSign};
use super::place::{Place, SHOWN};
use super::row::{Field, Row, is_name};
use super::stats::Stats;
use crate::failure::Failure;

/// The number of rows from which the usual number of fields is found.
const SAMPLE: usize = 1000;
/// The largest size of these rows in bytes.
const SAMPLE_BYTES: usize = 8 * 1024 * 1024;
/// The largest number of different values that are remembered, in all columns.
const REMEMBERED: usize = 2_000_000;
/// The largest number of different values that are remembered in one column.
const REMEMBERED_OF_COLUMN: usize = 200_000;
/// The largest number of lines of a preamble.
const PREAMBLE: usize = 50;
/// Progress is reported each time after this many rows.
const STEP: u64 = 10_000;

/// The rows of a file.
pub struct Rows {
    /// The dialect, as it was found.
    pub dialect: Dialect,
    /// The names in the header, if the file has one.
    pub header: Option<Vec<String>>,
    /// Whether the first record is the header, and why.
    pub header_sign: HeaderSign,
    /// Whether the header is that of an R file, without a name for the column of row names.
    pub has_r_header: bool,
    /// The number of rows, without the header.
    pub rows: u64,
    /// The number of lines of the preamble.
    pub preamble: u64,
    /// The columns.
    pub columns: Vec<Stats>,
    /// Whether every record ends with a separator, so that its last field is empty.
    pub has_trailing_separator: bool,
    /// The first records with another number of fields than most records.
    pub other_widths: Vec<Place>,
    /// The number of all such records.
    pub other_width_count: u64,
    /// The first records whose text cannot be read.
    pub broken: Vec<Place>,
    /// The number of all such records.
    pub broken_count: u64,
    /// The numbers of records that were left out.
    pub skipped: Skipped,
    /// Sentences for the user about how the file was read.
    pub notes: Vec<String>,
}

/// Reads all records. Calls `progress` with the number of bytes of text that were read so far.
///
/// # Errors
///
/// If the file cannot be read.
pub fn read(mut records: Records, progress: &dyn Fn(u64)) -> Result<Rows, Failure> {
    let mut broken = Broken::default();
    let sample = sample(&mut records, &mut broken)?;
    let width = usual_width(&sample);
    let preamble = preamble(&sample, width);
    let has_trailing_separator = has_trailing_separator(&sample[preamble..], width);
    let count = width - usize::from(has_trailing_separator);
    let limit = (REMEMBERED / count.max(1)).min(REMEMBERED_OF_COLUMN);
    let mut rows = Rows {
        dialect: records.dialect().clone(),
        header: None,
        header_sign: HeaderSign::of_keys(),
        has_r_header: false,
        rows: 0,
        preamble: 0,
        columns: (0..count).map(|_| Stats::new(limit)).collect(),
        has_trailing_separator,
        other_widths: Vec::new(),
        other_width_count: 0,
        broken: Vec::new(),
        broken_count: 0,
        skipped: Skipped::default(),
        notes: Vec::new(),
    };
    let mut sample = sample.into_iter().skip(preamble);
    let first = sample.next();
    if let Some(first) = first.as_ref().filter(|_| preamble > 0) {
        rows.preamble = first.line - 1;
    }
    for row in sample {
        rows.add(&row, width);
    }
    while let Some(row) = next(&mut records, &mut broken)? {
        rows.add(&row, width);
        if rows.rows.is_multiple_of(STEP) {
            progress(records.position().offset);
        }
    }
    if let Some(first) = first {
        rows.take_first(first, width, records.dialect().form == Form::Json);
    }
    (rows.broken, rows.broken_count) = (broken.places, broken.count);
    rows.skipped = records.skipped();
    rows.notes.extend(records.opened().notes.iter().cloned());
    rows.notes.extend(rows.skipped.odd.notes());
    if width == 1 && records.dialect().form == Form::Text {
        // In a table of one column, an empty line is a row.
        let blank = std::mem::take(&mut rows.skipped.blank);
        rows.rows += blank;
        rows.columns[0].nulls += blank;
    }
    Ok(rows)
}

/// The records whose text cannot be read.
#[derive(Default)]
struct Broken {
    count: u64,
    places: Vec<Place>,
    /// Whether a quote was never closed, so that no further record can be read.
    has_ended: bool,
}

impl Broken {
    fn push(&mut self, line: u64, what: String) {
        self.count += 1;
        if self.places.len() < SHOWN {
            self.places.push(Place { line, text: what });
        }
    }
}

fn sample(records: &mut Records, broken: &mut Broken) -> Result<Vec<Row>, Failure> {
    let (mut sample, mut bytes) = (Vec::new(), 0);
    while sample.len() < SAMPLE && bytes < SAMPLE_BYTES {
        let Some(row) = next(records, broken)? else { break };
        bytes += row.fields.iter().map(|field| field.text.len() + 32).sum::<usize>();
        sample.push(row);
    }
    Ok(sample)
}

/// Returns the next record whose text can be read.
fn next(records: &mut Records, broken: &mut Broken) -> Result<Option<Row>, Failure> {
    while !broken.has_ended {
        let record = match records.read() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            Err(failure) if failure.id == "BadInput:OpenQuote" => {
                // The quote is never closed, so the rest of the file belongs to its field.
                broken.push(records.position().line, failure.message);
                broken.has_ended = true;
                break;
            }
            Err(failure) => return Err(failure),
        };
        match problem(records, &record) {
            Some(what) => broken.push(record.at.line, what),
            None => return Ok(Some(row(records, &record))),
        }
    }
    Ok(None)
}

fn row(records: &Records, record: &Record) -> Row {
    let (splitter, window) = (records.splitter(), records.window());
    let (mut text, is_workbook) = (Vec::new(), records.dialect().form == Form::Workbook);
    let field = |span: &super::super::splitter::Span| {
        splitter.unescape(window, *span, &mut text);
        let text = String::from_utf8_lossy(&text);
        let text = if is_workbook { cell::looked_at(&text) } else { &text };
        let is_null = records.dialect().is_null(&window[span.start..span.end], span.quoted);
        Field { text: text.to_owned(), quoted: span.quoted, is_null }
    };
    Row { line: record.at.line, fields: splitter.fields().iter().map(field).collect() }
}

/// Returns the reason why the text of a record cannot be read, or `None` if it can.
fn problem(records: &Records, record: &Record) -> Option<String> {
    if record.is_too_long {
        let most = records.dialect().longest_record;
        return Some(format!("the record is longer than {most} bytes"));
    }
    if let Some(index) = records.splitter().text_after_quote() {
        return Some(format!("field {}: text follows the closing quote", index + 1));
    }
    if !records.needs_check() {
        return None;
    }
    let bytes = &records.window()[record.bytes.clone()];
    if let Some((reason, _)) = bad_bytes::reason(bytes) {
        return Some(String::from_utf8_lossy(&reason).trim_end().to_owned());
    }
    let (index, what) = if let Err(error) = std::str::from_utf8(bytes) {
        let index = error.valid_up_to();
        let byte = bad_bytes::at(&bytes[index..]).unwrap_or(bytes[index]);
        (index, format!("the byte {byte:#04x} is not in the encoding of the file"))
    } else if let Some(index) = memchr::memchr(0, bytes) {
        (index, "a NUL byte, which PostgreSQL cannot store".to_owned())
    } else if let Some(index) = lone_return(records, record) {
        (index, "a carriage return (CR) without a line feed, outside quotes".to_owned())
    } else {
        return None;
    };
    let at = record.bytes.start + index;
    let field = records.splitter().fields().iter().position(|span| at <= span.end).unwrap_or(0);
    Some(format!("field {}: {what}", field + 1))
}

/// Returns the index of a carriage return that is neither a part of a line end nor in quotes.
fn lone_return(records: &Records, record: &Record) -> Option<usize> {
    if !records.dialect().ends_by_line() {
        return None;
    }
    let window = records.window();
    let unquoted = records.splitter().fields().iter().filter(|span| !span.quoted && !span.escaped);
    let mut found = unquoted.filter_map(|span| {
        memchr::memchr(b'\r', &window[span.start..span.end]).map(|index| span.start + index)
    });
    found.next().map(|index| index - record.bytes.start)
}

/// Returns the number of fields that most rows have.
fn usual_width(sample: &[Row]) -> usize {
    let mut counts = BTreeMap::<usize, usize>::new();
    for row in sample {
        *counts.entry(row.fields.len()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(width, count)| (*count, *width)).map_or(0, |(width, _)| width)
}

/// Returns the number of rows of the preamble: remarks of the program that wrote the file, such as `Report of Monday`.
fn preamble(sample: &[Row], width: usize) -> usize {
    let filled = |row: &Row| row.fields.iter().filter(|field| !field.text.trim().is_empty()).count();
    // In a workbook, a short remark has as many fields as the first row, but the others are empty.
    let is_remark =
        |row: &Row| row.fields.len() != width && (filled(row) <= 1 || row.fields.len() + 1 < width);
    let first = || sample.iter().take(PREAMBLE + 1);
    let is_header = |row: &Row| row.fields.iter().all(|field| is_name(&field.text));
    let mut remarks = first().take_while(|row| is_remark(row)).count();
    let others = first().take_while(|row| row.fields.len() != width).count();
    // The first record with the usual number of fields may be the header, as below `Account;123`.
    if sample.get(others).is_some_and(is_header) {
        remarks = others;
    }
    // A spreadsheet writes `Report;;` above `id;name;qty`. If such a row also stands among the others, it is data; at the end, it is
    // another remark.
    let padded = first().take_while(|row| filled(row) <= 1).count();
    let mut others = sample.iter().skip(padded).rev().skip_while(|row| filled(row) <= 1);
    let is_data = others.any(|row| filled(row) <= 1);
    if width > 2 && padded > remarks && !is_data && sample.get(padded).is_some_and(is_header) {
        remarks = padded;
    }
    if width > 1 && remarks <= PREAMBLE && remarks + 1 < sample.len() { remarks } else { 0 }
}

fn has_trailing_separator(sample: &[Row], width: usize) -> bool {
    let mut usual = sample.iter().filter(|row| row.fields.len() == width).peekable();
    let is_empty = |row: &Row| row.fields.last().is_some_and(|last| last.text.is_empty() && !last.quoted);
    width > 1 && sample.len() > 1 && usual.peek().is_some() && usual.all(is_empty)
}

impl Rows {
    fn add(&mut self, row: &Row, width: usize) {
        self.rows += 1;
        if row.fields.len() != width {
            self.other_width_count += 1;
            if self.other_widths.len() < SHOWN {
                let count =
                    row.fields.len() - usize::from(self.has_trailing_separator && row.fields.len() > 1);
                let text = format!("{count} field{}", if count == 1 { "" } else { "s" });
                self.other_widths.push(Place { line: row.line, text });
            }
            return;
        }
        for (stats, field) in self.columns.iter_mut().zip(&row.fields) {
            stats.add((!field.is_null).then_some(field.text.as_str()), field.quoted, row.line);
        }
    }

    /// Takes the first record as the header, or as a row. `is_header` says that it is the keys of JSON.
    fn take_first(&mut self, first: Row, width: usize, is_header: bool) {
        if !is_header && first.fields.len() + 1 == width && header_sign::is_r_header(&first, &self.columns) {
            self.has_r_header = true;
            self.header_sign = HeaderSign::of_row_names(first.fields.iter().all(|field| field.quoted));
            let names = first.fields.into_iter().map(|field| field.text);
            self.header = Some(std::iter::once(ROW_NAMES.to_owned()).chain(names).collect());
            return;
        }
        if !is_header {
            self.header_sign = match first.fields.len() == width {
                true => header_sign::of(&first, &self.columns),
                false => HeaderSign::of_another_width(),
            };
        }
        if self.header_sign.is_header {
            let count = self.columns.len();
            self.header = Some(first.fields.into_iter().take(count).map(|field| field.text).collect());
            return;
        }
        let is_likely =
            first.fields.len() + 1 == width && first.fields.iter().all(|field| is_name(&field.text));
        if is_likely && self.rows > 0 {
            let what = format!(
                "the first record looks like a header, but has {} names for {} fields; values with the separator in them, such as 1,50, \
                 need quotes",
                first.fields.len(),
                self.columns.len()
            );
            self.notes.push(what);
        }
        self.add(&first, width);
        if self.has_trailing_separator {
            // A load leaves an empty last column out only if the header has it, too.
            let mut last = Stats::new(1);
            last.nulls = self.rows - self.other_width_count;
            self.columns.push(last);
            self.has_trailing_separator = false;
        }
    }
}
