//! The stack's S3: what AWS clients expect of S3, on a directory of this machine.
//!
//! The crate `s3s` implements the protocol; this module stores the data. The content of an object is a file, or a few
//! bytes in the index; everything else is in the index, which is a SQLite database. An object and its event are
//! written in one transaction. So a killed process leaves no object without its event, and no event without its
//! object. An upload is acknowledged only after it is on the disk.
//!
//! A request goes from `server` to `service` (the operations), then to `store`, `multipart`, `copy` and `listing`
//! (the index) and to `receiving` and `content` (the bytes). Versions, access policies, encryption and storage
//! classes are absent on purpose.

mod blobs;
mod checksums;
mod conditions;
mod content;
mod copy;
mod error;
mod event;
mod event_queue;
mod host;
mod index;
mod listing;
mod model;
mod multipart;
mod receiving;
mod schema;
mod server;
mod service;
mod store;
mod writer;

pub use error::StoreError;
pub use event_queue::StoredEvent;
pub use server::{Credentials, LocalS3};
pub use store::S3Store;
