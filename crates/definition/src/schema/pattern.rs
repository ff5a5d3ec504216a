//! Regular expressions for what fields hold, in the words that all readers of a schema know.
//!
//! A text with an expression always passes: what becomes of it is not known while one types.

use crate::kind::{ON_DEMAND_PERIOD, ON_DEMAND_PRICE, Slot};

/// Returns the pattern that every legal text of the field meets; none where any text may be legal.
pub(super) fn of(slot: Slot) -> Option<String> {
    let number = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
    let alternatives = match slot {
        Slot::Text | Slot::Ref(_) | Slot::DatePattern | Slot::KeyPattern => return None,
        Slot::S3Prefix => return Some(r"^s3://|#\{".to_owned()),
        Slot::Boolean => return Some(words(&["true", "false"])),
        Slot::Word(known) => return Some(words(known)),
        Slot::Integer { least, most } if most - least < 10 => {
            let numbers: Vec<String> = (least..=most).map(|number| number.to_string()).collect();
            format!(r"[+-]?0*(?:{})", numbers.join("|"))
        }
        Slot::Integer { least: 1.., .. } => r"[+-]?0*[1-9][0-9]*".to_owned(),
        Slot::Integer { .. } => "[+-]?[0-9]+".to_owned(),
        Slot::Double { .. } => number.to_owned(),
        Slot::Period => period(),
        Slot::PeriodOrHours => format!(r"{}|\+?[0-9]+", period()),
        Slot::SchedulePeriod => format!("{}|{}", period(), any_case(ON_DEMAND_PERIOD)),
        // The guide writes a bare call once.
        Slot::DateTime => r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*|makeDate.*\)".to_owned(),
        Slot::BidPrice { or_on_demand: false } => number.to_owned(),
        Slot::BidPrice { or_on_demand: true } => format!("{number}|{}", any_case(ON_DEMAND_PRICE)),
        Slot::CountOrPercentage => format!(r"\+?[0-9]+|{number}\s*%"),
    };
    Some(or_expression(&alternatives))
}

/// Returns the pattern of the words, in any case.
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

/// Patterns in a schema have no flag for it.
fn any_case(word: &str) -> String {
    let letter = |c: char| match c.is_ascii_alphabetic() {
        true => format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase()),
        false => c.to_string(),
    };
    word.chars().map(letter).collect()
}
