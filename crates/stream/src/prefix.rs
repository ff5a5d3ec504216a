//! The prefixes of objects, in the language of Firehose.
//!
//! `!{timestamp:yyyy/MM/dd/HH}` stands for a time, in a pattern of Java's `DateTimeFormatter`. Only the letters
//! `yyyy`, `MM`, `dd`, `HH`, `mm` and `ss` are known; text in single quotes stands for itself. In the prefix of refused
//! records, `!{firehose:error-output-type}` stands for `processing-failed`.
//!
//! As Firehose does, a prefix without a time gets `!{timestamp:yyyy/MM/dd/HH/}` at its end. So the same file names the
//! same keys here and on AWS.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The longest prefix after its expressions are replaced, in bytes. Firehose allows as many characters; counted in bytes,
/// the key of an object cannot be longer than S3 allows.
const MAX_LENGTH: usize = 512;
/// The text for `!{firehose:error-output-type}`. On AWS, a function transforms the records, so its failures have it.
const ERROR_TYPE: &str = "processing-failed";

/// A prefix that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    parts: Vec<Part>,
}

/// A place for objects of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket. `None`: the one of [`Homes`](crate::objects::Homes), or for refused records the one of the data.
    pub bucket: Option<String>,
    /// The prefix.
    pub prefix: Prefix,
}

/// The purpose of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Data, or records as they came.
    Records,
    /// Refused records.
    Refused,
}

/// A reason why a text is not a prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PrefixError {
    /// The byte of the text at which the reason was found.
    pub at: usize,
    /// The reason, and how to correct it.
    pub message: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Part {
    fn write(&self, time: DateTime, out: &mut String) {
        use std::fmt::Write as _;
        // Writing to memory does not fail.
        let _ = match self {
            Self::Text(text) => out.write_str(text),
            Self::Year => write!(out, "{:04}", time.year()),
            Self::Month => write!(out, "{:02}", time.month()),
            Self::Day => write!(out, "{:02}", time.day()),
            Self::Hour => write!(out, "{:02}", time.hour()),
            Self::Minute => write!(out, "{:02}", time.minute()),
            Self::Second => write!(out, "{:02}", time.second()),
        };
    }
}

impl Prefix {
    /// Reads a prefix.
    ///
    /// # Errors
    ///
    /// Every reason why the text is not a prefix, in the order of the text.
    pub fn read(text: &str, purpose: Purpose) -> Result<Self, Vec<PrefixError>> {
        let mut reader =
            Reader { purpose, parts: Vec::new(), errors: Vec::new(), has_time: false, has_type: false };
        reader.all(text);
        let Reader { mut parts, mut errors, has_time, has_type, .. } = reader;
        let has_expression = text.contains("!{");
        if purpose == Purpose::Refused && !has_type {
            if has_expression {
                let message = "an expression needs `!{firehose:error-output-type}` beside it in the prefix of refused records, as in Firehose";
                errors.push(PrefixError { at: 0, message: message.to_owned() });
            } else {
                parts.push(Part::Text(format!("{ERROR_TYPE}/")));
            }
        }
        if !has_time {
            let slash = || Part::Text("/".to_owned());
            parts.extend([
                Part::Year,
                slash(),
                Part::Month,
                slash(),
                Part::Day,
                slash(),
                Part::Hour,
                slash(),
            ]);
        }
        let prefix = Self { parts };
        let length = prefix.at(Timestamp::UNIX_EPOCH, &TimeZone::UTC).len();
        if length > MAX_LENGTH {
            let message = format!("the prefix has {length} bytes; {MAX_LENGTH} are allowed");
            errors.push(PrefixError { at: 0, message });
        }
        if errors.is_empty() { Ok(prefix) } else { Err(errors) }
    }

    /// Returns the prefix without a character.
    pub(crate) fn empty() -> Self {
        Self { parts: Vec::new() }
    }

    /// Returns the prefix at a time, in a time zone.
    #[must_use]
    pub fn at(&self, time: Timestamp, zone: &TimeZone) -> String {
        let time = zone.to_datetime(time);
        let mut out = String::new();
        self.parts.iter().for_each(|part| part.write(time, &mut out));
        out
    }
}

struct Reader {
    purpose: Purpose,
    parts: Vec<Part>,
    errors: Vec<PrefixError>,
    has_time: bool,
    has_type: bool,
}

impl Reader {
    fn error(&mut self, at: usize, message: impl Into<String>) {
        self.errors.push(PrefixError { at, message: message.into() });
    }

    fn all(&mut self, text: &str) {
        let mut at = 0;
        while let Some(found) = text[at..].find("!{") {
            let open = at + found;
            self.literal(&text[at..open], at);
            let Some(length) = text[open..].find('}') else {
                self.error(open, "this expression is not closed: a `}` is missing");
                return;
            };
            self.expression(&text[open + 2..open + length], open);
            at = open + length + 1;
        }
        self.literal(&text[at..], at);
    }

    fn literal(&mut self, text: &str, at: usize) {
        if let Some(control) = text.find(char::is_control) {
            self.error(at + control, "a prefix cannot have control characters");
        }
        if !text.is_empty() {
            self.parts.push(Part::Text(text.to_owned()));
        }
    }

    /// Reads the text between the braces of the expression at `open`.
    fn expression(&mut self, text: &str, open: usize) {
        match text.split_once(':') {
            Some(("timestamp", "")) => self.error(open, "the form of the time is missing, such as `yyyy/MM/dd/HH`"),
            Some(("timestamp", form)) => {
                self.has_time = true;
                self.time(form, open + "!{timestamp:".len());
            }
            Some(("firehose", "error-output-type")) if self.purpose == Purpose::Refused => {
                self.has_type = true;
                self.parts.push(Part::Text(ERROR_TYPE.to_owned()));
            }
            Some(("firehose", "error-output-type")) => {
                self.error(open, "`!{firehose:error-output-type}` is for the prefix of `quarantine`");
            }
            Some(("firehose", "random-string")) => self.error(
                open,
                "`!{firehose:random-string}` is not known here: the name of an object must follow from its records, so that none is stored twice",
            ),
            Some(("firehose", _)) => self.error(open, "the namespace `firehose` has `error-output-type` only"),
            Some((namespace @ ("partitionKeyFromQuery" | "partitionKeyFromLambda"), _)) => {
                self.error(open, format!("`{namespace}` is not known here: a stream is partitioned by time only"));
            }
            _ => self.error(open, "an expression has the form `!{timestamp:yyyy/MM/dd/HH}`"),
        }
    }

    /// Reads the form of a time, which begins at `start` in the prefix.
    fn time(&mut self, form: &str, start: usize) {
        let mut rest = form.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            match c {
                '\'' => {
                    let Some(length) = quoted(&form[at..]) else {
                        return self.error(start + at, "this quote is not closed");
                    };
                    let content = &form[at + 1..at + length - 1];
                    self.literal(if content.is_empty() { "'" } else { content }, start + at + 1);
                    if content.contains("''") {
                        self.unescape();
                    }
                    while rest.next_if(|(next, _)| *next < at + length).is_some() {}
                }
                'a'..='z' | 'A'..='Z' => {
                    let mut length = 1;
                    while rest.next_if(|(_, next)| *next == c).is_some() {
                        length += 1;
                    }
                    match part(&form[at..at + length]) {
                        Ok(part) => self.parts.push(part),
                        Err(message) => self.error(start + at, message),
                    }
                }
                '[' | ']' | '{' | '#' => {
                    self.error(
                        start + at,
                        format!(
                            "`{c}` has a meaning of its own in the form of a time: write it in single quotes"
                        ),
                    );
                }
                other => self.literal(other.encode_utf8(&mut [0; 4]), start + at),
            }
        }
    }

    /// Makes one quote of the doubled quotes of the last text.
    fn unescape(&mut self) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            *text = text.replace("''", "'");
        }
    }
}

/// Returns the length of a quoted text at the start of `form`, with its quotes. A doubled quote does not end it.
fn quoted(form: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += form[at..].find('\'')? + 1;
        if !form[at..].starts_with('\'') {
            return Some(at);
        }
        at += 1;
    }
}

fn part(letters: &str) -> Result<Part, String> {
    let remedy = match letters {
        "yyyy" => return Ok(Part::Year),
        "MM" => return Ok(Part::Month),
        "dd" => return Ok(Part::Day),
        "HH" => return Ok(Part::Hour),
        "mm" => return Ok(Part::Minute),
        "ss" => return Ok(Part::Second),
        letters if letters.starts_with('Y') => "it is the year of the week; write `yyyy`",
        letters if letters.starts_with('D') => {
            "it is the day of the year; write `dd` for the day of the month"
        }
        letters if letters.starts_with('h') => "it is the hour of half a day; write `HH`",
        _ => "`yyyy`, `MM`, `dd`, `HH`, `mm` and `ss` are known; write other text in single quotes",
    };
    Err(format!("`{letters}` cannot be used: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, purpose: Purpose, zone: &str) -> String {
        let time = "2026-07-01T23:04:05Z".parse().unwrap();
        Prefix::read(text, purpose).unwrap().at(time, &TimeZone::get(zone).unwrap())
    }

    fn records(text: &str) -> String {
        at(text, Purpose::Records, "UTC")
    }

    fn errors(text: &str, purpose: Purpose) -> Vec<(usize, String)> {
        Prefix::read(text, purpose).unwrap_err().into_iter().map(|error| (error.at, error.message)).collect()
    }

    #[test]
    fn expressions_are_replaced_by_the_time() {
        assert_eq!(records("a/!{timestamp:yyyy/MM/dd/HH}/"), "a/2026/07/01/23/");
        assert_eq!(records("y=!{timestamp:yyyy}/t=!{timestamp:HH-mm-ss}"), "y=2026/t=23-04-05");
        assert_eq!(records("!{timestamp:yyyyMMdd}"), "20260701");
        assert_eq!(records("!{timestamp:yyyy'-week'''MM''}"), "2026-week'07'");
        assert_eq!(records("!{timestamp:'dt='yyyy'-'MM}"), "dt=2026-07");
        assert_eq!(records("!{timestamp:''yyyy''''MM'''x'}"), "'2026'07'x");
        assert_eq!(at("!{timestamp:dd/HH}", Purpose::Records, "Europe/Lisbon"), "02/00");
    }

    #[test]
    fn a_prefix_without_a_time_gets_the_hour() {
        assert_eq!(records(""), "2026/07/01/23/");
        assert_eq!(records("clicks"), "clicks2026/07/01/23/");
        assert_eq!(at("q/", Purpose::Refused, "UTC"), "q/processing-failed/2026/07/01/23/");
        let typed = "q/!{firehose:error-output-type}/";
        assert_eq!(at(typed, Purpose::Refused, "UTC"), "q/processing-failed/2026/07/01/23/");
    }

    #[test]
    fn other_forms_are_refused_by_name() {
        let error = |form: &str| errors(&format!("a/!{{timestamp:{form}}}"), Purpose::Records).remove(0);
        assert_eq!(error("YYYY").0, 14);
        assert!(error("YYYY").1.contains("write `yyyy`"));
        assert!(error("yyyy/DDD").1.contains("day of the year"));
        assert!(error("hh").1.contains("`HH`"));
        for form in ["M", "yy", "uuuu", "SSS", "[yyyy]", "z", "'x", ""] {
            assert!(!error(form).1.is_empty(), "{form}");
        }
    }

    #[test]
    fn other_expressions_are_refused() {
        let several = errors(
            "!{x}/!{firehose:random-string}/!{timestamp:QQ}/!{partitionKeyFromQuery:a}/!{",
            Purpose::Records,
        );
        assert_eq!(several.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 5, 43, 47, 74]);
        assert_eq!(errors("!{firehose:error-output-type}", Purpose::Records).len(), 1);
        assert_eq!(errors("q/!{timestamp:yyyy}/", Purpose::Refused)[0].0, 0);
        assert_eq!(errors("a\nb", Purpose::Records)[0].0, 1);
        assert!(errors(&"x".repeat(500), Purpose::Records)[0].1.contains("514 bytes"));
    }
}
