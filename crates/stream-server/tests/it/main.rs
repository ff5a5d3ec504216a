//! The server over real sockets, with a stand-in for S3.

mod alarms;
mod delivery;
mod door;
mod faults;
mod firehose;
mod kinesis;
mod queries;
mod simulation;
mod stand_in_s3;
mod versions;
mod world;
