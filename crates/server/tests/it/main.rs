//! The service from outside: `aws-sdk-datapipeline` against a real socket.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod cloud;
mod deactivation;
mod exceptions;
mod exchanges;
mod harness;
mod life;
mod long_poll;
mod machine_keys;
mod management;
mod notices;
mod postgres;
mod preconditions;
mod resources;
mod restart;
mod retention;
mod schedules;
mod servers;
mod shared_host;
mod stuck;
mod tables;
