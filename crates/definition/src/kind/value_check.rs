//! Checks whether a text is a legal value of its field, and returns a message if it is not.

use crate::{
    expression::{parse_double, parse_time, unreadable},
    kind::{
        BID_PRICE_LIMIT, FieldType, ON_DEMAND_PRICE, ValueShape,
        field_type::{Limit, SchedulePeriod, WaitFor},
        secret_reference::SecretReference,
    },
    period::Period,
    time_zone,
};

const FIFTEEN_MINUTES: u64 = 15 * 60;
/// The seconds of three years, one of them a leap year.
const THREE_YEARS: u64 = (3 * 365 + 1) * 86_400;

/// Returns a complaint if `text` is not a legal value of the field `key`, whose values have the shape `shape`.
pub(crate) fn complaint(key: &str, shape: ValueShape, text: &str) -> Option<String> {
    let must = match shape {
        // `crate::trigger` reports the errors in a key pattern.
        ValueShape::Text | ValueShape::Ref(_) | ValueShape::KeyPattern => return None,
        ValueShape::Integer { least, most } => return integer(key, least, most, text),
        ValueShape::Double { least, most } => {
            let is_within = parse_double(text.trim()).is_some_and(|number| (least..=most).contains(&number));
            (!is_within).then(|| shape.describe())
        }
        ValueShape::Boolean => bool::read(text).is_none().then(|| "'true' or 'false'".to_owned()),
        ValueShape::Period => Period::parse(text).is_err().then(a_period),
        ValueShape::TimeZone => return zone(key, text),
        ValueShape::WaitFor => WaitFor::read(text).is_none().then(|| {
            "a period such as '15 minutes', or a time of day from 'by 00:00' to 'by 23:59'".to_owned()
        }),
        ValueShape::PeriodOrHours => {
            let is_hours = text.trim().parse::<u32>().is_ok();
            (!is_hours && Period::parse(text).is_err()).then(a_period)
        }
        ValueShape::SchedulePeriod => schedule_period(text),
        // AWS's wording.
        ValueShape::DateTime => {
            return parse_time(text)
                .is_none()
                .then(|| format!("'{key}' value must be a literal datetime value."));
        }
        ValueShape::Word(words) => (!is_word(text, words)).then(|| {
            let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            quoted.join(" or ")
        }),
        ValueShape::BidPrice { or_on_demand } => {
            let is_legal = is_bid(text) || (or_on_demand && is_word(text, &[ON_DEMAND_PRICE]));
            (!is_legal).then(|| shape.describe())
        }
        ValueShape::CountOrPercentage => {
            Limit::read(text).is_none().then(|| "a count of rows or a percentage such as '1%'".to_owned())
        }
        ValueShape::S3Prefix => (!text.starts_with("s3://")).then(|| shape.describe()),
        // The text may be the secret itself, so no message shows it.
        ValueShape::SecretReference => {
            let is_legal = text.trim().is_empty() || SecretReference::read(text).is_some();
            return (!is_legal).then(|| format!("'{key}' value must be {}", shape.describe()));
        }
        ValueShape::DatePattern => {
            return pattern(key, "a Joda date pattern such as 'dd/MM/yyyy'", text, text);
        }
        ValueShape::ColumnPattern => {
            let must = "a column and a Joda date pattern such as 'order_date dd/MM/yyyy'";
            match text.trim().split_once(char::is_whitespace) {
                Some((_, of_column)) => return pattern(key, must, text, of_column.trim()),
                None => Some(must.to_owned()),
            }
        }
        ValueShape::Character => {
            let mut chars = text.chars();
            let only = chars.next().filter(|_| chars.next().is_none());
            let is_legal = only.is_some_and(|c| !c.is_ascii_alphanumeric() && !"+-%".contains(c));
            (!is_legal).then(|| shape.describe())
        }
    };
    must.map(|must| must_be(key, &must, text))
}

/// Returns the complaint that the field `key` cannot hold `text`. `must` describes the legal values.
pub(crate) fn must_be(key: &str, must: &str, text: &str) -> String {
    format!("'{key}' value must be {must}. Found '{text}'")
}

/// Returns the complaint that the field `key` holds a reference.
pub(crate) fn not_text(key: &str) -> String {
    format!("'{key}' must be text, not a reference")
}

/// Returns the complaint that the field `key` holds `count` values instead of one.
pub(crate) fn too_many(key: &str, count: usize) -> String {
    format!("'{key}' takes one value. Found {count}")
}

/// Returns the complaint that an object of the type `kind` lacks the field `key`.
pub(crate) fn missing(key: &str, kind: &str) -> String {
    format!("'{key}' is required on type '{kind}'")
}

fn a_period() -> String {
    "a period such as '15 minutes' (minutes, hours, days, weeks, months or years)".to_owned()
}

fn pattern(key: &str, must: &str, text: &str, pattern: &str) -> Option<String> {
    unreadable(pattern).map(|why| format!("{}: {why}", must_be(key, must, text)))
}

fn zone(key: &str, text: &str) -> Option<String> {
    if time_zone::named(text).is_some() {
        return None;
    }
    let complaint = must_be(key, "the IANA name of a time zone such as 'Europe/Berlin'", text);
    Some(match time_zone::nearest(text) {
        Some(near) => format!("{complaint} (did you mean '{near}'?)"),
        None => complaint,
    })
}

fn is_word(text: &str, words: &[&str]) -> bool {
    let text = text.trim();
    words.iter().any(|word| word.eq_ignore_ascii_case(text))
}

fn integer(key: &str, least: i64, most: i64, text: &str) -> Option<String> {
    let number = text.trim().parse::<i64>().ok();
    if number.is_some_and(|number| (least..=most).contains(&number)) {
        return None;
    }
    let range =
        if most == i64::MAX { format!("of at least {least}") } else { format!("from {least} to {most}") };
    Some(must_be(key, &format!("a whole number {range}"), text))
}

fn schedule_period(text: &str) -> Option<String> {
    let period = match SchedulePeriod::read(text) {
        None => return Some(a_period()),
        Some(SchedulePeriod::OnDemand) => return None,
        Some(SchedulePeriod::Every(period)) => period,
    };
    let is_legal = (FIFTEEN_MINUTES..=THREE_YEARS).contains(&period.duration().as_secs());
    (!is_legal).then(|| "a period from 15 minutes to 3 years".to_owned())
}

fn is_bid(text: &str) -> bool {
    parse_double(text.trim()).is_some_and(|price| price > 0.0 && price < BID_PRICE_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::{Kind, own_fields};

    #[test]
    fn every_default_is_legal_in_its_field() {
        let fields = Kind::ALL.iter().flat_map(|kind| kind.fields()).chain(own_fields::all());
        for spec in fields {
            let complaint = spec.default.and_then(|default| complaint(spec.key, spec.shape, default));
            assert_eq!(complaint, None);
        }
    }

    #[test]
    fn a_bid_is_a_price_within_the_limits_or_the_word() {
        let spot = ValueShape::BidPrice { or_on_demand: false };
        let cluster = ValueShape::BidPrice { or_on_demand: true };
        assert_eq!(complaint("spotBidPrice", spot, "0.05"), None);
        assert_eq!(
            complaint("spotBidPrice", spot, "20").as_deref(),
            Some("'spotBidPrice' value must be dollars per hour, above 0 and below 20.00. Found '20'")
        );
        assert!(complaint("spotBidPrice", spot, "OnDemandPrice").is_some());
        assert_eq!(complaint("coreInstanceBidPrice", cluster, "ondemandprice"), None);
    }

    #[test]
    fn a_password_in_place_of_the_name_of_a_secret_is_not_shown() {
        let complaint = |text| complaint("myPasswordSecret", ValueShape::SecretReference, text);
        assert_eq!(
            complaint("hush").as_deref(),
            Some(
                "'myPasswordSecret' value must be the name of a secret: secretsmanager:NAME, ssm:NAME or an ARN"
            )
        );
        assert_eq!((complaint("ssm:/db"), complaint("")), (None, None));
    }

    #[test]
    fn a_share_of_throughput_is_at_most_all_of_it() {
        let share = ValueShape::Double { least: 0.1, most: 1.0 };
        assert_eq!(complaint("readThroughputPercent", share, "0.25"), None);
        assert_eq!(
            complaint("readThroughputPercent", share, "25").as_deref(),
            Some("'readThroughputPercent' value must be a number from 0.1 to 1.0. Found '25'")
        );
    }
}
