//! The server of streams: records come in by HTTP and by the protocols of Kinesis and Firehose, are on the disk before they
//! are answered, and lie as objects in S3 soon after.
//!
//! ```text
//! endpoint --> door, wire --> log (a SQLite file for each stream) --> cut --> objects in files --> S3
//! ```
//!
//! - `log` keeps accepted records until they are delivered. A request is answered after the flush of the disk.
//! - `endpoint` is the one listener: `door` has the paths of plain HTTP, and `wire` the two AWS protocols.
//! - `deliver` saves a cut, makes its objects and puts them, again and again until S3 has taken them.
//! - `alarm` decides when a notice reports a delivery that fails.
//! - `query` answers questions of users; [`StreamServer::admin`] has the routes.
//!
//! The crate `stream` decides what a record becomes and where it goes. This crate starts no listener and reads no
//! stream file: the caller owns ports, files, clock and end.
#![warn(missing_docs)]

mod alarm;
pub mod answers;
mod config;
mod deliver;
mod door;
mod endpoint;
mod intake;
mod live;
mod log;
mod query;
mod server;
mod streams;
mod summary;
mod wire;

pub use alarm::{Again, DeliveryNotice, Failing, ReportedTroubles};
pub use config::{Config, Now, Pauses};
pub use log::{BeforeFlush, LogError};
pub use query::QueryError;
pub use server::{FileReport, StreamServer};
pub use stream::objects::Homes;
