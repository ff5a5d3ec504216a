//! All text for people: decisions for callers, notices for the topic, and log lines.
//!
//! The functions here only choose words. Other modules decide, publish and store.

mod decision;
pub(crate) mod log;
mod notice;

pub use decision::{Decision, SweepReport, Verdict};
pub(crate) use decision::{
    deferred, duplicate, failed, ignored, incomplete, nearest, next, not_newer, paused, queued_behind, ready,
    started, too_many, unmatched, unusable,
};
pub(crate) use notice::{
    FailedStart, broken_definition, deferral, missing_files, near_miss, not_started, too_many_files,
};
