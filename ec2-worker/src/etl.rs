//! Loading and unloading: CSV in S3 to tables, query results to CSV in S3.
//!
//! The bytes' way of a load: [`source`] reads them, [`transform`] splits, checks and encodes them on a
//! thread of its own, [`load`] sends them to the database in one transaction.

pub mod column;
pub mod date;
pub mod dialect;
pub mod encode;
pub mod header;
pub mod load;
pub mod position;
pub mod preview;
pub mod records;
pub mod rejects;
pub mod rewrite;
pub mod source;
pub mod splitter;
pub mod table;
pub mod transform;
pub mod unload;
