//! The host that supplies EC2 machines for `Ec2Resource`.
//!
//! The pure part decides: `wish` and `launch` turn a resource into the request for its machine, `view` turns EC2's answer into
//! machines, and `decide` says what to start, to end and to report. The edge (`api`) makes three calls of EC2: RunInstances,
//! DescribeInstances and TerminateInstances. The host keeps nothing that must last: the machines carry tags that say which
//! attempt they belong to, so every server and every later life of a server sees the same machines.
#![warn(missing_docs)]

mod api;
mod decide;
mod error;
mod host;
mod launch;
mod settings;
#[cfg(test)]
mod tests;
mod user_data;
mod view;
mod wish;

pub use host::{Hindrances, hosts};
pub use settings::{Given, Settings};
