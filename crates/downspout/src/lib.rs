//! The program `downspout`: its command line, and the local stack that `up` starts.
//!
//! The commands are AWS SDK clients of a running stack. The module [`local`] is the stack: S3, the pipeline service,
//! notifications, PostgreSQL, the Lambda runner, and workers, all in one process.

pub mod command;
mod file_upload;
pub mod local;
mod program;
mod sdk_error;

pub use program::main;
