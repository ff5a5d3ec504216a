//! Questions after instances and attempts, as `QueryObjects` asks them.

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
    /// `@scheduledStartTime`, and `@scheduledEndTime`: equal in on-demand runs.
    Scheduled,
    /// `@actualStartTime`.
    Started,
    /// `@actualEndTime`.
    Ended,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it, in order of creation.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Marker>,
}

/// Where a page begins: opaque to whoever pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker(pub(crate) i64);

impl Marker {
    /// Returns the marker that `text` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|seq| *seq >= 0).map(Self)
    }
}

impl std::fmt::Display for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
