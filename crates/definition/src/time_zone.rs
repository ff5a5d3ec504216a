//! Time zones by their IANA names, from the data in the program.
//!
//! The data of the machine is not used: a laptop and a Lambda function must agree when a day begins.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Returns the time zone with this name, in upper or lower case. Returns `None` if there is none.
#[must_use]
pub fn named(name: &str) -> Option<TimeZone> {
    let name = name.trim();
    // `Etc/Unknown` is in the database, but it means that the zone is unknown.
    if name.eq_ignore_ascii_case("Etc/Unknown") {
        return None;
    }
    ZONES.get(name).ok()
}

/// Returns the name of the zone that a person probably meant: the name with its blanks as
/// `_`, or the zone whose city is the last part of the text.
pub(crate) fn nearest(written: &str) -> Option<String> {
    let written = written.trim().replace(' ', "_");
    if let Some(zone) = named(&written) {
        return zone.iana_name().map(str::to_owned);
    }
    let city = written.rsplit('/').next().unwrap_or_default();
    let names = ZONES.available().map(|name| name.to_string());
    names
        .filter(|name| name.rsplit_once('/').is_some_and(|(_, of_name)| of_name.eq_ignore_ascii_case(city)))
        .min_by_key(String::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_iana_in_any_case() {
        for name in ["UTC", "Europe/Berlin", "america/new_york", " Asia/Kolkata ", "Etc/GMT-14"] {
            assert!(named(name).is_some(), "{name}");
        }
        for name in ["", "Europe", "Europe/Berln", "UTC+1", "+01:00", "Etc/Unknown", "../UTC"] {
            assert!(named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_city_is_found_without_its_continent() {
        assert_eq!(nearest("berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(nearest("America/New York").as_deref(), Some("America/New_York"));
        assert_eq!(nearest("Europe/Atlantis"), None);
    }
}
