//! All text for people.

mod decision;
mod notice;

pub use decision::{Decision, SweepReport, Verdict};
pub(crate) use notice::{Notice, digest};
