//! The program `downspout`: its command line, and the local stack that `up` starts.
//!
//! Most commands are clients of a running stack, through the AWS SDK. `up` and `demo` run a stack, and commands such as
//! `validate` need none. The module [`local`] is the stack: S3, the pipeline service, notifications, PostgreSQL, the
//! Lambda runner, and workers, all in one process. Only the embedded PostgreSQL and the workers of resources have processes of
//! their own.

mod bucket_listing;
pub mod command;
mod file_upload;
mod https;
pub mod local;
mod markers;
mod program;
mod regular_file;
mod sdk_error;
mod traces;

pub use program::main;
