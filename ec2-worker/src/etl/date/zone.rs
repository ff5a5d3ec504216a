//! Time zones by name, such as `Europe/Berlin`.

use super::{DAY, SECOND};

/// Returns the seconds east of UTC that a zone has at a local time, or `None` if the name or the time is unknown.
///
/// Abbreviations such as `CST` are unknown, because several zones share some of them. At a time that the zone skips or
/// repeats when its clocks are set, the rule is that of PostgreSQL: the offset of standard time.
pub(super) fn offset(name: &str, days: i32, micros: i64) -> Option<i32> {
    if ["UTC", "GMT", "Zulu", "Z"].iter().any(|utc| utc.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    if !name.contains('/') {
        return None;
    }
    let zone = jiff::tz::TimeZone::get(name).ok()?;
    let span = jiff::SignedDuration::from_micros(i64::from(days).checked_mul(DAY)?.checked_add(micros)?);
    let local = jiff::civil::datetime(2000, 1, 1, 0, 0, 0, 0).checked_add(span).ok()?;
    let at = zone.to_ambiguous_timestamp(local).later().ok()?;
    let epoch = jiff::civil::datetime(2000, 1, 1, 0, 0, 0, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    let utc = at.duration_since(epoch.timestamp()).as_micros();
    i32::try_from((span.as_micros() - utc) / i128::from(SECOND)).ok()
}
