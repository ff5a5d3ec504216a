//! Tests the local S3 with the AWS SDK over a real socket.

mod answers;
mod checksums;
mod endpoint;
mod events;
mod hosts;
mod lifecycle;
mod multipart;
mod objects;
mod raw;
mod restarts;
mod sub_resources;
mod uploads;
mod versions;
