//! Recognises numbers in the forms that programs and countries write.

use super::super::number_form::NumberForm;

/// The decimal and the grouping character of the forms that are tried. If two forms fit equally well, the first one
/// wins.
pub const FORMS: [(char, Option<char>); 8] = [
    ('.', None),
    ('.', Some(',')),
    (',', None),
    (',', Some('.')),
    (',', Some(' ')),
    ('.', Some(' ')),
    ('.', Some('\'')),
    (',', Some('\'')),
];

/// The currencies that are recognised before or after a number.
const CURRENCIES: [&str; 24] = [
    "€", "$", "£", "¥", "₹", "₽", "₺", "zł", "Kč", "kr", "R$", "US$", "EUR", "USD", "GBP", "CHF", "JPY",
    "SEK", "NOK", "DKK", "PLN", "CZK", "INR", "CAD",
];

/// The findings about a text that is a number in at least one form.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLook {
    /// The different numbers that the text may be, as PostgreSQL writes them.
    pub readings: Vec<String>,
    /// For each form, the index of its reading.
    pub forms: [Option<usize>; FORMS.len()],
    /// Whether the forms agree on the number.
    pub is_clear: bool,
    /// Whether the text has a decimal or a grouping character.
    pub has_separator: bool,
    /// The lengths of the groups of digits, such as 1, 3, 3.
    pub groups: Vec<usize>,
    /// The currency before or after the number.
    pub currency: Option<&'static str>,
    /// Whether a percent sign follows the number.
    pub is_percentage: bool,
    /// Whether a plus or minus sign follows the number.
    pub has_trailing_sign: bool,
    /// Whether the number has an exponent.
    pub has_exponent: bool,
    /// The number of digits, without those of the exponent.
    pub digits: usize,
}

impl NumberLook {
    /// Returns the number as the form with this index reads it, as PostgreSQL writes it.
    #[must_use]
    pub fn plain(&self, form: usize) -> Option<&str> {
        self.forms[form].map(|index| self.readings[index].as_str())
    }
}

/// Returns whether a text consists of digits that lose something when they are read as a number: a zero at the start,
/// as in `007`, or the plus of a telephone number.
#[must_use]
pub fn is_code(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0') && digits(text);
    is_padded || text.strip_prefix('+').is_some_and(|rest| rest.len() >= 6 && digits(rest))
}

/// Returns the findings about a text, or `None` if no form reads it as a number.
#[must_use]
pub fn look(text: &str) -> Option<NumberLook> {
    if is_special(text) {
        return Some(special(text));
    }
    // Nobody writes longer numbers, and PostgreSQL has a limit, too.
    if !text.contains(is_digit) || text.len() > 200 {
        return None;
    }
    let (core, decoration) = undecorated(text);
    let has_exponent = core.contains(['e', 'E']);
    let mantissa = core.split(['e', 'E']).next().unwrap_or_default();
    // 12E4 is more likely an article number; programs write 1.2e5 or 1e+05.
    let is_article =
        has_exponent && !mantissa.contains(['.', ',']) && !core[mantissa.len()..].contains(['+', '-']);
    if core.is_empty() || is_article {
        return None;
    }
    if !core.chars().all(|c| c.is_ascii_digit() || "+-eE.,'\u{2019} \u{a0}\u{2009}\u{202f}".contains(c)) {
        return None;
    }
    let (readings, forms) = readings(text, core, &decoration)?;
    let has_separator = core.contains(|c: char| !c.is_ascii_digit() && !"+-eE".contains(c));
    let groups =
        core.split(|c: char| !c.is_ascii_digit()).map(str::len).filter(|length| *length > 0).collect();
    Some(NumberLook {
        is_clear: readings.len() == 1,
        has_separator,
        groups,
        currency: decoration.currency,
        is_percentage: decoration.is_percentage,
        has_trailing_sign: decoration.has_trailing_sign,
        has_exponent,
        digits: mantissa.bytes().filter(u8::is_ascii_digit).count(),
        readings,
        forms,
    })
}

/// Returns whether a text is a word that programs write for a number without digits, such as `NaN`.
fn is_special(text: &str) -> bool {
    const WORDS: [&str; 4] = ["nan", "inf", "infinity", "+inf"];
    let lower = text.to_lowercase();
    WORDS.contains(&lower.trim_start_matches('-'))
}

fn special(text: &str) -> NumberLook {
    NumberLook {
        readings: vec![text.to_owned()],
        forms: [Some(0); FORMS.len()],
        is_clear: true,
        has_separator: false,
        groups: Vec::new(),
        currency: None,
        is_percentage: false,
        has_trailing_sign: false,
        has_exponent: false,
        digits: 0,
    }
}

/// Returns the different readings of a text, and for each form the index of its reading.
fn readings(text: &str, core: &str, of: &Decoration) -> Option<(Vec<String>, [Option<usize>; FORMS.len()])> {
    // Most numbers are digits only, and mean the same in every form.
    let is_bare =
        core.len() == text.trim_start_matches('-').len() && core.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare && !(core.len() > 1 && core.starts_with('0')) {
        return Some((vec![text.to_owned()], [Some(0); FORMS.len()]));
    }
    let mut readings: Vec<String> = Vec::new();
    let forms = FORMS.map(|form| {
        let plain = read(form, text, of)?;
        let known = readings.iter().position(|reading| *reading == plain);
        Some(known.unwrap_or_else(|| {
            readings.push(plain);
            readings.len() - 1
        }))
    });
    (!readings.is_empty()).then_some((readings, forms))
}

/// The characters around the digits of a number.
#[derive(Default)]
struct Decoration {
    currency: Option<&'static str>,
    is_percentage: bool,
    has_trailing_sign: bool,
}

fn undecorated(text: &str) -> (&str, Decoration) {
    let (mut rest, mut found) = (text.trim(), Decoration::default());
    loop {
        rest = rest.trim();
        let currency = CURRENCIES.into_iter().filter(|_| found.currency.is_none()).find_map(|currency| {
            let inner = rest.strip_prefix(currency).or_else(|| rest.strip_suffix(currency))?;
            // The `kr` of a longer word, such as `krona`, is not a currency.
            let is_whole = !currency.ends_with(char::is_alphabetic)
                || !inner.trim().starts_with(char::is_alphabetic)
                    && !inner.trim().ends_with(char::is_alphabetic);
            is_whole.then_some((inner, currency))
        });
        if let Some((inner, currency)) = currency {
            (rest, found.currency) = (inner, Some(currency));
        } else if let Some(inner) = rest.strip_suffix('%').filter(|_| !found.is_percentage) {
            (rest, found.is_percentage) = (inner, true);
        } else if let Some(inner) = rest.strip_suffix(['-', '+']).filter(|_| !found.has_trailing_sign) {
            (rest, found.has_trailing_sign) = (inner, true);
        } else if let Some(inner) = rest.strip_prefix(['-', '+']).filter(|inner| !inner.starts_with(is_digit))
        {
            // This sign stands before a currency.
            rest = inner;
        } else {
            return (rest, found);
        }
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn read((decimal, grouping): (char, Option<char>), text: &str, of: &Decoration) -> Option<String> {
    let form = NumberForm {
        decimal,
        grouping,
        currencies: of.currency.map(str::to_owned).into_iter().collect(),
        percent: of.is_percentage,
        trailing_sign: of.has_trailing_sign,
    };
    let plain = String::from_utf8(form.plain(text.as_bytes())?.into_owned()).ok()?;
    let digits = plain.trim_start_matches('-');
    // A number does not begin with a zero before other digits. This also refuses a first group such as the `030` of
    // 030 123.
    let is_padded = digits.starts_with('0') && digits[1..].starts_with(is_digit);
    let is_number = digits.contains(is_digit) && plain.parse::<f64>().is_ok();
    (is_number && !is_padded).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Option<String>> {
        let look = look(text);
        (0..FORMS.len())
            .map(|form| look.as_ref().and_then(|look| look.plain(form)).map(str::to_owned))
            .collect()
    }

    #[test]
    fn a_number_has_the_readings_of_all_forms() {
        let same = |text: &str| look(text).is_some_and(|look| look.is_clear);
        assert!(same("12") && same("1,5") && same("1.234,50") && same("1.5"));
        assert!(!same("1,234") && !same("1.234"));
        assert_eq!(plain("1.234")[0].as_deref(), Some("1.234"));
        assert_eq!(plain("1.234")[3].as_deref(), Some("1234"));
        assert_eq!(plain("1\u{202f}234,5")[4].as_deref(), Some("1234.5"));
    }

    #[test]
    fn decorations_are_seen() {
        let seen = look("-12,50 €").expect("a number");
        assert_eq!((seen.currency, seen.plain(2)), (Some("€"), Some("-12.50")));
        assert!(look("12.5 %").expect("a number").is_percentage);
        assert!(look("12-").expect("a number").has_trailing_sign);
        assert_eq!(look("€-3").expect("a number").plain(0), Some("-3"));
        assert_eq!(look("EUR 12").expect("a number").currency, Some("EUR"));
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in ["", "abc", "12E4", "2024-06-05", "10:30", "1.2.3", "030 123 456", "A12", "krona 5", "-"]
        {
            assert_eq!(look(text), None, "{text}");
        }
        assert!(
            is_code("007") && is_code("+4930123456") && !is_code("0") && !is_code("+5") && !is_code("70")
        );
    }
}
