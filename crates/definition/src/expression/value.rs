//! The values in expressions, and conversions between them.

use std::borrow::Cow;

use jiff::{Timestamp, Zoned, civil, tz::TimeZone};

use super::{EvaluateError, joda};
use crate::{FieldValue, ObjectId, PipelineObject};

/// A value in an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// A text. Operators and functions that need a number or a time convert the text.
    String(String),
    /// A time in its zone. The zone is UTC unless `inTimeZone` changed it.
    DateTime(Zoned),
    /// Several values, from a repeated field or an array parameter.
    List(Vec<Value>),
    /// A reference to an object. As text, the value is the id of the object.
    Reference(ObjectId),
}

impl Value {
    /// Returns the value of the field `key` of `object`: a list if the field repeats, `None` if the object has
    /// no such field.
    #[must_use]
    pub fn of_field(object: &PipelineObject, key: &str) -> Option<Self> {
        let mut values = object.values(key).map(|value| match value {
            FieldValue::String(text) => Self::String(text.clone()),
            FieldValue::Ref(target) => Self::Reference(target.clone()),
        });
        let first = values.next()?;
        let mut list: Vec<_> = std::iter::once(first).chain(values).collect();
        if list.len() == 1 { list.pop() } else { Some(Self::List(list)) }
    }

    /// Returns the instant `at` as a time in UTC.
    #[must_use]
    pub fn time(at: Timestamp) -> Self {
        Self::DateTime(at.to_zoned(TimeZone::UTC))
    }

    /// Returns the value as text: for a list, the texts of its items, joined with commas. Templates, operators and
    /// functions never ask for the text of a list, because they take its items one by one.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.text().into_owned()
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Integer(number) => {
                let mut text = String::new();
                joda::number(&mut text, *number, 1);
                text.into()
            }
            Self::Double(number) => double_text(*number).into(),
            Self::String(text) => text.into(),
            Self::DateTime(time) => time_text(time.datetime()).into(),
            Self::List(items) => items.iter().map(Self::text).collect::<Vec<_>>().join(",").into(),
            Self::Reference(target) => target.as_str().into(),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Self::Integer(_) | Self::Double(_) => format!("the number {}", self.to_text()),
            Self::String(text) => format!("the text `{text}`"),
            Self::DateTime(_) => format!("the time {}", self.to_text()),
            Self::List(_) => "a list".to_owned(),
            Self::Reference(target) => format!("a reference to `{target}`"),
        }
    }

    pub(super) fn to_time(&self) -> Result<Zoned, EvaluateError> {
        let time = match self {
            Self::DateTime(time) => Some(time.clone()),
            Self::String(text) => parse_time(text),
            _ => None,
        };
        time.ok_or_else(|| EvaluateError::Type { expected: "a time", found: self.describe() })
    }

    pub(super) fn to_integer(&self) -> Result<i64, EvaluateError> {
        match self.to_number() {
            Some(Number::Integer(number)) => Ok(number),
            _ => Err(EvaluateError::Type { expected: "a whole number", found: self.describe() }),
        }
    }

    pub(super) fn to_number(&self) -> Option<Number> {
        match self {
            Self::Integer(number) => Some(Number::Integer(*number)),
            Self::Double(number) => Some(Number::Double(*number)),
            Self::String(text) => {
                let text = text.trim();
                let integer = text.parse().ok().map(Number::Integer);
                integer.or_else(|| parse_double(text).map(Number::Double))
            }
            _ => None,
        }
    }
}

/// A whole or decimal number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(i64),
    Double(f64),
}

impl Number {
    pub(super) fn to_double(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as Java converts a long to a double")]
            Self::Integer(number) => number as f64,
            Self::Double(number) => number,
        }
    }
}

/// Reads a decimal number. Returns `None` for other text, among it words such as `inf` and `nan`.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    (decimal && number.is_finite()).then_some(number)
}

/// Reads a time such as `2030-01-31T22:00:00`, and returns it in UTC. The text may have an offset or a `Z`; without
/// them, it is a time in UTC. The seconds may have a fraction, and the time of day may be missing. Returns `None` if
/// `text` is not a time.
pub(crate) fn parse_time(text: &str) -> Option<Zoned> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let dashed = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[0].is_ascii_digit();
    if !dashed {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant.to_zoned(TimeZone::UTC));
    }
    text.parse::<civil::DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()
}

/// Writes a time without its zone, as PollForTask and EvaluateExpression do.
fn time_text(time: civil::DateTime) -> String {
    let mut text = String::with_capacity("2030-01-31T22:00:00".len());
    joda::number(&mut text, time.year().into(), 4);
    for (sign, number) in [
        ('-', time.month()),
        ('-', time.day()),
        ('T', time.hour()),
        (':', time.minute()),
        (':', time.second()),
    ] {
        text.push(sign);
        joda::number(&mut text, number.into(), 2);
    }
    text
}

/// Writes a double as Java does: `4.0`, `0.5`, `1.0E7`.
fn double_text(number: f64) -> String {
    let size = number.abs();
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{number:?}");
    }
    let written = format!("{number:e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}
