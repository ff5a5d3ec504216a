//! Tests the local S3 with the AWS SDK over a real socket.

mod endpoint;
mod events;
mod hosts;
mod multipart;
mod objects;
mod restarts;
