//! The form of a date in a key, such as `yyyyMMdd`: reads a date, and writes it again.
//!
//! A capture of a date has one value whatever its form: `20260101` and `2026-01-01` both give `2026-01-01`. The form
//! reads only what it would write itself, so that a key can be made from the value again.

use jiff::civil::Date;

use crate::expression::{MONTHS, unreadable};

/// The letters of a date in a key, from the largest part to the smallest.
const LETTERS: &str = "yMdHmsS";
/// The century of a year of two digits. A key with an older year needs four digits.
const CENTURY: u32 = 2000;

/// The form of a date or a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateForm {
    elements: Vec<Element>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Literal(char),
    /// A number: its letter, and how often the letter stands in the form.
    Number(char, usize),
    /// The name of a month, or its first three letters.
    Month {
        is_long: bool,
    },
}

/// The numbers of a date, by the index of their letter in [`LETTERS`]. Only the fraction of a second needs its digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Numbers {
    of: [Option<u32>; 6],
    fraction: Option<String>,
}

impl DateForm {
    /// Reads a form in the letters of Joda-Time. The error says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(why) = unreadable(text) {
            return Err(format!("`{text}` is not a form of a date: {why}"));
        }
        let mut elements = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(next) = letters.next() {
            match next {
                '\'' if letters.next_if_eq(&'\'').is_some() => elements.push(Element::Literal('\'')),
                '\'' => elements
                    .extend(letters.by_ref().take_while(|quoted| *quoted != '\'').map(Element::Literal)),
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while letters.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    elements.push(element(text, letter, count)?);
                }
                '/' => return Err(format!("`{text}`: a date in a key has no `/`")),
                literal => elements.push(Element::Literal(literal)),
            }
        }
        let form = Self { elements };
        form.check(text)?;
        Ok(form)
    }

    /// Refuses a form that leaves out a part between two others, such as a day with an hour but without a month.
    fn check(&self, text: &str) -> Result<(), String> {
        let parts = self.parts();
        let has = |letter: char| parts.contains(letter);
        let needs = [('M', 'y'), ('d', 'M'), ('m', 'H'), ('s', 'm'), ('S', 's')];
        if let Some((part, needed)) = needs.into_iter().find(|(part, needed)| has(*part) && !has(*needed)) {
            return Err(format!("`{text}`: a date in a key with `{part}` needs `{needed}`, too"));
        }
        if has('y') && has('H') && !has('d') {
            return Err(format!("`{text}`: a date in a key with `H` needs the day, `d`, too"));
        }
        Ok(())
    }

    /// Returns the letters of the parts, from the largest to the smallest. Two forms with the same parts have the same
    /// values.
    pub(super) fn parts(&self) -> String {
        let is_in = |letter: &char| {
            self.elements.iter().any(|element| match element {
                Element::Number(other, _) => other == letter,
                Element::Month { .. } => *letter == 'M',
                Element::Literal(_) => false,
            })
        };
        LETTERS.chars().filter(is_in).collect()
    }

    /// Returns a value.
    pub(super) fn example(&self) -> String {
        let parts = self.parts();
        let number =
            |(at, letter): (usize, char)| parts.contains(letter).then_some(if at == 0 { 2026 } else { 1 });
        let mut of = [None; 6];
        for (index, found) in LETTERS.chars().take(of.len()).enumerate().map(number).enumerate() {
            of[index] = found;
        }
        let digits = self.elements.iter().find_map(|element| match element {
            Element::Number('S', digits) => Some("0".repeat(*digits)),
            _ => None,
        });
        Numbers { of, fraction: digits }.value().unwrap_or_default()
    }

    /// Returns the ends of the dates that begin at `at` in `key`. `steps` counts the comparisons, whose number depends on
    /// the form alone.
    pub(super) fn ends(&self, key: &[char], at: usize, ignores_case: bool, steps: &mut u64) -> Vec<usize> {
        let mut ends = vec![at];
        for element in &self.elements {
            let mut next = Vec::new();
            for end in ends {
                *steps += 1;
                element.ends(key, end, ignores_case, &mut next);
            }
            ends = next;
        }
        ends.retain(|end| self.value(&key[at..*end].iter().collect::<String>(), ignores_case).is_some());
        ends
    }

    /// Returns the value of a date that is written in this form: `2026-01-01`, or `2026-01-01T10:15` with a time.
    pub(super) fn value(&self, text: &str, ignores_case: bool) -> Option<String> {
        let letters: Vec<char> = text.chars().collect();
        let mut found = Vec::new();
        read(&self.elements, &letters, ignores_case, &mut Numbers::default(), &mut found);
        let value = found.into_iter().find_map(|numbers| numbers.value())?;
        let again = self.written(&value)?;
        let is_same = if ignores_case { again.to_lowercase() == text.to_lowercase() } else { again == text };
        is_same.then_some(value)
    }

    /// Writes a value in this form. Returns `None` if the value is not a date with the parts of this form.
    pub(super) fn written(&self, value: &str) -> Option<String> {
        let numbers = Numbers::of_value(value, &self.parts())?;
        let mut text = String::new();
        for element in &self.elements {
            match element {
                Element::Literal(letter) => text.push(*letter),
                Element::Number('S', _) => text.push_str(numbers.fraction.as_deref()?),
                Element::Number('y', 2) => {
                    let year = numbers.of[0]?.checked_sub(CENTURY).filter(|year| *year < 100)?;
                    text.push_str(&format!("{year:02}"));
                }
                Element::Number(letter, width) => {
                    let number = numbers.of[LETTERS.find(*letter)?]?;
                    text.push_str(&format!("{number:0width$}"));
                }
                Element::Month { is_long } => {
                    let name = MONTHS.get(usize::try_from(numbers.of[1]?).ok()?.checked_sub(1)?)?;
                    text.push_str(if *is_long { name } else { &name[..3] });
                }
            }
        }
        Some(text)
    }
}

impl Element {
    /// Adds the ends of this element if it begins at `at`.
    fn ends(&self, key: &[char], at: usize, ignores_case: bool, ends: &mut Vec<usize>) {
        let rest = &key[at..];
        match self {
            Self::Literal(letter) => {
                ends.extend(rest.first().filter(|next| *next == letter).map(|_| at + 1));
            }
            Self::Number(_, width) => {
                let digits =
                    rest.iter().take(*width.max(&2)).take_while(|digit| digit.is_ascii_digit()).count();
                match width {
                    1 => ends.extend((1..=digits).map(|digits| at + digits)),
                    width if digits == *width => ends.push(at + width),
                    _ => {}
                }
            }
            Self::Month { is_long } => {
                let is_here = |name: &&str| {
                    rest.len() >= name.len()
                        && name.chars().zip(rest).all(|(one, other)| {
                            one == *other || (ignores_case && one.eq_ignore_ascii_case(other))
                        })
                };
                let names = MONTHS.iter().map(|name| if *is_long { *name } else { &name[..3] });
                ends.extend(names.filter(is_here).map(|name| at + name.len()));
            }
        }
    }

    /// Notes the number that `text` states.
    fn note(&self, text: &str, numbers: &mut Numbers) {
        match self {
            Self::Literal(_) => {}
            Self::Number('S', _) => numbers.fraction = Some(text.to_owned()),
            Self::Number(letter, width) => {
                let number = text.parse().ok();
                let is_short = *letter == 'y' && *width == 2;
                let number = if is_short { number.map(|year: u32| CENTURY + year) } else { number };
                if let Some(at) = LETTERS.find(*letter) {
                    numbers.of[at] = number;
                }
            }
            Self::Month { .. } => {
                let is_it =
                    |name: &&str| name.get(..3).is_some_and(|short| text[..3].eq_ignore_ascii_case(short));
                numbers.of[1] = MONTHS.iter().position(is_it).map(|at| at as u32 + 1);
            }
        }
    }
}

impl Numbers {
    /// Returns the value, or `None` if there is no such date or time.
    fn value(&self) -> Option<String> {
        let [year, month, day, hour, minute, second] = self.of;
        let is_date = Date::new(
            i16::try_from(year.unwrap_or(2000)).ok()?,
            i8::try_from(month.unwrap_or(1)).ok()?,
            i8::try_from(day.unwrap_or(1)).ok()?,
        )
        .is_ok();
        let is_time = hour.unwrap_or(0) < 24 && minute.unwrap_or(0) < 60 && second.unwrap_or(0) < 60;
        if !is_date || !is_time {
            return None;
        }
        let mut value = year.map(|year| format!("{year:04}")).unwrap_or_default();
        for part in [month, day].into_iter().flatten() {
            value.push_str(&format!("-{part:02}"));
        }
        if let Some(hour) = hour {
            let mark = if value.is_empty() { "" } else { "T" };
            value.push_str(&format!("{mark}{hour:02}:{:02}", minute.unwrap_or(0)));
        }
        if let Some(second) = second {
            value.push_str(&format!(":{second:02}"));
        }
        if let Some(fraction) = &self.fraction {
            value.push_str(&format!(".{fraction}"));
        }
        Some(value)
    }

    /// Reads a value with these parts again.
    fn of_value(value: &str, parts: &str) -> Option<Self> {
        let mut numbers = Self::default();
        let texts: Vec<&str> = value.split(['-', 'T', ':', '.']).collect();
        // A value with an hour always has minutes.
        let stated: Vec<char> = LETTERS
            .chars()
            .filter(|letter| parts.contains(*letter) || (*letter == 'm' && parts.contains('H')))
            .collect();
        if texts.len() != stated.len() {
            return None;
        }
        for (letter, text) in stated.into_iter().zip(texts) {
            if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
                return None;
            }
            match letter {
                'S' => numbers.fraction = Some(text.to_owned()),
                _ => numbers.of[LETTERS.find(letter)?] = Some(text.parse().ok()?),
            }
        }
        Some(numbers).filter(|numbers| numbers.value().as_deref() == Some(value))
    }
}

/// Reads `letters` by the `elements` in every possible way. Numbers of one or two digits give two ways.
fn read(
    elements: &[Element],
    letters: &[char],
    ignores_case: bool,
    numbers: &mut Numbers,
    found: &mut Vec<Numbers>,
) {
    let Some((element, rest)) = elements.split_first() else {
        if letters.is_empty() {
            found.push(numbers.clone());
        }
        return;
    };
    let mut ends = Vec::new();
    element.ends(letters, 0, ignores_case, &mut ends);
    for end in ends {
        let text: String = letters[..end].iter().collect();
        element.note(&text, numbers);
        read(rest, &letters[end..], ignores_case, numbers, found);
    }
}

fn element(form: &str, letter: char, count: usize) -> Result<Element, String> {
    match (letter, count) {
        ('y' | 'Y', 2 | 4) => Ok(Element::Number('y', count)),
        ('y' | 'Y', _) => Err(format!("`{form}`: write a year in a key as `yyyy` or `yy`")),
        ('M', 3 | 4) => Ok(Element::Month { is_long: count == 4 }),
        ('M' | 'd' | 'H' | 'm' | 's', 1 | 2) => Ok(Element::Number(letter, count)),
        ('S', _) => Ok(Element::Number('S', count)),
        ('M' | 'd' | 'H' | 'm' | 's', _) => {
            Err(format!("`{form}`: write `{letter}` once or twice; a key has no longer numbers there"))
        }
        _ => Err(format!(
            "`{form}`: `{letter}` is not part of a date in a key; the parts are y, M, d, H, m, s and S"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(form: &str, text: &str) -> Option<String> {
        DateForm::parse(form).unwrap().value(text, false)
    }

    #[test]
    fn every_form_of_a_date_gives_the_same_value() {
        for (form, text) in [
            ("yyyy-MM-dd", "2026-01-05"),
            ("yyyyMMdd", "20260105"),
            ("dd.MM.yyyy", "05.01.2026"),
            ("d-M-yy", "5-1-26"),
            ("ddMMMyyyy", "05Jan2026"),
            ("d MMMM yyyy", "5 January 2026"),
            ("YYYY'W'MMdd", "2026W0105"),
        ] {
            assert_eq!(value(form, text).as_deref(), Some("2026-01-05"), "{form}");
            assert_eq!(DateForm::parse(form).unwrap().written("2026-01-05").as_deref(), Some(text));
        }
    }

    #[test]
    fn times_months_and_years_have_values_too() {
        for (form, text, expected) in [
            ("yyyyMMddHH", "2026010509", "2026-01-05T09:00"),
            ("yyyyMMdd'T'HHmmss", "20260105T093015", "2026-01-05T09:30:15"),
            ("HHmmssSSS", "093015250", "09:30:15.250"),
            ("yyyy-MM", "2026-02", "2026-02"),
            ("yyyy", "2026", "2026"),
        ] {
            assert_eq!(value(form, text).as_deref(), Some(expected), "{form}");
            assert_eq!(DateForm::parse(form).unwrap().written(expected).as_deref(), Some(text), "{form}");
        }
    }

    #[test]
    fn a_text_that_is_no_date_of_the_form_has_no_value() {
        for (form, text) in [
            ("yyyy-MM-dd", "2026-13-01"),
            ("yyyy-MM-dd", "2026-02-29"),
            ("yyyy-MM-dd", "2026-2-01"),
            ("yyyyMMdd", "202601051"),
            ("d.M.yyyy", "05.1.2026"),
            ("HHmm", "2460"),
            ("ddMMMyyyy", "05jan2026"),
        ] {
            assert_eq!(value(form, text), None, "{form} {text}");
        }
        assert_eq!(
            DateForm::parse("ddMMMyyyy").unwrap().value("05JAN2026", true).as_deref(),
            Some("2026-01-05")
        );
    }

    #[test]
    fn a_form_that_no_key_can_have_is_refused() {
        for (form, message) in [
            ("dd.MM", "no year"),
            ("yyyy/MM/dd", "no `/`"),
            ("EEE dd.MM.yyyy", "`E` is not part"),
            ("MM", "needs `y`"),
            ("yyyyHH", "needs the day"),
            ("yyy-MM-dd", "`yyyy` or `yy`"),
            ("HHss", "needs `m`"),
        ] {
            let refusal = DateForm::parse(form).unwrap_err();
            assert!(refusal.contains(message), "{form}: {refusal}");
        }
    }
}
