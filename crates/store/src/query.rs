//! Questions after instances and attempts, as `QueryObjects` asks them.

use std::fmt;

use engine::RunId;
use jiff::Timestamp;

/// Which objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sphere {
    /// Instances.
    Instance,
    /// Attempts.
    Attempt,
}

/// A question; every selector must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which objects.
    pub sphere: Sphere,
    /// What must hold of them.
    pub selectors: Vec<Selector>,
}

/// Something that must hold of an object. An object that lacks the field fails it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The text of a field is one of these. `@status` words as the wire spells them.
    AnyOf(TextField, Vec<String>),
    /// A time is not before the first and not after the second, in whole seconds.
    Within(TimeField, Option<Timestamp>, Option<Timestamp>),
}

/// Fields that hold text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextField {
    /// `name` and `@id`: equal on instances and attempts.
    Id,
    /// `@status`.
    Status,
    /// `@componentParent`, and `parent`.
    Component,
    /// `@instanceParent`, of attempts.
    Instance,
}

/// Fields that hold a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeField {
    /// `@scheduledStartTime`.
    Scheduled,
    /// `@actualStartTime`.
    Started,
    /// `@actualEndTime`.
    Ended,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Marker>,
}

/// Where a page begins: opaque to whoever pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    /// The sequence number of the row before the page.
    pub(crate) seq: i64,
    /// That row's run, where rows are paged run by run.
    pub(crate) run: Option<RunId>,
}

impl Marker {
    /// Returns the marker that `text` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (seq, run) =
            text.split_once('/').map_or((text, None), |(seq, run)| (seq, Some(RunId::from(run))));
        let seq = seq.parse().ok().filter(|seq| *seq >= 0)?;
        Some(Self { seq, run })
    }
}

/// Returns the sequence number that a page begins after.
pub(crate) fn after(from: Option<Marker>) -> i64 {
    from.unwrap_or_default().seq
}

/// Returns the limit as SQL takes it.
pub(crate) fn wide(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// One row more than the page holds tells whether there is a next page.
pub(crate) fn one_more(limit: usize) -> i64 {
    wide(limit).saturating_add(1)
}

/// Makes a page of rows with their sequence numbers, of which there may be one more than `limit`.
pub(crate) fn page<T>(rows: Vec<(i64, T)>, limit: usize) -> Page<T> {
    page_after(rows.into_iter().map(|(seq, item)| (Marker { seq, run: None }, item)).collect(), limit)
}

/// As [`page`], of rows with the marker of the page that begins after them.
pub(crate) fn page_after<T>(mut rows: Vec<(Marker, T)>, limit: usize) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(marker, _)| marker.clone());
    Page { items: rows.into_iter().map(|(_, item)| item).collect(), next }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.run {
            Some(run) => write!(f, "{}/{run}", self.seq),
            None => self.seq.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back() {
        for run in [None, Some(RunId::from("2030-01-31T22:00:00"))] {
            let marker = Marker { seq: 7, run };
            assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
        }
        assert_eq!(["", "-1", "/2030-01-31T22:00:00", "next"].map(Marker::parse), [None, None, None, None]);
    }
}
