//! The local stack: the AWS services that a pipeline needs, on one machine.
//!
//! This module only connects the parts. The decisions are in the other crates.

pub mod lambda;
pub mod postgres;
pub mod process_host;
pub mod s3;
pub mod stack;
pub mod topic;
mod xml_text;

use std::sync::Arc;

/// The clock of the stack's parts. Tests pass a clock that they set by hand.
pub type Now = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
