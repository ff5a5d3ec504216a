//! Uploads from forms in browsers ("POST Object").
//!
//! A form has fields, a policy that says which fields are allowed, the signature of the policy, and a file. The form becomes
//! a request that puts the file as an object. Source: "Browser-Based Uploads Using POST" in the Amazon S3 API Reference.

mod policy;
mod success;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use jiff::Timestamp;
use multer::Multipart;
use percent_encoding::utf8_percent_encode;
use sigv4::s3::{Refusal, SignedPolicy};

use self::policy::{Policy, Sizes};
use self::success::Success;
use super::broken_content::refusal_of;

/// The largest size of all fields before the file, in bytes.
const MOST_FIELD_BYTES: usize = 20_000;
/// The largest size of a form up to its file, in bytes: the fields, their names and their separators.
const MOST_BEFORE_FILE: usize = 64 << 10;
/// The variable that stands for the name of the file.
const FILE_NAME: &str = "${filename}";
/// The fields that become the header of the same name.
const HEADERS: [&str; 7] = [
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
];
/// The fields `x-amz-*` that belong to the signature and become no header.
const OF_SIGNATURE: [&str; 5] =
    ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-security-token", "x-amz-signature"];

/// The beginnings of the other fields `x-amz-*` that become headers. No other header belongs to an upload: `x-amz-copy-source`
/// would make a copy of it.
const AMZ_HEADERS: [&str; 9] = [
    "x-amz-acl",
    "x-amz-checksum-",
    "x-amz-expected-bucket-owner",
    "x-amz-grant-",
    "x-amz-meta-",
    "x-amz-object-lock-",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
];

/// Marks a request that was made from a form.
#[derive(Clone, Copy)]
pub(super) struct FormUpload;

/// A form whose file has not been read yet.
pub(super) struct Form {
    bucket: String,
    /// The fields before the file, with names in lower case. Later fields do not count.
    fields: Vec<(String, String)>,
    file: multer::Field<'static>,
}

/// A form that its policy allows.
pub(super) struct Upload {
    /// The request that puts the object.
    pub(super) request: Request<s3s::Body>,
    /// The answer that the form asks for.
    pub(super) success: Success,
}

/// Returns whether a request is an upload from a form.
pub(super) fn is_form(parts: &Parts) -> bool {
    let content_type =
        parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    parts.method == Method::POST && media_type.eq_ignore_ascii_case("multipart/form-data")
}

impl Form {
    /// Reads the fields of a form up to its file. `bucket` is the bucket that the host names.
    pub(super) async fn read(parts: &Parts, bucket: Option<String>, body: Body) -> Result<Self, Refusal> {
        let bucket = bucket_of_form(parts, bucket)?;
        let is_signed_twice = parts.headers.contains_key(AUTHORIZATION)
            || parts.uri.query().unwrap_or_default().contains("X-Amz-Signature=");
        if is_signed_twice {
            return Err(Refusal::invalid_argument(
                "Only one auth mechanism allowed; a form is signed by its fields",
            ));
        }
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let boundary =
            multer::parse_boundary(content_type.unwrap_or_default()).map_err(|error| malformed(&error))?;
        let has_file = Arc::new(AtomicBool::new(false));
        let mut multipart = Multipart::new(piece_by_piece(body, Arc::clone(&has_file)), boundary);
        let mut fields: Vec<(String, String)> = Vec::new();
        let mut room = MOST_FIELD_BYTES;
        loop {
            let field = multipart.next_field().await.map_err(|error| malformed(&error))?;
            let Some(field) = field else {
                let message = "POST requires exactly one file upload per request.";
                return Err(Refusal::invalid_argument(message).with("ArgumentName", "file"));
            };
            let name = field.name().unwrap_or_default().to_ascii_lowercase();
            if name == "file" {
                has_file.store(true, Ordering::Relaxed);
                return Ok(Self { bucket, fields, file: field });
            }
            if fields.iter().any(|(known, _)| *known == name) {
                let message = format!("the form has the field {name} more than once");
                return Err(Refusal::invalid_argument(message).with("ArgumentName", name));
            }
            let value = text(field, &mut room).await?;
            fields.push((name, value));
        }
    }

    /// Puts the name of the file in the place of the variable, in all fields. The policy is for the values after that.
    fn with_file_name(mut self) -> Result<Self, Refusal> {
        let path = self.file.file_name().unwrap_or_default();
        let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let mut room = MOST_FIELD_BYTES;
        for (field, value) in &mut self.fields {
            if field != "policy" && value.contains(FILE_NAME) {
                let size = value.len() + value.matches(FILE_NAME).count() * name.len();
                room = room.checked_sub(size).ok_or_else(fields_too_large)?;
                *value = value.replace(FILE_NAME, &name);
            }
        }
        Ok(self)
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn require(&self, name: &'static str, shown: &str) -> Result<&str, Refusal> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
            let message = format!(
                "Bucket POST must contain a field named '{shown}'.  If it is specified, please check the order of the fields."
            );
            Refusal::invalid_argument(message).with("ArgumentName", shown)
        })
    }

    /// Returns the signature of the policy. Fails if the form has none.
    pub(super) fn signed_policy(&self) -> Result<SignedPolicy<'_>, Refusal> {
        if self.get("signature").is_some() || self.get("awsaccesskeyid").is_some() {
            return Err(sigv4::s3::version_2_refused());
        }
        let policy = self.get("policy").ok_or_else(|| Refusal::access_denied("Access Denied"))?;
        Ok(SignedPolicy {
            policy,
            algorithm: self.require("x-amz-algorithm", "X-Amz-Algorithm")?,
            credential: self.require("x-amz-credential", "X-Amz-Credential")?,
            date: self.require("x-amz-date", "X-Amz-Date")?,
            signature: self.require("x-amz-signature", "X-Amz-Signature")?,
            has_token: self.get("x-amz-security-token").is_some(),
        })
    }

    /// Checks the form against its policy, and returns the request that puts its file.
    pub(super) fn into_upload(self, now: Timestamp) -> Result<Upload, Refusal> {
        let this = self.with_file_name()?;
        let key = this.require("key", "key")?.to_owned();
        let policy = Policy::parse(this.get("policy").unwrap_or_default(), now)?;
        policy.check(&this.fields, &this.bucket)?;
        let path = format!("/{}/{}", this.bucket, utf8_percent_encode(&key, sigv4::PATH));
        let success = Success::new(&this.bucket, &key, &path, |name| this.get(name));
        let invalid = |_| Refusal::invalid_argument("a field of the form cannot be a header");
        let mut request = Request::put(path).header("host", "localhost").extension(FormUpload);
        for (name, value) in &this.fields {
            if let Some(header) = header_of(name)? {
                let value =
                    HeaderValue::from_bytes(value.as_bytes()).map_err(|error| invalid(error.into()))?;
                request = request.header(header, value);
            }
        }
        let file = file_stream(this.file, policy.sizes());
        let body = s3s::Body::http_body_unsync(StreamBody::new(file.map_ok(Frame::data)));
        Ok(Upload { request: request.body(body).map_err(invalid)?, success })
    }
}

/// Returns the bucket that a form is for.
fn bucket_of_form(parts: &Parts, bucket_in_host: Option<String>) -> Result<String, Refusal> {
    let path = parts.uri.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    let in_path = path.strip_suffix('/').unwrap_or(path);
    match bucket_in_host {
        Some(bucket) if in_path.is_empty() => Ok(bucket),
        None if !in_path.is_empty() && !in_path.contains(['/', '%']) => Ok(in_path.to_owned()),
        _ => {
            let message =
                "The specified method is not allowed against this resource: a form goes to a bucket.";
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message))
        }
    }
}

/// Returns the header that a field becomes, or `None` if it becomes none.
fn header_of(field: &str) -> Result<Option<HeaderName>, Refusal> {
    let name = match field {
        "acl" => "x-amz-acl",
        "tagging" => {
            return Err(Refusal::not_implemented(
                "The form field tagging is not implemented: set the tags of the object with PutObjectTagging.",
            ));
        }
        _ if OF_SIGNATURE.contains(&field) => return Ok(None),
        _ if HEADERS.contains(&field) || AMZ_HEADERS.iter().any(|start| field.starts_with(start)) => field,
        _ if field.starts_with("x-amz-") => {
            let message = format!("the field {field} does not belong to a form that uploads an object");
            return Err(Refusal::invalid_argument(message).with("ArgumentName", field));
        }
        _ => return Ok(None),
    };
    let name = HeaderName::from_bytes(name.as_bytes());
    name.map(Some).map_err(|_| Refusal::invalid_argument(format!("the field {field} cannot be a header")))
}

fn fields_too_large() -> Refusal {
    let message = "Your POST request fields preceding the upload file were too large.";
    Refusal::new(StatusCode::BAD_REQUEST, "MaxPostPreDataLengthExceededError", message)
        .with("MaxPostPreDataLength", MOST_FIELD_BYTES.to_string())
}

/// Returns the pieces of a form. The stream fails if the file has not begun within [`MOST_BEFORE_FILE`] bytes.
///
/// The reader of forms keeps bytes that it cannot use yet, and takes every piece that is ready. So each piece has to wait for the next
/// turn of its task: the reader uses up one piece before it gets another.
fn piece_by_piece(
    body: Body,
    has_file: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, Box<dyn Error + Send + Sync>>> + Send {
    stream::try_unfold((body.into_data_stream(), 0_usize), move |(mut pieces, mut size)| {
        let has_file = Arc::clone(&has_file);
        async move {
            tokio::task::yield_now().await;
            if size > MOST_BEFORE_FILE && !has_file.load(Ordering::Relaxed) {
                return Err(fields_too_large().into());
            }
            let Some(piece) = pieces.try_next().await? else { return Ok(None) };
            size = size.saturating_add(piece.len());
            Ok(Some((piece, (pieces, size))))
        }
    })
}

/// Reads a field, and subtracts its size from `room`.
async fn text(mut field: multer::Field<'static>, room: &mut usize) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|error| malformed(&error))? {
        bytes.extend_from_slice(&piece);
        *room = room.checked_sub(piece.len()).ok_or_else(fields_too_large)?;
    }
    String::from_utf8(bytes).map_err(|_| not_a_form("a field is not UTF-8"))
}

/// Returns the bytes of the file. The stream fails if their number is not among `sizes`.
fn file_stream(
    file: multer::Field<'static>,
    sizes: Sizes,
) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
    stream::try_unfold((file, 0_u64), move |(mut file, mut size)| async move {
        match file.chunk().await.map_err(|error| malformed(&error))? {
            Some(bytes) => {
                size += bytes.len() as u64;
                sizes.check_arrived(size)?;
                Ok::<_, Refusal>(Some((bytes, (file, size))))
            }
            None => sizes.check_whole(size).map(|()| None),
        }
    })
}

fn malformed(error: &multer::Error) -> Refusal {
    if let multer::Error::StreamReadFailed(cause) = error {
        return refusal_of(&**cause);
    }
    not_a_form(&error.to_string())
}

fn not_a_form(why: &str) -> Refusal {
    let message = format!("The body of your POST request is not well-formed multipart/form-data: {why}.");
    Refusal::new(StatusCode::BAD_REQUEST, "MalformedPOSTRequest", message)
}
