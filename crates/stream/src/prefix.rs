//! The prefixes of objects, in the language of Firehose.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A prefix that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {}

impl Prefix {
    /// Returns the prefix at a time, in a time zone.
    #[must_use]
    pub fn at(&self, time: Timestamp, zone: &TimeZone) -> String {
        todo!("{time} {zone:?}")
    }
}
