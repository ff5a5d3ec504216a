//! The functions of expressions: parts of times, arithmetic with times, and formatting.

use std::ops::RangeInclusive;

use jiff::{Span, Zoned, civil, tz::TimeZone};

use super::{EvaluateError, Value, joda};
use crate::period::Period;

/// Every function.
pub(crate) const FUNCTIONS: &[&str] = &[
    "minute",
    "hour",
    "day",
    "month",
    "year",
    "dayOfYear",
    "firstOfMonth",
    "midnight",
    "yesterday",
    "sunday",
    "makeDate",
    "makeDateTime",
    "plusMinutes",
    "plusHours",
    "plusDays",
    "plusWeeks",
    "plusMonths",
    "plusYears",
    "minusMinutes",
    "minusHours",
    "minusDays",
    "minusWeeks",
    "minusMonths",
    "minusYears",
    "format",
    "inTimeZone",
    "plusPeriod",
    "minusPeriod",
];

/// Returns how many arguments the function `name` takes, or `None` if there is no such function.
pub(crate) fn arity(name: &str) -> Option<RangeInclusive<usize>> {
    Some(match name {
        "minute" | "hour" | "day" | "month" | "year" | "dayOfYear" => 1..=1,
        "firstOfMonth" | "midnight" | "yesterday" | "sunday" => 1..=1,
        "makeDate" => 3..=3,
        "makeDateTime" => 5..=5,
        "plusMinutes" | "plusHours" | "plusDays" | "plusWeeks" | "plusMonths" | "plusYears" => 2..=2,
        "minusMinutes" | "minusHours" | "minusDays" | "minusWeeks" | "minusMonths" | "minusYears" => 2..=2,
        "format" | "inTimeZone" | "plusPeriod" | "minusPeriod" => 2..=2,
        _ => return None,
    })
}

/// Calls the function `name`. The arguments contain no lists.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, EvaluateError> {
    let Some(arity) = arity(name) else {
        return Err(EvaluateError::NoFunction { name: name.to_owned() });
    };
    if !arity.contains(&arguments.len()) {
        let (takes, given) = (*arity.end(), arguments.len());
        return Err(EvaluateError::Arguments { function: name.to_owned(), takes, given });
    }
    match name {
        "makeDate" | "makeDateTime" => make(arguments),
        _ => of_time(name, &arguments[0].to_time()?, &arguments[1..]),
    }
}

fn of_time(name: &str, time: &Zoned, rest: &[Value]) -> Result<Value, EvaluateError> {
    match name {
        "minute" => Ok(Value::Integer(time.minute().into())),
        "hour" => Ok(Value::Integer(time.hour().into())),
        "day" => Ok(Value::Integer(time.day().into())),
        "month" => Ok(Value::Integer(time.month().into())),
        "year" => Ok(Value::Integer(time.year().into())),
        "dayOfYear" => Ok(Value::Integer(time.day_of_year().into())),
        // The time of day is kept, as in the example of AWS's guide.
        "firstOfMonth" => a_time(time.with().day(1).build()),
        "midnight" => a_time(time.start_of_day()),
        "yesterday" => a_time(time.checked_sub(Span::new().days(1))),
        "sunday" => a_time(time.checked_sub(Span::new().days(time.weekday().to_sunday_zero_offset()))),
        "format" => joda::format(time, &rest[0].text()).map(Value::String),
        "inTimeZone" => in_zone(time, &rest[0].text()),
        "plusPeriod" => a_time(period(&rest[0])?.span().and_then(|span| time.checked_add(span))),
        "minusPeriod" => a_time(period(&rest[0])?.span().and_then(|span| time.checked_sub(span))),
        shift => shifted(shift, time, rest[0].to_integer()?),
    }
}

fn shifted(name: &str, time: &Zoned, count: i64) -> Result<Value, EvaluateError> {
    let (unit, is_plus) = match name.strip_prefix("plus") {
        Some(unit) => (unit, true),
        None => (name.strip_prefix("minus").unwrap_or(name), false),
    };
    let span = match unit {
        "Minutes" => Span::new().try_minutes(count),
        "Hours" => Span::new().try_hours(count),
        "Days" => Span::new().try_days(count),
        "Weeks" => Span::new().try_weeks(count),
        "Months" => Span::new().try_months(count),
        "Years" => Span::new().try_years(count),
        _ => return Err(EvaluateError::NoFunction { name: name.to_owned() }),
    };
    a_time(span.and_then(|span| if is_plus { time.checked_add(span) } else { time.checked_sub(span) }))
}

fn a_time(time: Result<Zoned, jiff::Error>) -> Result<Value, EvaluateError> {
    time.map(Value::DateTime).map_err(|error| EvaluateError::Time { reason: error.to_string() })
}

fn period(value: &Value) -> Result<Period, EvaluateError> {
    Period::parse(&value.text()).map_err(|error| EvaluateError::Time { reason: error.to_string() })
}

fn in_zone(time: &Zoned, zone: &str) -> Result<Value, EvaluateError> {
    let zone = if zone == "UTC" { Ok(TimeZone::UTC) } else { TimeZone::get(zone) };
    // The result is the same instant, shown in the zone. AWS's guide does not say clearly whether the instant or
    // the time of day stays the same.
    a_time(zone.map(|zone| time.with_time_zone(zone)))
}

fn make(parts: &[Value]) -> Result<Value, EvaluateError> {
    let mut numbers = [0; 5];
    for (number, part) in numbers.iter_mut().zip(parts) {
        *number = part.to_integer()?;
    }
    let [year, month, day, hour, minute] = numbers;
    let small = |number: i64| i8::try_from(number).unwrap_or(i8::MAX);
    let year = i16::try_from(year).unwrap_or(i16::MAX);
    let time = civil::DateTime::new(year, small(month), small(day), small(hour), small(minute), 0, 0);
    a_time(time.and_then(|time| time.to_zoned(TimeZone::UTC)))
}
