//! Group commit for SQLite: one thread owns the writing connection, and jobs that wait at the same time share one
//! transaction, and so one flush of the disk.
//!
//! The store, the index of the local S3 and the logs of streams are written in this way. A job that fails half way harms no
//! other job of its group: see [`Undo`]. A [`Flusher`] makes commits durable while the writer works on the next group. Without a
//! flusher, SQLite itself must flush before a commit returns (`PRAGMA synchronous = FULL`). This crate deliberately
//! contains no SQL of its callers.
#![warn(missing_docs)]

mod flush;
mod group;
mod job;
mod writer;

pub use flush::Flusher;
pub use group::Undo;
pub use job::{Failure, Job, is_full};
pub use writer::{Closed, Writer};
