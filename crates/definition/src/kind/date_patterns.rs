//! Finds patterns of dates that give the same text two meanings, as `dd/MM/yyyy` and `MM/dd/yyyy` give 05/06/2026.

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// A number: its letter, and whether it always has four digits.
    Number(char, bool),
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
        _ => one == other,
    };
    let letter = |part: &Part| match part {
        Part::Number(letter, _) | Part::Word(letter) => Some(*letter),
        Part::Literal(_) => None,
    };
    one.len() == other.len()
        && one.iter().zip(other).all(may_be_same)
        && one.iter().zip(other).any(|(one, other)| letter(one) != letter(other))
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
        parts.push(if is_word { Part::Word(of) } else { Part::Number(of, of == 'y' && count > 2) });
    }
    parts
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
        ] {
            assert_eq!(ambiguous(&[one, other]), None);
        }
    }
}
