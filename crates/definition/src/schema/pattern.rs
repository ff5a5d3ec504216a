//! Patterns (regular expressions) for the values of fields. The patterns use only syntax that all programs with
//! JSON Schema support.
//!
//! A text with `#{…}` always matches, because its value is unknown while the user types.

use crate::kind::{ON_DEMAND_PERIOD, ON_DEMAND_PRICE, ValueShape};

/// Returns a pattern that every legal text of the field matches, or `None` if any text may be legal.
pub(super) fn of(shape: ValueShape) -> Option<String> {
    let number = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
    let alternatives = match shape {
        ValueShape::Text
        | ValueShape::Ref(_)
        | ValueShape::DatePattern
        | ValueShape::KeyPattern
        | ValueShape::TimeZone => {
            return None;
        }
        ValueShape::ColumnPattern => return Some(r"\S\s+\S|#\{".to_owned()),
        ValueShape::Character => return Some(r"^[^A-Za-z0-9+%-]$|#\{".to_owned()),
        ValueShape::S3Prefix => return Some(r"^s3://|#\{".to_owned()),
        ValueShape::SecretReference => {
            let named = r"(?:secretsmanager|ssm|arn:[^:]*:(?:secretsmanager|ssm)):";
            return Some(format!(r"^\s*(?:{named}|$)|#\{{"));
        }
        ValueShape::Boolean => return Some(words(&["true", "false"])),
        ValueShape::Word(known) => return Some(words(known)),
        ValueShape::Integer { least, most } if most - least < 10 => {
            let numbers: Vec<String> = (least..=most).map(|number| number.to_string()).collect();
            format!(r"[+-]?0*(?:{})", numbers.join("|"))
        }
        ValueShape::Integer { least: 1.., .. } => r"[+-]?0*[1-9][0-9]*".to_owned(),
        ValueShape::Integer { .. } => "[+-]?[0-9]+".to_owned(),
        ValueShape::Double { .. } => number.to_owned(),
        ValueShape::Period => period(),
        ValueShape::WaitFor => format!(r"{}|[bB][yY]\s+(?:[01]?[0-9]|2[0-3]):[0-5][0-9]", period()),
        ValueShape::PeriodOrHours => format!(r"{}|\+?[0-9]+", period()),
        ValueShape::SchedulePeriod => format!("{}|{}", period(), any_case(ON_DEMAND_PERIOD)),
        // AWS's guide contains a call without `#{}`.
        ValueShape::DateTime => r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|makeDate.*\)".to_owned(),
        ValueShape::BidPrice { or_on_demand: false } => number.to_owned(),
        ValueShape::BidPrice { or_on_demand: true } => format!("{number}|{}", any_case(ON_DEMAND_PRICE)),
        ValueShape::CountOrPercentage => format!(r"\+?[0-9]+|{number}\s*%"),
    };
    Some(or_expression(&alternatives))
}

/// Returns a pattern of the words. Upper and lower case are equal.
pub(super) fn words(words: &[&str]) -> String {
    or_expression(&words.iter().map(|word| any_case(word)).collect::<Vec<_>>().join("|"))
}

fn or_expression(alternatives: &str) -> String {
    format!(r"^\s*(?:{alternatives})\s*$|#\{{")
}

fn period() -> String {
    let units = ["second", "minute", "hour", "day", "week", "month", "year"];
    let units = units.map(any_case).join("|");
    format!(r"[0-9]+\s*(?:{units})[sS]?")
}

/// Returns a pattern of the word in upper or lower case. Patterns in a schema have no flag for it.
fn any_case(word: &str) -> String {
    let letter = |c: char| match c.is_ascii_alphabetic() {
        true => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
        false => c.to_string(),
    };
    word.chars().map(letter).collect()
}
