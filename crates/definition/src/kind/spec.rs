//! What can be said about one field of an object type.

use super::{Group, Kind};

/// What a field is, on one object type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldSpec {
    /// The field's name.
    pub key: &'static str,
    /// What it holds.
    pub slot: Slot,
    /// Whether an object lacks something without it.
    pub is_required: bool,
    /// Whether it may repeat.
    pub is_multi: bool,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slot {
    /// Any text.
    Text,
    /// A whole number within limits.
    Integer {
        /// Smallest.
        least: i64,
        /// Largest.
        most: i64,
    },
    /// A decimal number.
    Double,
    /// `true` or `false`.
    Boolean,
    /// `15 minutes`.
    Period,
    /// A period, or a bare number of hours (`terminateAfter` of a cluster).
    PeriodOrHours,
    /// The period of a schedule: 15 minutes to 3 years, or `ONDEMAND_PERIOD`.
    SchedulePeriod,
    /// `2030-01-31T22:00:00`, UTC.
    DateTime,
    /// One of the words, in any case.
    Word(&'static [&'static str]),
    /// A reference.
    Ref(Target),
}

/// What a reference may point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Any object.
    Any,
    /// Anything that is executed.
    Runnable,
    /// Every type of a group.
    Group(Group),
    /// These types.
    Kinds(&'static [Kind]),
}

impl Target {
    /// Returns whether an object of type `kind` is meant.
    #[must_use]
    pub fn accepts(self, kind: Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Runnable => kind.is_runnable(),
            Self::Group(group) => kind.group() == group,
            Self::Kinds(kinds) => kinds.contains(&kind),
        }
    }

    /// Returns the types by name, for messages.
    #[must_use]
    pub fn describe(self) -> String {
        let quoted = |kinds: &mut dyn Iterator<Item = Kind>| {
            kinds.map(|kind| format!("'{}'", kind.name())).collect::<Vec<_>>().join(" or ")
        };
        match self {
            Self::Any => "any".to_owned(),
            Self::Runnable => "'Activity' or 'DataNode' or 'Resource' or 'Precondition'".to_owned(),
            Self::Group(group) => quoted(&mut Kind::ALL.iter().copied().filter(|kind| kind.group() == group)),
            Self::Kinds(kinds) => quoted(&mut kinds.iter().copied()),
        }
    }
}

/// Fields of which at least one must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneOf {
    /// The fields.
    pub keys: &'static [&'static str],
    /// Whether more than one is an error.
    pub is_exclusive: bool,
}

pub(super) const fn spec(key: &'static str, slot: Slot) -> FieldSpec {
    FieldSpec { key, slot, is_required: false, is_multi: false }
}

pub(super) const fn text(key: &'static str) -> FieldSpec {
    spec(key, Slot::Text)
}

pub(super) const fn boolean(key: &'static str) -> FieldSpec {
    spec(key, Slot::Boolean)
}

pub(super) const fn period(key: &'static str) -> FieldSpec {
    spec(key, Slot::Period)
}

pub(super) const fn integer(key: &'static str, least: i64, most: i64) -> FieldSpec {
    spec(key, Slot::Integer { least, most })
}

pub(super) const fn count(key: &'static str) -> FieldSpec {
    integer(key, 0, i64::MAX)
}

pub(super) const fn word(key: &'static str, words: &'static [&'static str]) -> FieldSpec {
    spec(key, Slot::Word(words))
}

pub(super) const fn to(key: &'static str, kinds: &'static [Kind]) -> FieldSpec {
    spec(key, Slot::Ref(Target::Kinds(kinds)))
}

pub(super) const fn to_group(key: &'static str, group: Group) -> FieldSpec {
    spec(key, Slot::Ref(Target::Group(group)))
}

impl FieldSpec {
    pub(super) const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(super) const fn multi(mut self) -> Self {
        self.is_multi = true;
        self
    }
}
