//! Makes the pattern of dropped files from the name of one file: a date in the name becomes a capture, such as
//! `{day:yyyyMMdd}`.

use std::collections::BTreeSet;
use std::ops::Range;

/// The pattern of a dropped file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DropPattern {
    /// The key, with names in braces.
    pub(super) key: String,
    /// The name of the file without date, time and extension.
    pub(super) stem: String,
    /// The names in braces.
    pub(super) captures: BTreeSet<&'static str>,
    /// The date in the name and its form, if day and month may be exchanged.
    ambiguous: Option<(String, &'static str)>,
}

impl DropPattern {
    /// Returns the pattern for a file of this name. With `daily`, the files of each day are in a folder.
    pub(super) fn of(name: &str, daily: bool) -> Result<Self, String> {
        if let Some(mark) = name.chars().find(|letter| "{}*".contains(*letter)) {
            return Err(format!(
                "the name {name} has a `{mark}`, which has a meaning in patterns; rename the file"
            ));
        }
        let date = date(name);
        let mut captures = BTreeSet::new();
        let (mut key, mut stem, mut ambiguous) = (String::new(), name.to_owned(), None);
        if daily {
            captures.insert("day");
            key.push_str("{day:yyyy-MM-dd}/");
        }
        if let Some(found) = date {
            captures.insert("day");
            let text = &name[found.range.clone()];
            // Nobody writes MM.dd.yyyy.
            if !found.form.contains('.') && exchanged(found.form).is_some_and(|other| fits(other, text)) {
                ambiguous = Some((text.to_owned(), found.form));
            }
            let (before, mut after) = (&name[..found.range.start], &name[found.range.end..]);
            key.push_str(&format!("{before}{{day:{}}}", found.form));
            if let Some(time) = time(after) {
                captures.insert("time");
                key.push_str(&format!("{}{{time}}", &after[..time.start]));
                after = &after[time.end..];
            }
            key.push_str(after);
            stem = format!("{before} {after}");
        } else {
            key.push_str(name);
        }
        Ok(Self { key: format!("incoming/{key}"), stem: without_extensions(&stem), captures, ambiguous })
    }

    /// Returns a sentence about a date whose day and month may be exchanged.
    pub(super) fn doubt(&self) -> Option<String> {
        let (text, form) = self.ambiguous.as_ref()?;
        let other = exchanged(form)?;
        Some(format!(
            "the date {text} in the name is read as {form}, which is a guess; if the month comes first, write {{day:{other}}} in \
             `myDropFile` and `filePath`"
        ))
    }
}

/// Returns the form with day and month exchanged, if the year comes last.
fn exchanged(form: &str) -> Option<&'static str> {
    let others = [("dd-MM-yyyy", "MM-dd-yyyy"), ("dd_MM_yyyy", "MM_dd_yyyy"), ("dd.MM.yyyy", "MM.dd.yyyy")];
    others.into_iter().find(|(of, _)| *of == form).map(|(_, other)| other)
}

/// A date in the name of a file.
struct Date {
    range: Range<usize>,
    form: &'static str,
}

/// Finds a date such as 2026-01-31, 20260131 or 31.01.2026.
fn date(name: &str) -> Option<Date> {
    // The forms with the month first come last, so that they fit only days after the 12th.
    const FORMS: [&str; 9] = [
        "yyyy-MM-dd",
        "yyyy_MM_dd",
        "yyyy.MM.dd",
        "yyyyMMdd",
        "dd-MM-yyyy",
        "dd.MM.yyyy",
        "dd_MM_yyyy",
        "MM-dd-yyyy",
        "MM_dd_yyyy",
    ];
    for (start, _) in name.char_indices() {
        if name[..start].ends_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        for form in FORMS {
            let Some(text) = name.get(start..start + form.len()) else { continue };
            let goes_on = name[start + form.len()..].starts_with(|c: char| c.is_ascii_digit());
            if !goes_on && fits(form, text) {
                return Some(Date { range: start..start + form.len(), form });
            }
        }
    }
    None
}

fn fits(form: &str, text: &str) -> bool {
    let number = |letter: char| -> Option<u32> {
        let digits: String =
            form.chars().zip(text.chars()).filter(|(of, _)| *of == letter).map(|(_, digit)| digit).collect();
        digits.parse().ok()
    };
    let has_separators = form.chars().zip(text.chars()).all(|(of, c)| match of.is_ascii_alphabetic() {
        true => c.is_ascii_digit(),
        false => of == c,
    });
    let in_range = |letter, range: Range<u32>| number(letter).is_some_and(|number| range.contains(&number));
    has_separators && in_range('y', 1970..2100) && in_range('M', 1..13) && in_range('d', 1..32)
}

/// Finds a time of 4 or 6 digits in `after`, the text after a date.
fn time(after: &str) -> Option<Range<usize>> {
    let start = after.find(|c: char| c.is_ascii_digit()).filter(|start| *start == 1)?;
    let is_mark = after.starts_with(['T', 't', '_', '-']);
    let count = after[start..].bytes().take_while(u8::is_ascii_digit).count();
    (is_mark && (count == 4 || count == 6)).then_some(start..start + count)
}

fn without_extensions(name: &str) -> String {
    const KNOWN: [&str; 14] = [
        ".gz", ".zst", ".bz2", ".xz", ".zip", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xlsx",
        ".dat", ".tab",
    ];
    let mut rest = name.trim();
    while let Some(inner) = KNOWN.into_iter().find_map(|known| {
        let at = rest.len().checked_sub(known.len())?;
        rest.is_char_boundary(at).then_some(())?;
        rest[at..].eq_ignore_ascii_case(known).then(|| &rest[..at])
    }) {
        rest = inner.trim();
    }
    rest.trim_matches(['_', '-', '.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, daily: bool) -> String {
        DropPattern::of(name, daily).expect("a name").key
    }

    #[test]
    fn a_date_in_the_name_becomes_the_day() {
        assert_eq!(key("orders.csv", false), "incoming/orders.csv");
        assert_eq!(key("orders.csv", true), "incoming/{day:yyyy-MM-dd}/orders.csv");
        assert_eq!(key("orders_2026-01-31.csv.gz", false), "incoming/orders_{day:yyyy-MM-dd}.csv.gz");
        assert_eq!(key("20260131-orders.csv", false), "incoming/{day:yyyyMMdd}-orders.csv");
        assert_eq!(key("orders 31.01.2026.xlsx", false), "incoming/orders {day:dd.MM.yyyy}.xlsx");
        assert_eq!(key("orders_20260131T101500.csv", false), "incoming/orders_{day:yyyyMMdd}T{time}.csv");
        assert_eq!(
            key("orders_2026-01-31.csv", true),
            "incoming/{day:yyyy-MM-dd}/orders_{day:yyyy-MM-dd}.csv"
        );
        assert_eq!(key("orders_20260131.csv", true), "incoming/{day:yyyy-MM-dd}/orders_{day:yyyyMMdd}.csv");
        assert_eq!(key("orders_12345678.csv", false), "incoming/orders_12345678.csv");
        assert_eq!(key("orders_20261331.csv", false), "incoming/orders_20261331.csv");
        assert!(DropPattern::of("a{b}.csv", false).is_err() && DropPattern::of("a*.csv", false).is_err());
    }

    #[test]
    fn a_date_whose_day_and_month_may_be_exchanged_is_told_as_a_guess() {
        let doubt = |name: &str| DropPattern::of(name, false).expect("a name").doubt();
        let said = doubt("r 01-02-2026.csv").expect("a doubt");
        assert!(
            said.starts_with("the date 01-02-2026 in the name is read as dd-MM-yyyy, which is a guess")
                && said.contains("{day:MM-dd-yyyy}"),
            "{said}"
        );
        assert!(doubt("r_05_05_2026.csv").is_some_and(|said| said.contains("{day:MM_dd_yyyy}")));
        for name in ["r 13-02-2026.csv", "r 01.02.2026.csv", "r 2026-01-02.csv", "r 01-31-2026.csv", "r.csv"]
        {
            assert_eq!(doubt(name), None, "{name}");
        }
        assert_eq!(key("r 01-31-2026.csv", false), "incoming/r {day:MM-dd-yyyy}.csv");
        assert_eq!(key("r_01_31_2026.csv", false), "incoming/r_{day:MM_dd_yyyy}.csv");
    }

    #[test]
    fn the_stem_has_neither_date_nor_extension() {
        let stem = |name: &str| DropPattern::of(name, false).expect("a name").stem;
        assert_eq!(stem("Orders_2026-01-31.csv.gz"), "Orders");
        assert_eq!(stem("20260131-orders.v2.csv"), "orders.v2");
    }
}
