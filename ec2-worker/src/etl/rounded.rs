//! Finds values with more decimals than their column keeps. PostgreSQL rounds such a value without an error, so a note reports it.

use std::sync::Arc;

use definition::counted::counted;
use memchr::{memchr, memchr2, memchr3};

use super::column::{Column, ColumnType, Inside, MOST_DECIMALS};
use super::encode;
use super::value_rules::ColumnRules;

/// The rounded values of a file.
#[derive(Debug, Default)]
pub struct Rounded {
    columns: Vec<OfColumn>,
    /// The columns of the present row with a rounded value.
    of_row: Vec<usize>,
}

#[derive(Debug)]
struct OfColumn {
    keeps: Keeps,
    count: u64,
    /// The line of the first one.
    first: u64,
}

/// The part of a value that a column keeps.
#[derive(Clone, Debug)]
enum Keeps {
    /// The whole value, or the type says itself that it is not exact.
    All,
    /// This many decimals of a number. If it is negative, this many digits before the point become zeros.
    Scale(i32),
    /// This many decimals of the seconds.
    Seconds(usize),
    /// This many decimals of the seconds of each date or time in a list.
    EachSeconds(usize),
    /// This many decimals of the seconds of an interval.
    Interval(usize),
    /// A part of the values inside a value.
    Inside(Arc<Inside>),
}

impl Rounded {
    /// Begins to look at the values of these columns.
    #[must_use]
    pub fn in_columns(columns: &[Column]) -> Self {
        let columns = columns.iter().map(|column| OfColumn { keeps: Keeps::of(column), count: 0, first: 0 });
        Self { columns: columns.collect(), of_row: Vec::new() }
    }

    /// Looks at a value of the present row, which its column takes.
    #[inline]
    pub fn look(&mut self, column: usize, rules: &ColumnRules, text: &[u8]) {
        if self.columns.get(column).is_some_and(|of| of.keeps.rounds(rules, text)) {
            self.of_row.push(column);
        }
    }

    /// Counts the rounded values of the present row, which begins in `line` and is loaded.
    #[inline]
    pub fn keep(&mut self, line: u64) {
        for column in self.of_row.drain(..) {
            let of = &mut self.columns[column];
            if of.count == 0 {
                of.first = line;
            }
            of.count += 1;
        }
    }

    /// Forgets the present row, because it is refused.
    pub fn forget(&mut self) {
        self.of_row.clear();
    }

    /// Returns a sentence for each column with rounded values.
    #[must_use]
    pub fn notes(&self, columns: &[Column]) -> Vec<String> {
        let pairs = self.columns.iter().zip(columns).filter(|(of, _)| of.count > 0);
        let note = |(of, column): (&OfColumn, &Column)| {
            let has = if of.count == 1 { "has" } else { "have" };
            format!(
                "{} of column `{}` {has} more decimals than {} keeps, and PostgreSQL rounds them, the first in line {}",
                counted(of.count, "value"),
                column.name,
                column.type_name,
                of.first
            )
        };
        pairs.map(note).collect()
    }
}

impl Keeps {
    fn of(column: &Column) -> Self {
        let decimals = column.precision.unwrap_or(MOST_DECIMALS);
        match (column.kind, &column.inside) {
            (ColumnType::Numeric(Some((_, scale))), _) => Self::Scale(scale),
            (ColumnType::Timestamp | ColumnType::TimestampTz | ColumnType::Time | ColumnType::TimeTz, _) => {
                Self::Seconds(decimals)
            }
            (ColumnType::Each(_), _) => Self::EachSeconds(decimals),
            (ColumnType::Interval(_), _) => Self::Interval(decimals),
            (_, Some(inside)) if inside.any(&|leaf| !matches!(Self::of(leaf), Self::All)) => {
                Self::Inside(Arc::clone(inside))
            }
            _ => Self::All,
        }
    }

    #[inline]
    fn rounds(&self, rules: &ColumnRules, text: &[u8]) -> bool {
        match self {
            Self::All => false,
            Self::Scale(scale) => rounds_number(*scale, rules, text),
            Self::Seconds(decimals) => rounds_seconds(*decimals, text),
            // A comma stands between two values here, and not before the decimals.
            Self::EachSeconds(decimals) => {
                text.split(|byte| *byte == b',').any(|each| rounds_seconds(*decimals, each))
            }
            Self::Interval(decimals) => encode::rounds_seconds(*decimals, text),
            Self::Inside(inside) => encode::any_inside(inside, text, &|leaf, text| {
                Self::of(leaf).rounds(&ColumnRules::NONE, text)
            }),
        }
    }
}

#[inline]
fn rounds_number(scale: i32, rules: &ColumnRules, text: &[u8]) -> bool {
    let decimal = rules.numbers.as_ref().map_or('.', |form| form.decimal);
    // Most numbers have no more decimals than their column.
    if scale >= 0 && decimal.is_ascii() && memchr3(b'e', b'E', b'%', text).is_none() {
        let decimals = memchr(decimal as u8, text).map_or(0, |point| text.len() - point - 1);
        if decimals <= scale as usize {
            return false;
        }
    }
    match &rules.numbers {
        None => encode::loses_digits(scale, text.trim_ascii()),
        Some(form) => form.plain(text.trim_ascii()).is_some_and(|plain| encode::loses_digits(scale, &plain)),
    }
}

/// Returns whether the seconds have decimals other than zero behind the first `kept`. The seconds follow a colon.
#[inline]
fn rounds_seconds(kept: usize, text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(point) = memchr2(b'.', b',', rest) {
        let (before, after) = (&rest[..point], &rest[point + 1..]);
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let has_colon = digits > 0 && before[..before.len() - digits].ends_with(b":");
        let decimals = after.iter().take_while(|byte| byte.is_ascii_digit()).skip(kept);
        if has_colon && decimals.into_iter().any(|digit| *digit != b'0') {
            return true;
        }
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::number_form::NumberForm;
    use super::*;

    #[test]
    fn digits_behind_the_scale_of_a_column_are_rounded_unless_they_are_zeros() {
        let plain = ColumnRules::default();
        let german = NumberForm { decimal: ',', grouping: Some('.'), ..NumberForm::default() };
        let german = ColumnRules { numbers: Some(german), ..ColumnRules::default() };
        let cases = [
            (2, &plain, "1.23", false),
            (2, &plain, "1.230000", false),
            (2, &plain, "1.239", true),
            (2, &plain, "-.001", true),
            (0, &plain, "7", false),
            (0, &plain, "7.5", true),
            (2, &plain, "1.5e-1", false),
            (2, &plain, "1.5e-2", true),
            (2, &plain, "1.234e1", false),
            (-2, &plain, "1200", false),
            (-2, &plain, "1234", true),
            (-2, &plain, "34", true),
            (2, &plain, "NaN", false),
            (2, &german, "1.234,56", false),
            (2, &german, "1.234,567", true),
            (2, &german, "1.234", false),
        ];
        for (scale, rules, text, wanted) in cases {
            assert_eq!(rounds_number(scale, rules, text.as_bytes()), wanted, "{text} with {scale} decimals");
        }
    }

    #[test]
    fn decimals_of_seconds_are_rounded_behind_the_sixth_or_the_precision_of_the_column() {
        let cases = [
            (6, "2026-01-02 03:04:05.123456", false),
            (6, "2026-01-02 03:04:05.1234560", false),
            (6, "2026-01-02 03:04:05.1234567", true),
            (6, "2026-01-02T03:04:05,123456789+02:00", true),
            (6, "02.01.2026 03:04:05", false),
            (0, "02.01.2026 03:04:05", false),
            (0, "02.01.2026 03:04:05.5", true),
            (3, "03:04:05.123", false),
            (3, "03:04:05.1234", true),
            (0, "03:04:05.5 02.01.2026", true),
        ];
        for (kept, text, wanted) in cases {
            assert_eq!(rounds_seconds(kept, text.as_bytes()), wanted, "{text} with {kept} decimals");
        }
    }
}
