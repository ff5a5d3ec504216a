//! The S3 of a stack: an endpoint that works with the clients of AWS and stores its data in a directory of this machine.
//!
//! `front` decides which requests are accepted, by their hosts, signatures and forms of browsers, and refuses headers that this
//! endpoint does not honour. The crate `s3s` implements the rest of the protocol, and this module stores the data. A large
//! content is a file, and a small one is in the index. Everything else is in the index, which is a SQLite database. An object
//! and its event are written in one transaction. So a killed process leaves no object without its event, and no event without
//! its object. An upload is acknowledged only after it is on the disk.
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
