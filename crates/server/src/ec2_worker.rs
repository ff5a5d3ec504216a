//! The types of work that `ec2-worker` does.
//!
//! The service does not depend on the worker, but its advice names the worker. A test of the worker compares this list with
//! the worker's own table.

use definition::kind::Kind;

/// The activities and preconditions that `ec2-worker` does.
pub const EC2_WORKER_DOES: [Kind; 5] = [
    Kind::ShellCommandActivity,
    Kind::CopyActivity,
    Kind::SqlActivity,
    Kind::ShellCommandPrecondition,
    Kind::Exists,
];
