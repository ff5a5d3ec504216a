//! How many connections an endpoint has, and how long it waits for its clients.

use std::time::Duration;

/// How long a connection may be idle, and how long the head of a request may take. Load balancers of AWS use the same time.
const HEAD_WAIT: Duration = Duration::from_secs(60);
/// How long a client may pause within the body of a request.
const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long a client may pause while it reads an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
/// How long requests that are under way at a shutdown may take.
const DRAIN_WAIT: Duration = Duration::from_secs(3);
/// The tenths of the file limit that the connections of all endpoints of a process may use. The other files remain for
/// databases, contents of objects, and the clients in the same process.
const TENTHS_OF_FILES: u64 = 6;
/// The largest number of connections of all endpoints of a process. Each takes some kilobytes of memory.
const MOST_CONNECTIONS: u64 = 24_576;
/// The smallest number of connections of one endpoint: enough for the workers of a stack.
const FEWEST_CONNECTIONS: u64 = 32;
/// The file limit that most systems give a process.
const USUAL_FILES: u64 = 4096;
/// The number of endpoints if the process does not give another: that of a whole stack.
const USUAL_ENDPOINTS: u64 = 6;

/// The limits of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest number of connections. A further one takes the place of the one that has been idle for longest.
    pub connections: usize,
    /// How long a connection may be idle, and how long the head of a request may take.
    pub head_wait: Duration,
    /// How long a client may pause within the body of a request.
    pub body_wait: Duration,
    /// How long a client may pause while it reads an answer.
    pub answer_wait: Duration,
    /// How long requests that are under way at a shutdown may take.
    pub drain_wait: Duration,
    /// Whether clients may speak HTTP/2 without TLS. A client must know it beforehand, as the AWS SDK for JavaScript believes it of
    /// Kinesis.
    pub takes_http2: bool,
}

impl Limits {
    /// Returns the limits for each of the `endpoints` of a process that may have `files` files open.
    #[must_use]
    pub fn for_files(files: u64, endpoints: u64) -> Self {
        let connections = (files / 10).saturating_mul(TENTHS_OF_FILES).min(MOST_CONNECTIONS);
        let connections = (connections / endpoints.max(1)).max(FEWEST_CONNECTIONS);
        Self {
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            head_wait: HEAD_WAIT,
            body_wait: BODY_WAIT,
            answer_wait: ANSWER_WAIT,
            drain_wait: DRAIN_WAIT,
            takes_http2: false,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::for_files(USUAL_FILES, USUAL_ENDPOINTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_endpoints_leave_four_tenths_of_the_files() {
        assert_eq!(Limits::for_files(1024, 6).connections, 102);
        assert_eq!(Limits::for_files(20_000, 6).connections, 2000);
        assert_eq!(Limits::for_files(1_000_000, 6).connections, 4096);
        assert_eq!(Limits::for_files(64, 6).connections, 32);
    }

    #[test]
    fn the_only_endpoint_of_a_process_has_six_tenths_of_the_files() {
        assert_eq!(Limits::for_files(1024, 1).connections, 612);
        assert_eq!(Limits::for_files(20_000, 1).connections, 12_000);
        assert_eq!(Limits::for_files(1_000_000, 1).connections, 24_576);
    }
}
