//! Reads dates and times of files: ISO 8601, or a Joda pattern.

/// The days from 1970-01-01 to 2000-01-01, where PostgreSQL begins to count.
const POSTGRES_EPOCH: i64 = 10_957;
/// The number of microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A date with a time of day, and an offset from UTC if the text has one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The days since 2000-01-01.
    pub days: i32,
    /// The microseconds since midnight.
    pub micros: i64,
    /// The seconds east of UTC.
    pub offset: Option<i32>,
}

impl Moment {
    /// Returns the microseconds since 2000-01-01 00:00, without the offset.
    #[must_use]
    pub fn local(self) -> i64 {
        i64::from(self.days) * 86_400 * SECOND + self.micros
    }

    /// Returns the microseconds since 2000-01-01 00:00 UTC. A text without an offset means UTC.
    #[must_use]
    pub fn utc(self) -> i64 {
        self.local() - i64::from(self.offset.unwrap_or(0)) * SECOND
    }
}

/// Returns the days since 2000-01-01, or `None` if there is no such day.
#[must_use]
pub fn days(year: i32, month: u32, day: u32) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if day == 0 || day > length || !(1..=9999).contains(&year) {
        return None;
    }
    // The algorithm is days_from_civil by Howard Hinnant. Its years begin in March, so that the leap day is the last
    // day of a year.
    let y = i64::from(year) - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468 - POSTGRES_EPOCH).ok()
}

/// Reads `2025-12-31`. Returns the days since 2000-01-01, or `None` if the text is no such date. This function runs
/// for nearly every date, so it is optimised.
#[must_use]
pub fn iso_date(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let mut wrong = 0;
    let mut digit = |byte: u8| {
        let value = byte.wrapping_sub(b'0');
        wrong |= u32::from(value > 9);
        u32::from(value)
    };
    let year = digit(y1) * 1000 + digit(y2) * 100 + digit(y3) * 10 + digit(y4);
    let month = digit(m1) * 10 + digit(m2);
    let day = digit(d1) * 10 + digit(d2);
    if wrong != 0 { None } else { days(year as i32, month, day) }
}

/// Reads a date with an optional time and offset, as `2025-12-31T23:59:59.5+01:00`.
#[must_use]
pub fn iso_moment(text: &[u8]) -> Option<Moment> {
    let days = iso_date(text.get(..10)?)?;
    let Some((mark, rest)) = text[10..].split_first() else {
        return Some(Moment { days, ..Moment::default() });
    };
    if !matches!(mark, b'T' | b't' | b' ') {
        return None;
    }
    let (micros, rest) = time(rest)?;
    Some(Moment { days, micros, offset: offset(rest)? })
}

/// Reads a time, as `23:59` or `23:59:59.999999`. Returns the microseconds since midnight, or `None` if the text is
/// no time.
#[must_use]
pub fn iso_time(text: &[u8]) -> Option<i64> {
    let (micros, rest) = time(text)?;
    rest.is_empty().then_some(micros)
}

fn time(text: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, rest) = two_digits(text)?;
    let (minute, rest) = two_digits(rest.strip_prefix(b":")?)?;
    let (second, mut rest) = match rest.strip_prefix(b":") {
        Some(rest) => two_digits(rest)?,
        None => (0, rest),
    };
    let mut micros = 0;
    if let Some(fraction) = rest.strip_prefix(b".").or_else(|| rest.strip_prefix(b",")) {
        let count = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        micros = fraction_micros(&fraction[..count]);
        rest = &fraction[count..];
    }
    let whole = hour == 24 && minute == 0 && second == 0 && micros == 0;
    if (hour > 23 && !whole) || minute > 59 || second > 59 {
        return None;
    }
    Some(((i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second)) * SECOND + micros, rest))
}

fn fraction_micros(digits: &[u8]) -> i64 {
    let mut value = 0;
    for index in 0..6 {
        value = value * 10 + digits.get(index).map_or(0, |byte| i64::from(byte - b'0'));
    }
    // PostgreSQL rounds to whole microseconds.
    value + i64::from(digits.get(6).is_some_and(|byte| *byte >= b'5'))
}

/// Reads an offset from UTC, and returns it in seconds east of UTC. Returns `None` if the text is unreadable, and
/// `Some(None)` if the text is empty.
#[expect(clippy::option_option, reason = "absent and unreadable are two things")]
fn offset(text: &[u8]) -> Option<Option<i32>> {
    let text = text.trim_ascii();
    let (sign, rest) = match text.split_first() {
        None => return Some(None),
        Some((b'Z' | b'z', [])) => return Some(Some(0)),
        Some((b'+', rest)) => (1, rest),
        Some((b'-', rest)) => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = two_digits(rest)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = if rest.is_empty() { (0, rest) } else { two_digits(rest)? };
    let legal = rest.is_empty() && hours <= 15 && minutes <= 59;
    legal.then_some(Some(sign * (hours as i32 * 3600 + minutes as i32 * 60)))
}

fn two_digits(text: &[u8]) -> Option<(u32, &[u8])> {
    let [a @ b'0'..=b'9', b @ b'0'..=b'9', rest @ ..] = text else { return None };
    Some((u32::from(a - b'0') * 10 + u32::from(b - b'0'), rest))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year { two: bool },
    Month,
    MonthName,
    Day,
    Hour,
    HalfDayHour,
    Minute,
    Second,
    Fraction,
    HalfDay,
    Offset,
    Weekday,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Part(Part, usize),
    Literal(Vec<u8>),
}

/// A Joda-Time pattern, as `dd/MM/yyyy HH:mm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// If the pattern contains an unknown letter. The message names the letter.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let (literal, tail) = quoted(&rest[1..]).ok_or("a quote in the pattern is never closed")?;
                tokens.push(Token::Literal(literal.into_bytes()));
                rest = tail;
                continue;
            }
            let run = rest.chars().take_while(|c| *c == first).count();
            let length = run * first.len_utf8();
            if first.is_ascii_alphabetic() {
                tokens.push(Token::Part(part(first, run)?, run));
            } else {
                tokens.push(Token::Literal(rest.as_bytes()[..length].to_vec()));
            }
            rest = &rest[length..];
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads a date in the form of the pattern, or returns `None` if the text has another form. Year, month and day are
    /// those of 2000-01-01 where the pattern lacks them.
    #[must_use]
    pub fn moment(&self, text: &[u8]) -> Option<Moment> {
        let mut seen = Seen { year: 2000, month: 1, day: 1, ..Seen::default() };
        let mut rest = text;
        for (index, token) in self.tokens.iter().enumerate() {
            rest = match token {
                Token::Literal(literal) => rest.strip_prefix(literal.as_slice())?,
                Token::Part(part, width) => {
                    // A number directly before another part has exactly as many digits as the pattern has letters.
                    let tight = matches!(self.tokens.get(index + 1), Some(Token::Part(..)));
                    seen.take(*part, *width, tight, rest)?
                }
            };
        }
        rest.is_empty().then_some(())?;
        seen.moment()
    }
}

fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('\'') {
        return Some(("'".to_owned(), rest));
    }
    let end = text.find('\'')?;
    Some((text[..end].to_owned(), &text[end + 1..]))
}

fn part(letter: char, run: usize) -> Result<Part, String> {
    Ok(match letter {
        // In Joda, `YYYY` is the year of era. After the year 1 it is the same as `yyyy`.
        'y' | 'Y' => Part::Year { two: run == 2 },
        'M' if run >= 3 => Part::MonthName,
        'M' => Part::Month,
        'd' => Part::Day,
        'H' => Part::Hour,
        'h' => Part::HalfDayHour,
        'm' => Part::Minute,
        's' => Part::Second,
        'S' => Part::Fraction,
        'a' => Part::HalfDay,
        'Z' => Part::Offset,
        'E' => Part::Weekday,
        other => {
            return Err(format!("the pattern has the unknown letter `{other}`; use y M d H h m s S a Z E"));
        }
    })
}

#[derive(Default)]
struct Seen {
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    half_day: Option<bool>,
    minute: u32,
    second: u32,
    micros: i64,
    offset: Option<i32>,
}

impl Seen {
    fn take<'a>(&mut self, part: Part, width: usize, tight: bool, text: &'a [u8]) -> Option<&'a [u8]> {
        if matches!(part, Part::MonthName | Part::Weekday | Part::HalfDay) {
            let count = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
            let (word, rest) = text.split_at(count);
            self.word(part, word)?;
            return Some(rest);
        }
        if part == Part::Offset {
            self.offset = offset(text)?;
            return Some(&[]);
        }
        let most = if tight { width } else { 9 };
        let count = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = text.split_at(count);
        let number = std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?;
        match part {
            Part::Year { two: true } if count == 2 => {
                self.year = 2000 + number as i32 - 100 * i32::from(number >= 70)
            }
            Part::Year { .. } => self.year = i32::try_from(number).ok()?,
            Part::Month => self.month = number,
            Part::Day => self.day = number,
            Part::Hour | Part::HalfDayHour => self.hour = number,
            Part::Minute => self.minute = number,
            Part::Second => self.second = number,
            Part::Fraction => self.micros = fraction_micros(digits),
            Part::MonthName | Part::Weekday | Part::HalfDay | Part::Offset => return None,
        }
        Some(rest)
    }

    fn word(&mut self, part: Part, word: &[u8]) -> Option<()> {
        const MONTHS: &[u8] = b"janfebmaraprmayjunjulaugsepoctnovdec";
        let word = word.to_ascii_lowercase();
        match part {
            Part::HalfDay => self.half_day = Some(word == b"pm").filter(|pm| *pm || word == b"am"),
            Part::MonthName => {
                let month = MONTHS.chunks(3).position(|name| word.starts_with(name))?;
                self.month = month as u32 + 1;
            }
            _ => {}
        }
        (!word.is_empty()).then_some(())
    }

    fn moment(self) -> Option<Moment> {
        let hour = match self.half_day {
            Some(pm) if (1..=12).contains(&self.hour) => self.hour % 12 + 12 * u32::from(pm),
            Some(_) => return None,
            None => self.hour,
        };
        if hour > 23 || self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = i64::from(hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let days = days(self.year, self.month, self.day)?;
        Some(Moment { days, micros: seconds * SECOND + self.micros, offset: self.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_dates_count_days_from_2000() {
        assert_eq!(iso_date(b"2000-01-01"), Some(0));
        assert_eq!(iso_date(b"2024-02-29"), Some(8825));
        assert_eq!(iso_date(b"1999-12-31"), Some(-1));
        assert_eq!(iso_date(b"2023-02-29"), None);
        assert_eq!(iso_date(b"2023-2-9"), None);
        assert_eq!(iso_date(b"2023-0x-09"), None);
    }

    #[test]
    fn iso_moments_take_fractions_and_offsets() {
        let moment = iso_moment(b"2000-01-01T01:00:00.25+01:00").expect("legal");
        assert_eq!((moment.utc(), moment.local()), (250_000, 3_600_250_000));
        assert_eq!(iso_moment(b"2000-01-02 00:00").map(Moment::local), Some(86_400 * SECOND));
        assert_eq!(iso_moment(b"2000-01-02 25:00"), None);
    }

    #[test]
    fn joda_patterns_read_the_dates_that_they_describe() {
        let at = |pattern: &str, text: &str| Pattern::new(pattern).expect("legal").moment(text.as_bytes());
        assert_eq!(at("dd/MM/yyyy", "31/12/1999").map(|m| m.days), Some(-1));
        assert_eq!(at("d.M.yy", "1.1.00").map(|m| m.days), Some(0));
        assert_eq!(at("yyyyMMdd", "20000102").map(|m| m.days), Some(1));
        assert_eq!(at("dd-MMM-yyyy hh:mm a", "02-Jan-2000 12:30 AM").map(|m| m.micros), Some(1800 * SECOND));
        assert_eq!(at("dd/MM/yyyy", "31/13/1999"), None);
        assert!(Pattern::new("yyyy-QQ").is_err());
    }
}
