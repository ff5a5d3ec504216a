//! Reads dates and times in the form of a pattern of Joda-Time, as `dd/MM/yyyy HH:mm`.

use super::unit::{fraction_micros, number, offset};
use super::{DAY, Moment, SECOND, days, zone};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
/// The days of the week. The first one is that of 2000-01-01.
const WEEKDAYS: [&str; 7] = ["saturday", "sunday", "monday", "tuesday", "wednesday", "thursday", "friday"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    MonthName,
    Day,
    /// `H`, 0 to 23.
    Hour,
    /// `k`, 1 to 24.
    ClockHour,
    /// `K`, 0 to 11.
    HalfDayHour,
    /// `h`, 1 to 12.
    HalfDayClockHour,
    Minute,
    Second,
    Fraction,
    HalfDay,
    Offset,
    Zone,
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
    /// The first of the hundred years that two digits can mean.
    first_year: i32,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// If validation refuses the pattern. The message says why.
    pub fn new(text: &str) -> Result<Self, String> {
        let this_year = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year();
        Self::in_year(text, i32::from(this_year))
    }

    /// Reads a pattern as in the year `this_year`.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::new`].
    pub fn in_year(text: &str, this_year: i32) -> Result<Self, String> {
        if let Some(why) = definition::expression::unreadable(text) {
            return Err(why);
        }
        let mut tokens = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let (literal, tail) = quoted(&rest[1..]).ok_or("a quote is never closed")?;
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
        // Joda-Time's DateTimeFormat reads `yy` with the pivot `new DateTime().getYear() - 30`, and the builder's
        // appendTwoDigitYear takes the years from 50 before the pivot to 49 after it.
        Ok(Self { text: text.to_owned(), tokens, first_year: this_year - 80 })
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern has a part of a date.
    #[must_use]
    pub fn has_date(&self) -> bool {
        self.has(&[Part::Year, Part::Month, Part::MonthName, Part::Day])
    }

    /// Returns whether the pattern has a part of a time of day.
    #[must_use]
    pub fn has_time(&self) -> bool {
        self.has(&[Part::Hour, Part::ClockHour, Part::HalfDayHour, Part::HalfDayClockHour])
    }

    /// Returns whether a date in ISO 8601 has another meaning in this pattern, because the pattern has the day before the
    /// month.
    #[must_use]
    pub fn contradicts_iso(&self) -> bool {
        let parts = self.tokens.iter().filter_map(|token| match token {
            Token::Part(part, _) => Some(*part),
            Token::Literal(_) => None,
        });
        parts.take(3).eq([Part::Year, Part::Day, Part::Month])
    }

    fn has(&self, wanted: &[Part]) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Part(part, _) if wanted.contains(part)))
    }

    /// Reads a date in the form of the pattern, or returns `None` if the text has another form. Year, month and day are
    /// those of 2000-01-01 where the pattern lacks them.
    #[must_use]
    pub fn moment(&self, text: &[u8]) -> Option<Moment> {
        let mut seen = Seen { year: 2000, month: 1, day: 1, first_year: self.first_year, ..Seen::default() };
        let mut rest = text;
        for (index, token) in self.tokens.iter().enumerate() {
            rest = match token {
                Token::Literal(literal) => rest.strip_prefix(literal.as_slice())?,
                Token::Part(part, width) => seen.take(*part, *width, self.is_tight(index), rest)?,
            };
        }
        rest.is_empty().then_some(())?;
        seen.moment()
    }

    /// Returns whether a part is a number directly beside another number. Such a number has exactly as many digits as the
    /// pattern has letters: Joda-Time is content with fewer digits in the last one, and so reads 2024123 as December 3.
    fn is_tight(&self, index: usize) -> bool {
        let is_number = |index: Option<usize>| {
            let token = index.and_then(|index| self.tokens.get(index));
            matches!(token, Some(Token::Part(part, _)) if part.is_number())
        };
        is_number(Some(index)) && (is_number(index.checked_sub(1)) || is_number(Some(index + 1)))
    }

    /// Returns whether a text that this pattern does not read would be a date with one more zero in numbers side by side, such
    /// as 9150 in `HHmmss`, which spreadsheets make of 091500.
    #[must_use]
    pub fn lacks_a_zero(&self, text: &[u8]) -> bool {
        let has_tight = (0..self.tokens.len()).any(|index| self.is_tight(index));
        has_tight
            && text.len() <= 64
            && (0..text.len()).any(|index| {
                let longer = [&text[..index], b"0", &text[index..]].concat();
                self.moment(&longer).is_some()
            })
    }
}

impl Part {
    fn is_number(self) -> bool {
        !matches!(self, Self::MonthName | Self::HalfDay | Self::Offset | Self::Zone | Self::Weekday)
    }

    /// Returns the smallest and the largest number of digits. `tight` numbers have as many digits as letters.
    fn digits(self, width: usize, tight: bool) -> (usize, usize) {
        match self {
            Self::Fraction if tight => (width, width),
            Self::Fraction => (1, 9),
            // `y` takes a year as it stands there. A year of two digits needs `yy`, which says its century.
            Self::Year if width == 1 && !tight => (3, 9),
            Self::Year if width == 4 || tight => (width, width),
            Self::Year => (width, 9),
            _ if tight => (width, width),
            _ => (1, width.max(2)),
        }
    }
}

/// Reads the text up to the closing quote. Two quotes in a row stand for one.
fn quoted(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('\'') {
        return Some(("'".to_owned(), rest));
    }
    let (mut literal, mut rest) = (String::new(), text);
    loop {
        let end = rest.find('\'')?;
        literal.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                literal.push('\'');
                rest = more;
            }
            None => return Some((literal, rest)),
        }
    }
}

fn part(letter: char, run: usize) -> Result<Part, String> {
    Ok(match letter {
        // In Joda, `YYYY` is the year of era. After the year 1 it is the same as `yyyy`.
        'y' | 'Y' => Part::Year,
        'M' if run >= 3 => Part::MonthName,
        'M' => Part::Month,
        'd' => Part::Day,
        'H' => Part::Hour,
        'k' => Part::ClockHour,
        'K' => Part::HalfDayHour,
        'h' => Part::HalfDayClockHour,
        'm' => Part::Minute,
        's' => Part::Second,
        'S' => Part::Fraction,
        'a' => Part::HalfDay,
        'Z' if run >= 3 => Part::Zone,
        'Z' => Part::Offset,
        'E' => Part::Weekday,
        other => return Err(format!("the letter `{other}` cannot be read")),
    })
}

#[derive(Default)]
struct Seen<'a> {
    first_year: i32,
    year: i32,
    month: u32,
    day: u32,
    hour: u32,
    half_day: Option<bool>,
    /// Whether the hour counts from the last noon or midnight.
    is_half_day_hour: bool,
    minute: u32,
    second: u32,
    micros: i64,
    offset: Option<i32>,
    zone: Option<&'a str>,
    weekday: Option<usize>,
}

impl<'a> Seen<'a> {
    fn take(&mut self, part: Part, width: usize, tight: bool, text: &'a [u8]) -> Option<&'a [u8]> {
        match part {
            Part::MonthName | Part::Weekday | Part::HalfDay => self.word(part, text),
            Part::Offset => self.read_offset(text),
            Part::Zone => {
                let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_/+-:".contains(byte);
                let count = text.iter().take_while(is_part).count();
                let (name, rest) = text.split_at(count);
                if name.first().is_some_and(|byte| b"+-".contains(byte)) {
                    return self.read_offset(text);
                }
                self.zone = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
                self.zone.map(|_| rest)
            }
            Part::Year if width == 2 => self.short_year(tight, text),
            _ => {
                let (least, most) = part.digits(width, tight);
                let (value, rest) = number(text, least, most)?;
                // A digit behind the last one belongs to the number, which is then too long.
                if !tight && rest.first().is_some_and(u8::is_ascii_digit) {
                    return None;
                }
                self.number(part, value, &text[..text.len() - rest.len()])?;
                Some(rest)
            }
        }
    }

    fn read_offset(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (seconds, rest) = offset(text)?;
        self.offset = Some(seconds);
        Some(rest)
    }

    /// Reads the year of `yy`: two digits, or all four.
    fn short_year(&mut self, tight: bool, text: &'a [u8]) -> Option<&'a [u8]> {
        let (value, rest) = number(text, 2, if tight { 2 } else { 9 })?;
        let value = i32::try_from(value).ok()?;
        self.year = match text.len() - rest.len() {
            2 => self.first_year + (value - self.first_year).rem_euclid(100),
            4 if value > 0 => value,
            _ => return None,
        };
        Some(rest)
    }

    fn number(&mut self, part: Part, value: u32, digits: &[u8]) -> Option<()> {
        match part {
            Part::Year => self.year = i32::try_from(value).ok().filter(|year| *year > 0)?,
            Part::Month => self.month = value,
            Part::Day => self.day = value,
            Part::Hour => self.hour = Some(value).filter(|hour| *hour <= 23)?,
            Part::ClockHour => self.hour = Some(value).filter(|hour| (1..=24).contains(hour))? % 24,
            Part::HalfDayHour => self.hour = Some(value).filter(|hour| *hour <= 11)?,
            Part::HalfDayClockHour => self.hour = Some(value).filter(|hour| (1..=12).contains(hour))? % 12,
            Part::Minute => self.minute = value,
            Part::Second => self.second = value,
            Part::Fraction => self.micros = fraction_micros(digits),
            Part::MonthName | Part::Weekday | Part::HalfDay | Part::Offset | Part::Zone => return None,
        }
        self.is_half_day_hour |= matches!(part, Part::HalfDayHour | Part::HalfDayClockHour);
        Some(())
    }

    /// Reads a name in English, in full or by its first three letters. The longest one counts.
    fn word(&mut self, part: Part, text: &'a [u8]) -> Option<&'a [u8]> {
        let begins =
            |name: &str| text.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes()));
        let find = |names: &[&str]| {
            let found = |length: fn(&str) -> usize| {
                let at = names.iter().position(|name| begins(&name[..length(name)]))?;
                Some((at, length(names[at])))
            };
            found(str::len).or_else(|| found(|_| 3))
        };
        let (at, length) = match part {
            Part::HalfDay => (["am", "pm"].iter().position(|half| begins(half))?, 2),
            Part::MonthName => find(&MONTHS)?,
            _ => find(&WEEKDAYS)?,
        };
        match part {
            Part::HalfDay => self.half_day = Some(at == 1),
            Part::MonthName => self.month = at as u32 + 1,
            _ => self.weekday = Some(at),
        }
        Some(&text[length..])
    }

    fn moment(self) -> Option<Moment> {
        let hour = match self.half_day {
            Some(afternoon) if self.is_half_day_hour => self.hour + 12 * u32::from(afternoon),
            // The hour is one of 24, or one of 12 by a sloppy pattern. Both may have only one meaning.
            Some(true) => Some(self.hour).filter(|hour| *hour > 0).map(|hour| hour % 12 + 12)?,
            Some(false) => Some(self.hour).filter(|hour| *hour <= 12).map(|hour| hour % 12)?,
            None => self.hour,
        };
        if self.minute > 59 || self.second > 59 {
            return None;
        }
        let seconds = i64::from(hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let micros = Some(seconds * SECOND + self.micros).filter(|micros| *micros <= DAY)?;
        let days = days(self.year, self.month, self.day)?;
        if self.weekday.is_some_and(|weekday| days.rem_euclid(7) as usize != weekday) {
            return None;
        }
        let offset = match self.zone {
            Some(name) => Some(zone::offset(name, days, micros)?),
            None => self.offset,
        };
        Some(Moment { days, micros, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::super::written;
    use super::*;

    /// Returns the date and time that a pattern reads in the year 2026, as ISO 8601.
    fn at(pattern: &str, text: &str) -> Option<String> {
        let moment = Pattern::in_year(pattern, 2026).expect("a legal pattern").moment(text.as_bytes())?;
        let text = written::timestamp(moment.utc()?, "");
        Some(text.strip_suffix(" 00:00:00").map_or(text.clone(), str::to_owned))
    }

    fn reads(pattern: &str, text: &str, wanted: &str) {
        assert_eq!(at(pattern, text).as_deref(), Some(wanted), "{pattern}: {text}");
    }

    #[test]
    fn patterns_read_the_dates_that_they_describe() {
        reads("dd/MM/yyyy", "31/12/1999", "1999-12-31");
        reads("dd/MM/yyyy", "1/2/1999", "1999-02-01");
        reads("d.M.yy", "1.1.00", "2000-01-01");
        reads("yyyyMMdd", "20000102", "2000-01-02");
        reads("dd-MMM-yyyy hh:mm a", "02-Jan-2000 12:30 AM", "2000-01-02 00:30:00");
        reads("EEE, d MMMM yyyy", "Sun, 2 january 2000", "2000-01-02");
        reads("d MMM yyyy HH 'o''clock'", "2 JAN 2000 17 o'clock", "2000-01-02 17:00:00");
        reads("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2000-01-02T03:04:05.678+01:00", "2000-01-02 02:04:05.678000");
        reads("yyyy-MM-dd HH:mm ZZ", "2000-01-02 03:04 -0330", "2000-01-02 06:34:00");
        reads("yyyy-MM-dd HH:mm ZZZ", "2000-07-02 03:04 America/New_York", "2000-07-02 07:04:00");
        reads("HH:mm:ssSSS", "03:04:05006", "2000-01-01 03:04:05.006000");
        reads("kk:mm", "24:10", "2000-01-01 00:10:00");
        reads("y/M/d", "987/1/2", "0987-01-02");
        reads("EEEdMMM'T'yyyy HHmma", "Mon3JanT2000 0510PM", "2000-01-03 17:10:00");
        reads("MMMM'T'd/yyyy", "JuneT5/2024", "2024-06-05");
    }

    #[test]
    fn a_text_in_another_form_or_an_impossible_date_is_not_read() {
        for (pattern, text) in [
            ("dd/MM/yyyy", "31/13/1999"),
            ("dd/MM/yyyy", "31/06/2024"),
            ("dd/MM/yyyy", "29/02/2023"),
            ("dd/MM/yyyy", "01/02/24"),
            ("dd/MM/yyyy", "01/02/02024"),
            ("dd/MM/yyyy", "001/02/2024"),
            ("dd/MM/yyyy", "01/02/0000"),
            ("dd/MM/yy", "01/02/124"),
            ("dd/MM/yy", "01/02/1"),
            ("dd-MMM-yyyy", "02-Janx-2000"),
            ("dd-MMM-yyyy", "02-Ja-2000"),
            ("EEE dd/MM/yyyy", "Mon 02/01/2000"),
            ("hh:mm a", "13:30 PM"),
            ("HH:mm a", "13:30 AM"),
            ("hh:mm a", "10:30"),
            ("HH:mm", "24:30"),
            ("yyyyMMdd", "200001"),
            ("yyyyMMdd", "2024123"),
            ("yyMMdd", "50102"),
            ("ddMMyy", "01022024"),
            ("HHmmss", "10203"),
            ("HHmm", "123"),
            ("HHmm", "930"),
            ("Hmm", "12"),
            ("yyyyMMdd HHmmss", "20241231 10203"),
            ("yyyyMMddHHmmss", "2024123101112"),
            ("HHmmssSSS", "10203456"),
            ("HH:mm:ssSSS", "10:20:0345"),
            ("y/MM/dd", "24/01/02"),
            ("dd/MM/yyyy HH:mm Z", "01/02/2000 10:30"),
        ] {
            assert_eq!(at(pattern, text), None, "{pattern}: {text}");
        }
    }

    #[test]
    fn a_digit_that_numbers_side_by_side_lack_is_noticed() {
        let lacks = |pattern, text: &[u8]| Pattern::in_year(pattern, 2026).expect("legal").lacks_a_zero(text);
        for (pattern, text) in [
            ("yyyyMMdd", "2024123"),
            ("HHmmss", "10203"),
            ("yyyyMMdd HHmmss", "20241231 10203"),
            ("yyMMdd", "50102"),
        ] {
            assert!(lacks(pattern, text.as_bytes()), "{pattern}: {text}");
        }
        for (pattern, text) in [("yyyyMMdd", "soon"), ("dd/MM/yyyy", "1/2/202"), ("yyyyMMdd", "")] {
            assert!(!lacks(pattern, text.as_bytes()), "{pattern}: {text}");
        }
    }

    #[test]
    fn two_digits_mean_a_year_from_80_before_this_year_to_19_after_it() {
        reads("dd/MM/yy", "01/02/55", "1955-02-01");
        reads("dd/MM/yy", "01/02/46", "1946-02-01");
        reads("dd/MM/yy", "01/02/45", "2045-02-01");
        reads("dd/MM/yy", "01/02/26", "2026-02-01");
        reads("yyMMdd", "990201", "1999-02-01");
        // Joda-Time takes all digits of a year as they are.
        reads("dd/MM/yy", "01/02/1855", "1855-02-01");
        let later = Pattern::in_year("yy", 2075).expect("legal").moment(b"55").map(|moment| moment.days);
        assert_eq!(later, days(2055, 1, 1));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_without_a_doubt_is_refused() {
        for (pattern, what) in [
            ("yyyy-QQ", "the letter `Q`"),
            ("DD/MM/YYYY", "the letter `D`"),
            ("yyyy 'T", "never closed"),
            ("hh:mm", "needs `a`"),
            ("--", "no letter of a date"),
            ("", "no letter of a date"),
        ] {
            let problem = Pattern::new(pattern).expect_err(pattern);
            assert!(problem.contains(what), "{pattern}: {problem}");
        }
    }
}
