//! Decides whether the first record of a file is its header, and whether the file proves that.
//!
//! A column of numbers, dates or texts of one form, such as `A13`, proves a header if its first field is not such a value. If
//! all columns hold texts, a header can still be proved: by quotes, by repeated values, or by an empty first name. Without
//! proof, the first record counts as the header unless it looks like a data record, because most files have a header.

use std::collections::BTreeSet;

use super::row::{Row, is_name};
use super::stats::{Class, Stats};
use super::words;

/// A column needs at least this many values before repetitions in it prove that its first field is a name.
const ENOUGH: u64 = 5;

/// Whether the first record is the header, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderSign {
    /// Whether it is the header.
    pub is_header: bool,
    /// Whether the file proves it.
    pub is_sure: bool,
    /// The reason, as the end of a sentence that begins with "because".
    pub reason: String,
}

impl HeaderSign {
    fn new(is_header: bool, is_sure: bool, reason: impl Into<String>) -> Self {
        Self { is_header, is_sure, reason: reason.into() }
    }

    /// Returns the sign of a JSON file, whose keys name the columns.
    pub(super) fn of_keys() -> Self {
        Self::new(true, true, "the keys of the objects name the columns")
    }

    /// Returns the sign of an R file whose header has no name for the column of row names. If nothing is in quotes, a comma inside the
    /// values makes the same file.
    pub(super) fn of_row_names(is_quoted: bool) -> Self {
        const REASON: &str = "R (`write.table`) writes no name above its first column, the row names";
        match is_quoted {
            true => Self::new(true, true, REASON),
            false => Self::new(
                true,
                false,
                format!(
                    "{REASON}; a file whose values have the separator in them without quotes, such as 1,50, looks alike"
                ),
            ),
        }
    }

    /// Returns the sign of a first record with another number of fields than the records below it.
    pub(super) fn of_another_width() -> Self {
        Self::new(false, true, "the first record has another number of fields than the others")
    }
}

/// Returns whether `first`, which has one field less than the other records, is the header of an R file, whose first column holds
/// row names. Row names are all different; they are quoted like the header, or they are 1, 2, 3, and so on.
pub(super) fn is_r_header(first: &Row, columns: &[Stats]) -> bool {
    let Some(rows) = columns.first().filter(|rows| rows.values > 0 && rows.nulls + rows.empty == 0) else {
        return false;
    };
    let are_quoted = rows.quoted == rows.values && first.fields.iter().all(|field| field.quoted);
    let ends = [&rows.numbers.forms[0].least, &rows.numbers.forms[0].most];
    let is_end = |end: &Option<(f64, String)>, wanted: u64| {
        end.as_ref().is_some_and(|(_, text)| *text == wanted.to_string())
    };
    let are_numbered = is_end(ends[0], 1) && is_end(ends[1], rows.values);
    let are_split = !are_quoted && columns.windows(2).any(|two| is_split(&two[0], &two[1]));
    rows.duplicates == 0
        && (are_quoted || are_numbered && !are_split)
        && first.fields.iter().all(|field| is_name(&field.text))
}

/// Returns whether two columns look like numbers that were split at their decimal comma: a number, and two digits of which some begin with
/// a zero, as in `1,05`.
fn is_split(whole: &Stats, decimals: &Stats) -> bool {
    let is_number = |class: &Class| matches!(class, Class::Number(_));
    let has_zero = decimals.least.as_deref().is_some_and(|least| least.starts_with('0'));
    has_zero
        && whole.quoted + decimals.quoted == 0
        && decimals.has_common_form("00") == Some(true)
        && whole.whole().iter().any(is_number)
}

/// Returns whether a text is a word for a number, such as `NaN`, which may also be the name of a column.
fn is_word_of_numbers(kind: Class, name: &str) -> bool {
    matches!(kind, Class::Number(_)) && name.trim_start_matches(['-', '+']).chars().all(char::is_alphabetic)
}

/// Decides whether `first`, the first record of a file, is its header. `columns` are the
/// statistics of each column, without the first record.
pub(super) fn of(first: &Row, columns: &[Stats]) -> HeaderSign {
    let has_years = has_years(first);
    let (mut like, mut unlike, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let mut number_words = Vec::new();
    for (stats, field) in columns.iter().zip(&first.fields) {
        let name = field.text.trim();
        if name.is_empty() || has_years && year(name).is_some() {
            continue;
        }
        let whole = stats.whole();
        if let Some(kind) = whole.first() {
            let mut own = Stats::new(2);
            own.add(Some(&field.text), field.quoted, first.line);
            let is_like = own.whole().iter().any(|class| whole.contains(class));
            let is_of_numbers = is_word_of_numbers(*kind, name);
            // A word for true or false, such as `y` or `on`, may also be the name of a column.
            let is_word =
                matches!(kind, Class::Truth(_)) && name.chars().all(char::is_alphabetic) || is_of_numbers;
            // In most data, such a word is there more than once.
            if is_of_numbers && is_like && !stats.has(&field.text) {
                number_words.push((name, plural(*kind)));
                continue;
            }
            let signs = match is_like {
                true if is_word => &mut words,
                true => &mut like,
                false => &mut unlike,
            };
            signs.push((name, plural(*kind)));
        } else if let Some(is_like) = stats.has_common_form(name) {
            let signs = if is_like { &mut like } else { &mut unlike };
            signs.push((name, "texts of one form"));
        }
    }
    let has_other_signs = !(like.is_empty() && words.is_empty() && unlike.is_empty());
    // A row of data may begin a file with one such word, or with the same one in several columns.
    let are_names = first.fields.len() > 1
        && number_words.iter().map(|(word, _)| word).collect::<BTreeSet<_>>().len() == number_words.len();
    if let (Some((name, _)), true, false) = (number_words.first(), are_names, has_other_signs) {
        let reason = format!("`{name}` may be a name: no value below it is this word");
        return HeaderSign::new(true, false, reason);
    }
    let is_guess = !has_other_signs && !number_words.is_empty();
    if unlike.is_empty() {
        like.append(&mut words);
        like.append(&mut number_words);
    }
    match (like.first(), unlike.first()) {
        (None, None) => of_texts(first, columns, has_years),
        (_, Some((name, kind))) if unlike.len() > like.len() => {
            let reason = format!("the values below `{name}` are {kind}, and `{name}` is not");
            HeaderSign::new(true, like.is_empty() && words.is_empty(), reason)
        }
        (Some((name, kind)), _) => {
            let reason = format!("`{name}` is like the values below it, which are {kind}");
            HeaderSign::new(false, unlike.is_empty() && !is_guess, reason)
        }
        (None, Some(_)) => HeaderSign::new(true, false, "the first record is unlike the others"),
    }
}

/// Decides whether the first record is the header if all columns hold texts.
fn of_texts(first: &Row, columns: &[Stats], has_years: bool) -> HeaderSign {
    let names: Vec<&str> = first.fields.iter().take(columns.len()).map(|field| field.text.trim()).collect();
    let filled = || columns.iter().zip(&first.fields).filter(|(stats, _)| stats.values > 0);
    let all = |is: &dyn Fn(&Stats, bool) -> bool| {
        filled().count() > 0 && filled().all(|(stats, field)| is(stats, field.quoted))
    };
    if all(&|stats, quoted| !quoted && stats.quoted == stats.values) {
        return HeaderSign::new(true, true, "all values are in quotes, and the names are not");
    }
    if all(&|stats, quoted| quoted && stats.quoted == 0) {
        return HeaderSign::new(true, true, "the names are in quotes, and no value is");
    }
    let mut named = columns.iter().zip(&names).filter(|(_, name)| !name.is_empty());
    if let Some((_, again)) = named.clone().find(|(stats, name)| stats.has(name)) {
        return HeaderSign::new(false, false, format!("`{again}` appears in its column a second time"));
    }
    let is_value =
        |name: &&&str| words::null(name).is_some() || !(is_name(name) || has_years && year(name).is_some());
    if let Some(value) = names.iter().filter(|name| !name.is_empty()).find(is_value) {
        return HeaderSign::new(false, false, format!("`{value}` looks like a value, not like a name"));
    }
    if names.len() > 1 && names[0].is_empty() && names[1..].iter().all(|name| !name.is_empty()) {
        let what = "only the first name is empty: R and pandas write no name above a column of row names";
        return HeaderSign::new(true, true, what);
    }
    let proves_header = |(stats, _): &(&Stats, &&str)| {
        stats.values >= ENOUGH && stats.distinct().0 as u64 * 2 <= stats.values
    };
    if let Some((_, name)) = named.find(proves_header) {
        let reason = format!("the values below `{name}` come again and again, and `{name}` is none of them");
        return HeaderSign::new(true, true, reason);
    }
    let what = "most files have a header, and columns of texts prove neither";
    HeaderSign::new(true, false, what)
}

/// Returns the word for values of a class in a sentence.
fn plural(class: Class) -> &'static str {
    match class {
        Class::Truth(_) => "true or false",
        Class::Uuid => "UUIDs",
        Class::Moment => "dates",
        Class::Time => "times of day",
        Class::Number(_) => "numbers",
        Class::Json => "JSON",
    }
}

/// Returns whether the record has at least two years, each next to the year before it, such as `country,2024,2025`.
fn has_years(row: &Row) -> bool {
    let years: Vec<u16> = row.fields.iter().filter_map(|field| year(&field.text)).collect();
    years.len() > 1 && years.windows(2).all(|two| two[0].abs_diff(two[1]) == 1)
}

fn year(text: &str) -> Option<u16> {
    text.trim().parse().ok().filter(|year| (1900..2100).contains(year))
}
