//! Finds values with more decimals, or more digits of a whole number, than their column keeps. PostgreSQL rounds such a value without an error, so a note reports it.

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
    /// The whole value.
    All,
    /// A part of a number.
    Number {
        /// The decimals that the column keeps, if their number is limited. If it is negative, so many digits before the point become zeros.
        scale: Option<i32>,
        /// The floating-point type that holds the number. Such a type says itself that its decimals are not exact, but a whole number is
        /// often an identifier.
        float: Option<Float>,
    },
    /// The day of a date with a time.
    Day,
    /// This many decimals of the seconds.
    Seconds(usize),
    /// This many decimals of the seconds of each date or time in a list.
    EachSeconds(usize),
    /// This many decimals of the seconds of an interval.
    Interval(usize),
    /// A part of the values inside a value.
    Inside(Arc<Inside>),
}

/// A floating-point type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Float {
    Real,
    Double,
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
        let Some(OfColumn { keeps, .. }) = self.columns.get(column) else { return };
        if !matches!(keeps, Keeps::All) && keeps.rounds(rules, text) {
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
            let values = counted(of.count, "value");
            if matches!(of.keeps, Keeps::Day) {
                return format!(
                    "{values} of column `{}` {has} a time of day or an offset, which {} does not keep, the first in line {}",
                    column.name, column.type_name, of.first
                );
            }
            format!(
                "{} of column `{}` {has} more {} than {} keeps, and PostgreSQL rounds them, the first in line {}",
                values,
                column.name,
                if of.keeps.is_float() { "digits" } else { "decimals" },
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
            (kind, _) if kind.is_number() => Self::of_number(kind, column.stored_as),
            (ColumnType::Timestamp | ColumnType::TimestampTz, _)
                if column.stored_as == Some(ColumnType::Date) =>
            {
                Self::Day
            }
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

    fn of_number(kind: ColumnType, stored_as: Option<ColumnType>) -> Self {
        let scale_of = |kind| match kind {
            ColumnType::Numeric(limits) => limits.map(|(_, scale)| scale),
            _ => None,
        };
        let float_of = |kind| match kind {
            ColumnType::Float4 => Some(Float::Real),
            ColumnType::Float8 => Some(Float::Double),
            _ => None,
        };
        let stored = stored_as.unwrap_or(kind);
        let scale = match stored {
            // A text with decimals is refused unless it becomes another number first.
            ColumnType::Int2 | ColumnType::Int4 | ColumnType::Int8 => stored_as.map(|_| 0),
            _ => scale_of(stored).or(scale_of(kind)),
        };
        let float = if [kind, stored].contains(&ColumnType::Float4) {
            Some(Float::Real)
        } else {
            float_of(kind).or(float_of(stored))
        };
        if scale.is_none() && float.is_none() { Self::All } else { Self::Number { scale, float } }
    }

    /// Returns whether only floating-point numbers are rounded.
    fn is_float(&self) -> bool {
        match self {
            Self::Number { float, .. } => float.is_some(),
            // A value may have decimals beside them, and these are what people look for.
            Self::Inside(inside) => !inside.any(&|leaf| {
                let keeps = Self::of(leaf);
                !matches!(keeps, Self::All) && !keeps.is_float()
            }),
            _ => false,
        }
    }

    #[inline]
    fn rounds(&self, rules: &ColumnRules, text: &[u8]) -> bool {
        match self {
            Self::All => false,
            Self::Number { scale, float } => {
                scale.is_some_and(|scale| rounds_number(scale, rules, text))
                    || float.is_some_and(|float| float.rounds_whole_number(rules, text))
            }
            Self::Day => has_time_of_day(text),
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

impl Float {
    /// Whole numbers of up to this many digits are exact.
    fn exact_digits(self) -> usize {
        match self {
            Self::Real => 7,
            Self::Double => 15,
        }
    }

    /// Returns whether the text is a whole number that the type stores as another one.
    #[inline]
    fn rounds_whole_number(self, rules: &ColumnRules, text: &[u8]) -> bool {
        if text.len() <= self.exact_digits() {
            return false;
        }
        match &rules.numbers {
            None => self.rounds_digits(text.trim_ascii()),
            Some(form) => {
                let has_decimals = form.decimal.is_ascii() && memchr(form.decimal as u8, text).is_some();
                let plain = if has_decimals { None } else { form.plain(text.trim_ascii()) };
                plain.is_some_and(|plain| self.rounds_digits(&plain))
            }
        }
    }

    fn rounds_digits(self, text: &[u8]) -> bool {
        let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
        let zeros = digits.iter().take_while(|byte| **byte == b'0').count();
        let digits = &digits[zeros..];
        if digits.len() <= self.exact_digits() || !digits.iter().all(u8::is_ascii_digit) {
            return false;
        }
        let Ok(digits) = std::str::from_utf8(digits) else { return false };
        // Without decimals, Rust writes every digit of the stored number.
        let stored = match self {
            Self::Real => digits.parse::<f32>().map(|stored| format!("{stored:.0}")),
            Self::Double => digits.parse::<f64>().map(|stored| format!("{stored:.0}")),
        };
        stored.is_ok_and(|stored| stored != digits)
    }
}

#[inline]
fn rounds_number(scale: i32, rules: &ColumnRules, text: &[u8]) -> bool {
    let decimal = rules.numbers.as_ref().map_or('.', |form| form.decimal);
    // Most numbers have no more decimals than their column. The point is then among the last bytes. A currency such as `Fr.` may
    // have a point, too.
    let has_currency = rules.numbers.as_ref().is_some_and(|form| !form.currencies.is_empty());
    if scale >= 0 && decimal.is_ascii() && !has_currency {
        let others = text.iter().rev().take(scale as usize + 1).find(|byte| !byte.is_ascii_digit());
        if others.is_some_and(|byte| *byte == decimal as u8) {
            return false;
        }
    }
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

/// Returns whether a date has a time other than midnight, or an offset. An offset may move a time to another day.
fn has_time_of_day(text: &[u8]) -> bool {
    let time = memchr(b':', text).map_or(text.len(), |colon| colon.saturating_sub(2));
    text[time..].iter().any(|byte| matches!(byte, b'1'..=b'9'))
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
        let swiss = NumberForm { currencies: vec!["Fr.".to_owned()], ..NumberForm::default() };
        let swiss = ColumnRules { numbers: Some(swiss), ..ColumnRules::default() };
        let cases = [
            (2, &swiss, "12.345 Fr.", true),
            (2, &swiss, "12.34 Fr.", false),
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
    fn whole_numbers_that_a_floating_point_column_stores_as_others_are_rounded() {
        let plain = ColumnRules::default();
        let german = NumberForm { decimal: ',', grouping: Some('.'), ..NumberForm::default() };
        let german = ColumnRules { numbers: Some(german), ..ColumnRules::default() };
        let cases = [
            (Float::Real, &plain, "9999999", false),
            (Float::Real, &plain, "16777216", false),
            (Float::Real, &plain, "-16777217", true),
            (Float::Real, &plain, "0000000000012", false),
            (Float::Real, &plain, "0.12345678901", false),
            (Float::Real, &plain, "1e20", false),
            (Float::Double, &plain, " 9007199254740992 ", false),
            (Float::Double, &plain, "9007199254740993", true),
            (Float::Double, &plain, "4111111111111111", false),
            (Float::Double, &plain, "100000000000000000000", false),
            (Float::Double, &plain, "340282366920938463463374607431768211456", false),
            (Float::Double, &plain, "340282366920938463463374607431768211455", true),
            (Float::Double, &plain, "1234567890123456789012345678901234567890", true),
            (Float::Double, &german, "9.007.199.254.740.993", true),
            (Float::Double, &german, "9.007.199.254.740.992", false),
            (Float::Double, &german, "9.007.199.254.740.993,5", false),
            (Float::Double, &plain, "Infinity", false),
        ];
        for (float, rules, text, wanted) in cases {
            assert_eq!(float.rounds_whole_number(rules, text.as_bytes()), wanted, "{text}");
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
