//! The types of work that `ec2-worker` does.
//!
//! The service does not depend on the worker, but its advice recommends the worker for these types. A test of the
//! worker checks that the worker does each of them.

use definition::kind::Kind;

/// The activities and preconditions that `ec2-worker` does.
pub const EC2_WORKER_DOES: [Kind; 5] = [
    Kind::ShellCommandActivity,
    Kind::CopyActivity,
    Kind::SqlActivity,
    Kind::ShellCommandPrecondition,
    Kind::Exists,
];
