//! The local SNS: topics, subscriptions, and every notice as a mail in the outbox.
//!
//! The module speaks the Query protocol of SNS. A publish is durable before it is acknowledged. A notice, which its
//! `downspout-notice-id` identifies, reaches the outbox exactly once per subscriber, however often it is published.

mod deliveries;
mod filter;
mod mail;
mod message;
mod ops;
mod outbox;
mod page;
mod publishing;
mod query;
mod response;
mod smtp;
mod store;
mod subscriptions;
mod topics;
mod web;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use http_front::{Hosts, Limits};
use sigv4::Verifier;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Now;

pub use smtp::{SmtpConfig, SmtpConfigError};
pub(crate) use store::of_pipelines;
pub use store::{SentMail, TopicStoreError};
pub use web::{AllowedOrigin, OriginError};

/// The largest request in bytes. Requests are small: SNS itself accepts messages of up to 256 KiB.
const BODY_LIMIT: usize = 1024 * 1024;
/// The time within which the body of a request must arrive.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// The configuration of the local SNS.
pub struct TopicConfig {
    /// The region in the ARNs.
    pub region: String,
    /// The account in the ARNs.
    pub account: String,
    /// The SQLite file of topics, subscriptions and notices.
    pub database: PathBuf,
    /// The folder of the mails.
    pub outbox: PathBuf,
    /// The sender of the mails.
    pub mail_from: String,
    /// A mail server that the mails are also sent to.
    pub smtp: Option<SmtpConfig>,
    /// The addresses that subscriptions of HTTP endpoints may name.
    pub web_origins: Vec<AllowedOrigin>,
    /// The clock for the dates of the mails.
    pub now: Now,
    /// Checks who may call.
    pub verifier: Verifier,
    /// The hosts that the endpoint answers to.
    pub hosts: Hosts,
    /// The limits of connections.
    pub limits: Limits,
}

/// The parts of the local SNS that its operations use.
struct Topic {
    region: String,
    account: String,
    store: store::TopicStore,
    outbox: outbox::Outbox,
    /// Locked while mails are written into the outbox.
    writing: Mutex<()>,
    sends_by_smtp: bool,
    /// Wakes the loop that sends mails by SMTP.
    mail_waits: Arc<Notify>,
    /// Wakes the loop that delivers to HTTP endpoints.
    web_waits: Arc<Notify>,
    web_origins: Vec<AllowedOrigin>,
    /// The address of this SNS, for the links with which endpoints confirm.
    address: String,
    now: Now,
    verifier: Verifier,
    hosts: Hosts,
}

/// Serves the topics until `shutdown`. Mails that an earlier process did not write are written first.
pub async fn serve(
    config: TopicConfig,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let topic = Arc::new(Topic {
        region: config.region,
        account: config.account,
        store: store::TopicStore::open(&config.database)?,
        outbox: outbox::Outbox::open(&config.outbox, &config.mail_from)?,
        writing: Default::default(),
        sends_by_smtp: config.smtp.is_some(),
        mail_waits: Arc::new(Notify::new()),
        web_waits: Arc::new(Notify::new()),
        web_origins: config.web_origins,
        address: format!("http://{}", listener.local_addr()?),
        now: config.now,
        verifier: config.verifier,
        hosts: config.hosts,
    });
    topic.write_outbox()?;
    let sender = config.smtp.map(|smtp| tokio::spawn(smtp::run(Arc::clone(&topic), smtp, shutdown.clone())));
    // This loop runs also without an allowed address, because it drops the messages for addresses that are no longer allowed.
    let web = tokio::spawn(web::run(Arc::clone(&topic), shutdown.clone()));
    let answer = move |request| answer_request(Arc::clone(&topic), request);
    http_front::serve(listener, None, config.limits, shutdown, answer, response::full).await;
    web.await??;
    if let Some(sender) = sender {
        sender.await?;
    }
    Ok(())
}

async fn answer_request(topic: Arc<Topic>, mut request: Request<Body>) -> Response {
    let request_id = uuid::Uuid::new_v4().to_string();
    let answer = match topic.hosts.check(&mut request) {
        Ok(()) => {
            let (parts, body) = request.into_parts();
            match tokio::time::timeout(BODY_WAIT, axum::body::to_bytes(body, BODY_LIMIT)).await {
                Ok(Ok(body)) => topic.answer(&parts, &body).await,
                Ok(Err(_)) => {
                    Err(response::SnsError::invalid("the request is larger than 1 MiB, or broke off"))
                }
                Err(_) => Err(response::SnsError::invalid("the request did not arrive in time")),
            }
        }
        Err(refused) => Err(refused.into()),
    };
    response::respond(answer, &request_id)
}

impl Topic {
    async fn answer(
        self: Arc<Self>,
        parts: &Parts,
        body: &Bytes,
    ) -> Result<response::SnsResponse, response::SnsError> {
        let call = query::Call::read(parts, body)?;
        // An endpoint confirms its subscription by the token alone, as in SNS: it has no keys.
        let is_signed = parts.headers.contains_key(AUTHORIZATION) || call.get("X-Amz-Signature").is_some();
        if is_signed || call.action() != "ConfirmSubscription" {
            // Clients sign with the real time, even if a test sets the clock of the stack.
            self.verifier.verify(parts, body, jiff::Timestamp::now())?;
        }
        // SQLite and the outbox wait for the disk, so the call runs on a thread that may block.
        tokio::task::spawn_blocking(move || self.perform(&call))
            .await
            .unwrap_or_else(|panic| Err(response::SnsError::internal(panic.to_string())))
    }

    /// Writes every mail that is missing in the outbox.
    fn write_outbox(&self) -> anyhow::Result<()> {
        // Two writers at a time would use the same temporary file.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in self.store.unwritten()? {
            self.outbox.write(&delivery)?;
            self.store.mark_written(delivery.id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
