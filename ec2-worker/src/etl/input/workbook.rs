//! Turns a sheet of an Excel workbook into CSV.
//!
//! Dates and times are written in ISO form, such as `2025-12-31`. A number has at most 15 digits; a whole number keeps all its
//! digits. If the number format of a cell shows another text than the number, the field contains the number, the byte U+001F,
//! and the shown text: see [`cell`]. Each row of the sheet becomes one record, so the line of a record is the number of its row.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{DataRef, Dimensions, Reader as _, SheetType, SheetVisible, Style, Xlsx};
use definition::counted::counted;

use super::csv_text::push_record;
use super::number_format::NumberFormat;
use super::serial::{self, Days};
use super::unpack::{check_growth, foreign_archive, temporary_copy};
use super::{Opened, bad_bytes};
use crate::etl::cell;
use crate::etl::dialect::Dialect;

/// The largest numbers of rows and of columns that a sheet of Excel can have.
const MOST_ROWS: u32 = 1_048_576;
const MOST_COLUMNS: u32 = 16_384;
/// The largest description of a workbook that is searched for a setting, in bytes.
const LARGEST_PART: u64 = 16 << 20;

/// Returns a sheet as CSV: the sheet that the dialect names, or else the first one.
///
/// # Errors
///
/// If the file is not a workbook, or has no such sheet.
pub(super) fn csv(
    bytes: Box<dyn BufRead + Send>,
    dialect: &Dialect,
    scratch: &Path,
    opened: &mut Opened,
) -> io::Result<impl BufRead + Send + use<>> {
    // The library panics on some damaged files, such as a file with a cell whose column has ten letters.
    let converted = catch_unwind(AssertUnwindSafe(|| sheet(bytes, dialect, scratch, opened)));
    converted.unwrap_or_else(|_| {
        Err(io::Error::other(
            "the workbook is damaged: it has a cell or a value that no workbook can have; save it again with Excel",
        ))
    })
}

/// Returns a sheet as CSV.
fn sheet(
    bytes: Box<dyn BufRead + Send>,
    dialect: &Dialect,
    scratch: &Path,
    opened: &mut Opened,
) -> io::Result<BufReader<File>> {
    let copy = temporary_copy(bytes, scratch)?;
    let not_a_workbook = |error: &dyn std::fmt::Display| {
        io::Error::other(format!(
            "the file is not an Excel workbook (.xlsx): {error}; if it is another kind of workbook, save it as .xlsx; if it \
             is a text file, remove `myDialect`"
        ))
    };
    if let Some(what) = foreign_archive(&copy)? {
        return Err(io::Error::other(what));
    }
    check_growth(&copy).map_err(|error| not_a_workbook(&error))?;
    let asks_to_calculate = asks_to_calculate(&copy)?;
    let mut workbook = Xlsx::new(BufReader::new(copy)).map_err(|error| not_a_workbook(&error))?;
    let sheet = chosen(&workbook.sheet_names(), dialect.sheet.as_deref(), &mut opened.notes)?;
    let is_hidden = |known: &calamine::Sheet| known.name == sheet && known.visible != SheetVisible::Visible;
    if dialect.sheet.is_none() && workbook.sheets_metadata().iter().any(is_hidden) {
        opened.notes.push(format!("the sheet `{sheet}` is hidden in the workbook; `mySheet` names another"));
    }
    check_kind(&workbook, &sheet)?;
    let from_1904 = workbook.has_1904_epoch();
    let unsaved = unsaved_formulas(&mut workbook, &sheet, asks_to_calculate, &mut opened.notes)?;
    let mut out = BufWriter::new(tempfile::tempfile_in(scratch)?);
    let mut rows = Rows { skip: dialect.skip_lines, ..Rows::default() };
    let problem = |error| io::Error::other(format!("the sheet `{sheet}` cannot be read: {error}"));
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(problem)?;
    let formats: Vec<(NumberFormat, Days)> =
        cells.styles().iter().map(|style| formats(style, from_1904)).collect();
    let mut last = None;
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(problem)? {
        let (row, column) = cell.get_position();
        // Every row before a cell becomes a line, so a cell with a very large row number would make gigabytes of lines.
        if row >= MOST_ROWS || column >= MOST_COLUMNS {
            let what = format!(
                "the sheet `{sheet}` has the cell {}{}, which is beyond Excel's limits",
                letters(column as usize),
                u64::from(row) + 1
            );
            return Err(io::Error::other(what));
        }
        // A row that is written already could not take the cell.
        if last.is_some_and(|last| (row, column) <= last) {
            let what = format!(
                "the workbook is damaged: the cell {}{} of the sheet `{sheet}` stands after a later cell; save it again with Excel",
                letters(column as usize),
                row + 1
            );
            return Err(io::Error::other(what));
        }
        last = Some((row, column));
        rows.begin(u64::from(row), &mut out)?;
        rows.put((row, column), cell.get_value(), formats.get(style), unsaved.contains(&(row, column)));
    }
    rows.finish(&mut out)?;
    opened.notes.extend(rows.errors.take().map(ErrorCells::note));
    drop(cells);
    let merged = workbook.merge_cells_by_sheet_name(&sheet).map_err(problem)?;
    opened.notes.extend(merged_note(&merged, dialect.skip_lines));
    opened.formats = rows.formats;
    let mut file: File = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(BufReader::new(file))
}

/// Returns the name of the sheet that `wanted` names, by its name or by its number from 1.
fn chosen(names: &[String], wanted: Option<&str>, notes: &mut Vec<String>) -> io::Result<String> {
    let by_number =
        |text: &str| text.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
    let found = match wanted {
        None => names.first(),
        Some(wanted) => names.iter().find(|name| *name == wanted).or_else(|| by_number(wanted)),
    };
    let Some(found) = found else {
        let sheet = wanted.unwrap_or("1");
        let what = format!("the workbook has no sheet `{sheet}`; it has {}", names.join(", "));
        return Err(io::Error::other(what));
    };
    if wanted.is_none() && names.len() > 1 {
        let others = others(names.iter(), found);
        notes.push(format!(
            "read the sheet `{found}`, the first of {}; `mySheet` names another: {others}",
            names.len()
        ));
    }
    Ok(found.clone())
}

/// The largest number of sheets that a message names.
const SHOWN: usize = 10;

/// Returns the names of the other sheets for people.
fn others<'a>(names: impl Iterator<Item = &'a String>, sheet: &str) -> String {
    let others: Vec<&str> = names.map(String::as_str).filter(|name| *name != sheet).collect();
    let more = if others.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", others[..others.len().min(SHOWN)].join(", "))
}

/// Checks that a sheet has cells, and is not a chart.
fn check_kind(workbook: &Xlsx<BufReader<File>>, sheet: &str) -> io::Result<()> {
    let sheets = workbook.sheets_metadata();
    let kind = sheets.iter().find(|known| known.name == sheet).map(|known| known.typ);
    let what = match kind {
        None | Some(SheetType::WorkSheet) => return Ok(()),
        Some(SheetType::ChartSheet) => "is a chart",
        Some(SheetType::DialogSheet) => "is a dialog",
        Some(SheetType::MacroSheet) => "is a sheet of macros",
        Some(SheetType::Vba) => "is a module of Visual Basic",
    };
    let with_cells = sheets.iter().filter(|known| known.typ == SheetType::WorkSheet).map(|known| &known.name);
    let remedy = match others(with_cells, sheet) {
        none if none.is_empty() => "the workbook has no sheet with cells".to_owned(),
        others => format!("name a sheet with cells by `mySheet`: {others}"),
    };
    Err(io::Error::other(format!("the sheet `{sheet}` {what} and has no cells; {remedy}")))
}

/// Returns whether the workbook asks to be calculated when it is opened. XlsxWriter always writes so, because it stores 0 as the result
/// of each formula.
fn asks_to_calculate(file: &File) -> io::Result<bool> {
    let mut archive = zip::ZipArchive::new(file.try_clone()?).map_err(io::Error::other)?;
    let Ok(part) = archive.by_name("xl/workbook.xml") else { return Ok(false) };
    let mut bytes = Vec::new();
    part.take(LARGEST_PART).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let element = text.split_once("calcPr").and_then(|(_, rest)| rest.split_once('>'));
    let value = element.and_then(|(attributes, _)| attributes.split_once("fullCalcOnLoad="));
    Ok(value.is_some_and(|(_, value)| value.starts_with(['"', '\'']) && !value[1..].starts_with(['0', 'f'])))
}

/// Returns the cells with a formula that has no saved result. If the workbook asks to be calculated, a saved 0 is no result, and a note
/// tells of the other results.
fn unsaved_formulas(
    workbook: &mut Xlsx<BufReader<File>>,
    sheet: &str,
    asks_to_calculate: bool,
    notes: &mut Vec<String>,
) -> io::Result<HashSet<(u32, u32)>> {
    let problem = |error| io::Error::other(format!("the sheet `{sheet}` cannot be read: {error}"));
    let is_unsaved = |value: &DataRef<'_>| match value {
        DataRef::Empty => true,
        DataRef::Int(0) => asks_to_calculate,
        DataRef::Float(number) => asks_to_calculate && *number == 0.0,
        DataRef::DateTime(at) => asks_to_calculate && at.as_f64() == 0.0,
        _ => false,
    };
    let mut cells = workbook.worksheet_cells_reader(sheet).map_err(problem)?;
    let (mut unsaved, mut saved) = (HashSet::new(), 0_u64);
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(problem)? {
        if cell.formula.is_none() {
            continue;
        }
        if is_unsaved(&cell.value) {
            unsaved.insert(cell.pos);
        } else {
            saved += 1;
        }
        // The cells are kept in memory, so their number is limited: to one for each row that a sheet can have.
        if unsaved.len() > MOST_ROWS as usize {
            let what = format!(
                "the sheet `{sheet}` has more than {MOST_ROWS} formulas without a saved result; open the \
                 workbook in Excel and save it"
            );
            return Err(io::Error::other(what));
        }
    }
    if saved > 0 && asks_to_calculate {
        notes.push(format!(
            "the workbook asks Excel to calculate it when it is opened, so the saved results of {} may be old; open it in Excel and \
             save it to be sure",
            counted(saved, "formula")
        ));
    }
    Ok(unsaved)
}

/// Returns a note about merged cells, if there are any below the rows to leave out.
fn merged_note(merged: &[Dimensions], skip: u64) -> Option<String> {
    let mut below = merged.iter().filter(|range| u64::from(range.end.0) >= skip);
    let Dimensions { start, end } = below.next()?;
    let place = |(row, column): (u32, u32)| format!("{}{}", letters(column as usize), u64::from(row) + 1);
    let first = format!("{}:{}", place(*start), place(*end));
    let which = match below.count() {
        0 => format!("the cells {first} are merged"),
        others => format!("the cells {first} and those of {} are merged", counted(others, "other range")),
    };
    Some(format!("{which}; the first cell has the value, and the others are empty"))
}

/// Returns how a style shows numbers and dates.
fn formats(style: &Style, from_1904: bool) -> (NumberFormat, Days) {
    let code = style.number_format.as_ref().map(|format| format.format_code.as_str());
    let shows_date = code.is_some_and(serial::shows_date);
    (code.map_or(NumberFormat::Plain, NumberFormat::of), Days { from_1904, shows_date })
}

/// Writes the cells of a sheet as records.
#[derive(Default)]
struct Rows {
    /// The number of cells in the first row that has a value and is not skipped. Shorter rows are filled up to it.
    width: usize,
    /// The cells of the present row: the text to write, and whether the cell holds text. Empty cells are `None`.
    row: Vec<Option<(String, bool)>>,
    /// The index of the present row.
    present: u64,
    /// The number of blank lines that are still to be written: one for each row that is empty or left out.
    blank: u64,
    /// The number of rows to leave out at the start.
    skip: u64,
    /// The reason why the present row cannot be read, if there is one.
    reason: Option<String>,
    /// For each column, the first number format that this program cannot apply. Cells with this format get no shown text.
    formats: Vec<(usize, String)>,
    /// The cells with an error, if there are any.
    errors: Option<ErrorCells>,
}

/// The cells whose value is an error, such as `#N/A`.
struct ErrorCells {
    /// The place and the text of the first one.
    first: (String, String),
    count: u64,
}

impl ErrorCells {
    fn note(self) -> String {
        let Self { first: (place, text), count } = self;
        let cells = if count == 1 { "1 cell has".to_owned() } else { format!("{count} cells have") };
        format!(
            "{cells} an error in place of a value, the first in {place}: {text}; each error is loaded as its text; add the text to \
             `myNullValues` to load NULL"
        )
    }
}

impl Rows {
    /// Makes `row` the present row: writes the rows before it. A row without cells becomes a blank line.
    fn begin(&mut self, row: u64, out: &mut impl io::Write) -> io::Result<()> {
        while self.present < row {
            self.end(out)?;
            self.present += 1;
        }
        Ok(())
    }

    fn put(
        &mut self,
        (row, column): (u32, u32),
        value: &DataRef<'_>,
        format: Option<&(NumberFormat, Days)>,
        is_unsaved: bool,
    ) {
        let index = column as usize;
        let place = || format!("{}{}", letters(index), row + 1);
        let (mut text, no_date) = match value {
            DataRef::DateTime(at) => {
                match serial::text(*at, format.map(|(_, days)| *days).unwrap_or_default()) {
                    Ok(text) => (Some((text, false)), None),
                    Err(what) => (None, Some(what)),
                }
            }
            _ => (field_of(value), None),
        };
        let problem = match &text {
            _ if is_unsaved => {
                let end = match value {
                    DataRef::Empty => "has no saved result; open the workbook in Excel and save it",
                    _ => {
                        "has the saved result 0, and the workbook asks to be calculated, so this may be no result; open the workbook \
                         in Excel and save it"
                    }
                };
                Some(format!("the formula in cell {} {end}", place()))
            }
            _ if no_date.is_some() => no_date.map(|what| format!("cell {} {what}", place())),
            Some((text, true)) if text.as_bytes().contains(&cell::MARK) => {
                Some(format!("cell {} contains the control character U+001F; remove it", place()))
            }
            _ => match value {
                DataRef::Float(number) if is_inexact(*number) => Some(format!(
                    "cell {} has the number {number}, which has more digits than a workbook keeps; store it as text",
                    place()
                )),
                _ => None,
            },
        };
        self.reason = self.reason.take().or(problem);
        if let (DataRef::Error(_), Some((text, _))) = (value, &text)
            && self.present >= self.skip
        {
            let first = (place(), text.clone());
            self.errors.get_or_insert(ErrorCells { first, count: 0 }).count += 1;
        }
        if let (DataRef::Int(_) | DataRef::Float(_), Some((format, _)), Some((text, _))) =
            (value, format, &mut text)
        {
            self.add_shown(index, format, text);
        }
        let Some(text) = text else { return };
        if self.row.len() <= index {
            self.row.resize(index + 1, None);
        }
        self.row[index] = Some(text);
    }

    /// Appends the text that a number format shows for the number `text`. If the format is not supported, adds it to `formats`
    /// instead.
    fn add_shown(&mut self, index: usize, format: &NumberFormat, text: &mut String) {
        if let NumberFormat::Other(code) = format
            && self.present >= self.skip
            && !self.formats.iter().any(|(column, _)| *column == index)
        {
            self.formats.push((index, code.clone()));
        }
        if let Some(shown) = format.shown(text) {
            text.push(char::from(cell::MARK));
            text.push_str(&shown);
        }
    }

    /// Writes the present row.
    fn end(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        let reason = self.reason.take();
        let mut row = std::mem::take(&mut self.row);
        let is_skipped = self.present < self.skip;
        if is_skipped || (row.is_empty() && reason.is_none()) {
            self.blank += 1;
            return Ok(());
        }
        self.write_blank(out)?;
        if let Some(reason) = reason {
            bad_bytes::push_reason(&reason, &joined(&row), &mut bytes);
        } else {
            if self.width == 0 {
                self.width = row.len();
            }
            row.resize(row.len().max(self.width), None);
            push_record(
                row.iter().map(|cell| cell.as_ref().map(|(text, is_text)| (text.as_str(), *is_text))),
                &mut bytes,
            );
        }
        out.write_all(&bytes)
    }

    fn write_blank(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        (0..std::mem::take(&mut self.blank)).try_for_each(|_| out.write_all(b"\n"))
    }

    /// Writes the last row, and the rows without a value before it. In a sheet of one column, such rows at the end are left out:
    /// cells that only have a format are not NULLs.
    fn finish(&mut self, out: &mut impl io::Write) -> io::Result<()> {
        self.end(out)?;
        if self.width > 1 { self.write_blank(out) } else { Ok(()) }
    }
}

/// Returns the cells of a row as text.
fn joined(row: &[Option<(String, bool)>]) -> String {
    let cells =
        row.iter().map(|cell| cell.as_ref().map_or(&b""[..], |(text, _)| cell::shown(text.as_bytes())));
    cells.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

/// Returns the letters of a column: `A` for 0, `AA` for 26.
pub(super) fn letters(column: usize) -> String {
    let mut rest = column + 1;
    let mut letters = Vec::new();
    while rest > 0 {
        letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
        rest = (rest - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// Returns the text to write for a cell, and whether the cell holds text. Returns `None` for an empty cell, and for a date, whose
/// text `Rows::put` makes.
fn field_of(value: &DataRef<'_>) -> Option<(String, bool)> {
    Some(match value {
        DataRef::Empty => return None,
        DataRef::String(text) => (text.clone(), true),
        DataRef::SharedString(text) => ((*text).to_owned(), true),
        DataRef::Int(number) => (number.to_string(), false),
        // The number in the file is too large for a cell. Excel shows this error in its place.
        DataRef::Float(number) if number.is_infinite() => ("#NUM!".to_owned(), true),
        // The row is refused. The quarantine shows the exponent form, so that nobody takes it for the original number.
        DataRef::Float(number) if is_inexact(*number) => (format!("{number:e}"), false),
        DataRef::Float(number) => (number_text(*number), false),
        DataRef::Bool(truth) => (truth.to_string(), false),
        DataRef::DateTime(_) => return None,
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => (text.clone(), false),
        DataRef::Error(error) => (error.to_string(), true),
    })
}

/// The whole numbers below this one are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns whether a whole number was written with more digits than its cell keeps. Its last digits are lost then.
fn is_inexact(number: f64) -> bool {
    let digits = || {
        format!("{:e}", number.abs())
            .bytes()
            .take_while(|byte| *byte != b'e')
            .filter(u8::is_ascii_digit)
            .count()
    };
    number.abs() >= EXACT && number.is_finite() && digits() > 15
}

/// Returns a number with at most 15 digits, because Excel itself does not show more. Whole numbers keep all their digits, because
/// other programs write such numbers, as ids.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < EXACT {
        return number.to_string();
    }
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    rounded.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_15_digits_and_whole_numbers_have_all() {
        assert_eq!(number_text(0.1 + 0.2), "0.3");
        assert_eq!(number_text(12345.0), "12345");
        assert_eq!(number_text(-1e21), "-1000000000000000000000");
        assert_eq!(number_text(1_234_567_890_123_457.0), "1234567890123457");
        assert!(
            is_inexact(12_345_678_901_234_567.0) && !is_inexact(1e21) && !is_inexact(9_007_199_254_740_991.0)
        );
        assert_eq!(
            (letters(0), letters(25), letters(26), letters(701)),
            ("A".into(), "Z".into(), "AA".into(), "ZZ".into())
        );
    }
}
