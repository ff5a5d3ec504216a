//! Whether a text is what its field holds.

use crate::{
    expression::{parse_double, parse_time},
    kind::Slot,
    period::Period,
};

const FIFTEEN_MINUTES: u64 = 15 * 60;
/// Three years, one of them a leap year.
const THREE_YEARS: u64 = (3 * 365 + 1) * 86_400;

/// Returns what the field `key` must hold, when `text` is not it.
pub(super) fn complaint(key: &str, slot: Slot, text: &str) -> Option<String> {
    let must = match slot {
        Slot::Text | Slot::Ref(_) => return None,
        Slot::Integer { least, most } => return integer(key, least, most, text),
        Slot::Double => parse_double(text.trim()).is_none().then(|| "a number".to_owned()),
        Slot::Boolean => (!is_word(text, &["true", "false"])).then(|| "'true' or 'false'".to_owned()),
        Slot::Period => Period::parse(text).is_err().then(a_period),
        Slot::PeriodOrHours => {
            let is_hours = text.trim().parse::<u32>().is_ok();
            (!is_hours && Period::parse(text).is_err()).then(a_period)
        }
        Slot::SchedulePeriod => schedule_period(text),
        // The wording of the service.
        Slot::DateTime => {
            return parse_time(text)
                .is_none()
                .then(|| format!("'{key}' value must be a literal datetime value."));
        }
        Slot::Word(words) => (!is_word(text, words)).then(|| {
            let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            quoted.join(" or ")
        }),
    };
    must.map(|must| format!("'{key}' value must be {must}. Found '{text}'"))
}

fn a_period() -> String {
    "a period such as '15 minutes' (minutes, hours, days, weeks, months or years)".to_owned()
}

fn is_word(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(text.trim()))
}

fn integer(key: &str, least: i64, most: i64, text: &str) -> Option<String> {
    let number = text.trim().parse::<i64>().ok();
    if number.is_some_and(|number| (least..=most).contains(&number)) {
        return None;
    }
    let range =
        if most == i64::MAX { format!("of at least {least}") } else { format!("from {least} to {most}") };
    Some(format!("'{key}' value must be a whole number {range}. Found '{text}'"))
}

fn schedule_period(text: &str) -> Option<String> {
    if text.eq_ignore_ascii_case("ONDEMAND_PERIOD") {
        return None;
    }
    match Period::parse(text).map(|period| period.duration().as_secs()) {
        Err(_) => Some(a_period()),
        Ok(FIFTEEN_MINUTES..=THREE_YEARS) => None,
        Ok(_) => Some("a period from 15 minutes to 3 years".to_owned()),
    }
}
