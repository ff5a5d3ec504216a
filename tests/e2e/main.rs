//! The stories: end-to-end tests, in which clients that other people wrote, such as the AWS CLI, use the real program.

mod access;
mod adversary;
mod appended;
mod bad_input;
mod clients;
mod commands_for_runs;
mod compatibility;
mod connections;
mod crash;
mod database;
mod datapipeline;
mod demo;
mod ec2;
mod embedded_postgres;
mod events;
mod gzip;
mod hosted;
mod lambda;
mod ledger;
mod load;
mod new;
mod new_headers;
mod notices;
mod patterns;
mod queue;
mod rejects;
mod resources;
mod s3;
mod samples;
mod schedules;
mod servers;
mod sns;
mod source_rules;
mod streams;
mod terraform;
mod together;
mod traces;
mod translation;
mod validate;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_downspout-under-test");
