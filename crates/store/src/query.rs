//! Queries for instances and attempts, as `QueryObjects` makes them, and pages of lists.

use std::fmt;

use engine::RunId;
use jiff::Timestamp;

/// The kind of objects that a query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sphere {
    /// Instances.
    Instance,
    /// Attempts.
    Attempt,
}

/// A query for objects; every selector must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The kind of objects.
    pub sphere: Sphere,
    /// The conditions.
    pub selectors: Vec<Selector>,
}

/// A condition on a field. It fails for an object that lacks the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The text of a field is one of these texts; `@status` words are spelled as in the API.
    AnyOf(TextField, Vec<String>),
    /// A time, in whole seconds, is not before the first bound and not after the second; `None` means no bound.
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
    /// The items of the page.
    pub items: Vec<T>,
    /// The beginning of the next page; `None` on the last page.
    pub next: Option<Marker>,
}

/// The beginning of a page. Its text is opaque to clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marker {
    /// The sequence number of the row before the page.
    pub(crate) seq: i64,
    /// The run of that row, if the store pages run by run.
    pub(crate) run: Option<RunId>,
}

impl Marker {
    /// Reads a marker; `None` if `text` is not a marker.
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

/// Returns the limit of a statement for a page of `limit` items: one more row tells whether there is a next page.
pub(crate) fn one_more(limit: usize) -> i64 {
    wide(limit).saturating_add(1)
}

/// Makes a page of rows with their sequence numbers. If there is one row more than `limit`, a further page follows.
pub(crate) fn page<T>(rows: Vec<(i64, T)>, limit: usize) -> Page<T> {
    page_after(rows.into_iter().map(|(seq, item)| (Marker { seq, run: None }, item)).collect(), limit)
}

/// Makes a page of rows, each with the marker of the page that begins after it.
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
