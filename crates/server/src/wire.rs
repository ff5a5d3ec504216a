//! Shapes of requests and answers, and the limits that the service model puts on them.
//!
//! Nothing but serde and counting: what a request means is the business of [`crate::ops`].

pub mod check;
pub mod object;
pub mod request;
pub mod response;
