//! The service from outside: `aws-sdk-datapipeline` against a real socket.

mod exceptions;
mod harness;
mod life;
mod long_poll;
mod management;
mod notices;
mod restart;
