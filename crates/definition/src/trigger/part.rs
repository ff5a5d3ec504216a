//! The parts of a key pattern.

use super::Captures;
use super::class::{self, Run};
use super::date_form::DateForm;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(String),
    /// `*`; `least` is 1 if it is a whole segment, which is never empty.
    Star {
        least: usize,
    },
    Capture {
        name: String,
        takes: Takes,
    },
}

/// The texts that a capture takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Characters that are safe in commands and queries.
    Plain,
    /// A date in this form.
    Date(DateForm),
    /// A text of this class.
    Class { text: String, runs: Vec<Run> },
}

impl Part {
    pub(super) fn filled(&self, captures: &Captures) -> Option<String> {
        match self {
            Self::Literal(text) => Some(text.clone()),
            Self::Star { .. } => Some("*".to_owned()),
            Self::Capture { name, takes } => takes.written(captures.get(name)?),
        }
    }
}

impl Takes {
    /// Writes the value of a capture as it stands in the key.
    pub(super) fn written(&self, value: &str) -> Option<String> {
        match self {
            Self::Date(form) => form.written(value),
            Self::Plain | Self::Class { .. } => Some(value.to_owned()),
        }
    }

    /// Returns a value.
    pub(super) fn example(&self) -> Option<String> {
        match self {
            Self::Plain => Some("x".to_owned()),
            Self::Date(form) => Some(form.example()),
            Self::Class { runs, .. } => class::example(runs),
        }
    }

    /// Returns whether two captures of one name have the same values, in the keys of one set.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Plain, Self::Plain) => true,
            (Self::Date(one), Self::Date(other)) => one.parts() == other.parts(),
            (Self::Class { text: one, .. }, Self::Class { text: other, .. }) => one == other,
            _ => false,
        }
    }

    /// Returns whether every value is safe in commands and queries.
    pub(super) fn is_safe(&self) -> bool {
        match self {
            Self::Plain | Self::Date(_) => true,
            Self::Class { runs, .. } => class::are_safe(runs),
        }
    }
}
