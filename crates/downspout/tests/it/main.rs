//! Tests the parts of the local stack through their public interfaces, with clients that other people wrote.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod connections;
mod endpoints;
mod forged;
mod random_requests;
mod s3;
