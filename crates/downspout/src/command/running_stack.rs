//! Finds the running stack of a data directory, for the commands that need one.

use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;

use crate::local::stack::Endpoints;

/// The reason why no stack can be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum StackError {
    /// No stack has ever run on the directory.
    #[error(
        "no stack has run on {0}: start one with `downspout up`, or choose its directory with --data-dir"
    )]
    Never(PathBuf),
    /// A stack ran on the directory, but does not run now.
    #[error(
        "the stack on {0} is not running: start it with `downspout up`, and it continues where it stopped"
    )]
    Stopped(PathBuf),
}

/// Returns the endpoints of the stack that runs on `data_dir`. Fails with a [`StackError`] if no stack runs there.
pub(super) async fn reach(data_dir: &Path) -> anyhow::Result<Endpoints> {
    let endpoints = Endpoints::read(data_dir)?.ok_or_else(|| StackError::Never(data_dir.to_owned()))?;
    if !endpoints.are_alive().await {
        return Err(StackError::Stopped(data_dir.to_owned()).into());
    }
    Ok(endpoints)
}

/// Returns `result`. If `result` is an error and the stack has stopped, the returned error also says that it stopped.
pub(super) async fn explained<T>(data_dir: &Path, result: anyhow::Result<T>) -> anyhow::Result<T> {
    let Err(error) = result else { return result };
    if error.is::<StackError>() {
        return Err(error);
    }
    match Endpoints::read(data_dir) {
        Ok(Some(endpoints)) if !endpoints.are_alive().await => {
            Err(error.context(StackError::Stopped(data_dir.to_owned())))
        }
        Ok(_) | Err(_) => Err(error),
    }
}

/// Sends a request to the admin endpoint of the stack, and returns its answer. The endpoint serves the requests that no
/// AWS operation covers. Fails if the stack cannot be reached, or if its answer is an error or not the JSON of a `T`.
pub(super) async fn ask<T: DeserializeOwned>(
    endpoints: &Endpoints,
    method: http::Method,
    path: &str,
) -> anyhow::Result<T> {
    let token = format!("Bearer {}", endpoints.secret_access_key);
    let headers = [(http::header::AUTHORIZATION.as_str(), token.as_str())];
    let answer = send(&endpoints.admin, method, path, &headers, Bytes::new()).await?;
    if !answer.status().is_success() {
        let text = String::from_utf8_lossy(answer.body());
        let text = text.trim();
        // The text says what is wrong. The status alone helps nobody.
        anyhow::ensure!(text.is_empty(), "{text}");
        anyhow::bail!("the stack answered {}", answer.status());
    }
    serde_json::from_slice(answer.body()).context("reading the answer of the stack")
}

/// Sends one request to an endpoint of the stack, whose URL is `endpoint`, and returns the whole answer, whatever its status is.
/// Fails if the endpoint cannot be reached, or if the connection breaks.
pub(super) async fn send(
    endpoint: &str,
    method: http::Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> anyhow::Result<http::Response<Bytes>> {
    let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let stream = tokio::net::TcpStream::connect(address).await.context("connecting to the stack")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let mut request = http::Request::builder().method(method).uri(path).header(http::header::HOST, address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body))?;
    let response = sender.send_request(request).await.context("sending a request to the stack")?;
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    connection.abort();
    Ok(http::Response::from_parts(head, body))
}
