//! The end-to-end harness: a stack in a folder of its own, driven through its public faces alone.

pub mod clock;
pub mod definitions;
pub mod mail;
pub mod process;
pub mod program;
pub mod samples;
pub mod topic;
pub mod until;

pub use native_postgres as postgres;
