//! The local S3, driven by the AWS SDK over a real socket.

mod endpoint;
mod events;
mod hosts;
mod multipart;
mod objects;
mod restarts;
