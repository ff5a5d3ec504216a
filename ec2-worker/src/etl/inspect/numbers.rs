//! Counts the numbers of a column by their forms and signs.

use std::collections::BTreeSet;

use super::number::{FORMS, NumberLook};
use super::place::{Place, cut};

/// The findings about the numbers of a column.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// For each form, the findings about the numbers as it reads them.
    pub forms: [ByForm; FORMS.len()],
    /// The number of codes, such as `007`.
    pub codes: u64,
    /// One of the codes.
    pub code: Option<String>,
    /// The number of texts without any separator.
    pub bare: u64,
    /// The currencies.
    pub currencies: BTreeSet<&'static str>,
    /// The number of percentages.
    pub percentages: u64,
    /// The number of texts with a plus or minus sign after the number.
    pub trailing_signs: u64,
    /// The number of texts with an exponent.
    pub exponents: u64,
    /// The first of these texts.
    pub exponent_places: Vec<Place>,
    /// The largest number of digits in a text.
    pub digits: usize,
    /// The lengths of the groups of digits in the first number.
    groups: Option<Vec<usize>>,
    /// Whether another number has groups of other lengths.
    has_other_groups: bool,
    /// The number of texts of eight digits that are a date from 1900 to 2099.
    pub compact_dates: u64,
}

/// The findings about the numbers of a column, as a form reads them.
#[derive(Clone, Debug, Default)]
pub struct ByForm {
    /// The number of texts with a separator that only this form, or forms that agree with it, can read.
    pub proofs: u64,
    /// The number of texts that the form reads as a whole number in groups and another form as a fraction, or the other way
    /// round.
    pub doubts: u64,
    /// The first of these texts.
    pub doubt: Option<String>,
    /// Whether a text with a fraction is a number only in this form.
    pub proves_decimal: bool,
    /// The number of texts with a fraction or an exponent, and of words such as `NaN`.
    pub fractions: u64,
    /// The smallest number and its text.
    pub least: Option<(f64, String)>,
    /// The largest number and its text.
    pub most: Option<(f64, String)>,
}

impl Numbers {
    /// Counts a text of digits that should not be read as a number.
    pub fn add_code(&mut self, text: &str) {
        self.codes += 1;
        self.code.get_or_insert_with(|| cut(text));
    }

    /// Counts a number.
    pub fn add(&mut self, look: &NumberLook, text: &str, line: u64) {
        self.bare += u64::from(!look.has_separator);
        self.currencies.extend(look.currency);
        self.percentages += u64::from(look.is_percentage);
        self.trailing_signs += u64::from(look.has_trailing_sign);
        if look.has_exponent {
            self.exponents += 1;
            Place::push(&mut self.exponent_places, line, text);
        }
        self.digits = self.digits.max(look.digits);
        match &self.groups {
            None => self.groups = Some(look.groups.clone()),
            Some(groups) => self.has_other_groups |= *groups != look.groups,
        }
        self.compact_dates += u64::from(is_compact_date(text));
        let values: Vec<f64> = look.readings.iter().map(|plain| plain.parse().unwrap_or(f64::NAN)).collect();
        for (form, index) in self.forms.iter_mut().zip(&look.forms) {
            let Some(index) = *index else { continue };
            let (plain, value) = (&look.readings[index], values[index]);
            let is_fraction = plain.contains(['.', 'e']) || !value.is_finite();
            form.fractions += u64::from(is_fraction);
            form.proofs += u64::from(look.is_clear && look.has_separator);
            form.proves_decimal |= look.is_clear && look.has_separator && is_fraction && value.is_finite();
            if !look.is_clear {
                form.doubts += 1;
                form.doubt.get_or_insert_with(|| cut(text));
            }
            if form.least.as_ref().is_none_or(|(least, _)| value < *least) {
                form.least = Some((value, plain.clone()));
            }
            if form.most.as_ref().is_none_or(|(most, _)| value > *most) {
                form.most = Some((value, plain.clone()));
            }
        }
    }

    /// Returns whether all numbers have groups of the same lengths, and at least two groups, as telephone numbers have.
    #[must_use]
    pub fn has_equal_groups(&self) -> bool {
        !self.has_other_groups && self.groups.as_ref().is_some_and(|groups| groups.len() > 1)
    }
}

fn is_compact_date(text: &str) -> bool {
    text.len() == 8
        && (text.starts_with("19") || text.starts_with("20"))
        && super::super::date::iso_moment(text.as_bytes()).is_some()
}
