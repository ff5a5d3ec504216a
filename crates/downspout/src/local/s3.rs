//! The stack's S3: what AWS clients expect of it, on a directory of this machine.
//!
//! The protocol is the crate `s3s`'s; the storage is ours. Contents are files, everything else is a SQLite
//! index, and an object and its event stand in one transaction: an event exists exactly if its object
//! does, whenever the process is killed. An upload is acknowledged when it is on the disk.
//!
//! A request goes `server` -> `service` (operations) -> `store`, `multipart`, `copy`, `listing` (the index)
//! and `receiving`, `content` (contents). Versions, access policies, encryption and storage classes are
//! deliberately absent.

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
