//! Ports, kept per data directory: what was configured once against the stack works after a restart.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;

use rand::RngExt;
use tokio::net::TcpListener;

use super::data_dir::{DataDir, DataDirError, read_json, write_json};

/// Below the range from which systems take ports of outgoing connections, so that ours stays free while we are away.
const RANGE: std::ops::Range<u16> = 18_000..32_000;
/// More than a few taken in a row means that something else is wrong.
const TRIES: usize = 50;

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody else listens there.
    #[error(
        "port {port}, which {service} of this data directory has, is taken by another program: stop that one, or \
         delete {file} and get new ports"
    )]
    Taken {
        /// The port.
        port: u16,
        /// What it is for.
        service: &'static str,
        /// The file with the ports.
        file: String,
    },
    /// The system refused.
    #[error("listening on 127.0.0.1 for {service}")]
    Listen {
        /// What for.
        service: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file of the ports.
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

    /// Returns a listener on the service's port: the one it had, or a free one, which it keeps from then on.
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
    async fn a_service_keeps_its_port_and_a_taken_one_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let data_dir = DataDir::open(folder.path()).expect("the folder is free");
        let first = Ports::of(&data_dir).expect("readable").listen("S3").await.expect("a port is free");
        let port = first.local_addr().expect("it listens").port();
        let error =
            Ports::of(&data_dir).expect("readable").listen("S3").await.expect_err("the port is taken");
        assert!(error.to_string().starts_with(&format!("port {port}, which S3 ")), "{error}");
        drop(first);
        let again =
            Ports::of(&data_dir).expect("readable").listen("S3").await.expect("the port is free again");
        assert_eq!(again.local_addr().expect("it listens").port(), port);
    }
}
