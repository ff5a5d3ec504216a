//! The harness of the stories. It starts a stack in a temporary folder, and uses only the public interfaces of the stack.

pub mod clock;
pub mod definitions;
pub mod mail;
pub mod process;
pub mod program;
pub mod runtime_api;
pub mod samples;
pub mod topic;
pub mod until;

pub use native_postgres as postgres;
