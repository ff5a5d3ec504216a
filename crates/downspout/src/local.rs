//! The local stack: what AWS gives in the cloud, on one machine. Composition only; decisions sit in the other crates.

pub mod lambda;
pub mod postgres;
pub mod process_host;
pub mod s3;
pub mod stack;
pub mod topic;

use std::sync::Arc;

/// The clock of the stack's parts; tests wind their own.
pub type Now = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
