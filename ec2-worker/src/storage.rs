//! S3 for activities: pin, read, list and write objects.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use definition::listed_key;

use crate::failure::Failure;
use crate::script;

mod body;
mod multipart;
mod object_writer;
mod upload;

pub use body::Body;
pub(crate) use multipart::Multipart;
pub use object_writer::ObjectWriter;
pub use upload::Upload;

/// An S3 client whose errors are failures of tasks.
#[derive(Clone, Debug)]
pub struct Storage {
    pub(crate) client: Client,
}

/// Bucket and key of `s3://bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    /// The bucket.
    pub bucket: String,
    /// The key, or a prefix of keys.
    pub key: String,
}

impl S3Uri {
    /// Reads `s3://bucket/key`; the schemes `s3n` and `s3a` mean the same. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let known = matches!(scheme, "s3" | "s3n" | "s3a") && !bucket.is_empty();
        known.then(|| Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Returns the URI of `name` in the folder that this URI names, with one slash between them.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let folder = self.key.trim_end_matches('/');
        let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        Self { bucket: self.bucket.clone(), key }
    }

    /// Returns the URI of the folder of this object, or of the objects that a key with `*` stands for.
    #[must_use]
    pub fn folder(&self) -> Self {
        let known = self.key.split('*').next().unwrap_or_default();
        let key = known.rsplit_once('/').map_or("", |(folder, _)| folder);
        Self { bucket: self.bucket.clone(), key: key.to_owned() }
    }

    /// Returns the part of the key after the last slash.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl std::fmt::Display for S3Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object. With an ETag, it is pinned to one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The bucket and key.
    pub at: S3Uri,
    /// The ETag of the pinned version. Without it, the present version is read.
    pub etag: Option<String>,
    /// The size in bytes; 0 if it is not known.
    pub size: u64,
}

impl ObjectRef {
    /// Returns the S3 URI.
    #[must_use]
    pub fn uri(&self) -> String {
        self.at.to_string()
    }
}

impl Storage {
    /// Wraps a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Pins an object to the version `etag`, or to its present version.
    ///
    /// # Errors
    ///
    /// If there is no such object or version, or the worker may not read it.
    pub async fn pin(&self, at: &S3Uri, etag: Option<&str>) -> Result<ObjectRef, Failure> {
        let head = self.client.head_object().bucket(&at.bucket).key(&at.key);
        let found = head.send().await.map_err(|error| refused("looking up", at, &error))?;
        let etag_now = found.e_tag().unwrap_or_default();
        if let Some(wanted) = etag.filter(|wanted| bare(wanted) != bare(etag_now)) {
            return Err(changed(at, Some(wanted)));
        }
        let size = u64::try_from(found.content_length().unwrap_or(0)).unwrap_or(0);
        Ok(ObjectRef { at: at.clone(), etag: Some(etag_now.to_owned()), size })
    }

    /// Returns whether an object exists.
    ///
    /// # Errors
    ///
    /// If the worker may not read the metadata of the object.
    pub async fn exists(&self, at: &S3Uri) -> Result<bool, Failure> {
        match self.client.head_object().bucket(&at.bucket).key(&at.key).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.raw_response().is_some_and(|it| it.status().as_u16() == 404) => Ok(false),
            Err(error) => Err(refused("looking up", at, &error)),
        }
    }

    /// Lists the objects in a folder and in the folders below it, without the objects that only mark folders.
    ///
    /// # Errors
    ///
    /// If there is no such bucket, or the worker may not list it.
    pub async fn list(&self, folder: &S3Uri) -> Result<Vec<ObjectRef>, Failure> {
        // The slash keeps out keys that merely begin with the same letters.
        let prefix = match folder.key.trim_end_matches('/') {
            "" => String::new(),
            key => format!("{key}/"),
        };
        let mut found = Vec::new();
        // A list in XML is unreadable as a whole if one key contains a control character, so S3 is asked to encode the keys.
        let call = self.client.list_objects_v2().bucket(&folder.bucket).prefix(&prefix);
        let mut pages = call.encoding_type(EncodingType::Url).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| refused("listing", folder, &error))?;
            for object in page.contents() {
                let Some(key) = object.key().and_then(listed_key::decoded) else { continue };
                if !key.ends_with('/') && !key.ends_with("_$folder$") {
                    found.push(ObjectRef {
                        at: S3Uri { bucket: folder.bucket.clone(), key },
                        etag: object.e_tag().map(str::to_owned),
                        size: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
                    });
                }
            }
        }
        Ok(found)
    }

    /// Reads a script: a whole small object in UTF-8. Byte order marks before the script are left out.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::pin`], and an error if the object is not UTF-8.
    pub async fn script(&self, at: &S3Uri) -> Result<String, Failure> {
        let object = ObjectRef { at: at.clone(), etag: None, size: 0 };
        script::decode(&at.to_string(), self.bytes(&object).await?)
    }

    /// Reads a whole small object.
    ///
    /// # Errors
    ///
    /// The errors of [`Self::pin`].
    pub async fn bytes(&self, object: &ObjectRef) -> Result<Vec<u8>, Failure> {
        let mut body = self.read(object, 0, None).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    /// Writes a small object.
    ///
    /// # Errors
    ///
    /// If there is no such bucket, or the worker may not write to it.
    pub async fn put(&self, at: &S3Uri, bytes: Vec<u8>) -> Result<(), Failure> {
        let put = self.client.put_object().bucket(&at.bucket).key(&at.key).body(ByteStream::from(bytes));
        put.send().await.map_err(|error| refused("writing", at, &error))?;
        Ok(())
    }

    async fn get(&self, object: &ObjectRef, from: u64, to: Option<u64>) -> Result<GetObjectOutput, Failure> {
        let range = match to {
            Some(to) => Some(format!("bytes={from}-{}", to.saturating_sub(1))),
            None if from > 0 => Some(format!("bytes={from}-")),
            None => None,
        };
        let at = &object.at;
        let get = self.client.get_object().bucket(&at.bucket).key(&at.key);
        get.set_if_match(object.etag.clone())
            .set_range(range)
            .send()
            .await
            .map_err(|error| refused("reading", at, &error))
    }
}

fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

fn changed(at: &S3Uri, wanted: Option<&str>) -> Failure {
    let wanted = wanted.map(|etag| format!(" (ETag {})", bare(etag))).unwrap_or_default();
    let message = format!(
        "{at} is no longer the version that started this run{wanted}; drop the files again to start a new run"
    );
    Failure::bad_input("ObjectChanged", message)
}

/// Returns the failure for an error of S3. `doing` says in the message what the worker did with the object `at`.
pub(crate) fn refused<E>(doing: &str, at: &S3Uri, error: &SdkError<E>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    // The answer to a HEAD request has no body and so no error code; only its status tells the reason.
    let status = error.raw_response().map(|response| response.status().as_u16());
    let Some(answer) = error.as_service_error() else {
        let text = aws_sdk_s3::error::DisplayErrorContext(error).to_string();
        let short = text.split(" (").next().unwrap_or_default().to_owned();
        return Failure::new("S3:Unreachable", format!("{doing} {at}: {short}"));
    };
    match (answer.code(), status) {
        (Some("NoSuchBucket"), _) => {
            Failure::bad_input("BucketNotFound", format!("{doing} {at}: there is no such bucket"))
        }
        (Some("PreconditionFailed"), _) | (None, Some(412)) => changed(at, None),
        (Some("NoSuchKey" | "NotFound"), _) | (None, Some(404)) => {
            Failure::bad_input("ObjectNotFound", format!("{doing} {at}: there is no such object"))
        }
        (None, Some(403)) => Failure::new("S3:AccessDenied", format!("{doing} {at}: access denied")),
        (code, _) => {
            let code = code.unwrap_or("Refused");
            let message = answer.message().unwrap_or("without a message");
            Failure::new(format!("S3:{code}"), format!("{doing} {at}: {code}: {message}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_a_bucket_and_a_key_and_no_doubled_slash() {
        let uri = S3Uri::parse("s3://logs/orders/").expect("a URI");
        assert_eq!(uri.child("a/b.gz").to_string(), "s3://logs/orders/a/b.gz");
        assert_eq!(
            S3Uri::parse("s3://logs").map(|u| u.child("x").to_string()).as_deref(),
            Some("s3://logs/x")
        );
        assert_eq!(S3Uri::parse("/tmp/x"), None);
        let folder = |uri: &str| S3Uri::parse(uri).map(|uri| uri.folder().to_string());
        assert_eq!(folder("s3://b/in/1/a_*.csv").as_deref(), Some("s3://b/in/1"));
        assert_eq!(folder("s3://b/in/*/a.csv").as_deref(), Some("s3://b/in"));
    }
}
