//! Writes numbers as the number formats of a workbook show them, such as `00123` by `00000`.
//!
//! A format adds digits, signs and texts here; it never rounds a number. Formats with groups of digits, conditions, exponents or
//! fractions are not read, and neither are those whose text would be another number: without the sign of a negative one, which
//! then only a colour shows, or with a point or a sign that the number does not have.

/// The way in which a number format shows numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// As they are.
    Plain,
    /// By one section, or by one each for positive numbers, negative numbers and zero.
    Sections(Vec<Section>),
    /// In a way that is not read. This is the format as the workbook has it.
    Other(String),
}

/// One section of a number format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// The parts in front of the decimal point.
    whole: Vec<Part>,
    /// The parts after it, if there is one.
    fraction: Option<Vec<Part>>,
    is_percentage: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `0`: a digit, or else a zero.
    Zero,
    /// `#`: a digit, if there is one.
    Digit,
    Literal(char),
}

impl NumberFormat {
    /// Reads the code of a number format.
    pub(super) fn of(code: &str) -> Self {
        let is_plain = |code: &str| {
            let code = code.trim().trim_start_matches("[$-409]");
            code.is_empty() || code == "@" || code == "#" || code.eq_ignore_ascii_case("general")
        };
        if is_plain(code) {
            return Self::Plain;
        }
        let texts = sections(code);
        if texts.first().is_some_and(|first| !first.is_empty() && is_plain(first)) {
            return Self::Plain;
        }
        let read: Option<Vec<Section>> = texts.iter().take(3).map(|text| Section::of(text)).collect();
        match read {
            Some(sections) if sections == [Section::whole_number()] => Self::Plain,
            Some(sections) if hides_sign(&sections) => Self::Other(code.to_owned()),
            Some(sections) => Self::Sections(sections),
            None => Self::Other(code.to_owned()),
        }
    }

    /// Returns the text that the format shows for a number, which `plain` is in digits. Returns `None` if the text is `plain`.
    pub(super) fn shown(&self, plain: &str) -> Option<String> {
        let Self::Sections(sections) = self else { return None };
        let digits = plain.strip_prefix('-').unwrap_or(plain);
        let is_zero = !digits.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
        let place = match plain.starts_with('-') {
            true if !is_zero => 1,
            _ if is_zero => 2,
            _ => 0,
        };
        let (section, sign) = match sections.get(place) {
            Some(section) => (section, ""),
            // The first section shows every number that has no section of its own.
            None => (sections.first()?, if place == 1 { "-" } else { "" }),
        };
        let shown = format!("{sign}{}", section.shown(digits)?);
        (shown != plain).then_some(shown)
    }
}

impl Section {
    fn whole_number() -> Self {
        Self { whole: vec![Part::Zero], ..Self::default() }
    }

    fn of(text: &str) -> Option<Self> {
        let mut section = Self::default();
        let mut letters = text.chars();
        let mut follows_slash = false;
        while let Some(letter) = letters.next() {
            let part = match letter {
                // A slash between places is the bar of a fraction.
                '0' | '#' if follows_slash => return None,
                '0' => Part::Zero,
                '#' => Part::Digit,
                '/' => {
                    follows_slash = section.has_places();
                    Part::Literal('/')
                }
                '.' if section.fraction.is_none() => {
                    section.fraction = Some(Vec::new());
                    continue;
                }
                '%' if !section.is_percentage => {
                    section.is_percentage = true;
                    Part::Literal('%')
                }
                '"' => {
                    for quoted in letters.by_ref().take_while(|quoted| *quoted != '"') {
                        section.push(Part::Literal(quoted));
                    }
                    continue;
                }
                '\\' => Part::Literal(letters.next()?),
                // The width of a character, or a character that fills the cell.
                '_' | '*' => {
                    letters.next()?;
                    continue;
                }
                '[' => {
                    let inner: String = letters.by_ref().take_while(|inner| *inner != ']').collect();
                    if !is_colour(&inner) {
                        return None;
                    }
                    continue;
                }
                ' ' | '-' | '+' | '(' | ')' | ':' | '$' | '€' | '£' | '¥' | '!' | '&' | '~' | '{' | '}'
                | '=' => Part::Literal(letter),
                _ => return None,
            };
            section.push(part);
        }
        let is_other_number = section.literals().any(|letter| matches!(letter, '.' | ','));
        (section.has_places() && !is_other_number).then_some(section)
    }

    fn has_places(&self) -> bool {
        self.whole.iter().any(|part| !matches!(part, Part::Literal(_)))
    }

    /// Returns the texts of the section, letter by letter.
    fn literals(&self) -> impl Iterator<Item = char> {
        let parts = self.whole.iter().chain(self.fraction.iter().flatten());
        parts.filter_map(|part| match part {
            Part::Literal(letter) => Some(*letter),
            Part::Zero | Part::Digit => None,
        })
    }

    fn push(&mut self, part: Part) {
        match &mut self.fraction {
            Some(fraction) => fraction.push(part),
            None => self.whole.push(part),
        }
    }

    /// Returns the text for a number without a sign.
    fn shown(&self, digits: &str) -> Option<String> {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (mut whole, mut fraction) = (whole.to_owned(), fraction.to_owned());
        if self.is_percentage {
            let moved = format!("{fraction:0<2}");
            whole.push_str(&moved[..2]);
            fraction = moved[2..].to_owned();
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        let mut text = self.whole_shown(whole);
        self.push_fraction(fraction, &mut text);
        Some(text.trim().to_owned())
    }

    /// Returns the part before the point. The last digit belongs to the last place, and digits without a place of their own
    /// stand in front of the first place.
    fn whole_shown(&self, digits: &str) -> String {
        let places = self.whole.iter().filter(|part| !matches!(part, Part::Literal(_))).count();
        let (front, digits) = digits.split_at(digits.len().saturating_sub(places));
        let missing = places - digits.len();
        let (mut text, mut place, mut digits) = (String::new(), 0, digits.chars());
        for part in &self.whole {
            let Part::Literal(letter) = part else {
                if place == 0 {
                    text.push_str(front);
                }
                match part {
                    _ if place >= missing => text.extend(digits.next()),
                    Part::Zero => text.push('0'),
                    _ => {}
                }
                place += 1;
                continue;
            };
            text.push(*letter);
        }
        text
    }

    /// Appends the part after the point, with all digits of the number.
    fn push_fraction(&self, digits: &str, text: &mut String) {
        let empty = Vec::new();
        let parts = self.fraction.as_ref().unwrap_or(&empty);
        let last = parts.iter().rposition(|part| !matches!(part, Part::Literal(_)));
        let mut rest = digits.chars();
        let has_point = !digits.is_empty() || parts.contains(&Part::Zero);
        if self.fraction.is_none() {
            // A literal after the places belongs behind the digits, as in `0"kg"`.
            let end = self
                .whole
                .iter()
                .rposition(|part| !matches!(part, Part::Literal(_)))
                .map_or(0, |index| index + 1);
            let tail: usize = self.whole[end..].iter().map(literal_len).sum();
            if has_point {
                text.insert_str(text.len() - tail, &format!(".{digits}"));
            }
            return;
        }
        if has_point {
            text.push('.');
        }
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(letter) => text.push(*letter),
                Part::Zero => text.push(rest.next().unwrap_or('0')),
                Part::Digit => text.extend(rest.next()),
            }
            if last == Some(index) {
                text.extend(rest.by_ref());
            }
        }
    }
}

fn literal_len(part: &Part) -> usize {
    match part {
        Part::Literal(letter) => letter.len_utf8(),
        _ => 0,
    }
}

/// Returns whether a negative number would be shown as a positive one, or a positive one as a negative one.
fn hides_sign(sections: &[Section]) -> bool {
    let texts = |section: &Section| {
        let mut texts: Vec<char> = section.literals().filter(|letter| !matches!(letter, '+' | ' ')).collect();
        texts.sort_unstable();
        texts
    };
    let begins_with_minus = |section: &Section| section.whole.first() == Some(&Part::Literal('-'));
    match sections {
        [first, second, ..] => texts(first) == texts(second) || begins_with_minus(first),
        [first] => begins_with_minus(first),
        [] => false,
    }
}

/// Returns whether the text in brackets is a colour, which changes no text.
fn is_colour(text: &str) -> bool {
    const COLOURS: [&str; 8] = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"];
    let lower = text.to_lowercase();
    COLOURS.contains(&lower.as_str()) || lower.starts_with("color")
}

/// Cuts a format at the semicolons that are not texts.
fn sections(code: &str) -> Vec<&str> {
    let (mut start, mut is_quoted, mut is_escaped, mut sections) = (0, false, false, Vec::new());
    for (index, letter) in code.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '"' => is_quoted = !is_quoted,
            '\\' | '_' | '*' if !is_quoted => is_escaped = true,
            ';' if !is_quoted => {
                sections.push(&code[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    sections.push(&code[start..]);
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, plain: &str) -> String {
        NumberFormat::of(code).shown(plain).unwrap_or_else(|| plain.to_owned())
    }

    #[test]
    fn digits_texts_and_percentages_are_shown_and_nothing_is_rounded() {
        for (code, plain, wanted) in [
            ("00000", "123", "00123"),
            ("00000", "1234567", "1234567"),
            ("00000", "0", "00000"),
            ("00000", "-12", "-00012"),
            ("00000", "12.5", "00012.5"),
            ("0000-000", "12345", "0012-345"),
            ("000\\-00\\-0000", "123456789", "123-45-6789"),
            ("\"A-\"0000", "7", "A-0007"),
            ("0\" kg\"", "7.5", "7.5 kg"),
            ("(000) 000-0000", "5551234567", "(555) 123-4567"),
            ("0.00", "12.5", "12.50"),
            ("0.00", "12.567", "12.567"),
            ("0.##", "3", "3"),
            ("#.00", "0.5", ".50"),
            ("0%", "0.12", "12%"),
            ("0.0%", "0.12345", "12.345%"),
            ("0%", "3", "300%"),
            ("0.00%", "0", "0.00%"),
            ("0;-0;\"-\"0", "0", "-0"),
            ("00;(00)", "-5", "(05)"),
            ("[Red]000", "5", "005"),
            ("000_)", "5", "005"),
        ] {
            assert_eq!(shown(code, plain), wanted, "{plain} by {code}");
        }
    }

    #[test]
    fn other_formats_are_reported_and_usual_formats_change_nothing() {
        for code in ["General", "@", "0", "", "#"] {
            assert_eq!(NumberFormat::of(code), NumberFormat::Plain, "{code}");
        }
        for code in ["#,##0", "0.00E+00", "# ?/?", "[>100]0", "yyyy", ";;;", "[$€-407]0", "0,", "\"yes\""] {
            assert_eq!(NumberFormat::of(code), NumberFormat::Other(code.to_owned()), "{code}");
        }
        // The text would be another number.
        for code in [
            "0.00;[Red]0.00",
            "0.00_ ;[Red]0.00\\ ",
            "0%;0%",
            "000;000",
            "[Red]0;[Green]0",
            "0;+0",
            "0/0",
            "# #/#",
            "00/00",
            "0000/00",
            "0\\.00",
            "\"-\"0",
        ] {
            assert_eq!(NumberFormat::of(code), NumberFormat::Other(code.to_owned()), "{code}");
        }
    }
}
