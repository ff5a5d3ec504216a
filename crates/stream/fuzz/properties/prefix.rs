//! Prefixes: each is read or refused at its place, and has a bounded length at every time.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use stream::prefix::{Prefix, Purpose};

/// Checks the bytes as a prefix.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for purpose in [Purpose::Records, Purpose::Refused] {
        match Prefix::read(text, purpose) {
            Ok(prefix) => {
                let now: Timestamp = "2026-07-01T23:04:05Z".parse().expect("a time");
                let made = prefix.at(now, &TimeZone::UTC);
                assert!(made.len() <= 512 && !made.contains(char::is_control), "{made}");
                assert_eq!(made, prefix.at(now, &TimeZone::UTC));
                assert!(made.contains("2026") || text.contains("!{"), "a time is added");
                for time in [Timestamp::MIN, Timestamp::MAX] {
                    let _ = prefix.at(time, &TimeZone::UTC);
                }
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                assert!(errors.iter().all(|error| text.is_char_boundary(error.at)), "{errors:?}");
            }
        }
    }
}
