//! The end-to-end harness: a stack in a folder of its own, driven through its public faces alone.

pub mod definitions;
pub mod mail;
pub mod program;
pub mod samples;
pub mod until;

pub use native_postgres as postgres;
