//! How the programs connect to PostgreSQL: the parts of a database URL, `sslmode`, and TLS.
//!
//! The store and the worker understand different settings of a URL. Each therefore takes its own settings from a
//! [`DatabaseUrl`] and makes a [`DatabaseTarget`] of them. The meaning of `sslmode` and the setup of TLS are the same for
//! both. Deliberately absent: pools and retries, which each caller has of its own.
#![warn(missing_docs)]

mod target;
mod tls;
mod url;

pub use self::target::{DatabaseTarget, Settings};
pub use self::url::{DatabaseUrl, ParseError};
