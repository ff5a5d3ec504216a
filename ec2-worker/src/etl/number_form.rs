//! Reads numbers as a country or a program writes them, such as `1.234,50 €`, and returns them in the form of PostgreSQL.

use std::borrow::Cow;

/// The way in which a file writes numbers, as far as it differs from `1234.5`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberForm {
    /// The character between the whole part and the fraction.
    pub decimal: char,
    /// The character between groups of three digits.
    pub grouping: Option<char>,
    /// The symbols and codes that may stand before or after a number.
    pub currencies: Vec<String>,
    /// Whether `12%` means 0.12.
    pub percent: bool,
    /// Whether the sign may be behind the number.
    pub trailing_sign: bool,
}

impl Default for NumberForm {
    fn default() -> Self {
        Self { decimal: '.', grouping: None, currencies: Vec::new(), percent: false, trailing_sign: false }
    }
}

/// A number without its decoration.
struct Bare<'a> {
    negative: bool,
    digits: &'a str,
    is_percentage: bool,
}

impl NumberForm {
    /// Returns a number in the form of PostgreSQL, or `None` if the text is not a number of this form. The words for special
    /// numbers, such as `NaN`, stay as they are.
    #[must_use]
    pub fn plain<'a>(&self, text: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let text = std::str::from_utf8(text).ok()?;
        let bare = self.bare(text)?;
        if !bare.digits.is_empty() && bare.digits.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return (!bare.is_percentage).then_some(Cow::Borrowed(text.trim().as_bytes()));
        }
        let mut plain = String::with_capacity(bare.digits.len() + 4);
        if bare.negative {
            plain.push('-');
        }
        let (number, exponent) = match bare.digits.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (bare.digits, 0),
        };
        let (whole, fraction) = match number.split_once(self.decimal) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (number, None),
        };
        let has_groups = self.push_whole(whole, &mut plain)?;
        if has_groups && number.len() < bare.digits.len() {
            // Nobody groups the digits before an exponent, so the point of 1.234E7 is a decimal one.
            return None;
        }
        if let Some(fraction) = fraction {
            if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            plain.push('.');
            plain.push_str(fraction);
        }
        let exponent = exponent - if bare.is_percentage { 2 } else { 0 };
        if exponent != 0 || bare.digits.contains(['e', 'E']) {
            plain.push_str(&format!("e{exponent}"));
        }
        Some(Cow::Owned(plain.into_bytes()))
    }

    /// Takes the sign, the currency and the percent sign off. Each of them may appear once.
    fn bare<'a>(&self, text: &'a str) -> Option<Bare<'a>> {
        let (mut rest, mut sign, mut has_currency, mut is_percentage) = (text.trim(), None, false, false);
        loop {
            rest = rest.trim();
            let signed = [('-', true), ('+', false)].into_iter();
            let front =
                signed.clone().find_map(|(sign, negative)| Some((rest.strip_prefix(sign)?, negative)));
            let back = signed.clone().find_map(|(sign, negative)| Some((rest.strip_suffix(sign)?, negative)));
            let back = back.filter(|_| self.trailing_sign);
            if let Some((inner, negative)) = front.or(back).filter(|_| sign.is_none()) {
                (rest, sign) = (inner, Some(negative));
            } else if let Some(inner) = self.without_currency(rest).filter(|_| !has_currency) {
                (rest, has_currency) = (inner, true);
            } else if let Some(inner) = rest.strip_suffix('%').filter(|_| self.percent && !is_percentage) {
                (rest, is_percentage) = (inner, true);
            } else {
                return Some(Bare { negative: sign == Some(true), digits: rest, is_percentage });
            }
        }
    }

    fn without_currency<'a>(&self, text: &'a str) -> Option<&'a str> {
        let cut = |currency: &String| text.strip_prefix(currency).or_else(|| text.strip_suffix(currency));
        self.currencies.iter().filter(|currency| !currency.is_empty()).find_map(cut)
    }

    /// Appends the digits of the whole part, and returns whether they are grouped. Each group has three digits.
    fn push_whole(&self, whole: &str, plain: &mut String) -> Option<bool> {
        let is_grouping = |c: char| self.grouping.is_some_and(|grouping| is_same(grouping, c));
        let groups: Vec<&str> = whole.split(is_grouping).collect();
        for (index, group) in groups.iter().enumerate() {
            let is_legal = match (index, groups.len()) {
                (_, 1) => true,
                // Nobody groups 0.750 or 012.345: the point is a decimal one there, or the text is a code.
                (0, _) => (1..=3).contains(&group.len()) && !group.starts_with('0'),
                _ => group.len() == 3,
            };
            if !is_legal || !group.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            plain.push_str(group);
        }
        Some(groups.len() > 1)
    }
}

/// Returns whether `found` can stand for the declared grouping character. Programs do not agree on the kind of a space or of
/// an apostrophe, and both look the same to people.
fn is_same(declared: char, found: char) -> bool {
    let is_in = |set: &[char]| set.contains(&declared) && set.contains(&found);
    declared == found || is_in(&[' ', '\u{a0}', '\u{2009}', '\u{202f}']) || is_in(&['\'', '\u{2019}'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(form: &NumberForm, text: &str) -> Option<String> {
        form.plain(text.as_bytes()).map(|plain| String::from_utf8_lossy(&plain).into_owned())
    }

    fn reads(form: &NumberForm, text: &str, wanted: &str) {
        assert_eq!(plain(form, text).as_deref(), Some(wanted), "{text}");
    }

    #[test]
    fn groups_have_three_digits_and_the_decimal_character_is_declared() {
        let german = NumberForm { decimal: ',', grouping: Some('.'), ..NumberForm::default() };
        reads(&german, "1.234.567,50", "1234567.50");
        reads(&german, "-12,5", "-12.5");
        reads(&german, "1234,5", "1234.5");
        reads(&german, "1,5e3", "1.5e3");
        reads(&german, "NaN", "NaN");
        for text in [
            "1.5",
            "12.34.567",
            "1234.567,0",
            "1.234.56",
            "12.34,567",
            ".123,4",
            "1,2,3",
            "1,5.000",
            "1.234e7",
            "1.234,5E7",
            "0.750",
            "012.345",
            "00.123,5",
            "--1",
            "1 %",
        ] {
            assert_eq!(plain(&german, text), None, "{text}");
        }
        let indian = NumberForm { grouping: Some(','), ..NumberForm::default() };
        assert_eq!(plain(&indian, "12,34,567"), None);
        let plain_comma = NumberForm { decimal: ',', ..NumberForm::default() };
        assert_eq!(plain(&plain_comma, "1.234"), None);
    }

    #[test]
    fn any_space_and_any_apostrophe_groups_digits_if_one_is_declared() {
        let french = NumberForm { decimal: ',', grouping: Some(' '), ..NumberForm::default() };
        reads(&french, "1\u{202f}234\u{a0}567,5", "1234567.5");
        reads(&french, "1 234", "1234");
        let swiss = NumberForm { grouping: Some('\''), ..NumberForm::default() };
        reads(&swiss, "1\u{2019}234'567.05", "1234567.05");
        assert_eq!(plain(&swiss, "1 234"), None);
    }

    #[test]
    fn currencies_percent_and_signs_behind_are_read_where_they_are_declared() {
        let form = NumberForm {
            currencies: vec!["€".to_owned(), "EUR".to_owned()],
            percent: true,
            trailing_sign: true,
            ..NumberForm::default()
        };
        reads(&form, "-€12.50", "-12.50");
        reads(&form, "€ -12.50", "-12.50");
        reads(&form, "12.50\u{a0}EUR", "12.50");
        reads(&form, "12%", "12e-2");
        reads(&form, "1.5e1 %", "1.5e-1");
        reads(&form, "12-", "-12");
        reads(&form, "12- €", "-12");
        for text in ["$12", "€€12", "-12-", "12%%", "€", "NaN%", "1-2"] {
            let plain = plain(&form, text);
            assert!(plain.as_deref().is_none_or(|plain| plain.parse::<f64>().is_err()), "{text}: {plain:?}");
        }
        for text in ["€12", "12%", "12-"] {
            assert_eq!(plain(&NumberForm::default(), text), None, "{text}");
        }
    }
}
