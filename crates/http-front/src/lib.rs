//! The front of every HTTP endpoint: connections, their limits and time-outs, and the hosts that an endpoint answers to.
//!
//! All endpoints of this project have this front, so that no client can use up the connections of one endpoint for ever, or
//! those of the others at all. The endpoints themselves read requests, check signatures and answer.

mod causes;
mod connection;
mod file_limit;
mod hosts;
mod limits;
mod serve;
mod slots;
mod timed_body;
mod tls;

pub use causes::with_causes;
pub use file_limit::raise_file_limit;
pub use hosts::{HostError, Hosts, is_address, without_port};
pub use limits::Limits;
pub use serve::serve;
pub use timed_body::SlowBody;
pub use tls::{Tls, TlsError, TlsFiles};
