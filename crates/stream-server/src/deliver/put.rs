//! Puts an object where none is yet.

use std::error::Error as _;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use http_front::with_causes;
use stream::objects::S3Object;

use super::make::Spool;

/// The key of the metadata that names the cut of an object.
const IDENTITY: &str = "downspout-cut";

/// How long a put may take: a large object over a slow connection. The delivery tries again afterwards.
const PUT_WAIT: Duration = Duration::from_secs(600);

/// An object that is to be put.
pub(crate) struct Put<'a> {
    pub(crate) target: &'a S3Object,
    pub(crate) content: &'a Spool,
    /// Says which cut, or which replayed object, the content follows from.
    pub(crate) identity: &'a str,
}

/// The reason why an object could not be put.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    #[error("the object s3://{bucket}/{key} could not be put: {reason}")]
    Failed { bucket: String, key: String, reason: String },
    #[error("the object s3://{bucket}/{key} could not be put: there is no bucket `{bucket}`")]
    NoBucket { bucket: String, key: String },
    #[error("the object s3://{bucket}/{key} could not be put: {reason}")]
    Denied { bucket: String, key: String, reason: String },
    #[error(
        "the object s3://{bucket}/{key} exists and is from somewhere else: remove it or move it away, and the delivery goes on"
    )]
    Foreign { bucket: String, key: String },
}

impl PutError {
    /// Returns the object.
    pub(crate) fn object(&self) -> S3Object {
        let (Self::Failed { bucket, key, .. }
        | Self::NoBucket { bucket, key }
        | Self::Denied { bucket, key, .. }
        | Self::Foreign { bucket, key }) = self;
        S3Object { bucket: bucket.clone(), key: key.clone() }
    }

    /// Returns the steps by which a person can remedy the failure.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::NoBucket { .. } => {
                "create the bucket. Another bucket in the stream's file is used from the next file on; the records of this \
                 file keep their place"
            }
            Self::Denied { .. } => "allow the credentials of the server to put objects there",
            Self::Foreign { .. } => "remove the object or move it away",
            Self::Failed { .. } => "see that S3 runs and can be reached",
        }
    }
}

/// Whether a put made an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The object is new.
    New,
    /// The same object was put before.
    WasThere,
}

/// Puts an object, unless the same object was put before.
pub(crate) async fn put(s3: &Client, put: &Put<'_>) -> Result<Outcome, PutError> {
    let late = |_| {
        let S3Object { bucket, key } = put.target.clone();
        PutError::Failed { bucket, key, reason: format!("S3 did not answer within {} s", PUT_WAIT.as_secs()) }
    };
    tokio::time::timeout(PUT_WAIT, put_now(s3, put)).await.map_err(late)?
}

async fn put_now(s3: &Client, put: &Put<'_>) -> Result<Outcome, PutError> {
    let S3Object { bucket, key } = put.target;
    let failed = |reason: String| PutError::Failed { bucket: bucket.clone(), key: key.clone(), reason };
    let body = ByteStream::from_path(put.content.path()).await;
    let body =
        body.map_err(|error| failed(format!("its content cannot be read: {}", with_causes(&error))))?;
    let content_type = if put.content.is_gzip { "application/gzip" } else { "application/x-ndjson" };
    let request = s3.put_object().bucket(bucket).key(key).if_none_match("*");
    let request = request.metadata(IDENTITY, put.identity).content_type(content_type).body(body);
    let Err(error) = request.send().await else { return Ok(Outcome::New) };
    match (status(&error), error.code()) {
        (Some(412), _) => {}
        (_, Some("NoSuchBucket")) => {
            return Err(PutError::NoBucket { bucket: bucket.clone(), key: key.clone() });
        }
        (Some(401 | 403), _) => {
            let reason = reason(&error);
            return Err(PutError::Denied { bucket: bucket.clone(), key: key.clone(), reason });
        }
        _ => return Err(failed(reason(&error))),
    }
    let found = s3.head_object().bucket(bucket).key(key).send().await;
    let found = found.map_err(|error| failed(format!("it may exist already: {}", reason(&error))))?;
    let identity = found.metadata().and_then(|metadata| metadata.get(IDENTITY));
    if identity.is_some_and(|identity| identity == put.identity) {
        return Ok(Outcome::WasThere);
    }
    Err(PutError::Foreign { bucket: bucket.clone(), key: key.clone() })
}

/// Returns the HTTP status of an answer that is an error.
pub(crate) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|response| response.status().as_u16())
}

/// Returns an error of the client in words: the status and code of the answer, or why there is no answer.
pub(crate) fn reason<E: ProvideErrorMetadata + std::error::Error + 'static>(error: &SdkError<E>) -> String {
    let Some(status) = status(error) else {
        // The first cause repeats the error's own words.
        return error.source().map_or_else(|| error.to_string(), with_causes);
    };
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("S3 answered {status} {code} ({message})"),
        (Some(code), None) => format!("S3 answered {status} {code}"),
        (None, _) => format!("S3 answered {status}"),
    }
}
