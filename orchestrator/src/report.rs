//! All text for people: decisions for callers, notices for the topic, and log lines.
//!
//! The functions here only choose words. Other modules decide, publish and store.

mod decision;
pub(crate) mod log;
mod notice;

pub use decision::{Decision, SweepReport, Verdict};
pub(crate) use decision::{
    deferred, duplicate, failed, ignored, incomplete, nearest, next, not_newer, older, overtaken, paused,
    queued_behind, ready, rerun_command, started, too_many, unmatched, unusable,
};
pub(crate) use notice::{
    FailedStart, broken_definition, deferral, missing_files, near_miss, not_started, other_patterns, removed,
    too_many_files,
};
