//! The S3 endpoint: its settings, and its life.

use std::sync::Arc;

use http_front::{Hosts, Limits};
use sigv4::Credentials;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::answers;
use super::front::Front;
use super::lifecycle;
use super::store::S3Store;

/// The account that owns every bucket, if the caller does not name one.
const ACCOUNT: &str = "000000000000";

/// An S3 endpoint over a store.
pub struct LocalS3 {
    store: S3Store,
    credentials: Credentials,
    region: String,
    account: String,
    hosts: Hosts,
    limits: Limits,
}

impl LocalS3 {
    /// Creates an endpoint that accepts requests signed with `credentials`.
    pub fn new(store: S3Store, credentials: Credentials, region: impl Into<String>) -> Self {
        Self {
            store,
            credentials,
            region: region.into(),
            account: ACCOUNT.to_owned(),
            hosts: Hosts::default(),
            limits: Limits::default(),
        }
    }

    /// Sets the account that owns every bucket.
    #[must_use]
    pub fn account(self, account: impl Into<String>) -> Self {
        Self { account: account.into(), ..self }
    }

    /// Sets the hosts that the endpoint answers to, and the limits of its connections.
    #[must_use]
    pub fn open_to(self, hosts: Hosts, limits: Limits) -> Self {
        Self { hosts, limits, ..self }
    }

    /// Serves `listener` until `shutdown`. Open requests then have a few seconds to finish.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let Self { store, credentials, region, account, hosts, limits } = self;
        let expiring = tokio::spawn(lifecycle::run(store.clone(), shutdown.clone()));
        let front = Arc::new(Front::new(store, credentials, region, account, hosts));
        let answer = move |request| {
            let front = Arc::clone(&front);
            async move { front.answer(request).await }
        };
        http_front::serve(listener, None, limits, shutdown, answer, answers::full).await;
        if expiring.await.is_err() {
            tracing::error!("the lifecycle rules of the buckets stopped to apply because of a panic");
        }
    }
}
