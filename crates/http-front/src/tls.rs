//! TLS of an endpoint: a certificate and its key, which may be replaced while the endpoint runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A certificate with its key, read from two PEM files.
///
/// Clones share the certificate, so that a reload of one is a reload of all.
#[derive(Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

/// The PEM files of an endpoint.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate of the endpoint, followed by those of its issuers.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
}

/// The reason why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM.
    #[error("{} is not a PEM file with {wanted}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The missing content.
        wanted: &'static str,
        /// The reason.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The file has no certificate.
    #[error("{} has no certificate", .0.display())]
    Empty(PathBuf),
    /// The certificate and the key do not fit together, or an algorithm is not supported.
    #[error("the certificate of {} and the key of {} cannot be used", certificate.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The reason.
        #[source]
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads the certificate and its key.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if a file cannot be read, or if the two do not fit together.
    pub fn read(files: TlsFiles) -> Result<Self, TlsError> {
        let config = read(&files)?;
        Ok(Self { files: Arc::new(files), config: Arc::new(RwLock::new(Arc::new(config))) })
    }

    /// Reads the files again. New connections get the new certificate. If it cannot be used, the old one stays in use.
    ///
    /// # Errors
    ///
    /// As [`Tls::read`].
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = Arc::new(read(&self.files)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// Returns the files of the certificate.
    #[must_use]
    pub fn files(&self) -> &TlsFiles {
        &self.files
    }

    /// Makes the handshake of a new connection.
    pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> std::io::Result<TlsStream<S>> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        TlsAcceptor::from(config).accept(stream).await
    }
}

fn read(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
    let TlsFiles { certificate, key } = files;
    let unreadable = |path: &Path, wanted| {
        let path = path.to_owned();
        move |source| TlsError::File { path, wanted, source }
    };
    let wanted = "certificates";
    let chain = CertificateDer::pem_file_iter(certificate).map_err(unreadable(certificate, wanted))?;
    let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(unreadable(certificate, wanted))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.clone()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key, "a private key"))?;
    let unusable = |source| TlsError::Unusable { certificate: certificate.clone(), key: key.clone(), source };
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, private).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
