//! How a program of ours connects to a PostgreSQL: the parts of its URL, `sslmode`, and TLS.
//!
//! The store and the worker understand different settings of a URL. Each therefore takes its own settings from a
//! [`DatabaseUrl`] and makes a [`DatabaseTarget`] of them; what `sslmode` means and how TLS is set up is the same for
//! both. Deliberately absent: pools and retries, which are the callers' own.
#![warn(missing_docs)]

mod target;
mod tls;
mod url;

pub use self::target::{DatabaseTarget, Settings};
pub use self::url::{DatabaseUrl, ParseError};
