//! The program `downspout`: its command line, and the local stack behind `up`.
//!
//! The commands are AWS SDK clients of a running stack; [`local`] is that stack: S3, the pipeline
//! service, notifications, Postgres, the Lambda's host and workers, composed in one process.

pub mod command;
mod file_upload;
pub mod local;
mod program;
mod sdk_error;

pub use program::main;
