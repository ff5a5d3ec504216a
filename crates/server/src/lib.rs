//! The Data Pipeline service: its wire protocol over HTTP, and the driver of runs behind it.

pub mod error;
pub mod route;
pub mod sigv4;
pub mod wire;
