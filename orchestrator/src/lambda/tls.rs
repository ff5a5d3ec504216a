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
