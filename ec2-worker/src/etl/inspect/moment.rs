//! Recognises dates and times, and the patterns that can read them.

use super::super::date::{self, Moment, Pattern};

/// The order of day, month and year in a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// As 31/12/2025.
    DayFirst,
    /// As 12/31/2025.
    MonthFirst,
    /// As 25/12/31.
    YearFirst,
    /// The month is a word, or the form has one order only.
    Fixed,
}

/// One way to read the dates of a shape.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The order of the parts of a date.
    pub order: Order,
    /// The pattern.
    pub pattern: Pattern,
}

/// A date or time that needs no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iso {
    /// A date with, perhaps, a time of day.
    Moment {
        /// The date and time.
        moment: Moment,
        /// Whether the text has a time of day.
        has_time: bool,
    },
    /// A time of day, in microseconds since midnight.
    Time(i64),
}

/// Reads a date or time that needs no pattern. Digits alone, and a text with five digits at its
/// start, count as numbers, not as dates.
#[must_use]
pub fn iso(text: &str) -> Option<Iso> {
    let bytes = text.as_bytes();
    if !bytes.first()?.is_ascii_digit() || bytes.iter().take(5).all(u8::is_ascii_digit) {
        return None;
    }
    if let Some(moment) = date::iso_moment(bytes) {
        return Some(Iso::Moment { moment, has_time: text.contains(':') });
    }
    date::iso_time(bytes).map(Iso::Time)
}

/// Returns the ways to read dates that look like `text`; none if `text` does not look like a date. These are all
/// orders of the shape, also an order in which `text` itself is not a date.
#[must_use]
pub fn readings(text: &str) -> Vec<Reading> {
    let Some(shape) = Shape::of(text) else { return Vec::new() };
    let written = shape.dates.into_iter().filter_map(|(order, date)| {
        let pattern = Pattern::new(&format!("{}{date}{}", shape.before, shape.after)).ok()?;
        Some(Reading { order, pattern })
    });
    written.collect()
}

/// The parts of the patterns that fit a text.
struct Shape {
    before: String,
    dates: Vec<(Order, String)>,
    after: String,
}

impl Shape {
    fn of(text: &str) -> Option<Self> {
        let (before, rest) = weekday(text);
        let (dates, rest) = if rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            month_first(rest)?
        } else {
            numbers(rest)?
        };
        Some(Self { before, dates, after: time(rest)? })
    }
}

/// Returns the pattern of a day of the week at the start, as in `Mon, 2 Jun 2025`, and the rest of the text.
fn weekday(text: &str) -> (String, &str) {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (word, rest) = letters(text);
    let is_day = word.get(..3).is_some_and(|start| DAYS.contains(&start.to_ascii_lowercase().as_str()));
    let separator: String = rest.chars().take_while(|c| matches!(c, ',' | ' ' | '.')).collect();
    if !is_day || separator.is_empty() {
        return (String::new(), text);
    }
    (format!("EEE{separator}"), &rest[separator.len()..])
}

/// Reads `Jun 5, 2025`.
fn month_first(text: &str) -> Option<(Vec<(Order, String)>, &str)> {
    let (month, rest) = letters(text);
    let rest = rest.strip_prefix(' ').filter(|_| is_month(month))?;
    let (day, rest) = digits(rest);
    let separator = if rest.starts_with(", ") { ", " } else { " " };
    let (year, rest) = digits(rest.strip_prefix(separator)?);
    let fits = (1..=2).contains(&day.len()) && year.len() == 4;
    fits.then(|| (vec![(Order::Fixed, format!("MMM d{separator}yyyy"))], rest))
}

/// Reads dates that begin with a number.
fn numbers(text: &str) -> Option<(Vec<(Order, String)>, &str)> {
    let (first, rest) = digits(text);
    let separator = rest.chars().next().filter(|c| matches!(c, '/' | '.' | '-' | ' '))?;
    let rest = &rest[1..];
    let (month, after_month) = letters(rest);
    if !month.is_empty() {
        let dot = if after_month.starts_with('.') && separator == ' ' { "." } else { "" };
        let rest = after_month[dot.len()..].strip_prefix(separator).filter(|_| is_month(month))?;
        let (year, rest) = digits(rest);
        let years = years(year)?;
        let date = format!("d{separator}MMM{dot}{separator}{years}");
        return (1..=2).contains(&first.len()).then(|| (vec![(Order::Fixed, date)], rest));
    }
    let (second, rest) = digits(rest);
    // Three numbers with blanks between them are more likely a telephone number.
    let rest =
        rest.strip_prefix(separator).filter(|_| separator != ' ' && (1..=2).contains(&second.len()))?;
    let (third, rest) = digits(rest);
    let years = years(third)?;
    if !(1..=2).contains(&first.len()) {
        return None;
    }
    let s = separator;
    let mut dates = vec![
        (Order::DayFirst, format!("dd{s}MM{s}{years}")),
        (Order::MonthFirst, format!("MM{s}dd{s}{years}")),
    ];
    if years == "yy" && first.len() == 2 {
        dates.push((Order::YearFirst, format!("yy{s}MM{s}dd")));
    }
    Some((dates, rest))
}

fn years(digits: &str) -> Option<&'static str> {
    match digits.len() {
        4 => Some("yyyy"),
        2 => Some("yy"),
        _ => None,
    }
}

/// Returns the pattern of `text`, the time of day after a date. The pattern of no text is empty.
fn time(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let (mut pattern, rest) = match text {
        _ if text.starts_with(", ") => (", ".to_owned(), &text[2..]),
        _ if text.starts_with('T') => ("'T'".to_owned(), &text[1..]),
        _ => {
            let blanks = text.len() - text.trim_start_matches(' ').len();
            (" ".repeat(blanks), &text[blanks..])
        }
    };
    let (hour, mut rest) = digits(rest);
    if pattern.is_empty() || !(1..=2).contains(&hour.len()) {
        return None;
    }
    let mut parts = String::new();
    for letter in ["mm", "ss"] {
        let Some(after) = rest.strip_prefix(':') else { break };
        let (number, after) = digits(after);
        (number.len() == 2).then_some(())?;
        parts.push_str(&format!(":{letter}"));
        rest = after;
    }
    if let Some(after) = rest.strip_prefix('.').filter(|_| parts.ends_with("ss")) {
        let (fraction, after) = digits(after);
        (!fraction.is_empty()).then_some(())?;
        parts.push_str(".SSS");
        rest = after;
    }
    let blank = if rest.starts_with(' ') { " " } else { "" };
    let (word, after) = letters(&rest[blank.len()..]);
    if matches!(word.to_ascii_lowercase().as_str(), "am" | "pm") {
        pattern.push_str(&format!("hh{parts}{blank}a"));
        rest = after;
    } else {
        (!parts.is_empty()).then_some(())?;
        pattern.push_str(&format!("HH{parts}"));
    }
    pattern.push_str(&offset(rest)?);
    Some(pattern)
}

/// Returns the pattern of `text`, the offset after a time. The pattern of no text is empty.
fn offset(text: &str) -> Option<String> {
    let rest = text.trim_start_matches(' ');
    let blanks = &text[..text.len() - rest.len()];
    let first = rest.chars().next();
    match first {
        None => blanks.is_empty().then(String::new),
        Some('+' | '-') => Some(format!("{blanks}Z")),
        Some('Z' | 'z') if rest.len() == 1 => Some(format!("{blanks}Z")),
        Some(letter) if letter.is_ascii_alphabetic() => Some(format!("{blanks}ZZZ")),
        Some(_) => None,
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn letters(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_alphabetic).count())
}

fn is_month(word: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    word.get(..3).is_some_and(|start| MONTHS.contains(&start.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(text: &str) -> Vec<String> {
        readings(text).iter().map(|reading| reading.pattern.text().to_owned()).collect()
    }

    #[test]
    fn each_shape_has_all_of_its_orders_and_its_time() {
        assert_eq!(patterns("13/06/2025"), ["dd/MM/yyyy", "MM/dd/yyyy"]);
        assert_eq!(patterns("5.6.25 7:30"), ["dd.MM.yy HH:mm", "MM.dd.yy HH:mm"]);
        assert_eq!(patterns("05-06-25"), ["dd-MM-yy", "MM-dd-yy", "yy-MM-dd"]);
        assert_eq!(patterns("6/5/2025, 2:30:15 PM"), ["dd/MM/yyyy, hh:mm:ss a", "MM/dd/yyyy, hh:mm:ss a"]);
        assert_eq!(patterns("05-Jun-2025"), ["d-MMM-yyyy"]);
        assert_eq!(patterns("Jun 5, 2025"), ["MMM d, yyyy"]);
        assert_eq!(patterns("Thu, 05 Jun 2025 10:00:00 +0200"), ["EEE, d MMM yyyy HH:mm:ss Z"]);
        assert_eq!(patterns("05/06/2025 10:00:00.123Z")[0], "dd/MM/yyyy HH:mm:ss.SSSZ");
    }

    #[test]
    fn the_patterns_read_their_texts() {
        for text in [
            "13/06/2025",
            "5.6.25 7:30",
            "6/5/2025, 2:30:15 PM",
            "05-Jun-2025",
            "June 5, 2025 10:00",
            "Thu, 05 Jun 2025 10:00:00 +0200",
            "05/06/2025 10:00:00.123Z",
            "05/06/2025T10:00:00",
        ] {
            let reads =
                readings(text).iter().any(|reading| reading.pattern.moment(text.as_bytes()).is_some());
            assert!(reads, "{text}");
        }
    }

    #[test]
    fn other_texts_have_no_shape_of_a_date() {
        for text in ["", "1.2.3", "12", "030 12 45", "10.0.0.1", "abc 1, 2025", "1/2", "13/06/2025x", "1.5"] {
            assert!(readings(text).is_empty(), "{text}");
        }
        assert_eq!(iso("20250605"), None);
        assert_eq!(iso("12"), None);
        assert!(matches!(iso("2025-06-05 10:00"), Some(Iso::Moment { has_time: true, .. })));
        assert!(matches!(iso("10:30"), Some(Iso::Time(_))));
    }
}
