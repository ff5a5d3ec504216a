//! The stack's S3: what AWS clients expect of S3, on a directory of this machine.
//!
//! `front` decides who may in: hosts, signatures, forms of browsers, and headers that nobody honours. The crate `s3s` implements
//! the rest of the protocol; this module stores the data. The content of an object is a file, or a few
//! bytes in the index; everything else is in the index, which is a SQLite database. An object and its event are
//! written in one transaction. So a killed process leaves no object without its event, and no event without its
//! object. An upload is acknowledged only after it is on the disk.
//!
//! A request goes from `front` to `service` (the operations), then to `store`, `multipart`, `copy` and the listings
//! (the index) and to `receiving` and `content` (the bytes). The evaluation of access policies, encryption and storage
//! classes are absent on purpose; `docs/compatibility.md` lists the operations.

mod answers;
mod blobs;
mod broken_content;
mod checksums;
mod conditions;
mod content;
mod copy;
mod cors;
mod detour;
mod documents;
mod error;
mod event;
mod event_queue;
mod form;
mod front;
mod host;
mod index;
mod lifecycle;
mod listing;
mod model;
mod multipart;
mod parts;
mod receiving;
mod rows;
mod schema;
mod server;
mod service;
mod store;
mod unhonoured;
mod version_listing;
mod versions;
mod writer;

pub use error::StoreError;
pub use event_queue::StoredEvent;
pub use server::LocalS3;
pub use sigv4::Credentials;
pub use store::S3Store;
