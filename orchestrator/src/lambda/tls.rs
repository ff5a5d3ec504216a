//! The HTTP client of the services. It carries the root certificates of the Web with it, because an image that holds only the
//! program has no certificates.

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, HttpClientError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The variables by which a person names further root certificates, such as that of a company.
const OWN_ROOTS: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// The length of a line of PEM.
const LINE: usize = 64;

/// Returns the client. It also trusts the authority with the certificate `authority` in PEM.
pub(super) fn client(authority: Option<&str>) -> Result<SharedHttpClient, HttpClientError> {
    let has_own_roots = OWN_ROOTS.iter().any(|name| std::env::var_os(name).is_some());
    let mut roots = TrustStore::empty().with_pem_certificate(roots()).with_native_roots(has_own_roots);
    if let Some(authority) = authority {
        roots.add_pem_certificate(authority);
    }
    let context = TlsContext::builder().with_trust_store(roots).build()?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

/// Returns the root certificates that Mozilla trusts, in the only form that the client takes.
fn roots() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let text = STANDARD.encode(certificate);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(LINE.min(rest.len()));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_sdk_sns::config::retry::RetryConfig;
    use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region};
    use rustls::ServerConfig;
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// A certificate of `localhost` that is its own authority and valid until 2120. Its key protects nothing.
    const CERTIFICATE: &str = include_str!("tls/certificate.pem");
    const KEY: &str = include_str!("tls/key.pem");

    /// Calls a service with the certificate, and returns whether the client trusts it.
    async fn is_trusted(authority: Option<&str>) -> bool {
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the versions of TLS")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let service = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a connection");
            TlsAcceptor::from(Arc::new(config)).accept(stream).await.is_ok()
        });
        let sns = aws_sdk_sns::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(url)
            .http_client(client(authority).expect("a client"))
            .build();
        let call =
            aws_sdk_sns::Client::from_conf(sns).publish().topic_arn("topic").message("text").send().await;
        // The service ends the connection after the handshake.
        assert!(call.is_err());
        service.await.expect("the service ends")
    }

    #[tokio::test]
    async fn a_further_authority_is_trusted_if_it_is_named() {
        assert!(is_trusted(Some(CERTIFICATE)).await);
        assert!(!is_trusted(None).await);
    }
}
