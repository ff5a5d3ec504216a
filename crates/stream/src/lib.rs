//! Streams of records: their files, and everything about them that needs no clock, no disk and no network.
//!
//! Every result depends on the arguments alone. The crate `stream-server` keeps records and delivers them; this crate
//! says what it writes, and where.
//!
//! Entry points:
//!
//! - [`file::diagnose`] reads a stream file into a [`Stream`] and returns everything that is wrong with the file.
//! - [`door::check`] checks the body of a POST before it is accepted.
//! - [`cut::decide`] says when the waiting records become an object.
//! - [`kpl::open`] opens a record, and [`transform::Transformer`] makes the lines of the data object from it.
//! - [`objects::Objects`] names the objects of a cut, and [`encode`] writes and reads their lines.
//! - [`shard`] has sequence numbers, shard ids and the hash ranges of shards.

#![warn(missing_docs)]

pub mod cut;
pub mod door;
pub mod encode;
mod fault;
mod fields;
pub mod file;
mod json;
pub mod kpl;
mod name;
pub mod objects;
pub mod prefix;
mod record;
mod refusal;
mod schema;
pub mod shard;
pub mod transform;

pub use file::Stream;
pub use name::{NameError, StreamName};
pub use record::{Record, RecordNumber};
pub use refusal::{ErrorCode, Refusal};
