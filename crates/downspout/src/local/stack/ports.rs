//! The ports of a data directory. The ports stay the same, so that clients need no new configuration after a restart.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use rand::RngExt;
use tokio::net::TcpListener;

use super::data_dir::{DataDir, DataDirError, read_json, write_json};

/// The range of the ports. It is below the range that systems use for outgoing connections, so that a port stays free while
/// the stack is not running.
const RANGE: std::ops::Range<u16> = 18_000..32_000;
/// How many random ports of the range are tried. If all of these are taken, the operating system chooses a free port.
const TRIES: usize = 50;

/// The reason why a service has no port.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Another program listens on the port.
    #[error(
        "port {port}, the port of {service} in this data directory, is in use by another program: stop that program, or \
         delete {file} to get new ports"
    )]
    Taken {
        /// The port.
        port: u16,
        /// The service.
        service: &'static str,
        /// The file with the ports.
        file: String,
    },
    /// The operating system did not give a port.
    #[error("listening on 127.0.0.1 for {service}")]
    Listen {
        /// The service.
        service: &'static str,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file with the ports could not be read or written.
    #[error(transparent)]
    File(#[from] DataDirError),
}

/// The ports of a data directory.
pub(super) struct Ports<'a> {
    data_dir: &'a DataDir,
    known: BTreeMap<String, u16>,
}

impl<'a> Ports<'a> {
    pub(super) fn of(data_dir: &'a DataDir) -> Result<Self, PortError> {
        let known = read_json(&data_dir.join("ports.json"))?.unwrap_or_default();
        Ok(Self { data_dir, known })
    }

    /// Returns a listener on the port of `service`. A service without a port gets a free port, which `ports.json` records
    /// for later starts.
    ///
    /// Fails if another program listens on the recorded port.
    pub(super) async fn listen(&mut self, service: &'static str) -> Result<TcpListener, PortError> {
        if let Some(&port) = self.known.get(service) {
            return TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|source| {
                match source.kind() {
                    io::ErrorKind::AddrInUse => PortError::Taken {
                        port,
                        service,
                        file: self.data_dir.join("ports.json").display().to_string(),
                    },
                    _ => PortError::Listen { service, source },
                }
            });
        }
        let listener = free_port().await.map_err(|source| PortError::Listen { service, source })?;
        let port = listener.local_addr().map_err(|source| PortError::Listen { service, source })?.port();
        self.known.insert(service.to_owned(), port);
        write_json(&self.data_dir.join("ports.json"), &self.known)?;
        Ok(listener)
    }
}

async fn free_port() -> io::Result<TcpListener> {
    for _ in 0..TRIES {
        let port = rand::rng().random_range(RANGE);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_keeps_its_port_and_a_taken_port_is_reported() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data_dir = DataDir::open(folder.path()).expect("the folder is free");
        let first = Ports::of(&data_dir).expect("readable").listen("S3").await.expect("a port is free");
        let port = first.local_addr().expect("it listens").port();
        let error =
            Ports::of(&data_dir).expect("readable").listen("S3").await.expect_err("the port is taken");
        assert!(error.to_string().starts_with(&format!("port {port}, the port of S3 ")), "{error}");
        drop(first);
        let again =
            Ports::of(&data_dir).expect("readable").listen("S3").await.expect("the port is free again");
        assert_eq!(again.local_addr().expect("it listens").port(), port);
    }
}
