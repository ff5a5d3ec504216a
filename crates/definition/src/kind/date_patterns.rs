//! Finds patterns of dates that give the same text two meanings, as `dd/MM/yyyy` and `MM/dd/yyyy` give 05/06/2026.

use std::ops::RangeInclusive;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// A number: its letter, and whether it always has four digits.
    Number(char, bool),
    /// Numbers without anything between them: the letter of each digit, as in `yyyyMMdd`.
    Digits(String),
    /// A word, such as a month.
    Word(char),
    /// An ordinary character.
    Literal(char),
}

/// Returns the first two of `patterns` that read some text as two different dates or times.
#[must_use]
pub fn ambiguous<'a>(patterns: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let read: Vec<Vec<Part>> = patterns.iter().map(|pattern| parts(pattern)).collect();
    read.iter().enumerate().find_map(|(index, later)| {
        let earlier = read[..index].iter().position(|earlier| are_ambiguous(earlier, later))?;
        Some((patterns[earlier], patterns[index]))
    })
}

fn are_ambiguous(one: &[Part], other: &[Part]) -> bool {
    let may_be_same = |(one, other): (&Part, &Part)| match (one, other) {
        (Part::Number(a, a_is_long), Part::Number(b, b_is_long)) => {
            // Four digits are never a day, and `yy` takes four digits, too.
            a_is_long == b_is_long || (*a == 'y' && *b == 'y')
        }
        // 20091128 is a date by `yyyyMMdd` and by `ddMMyyyy`.
        (Part::Digits(a), Part::Digits(b)) => a.len() == b.len() && (may_be(a, b) || may_be(b, a)),
        _ => one == other,
    };
    let differ = |(one, other): (&Part, &Part)| match (one, other) {
        (Part::Number(a, _), Part::Number(b, _)) => a != b,
        _ => one != other,
    };
    one.len() == other.len() && one.iter().zip(other).all(may_be_same) && one.iter().zip(other).any(differ)
}

/// Returns whether a text of the digits `is`, with a year of our times, may also be read by the digits `read_as`, which are as many.
fn may_be(is: &str, read_as: &str) -> bool {
    let (Some(is), Some(read_as)) = (pairs(is, 18..=21), pairs(read_as, 0..=99)) else { return true };
    is.iter().zip(&read_as).all(|(one, other)| one.start().max(other.start()) <= one.end().min(other.end()))
}

/// Returns the numbers that each two digits can be, and `century` for the first two of a year of four; `None` if a number has another
/// length.
fn pairs(digits: &str, century: RangeInclusive<u8>) -> Option<Vec<RangeInclusive<u8>>> {
    let mut pairs = Vec::new();
    for run in digits.as_bytes().chunk_by(|one, other| one == other) {
        let of_pair = match run[0] {
            b'M' => 1..=12,
            b'd' => 1..=31,
            b'H' => 0..=23,
            b'm' | b's' => 0..=59,
            _ => 0..=99,
        };
        match (run[0], run.len()) {
            (b'y', 4) => pairs.extend([century.clone(), of_pair]),
            (_, 2) => pairs.push(of_pair),
            _ => return None,
        }
    }
    Some(pairs)
}

fn parts(pattern: &str) -> Vec<Part> {
    let (mut parts, mut letters) = (Vec::new(), pattern.trim().chars().peekable());
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            parts.extend(letters.by_ref().take_while(|quoted| *quoted != '\'').map(Part::Literal));
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            parts.push(Part::Literal(letter));
            continue;
        }
        let mut count = 1;
        while letters.next_if_eq(&letter).is_some() {
            count += 1;
        }
        // Joda-Time writes the hour of the half day by `h` and `K`, and the year by `y`, `Y` and `x`.
        let of = match letter {
            'Y' | 'x' => 'y',
            other => other,
        };
        let is_word = matches!(letter, 'a' | 'E' | 'z' | 'Z' | 'G') || letter == 'M' && count > 2;
        if is_word {
            parts.push(Part::Word(of));
        } else {
            add_number(&mut parts, of, count);
        }
    }
    parts.into_iter().map(|part| part.alone()).collect()
}

/// Adds a number of `count` letters, to the digits before it if nothing is between.
fn add_number(parts: &mut Vec<Part>, letter: char, count: usize) {
    let digits = letter.to_string().repeat(count);
    match parts.last_mut() {
        Some(Part::Digits(before)) => before.push_str(&digits),
        _ => parts.push(Part::Digits(digits)),
    }
}

impl Part {
    /// Returns a number that stands alone for digits of one letter.
    fn alone(self) -> Self {
        match self {
            Self::Digits(digits) => match digits.chars().next() {
                Some(letter) if digits.chars().all(|other| other == letter) => {
                    Self::Number(letter, letter == 'y' && digits.len() > 2)
                }
                _ => Self::Digits(digits),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_orders_of_day_and_month_are_ambiguous_if_one_text_fits_both() {
        for (one, other) in [
            ("dd/MM/yyyy", "MM/dd/yyyy"),
            ("d/M/yyyy", "MM/dd/yyyy"),
            ("dd/MM/yy", "MM/dd/yyyy"),
            ("yyyy-MM-dd", "yyyy-dd-MM"),
            ("dd.MM.yy", "yy.MM.dd"),
            ("dd/MM/yyyy HH:mm", "MM/dd/yyyy HH:mm"),
            ("HH:mm", "mm:ss"),
            ("ddMMyyyy", "yyyyMMdd"),
            ("MMyyyy", "yyMMdd"),
            ("yyyyMMddHHmm", "ddMMyyHHmmss"),
            ("dd-HHmm", "dd-mmss"),
        ] {
            assert_eq!(ambiguous(&["d.M.yyyy", one, other]), Some((one, other)));
        }
        for (one, other) in [
            ("dd/MM/yyyy", "dd.MM.yyyy"),
            ("dd/MM/yyyy", "d/M/yy"),
            ("dd/MM/yyyy", "MM/dd/yyyy HH:mm"),
            ("dd/MM/yyyy", "yyyy/MM/dd"),
            ("dd MMM yyyy", "MMM dd yyyy"),
            ("dd/MM/yyyy", "dd/MM/yyyy"),
            ("yyyyMMdd", "yyMMdd"),
            ("yyyyMMdd", "dd/MM/yyyy"),
            ("yyyyMMdd", "MMddyyyy"),
            ("yyyyMMdd", "yyyyMMdd"),
        ] {
            assert_eq!(ambiguous(&[one, other]), None);
        }
    }
}
