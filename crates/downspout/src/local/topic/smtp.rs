//! Sends the mails of the outbox to a mail server as well, and retries until the server accepts them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Topic;
use super::deliveries::{next_due, next_try};
use super::store::Delivery;

/// The environment variable with the password of the mail server.
const PASSWORD_VARIABLE: &str = "DOWNSPOUT_SMTP_PASSWORD";
/// The pauses between tries, in seconds. A mail still arrives if the server was down for a night.
const RETRY_AFTER_SECS: [i64; 8] = [5, 15, 60, 300, 900, 3_600, 14_400, 43_200];
/// How long the mail server may take to accept a mail.
const SEND_LIMIT: Duration = Duration::from_secs(30);

/// A mail server and its password.
#[derive(Clone)]
pub struct SmtpConfig {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    shown: String,
}

/// The reason why a mail server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpConfigError {
    /// The address is not valid.
    #[error("--smtp-url is not an address such as smtps://user@mail.example.com:465")]
    Url(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address contains a password.
    #[error(
        "--smtp-url contains a password, which every process of this machine could read: remove it, and set it in \
         {PASSWORD_VARIABLE} or with --smtp-password-file"
    )]
    PasswordInUrl,
    /// The password would be sent without encryption.
    #[error(
        "--smtp-url would send the password without encryption: use smtps://, or add ?tls=required if the server supports \
         STARTTLS"
    )]
    InTheClear,
    /// The file with the password cannot be read.
    #[error("reading the password of the mail server from {path}")]
    PasswordFile {
        /// The file.
        path: String,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
}

impl std::fmt::Debug for SmtpConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SmtpConfig").field("server", &self.shown).finish_non_exhaustive()
    }
}

impl SmtpConfig {
    /// Reads the address, and the password from its file or from the environment.
    ///
    /// # Errors
    ///
    /// [`SmtpConfigError`] if the address is not valid or contains a password, if the password would be sent without
    /// encryption, or if the file with the password cannot be read.
    pub fn read(address: &str, password_file: Option<&Path>) -> Result<Self, SmtpConfigError> {
        let url = Url::parse(address).map_err(|error| SmtpConfigError::Url(error.into()))?;
        if url.password().is_some() {
            return Err(SmtpConfigError::PasswordInUrl);
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(address)
            .map_err(|error| SmtpConfigError::Url(error.into()))?
            .timeout(Some(SEND_LIMIT));
        if let Some(password) = password(password_file)? {
            if !is_private(&url) {
                return Err(SmtpConfigError::InTheClear);
            }
            builder = builder.credentials(Credentials::new(url.username().to_owned(), password));
        }
        Ok(Self { transport: builder.build(), shown: url.to_string() })
    }

    /// Returns the address, which contains no password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// Returns whether the connection is encrypted or stays on this machine.
fn is_private(url: &Url) -> bool {
    let requires_tls = || url.query_pairs().any(|(key, value)| key == "tls" && value == "required");
    let is_loopback = || matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.scheme() == "smtps" || requires_tls() || is_loopback()
}

fn password(file: Option<&Path>) -> Result<Option<String>, SmtpConfigError> {
    match file {
        Some(path) => std::fs::read_to_string(path)
            .map(|text| Some(text.trim_end_matches(['\r', '\n']).to_owned()))
            .map_err(|source| SmtpConfigError::PasswordFile { path: path.display().to_string(), source }),
        None => Ok(std::env::var(PASSWORD_VARIABLE).ok()),
    }
}

/// Sends the waiting mails until `shutdown`.
pub(super) async fn run(topic: Arc<Topic>, smtp: SmtpConfig, shutdown: CancellationToken) {
    let next = || topic.store.next_by_smtp();
    while let Some(delivery) = next_due(next, &topic.mail_waits, &shutdown).await {
        send(&topic, &smtp, &delivery).await;
    }
}

async fn send(topic: &Topic, smtp: &SmtpConfig, delivery: &Delivery) {
    let sent = match topic.outbox.message(delivery) {
        Ok(message) => smtp
            .transport
            .send(message)
            .await
            .map(|_| ())
            .map_err(|error| (error.is_permanent(), error.to_string())),
        Err(error) => Err((true, format!("{error:#}"))),
    };
    let (error, next) = match sent {
        Ok(()) => {
            let text = match delivery.smtp_tries {
                0 => "the mail server accepted a mail",
                _ => "the mail server accepted a mail after failed tries",
            };
            tracing::info!(mail.to = %delivery.recipient, mail.server = %smtp.shown,
                mail.failed_tries = delivery.smtp_tries, "{text}");
            (None, None)
        }
        Err((permanent, error)) => {
            let next = if permanent { None } else { next_try(delivery.smtp_tries, &RETRY_AFTER_SECS) };
            tracing::warn!(mail.to = %delivery.recipient, mail.server = %smtp.shown, error = %error,
                mail.next_try = ?next, "the mail server did not take a mail; the mail is in the outbox");
            (Some(error), next)
        }
    };
    if let Err(error) = topic.store.note_smtp(delivery.id, error.as_deref(), next, (topic.now)()) {
        tracing::error!(error = %error, "cannot record that a mail was sent");
        // Without the note, the mail is sent again. The pause prevents a tight loop.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_travels_encrypted_or_not_at_all() {
        let private = |url: &str| is_private(&Url::parse(url).expect("an URL"));
        assert!(private("smtps://me@mail.example.com"));
        assert!(private("smtp://me@mail.example.com:587?tls=required"));
        assert!(private("smtp://me@127.0.0.1:1025"));
        assert!(!private("smtp://me@mail.example.com"));
        assert!(!private("smtp://me@mail.example.com?tls=opportunistic"));
    }
}
