//! A request before it is signed, and the steps that forge it.

use jiff::{SignedDuration, Timestamp};

use super::form::Form;
use super::sign::{self, SignedRequest};
use crate::endpoints::{KEY, REGION, SECRET, Service};

/// The kind of a request, as `requests.txt` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    /// A request with the signature in the header `Authorization`. A request to S3 puts an object; requests to the other services list
    /// pipelines or topics.
    Call,
    /// A presigned URL of S3 that reads the object `private`.
    Url,
    /// A put to S3 in signed chunks.
    Chunks,
    /// A put to S3 in signed chunks with signed trailers.
    ChunksWithTrailer,
    /// A put to S3 in chunks with a trailer. Neither the chunks nor the trailer is signed.
    UnsignedChunks,
    /// The form of a browser.
    Form,
}

impl RequestKind {
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [
            ("call", Self::Call),
            ("url", Self::Url),
            ("chunks", Self::Chunks),
            ("chunks-trailer", Self::ChunksWithTrailer),
            ("unsigned-chunks", Self::UnsignedChunks),
            ("form", Self::Form),
        ];
        all.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// A request that can be signed. The defaults make a legal request.
pub(crate) struct Draft {
    pub(super) service: Service,
    pub(super) kind: RequestKind,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// The headers, each with whether it is signed.
    pub(super) headers: Vec<(String, String, bool)>,
    pub(super) body: Vec<u8>,
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) region: String,
    pub(super) scope_service: String,
    pub(super) terminator: String,
    pub(super) day: Option<String>,
    pub(super) time: Timestamp,
    /// The format of a `Date` header. If given, the request has `Date` instead of `x-amz-date`.
    pub(super) date_header: Option<String>,
    /// The value of `x-amz-content-sha256`. `None` stands for the digest of the body.
    pub(super) payload: Option<String>,
    pub(super) algorithm: String,
    pub(super) expires: String,
    pub(super) decoded_length: Option<String>,
    pub(super) form: Form,
    /// The steps after the word `then` in `requests.txt`: they change the request after it is signed.
    pub(super) later: Vec<String>,
}

impl Draft {
    pub(crate) fn new(service: Service, kind: RequestKind) -> Self {
        let (path, body, headers): (&str, &str, &[(&str, &str)]) = match service {
            Service::S3 if kind == RequestKind::Url => ("/drop/private", "", &[]),
            Service::S3 if kind == RequestKind::Form => ("/drop", "", &[]),
            Service::S3 => ("/drop/forged", "content", &[]),
            Service::DataPipeline => ("/", "{}", &[("x-amz-target", "DataPipeline.ListPipelines")]),
            Service::Sns => ("/", "Action=ListTopics&Version=2010-03-31", &[]),
        };
        let method = match (service, kind) {
            (Service::S3, RequestKind::Url) => "GET",
            (Service::S3, RequestKind::Form) => "POST",
            (Service::S3, _) => "PUT",
            _ => "POST",
        };
        let scope_service = match service {
            Service::S3 => "s3",
            Service::DataPipeline => "datapipeline",
            Service::Sns => "sns",
        };
        let mut draft = Self {
            service,
            kind,
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![("host".to_owned(), "localhost".to_owned(), true)],
            body: body.as_bytes().to_vec(),
            key: KEY.to_owned(),
            secret: SECRET.to_owned(),
            region: REGION.to_owned(),
            scope_service: scope_service.to_owned(),
            terminator: "aws4_request".to_owned(),
            day: None,
            time: Timestamp::now(),
            date_header: None,
            payload: None,
            algorithm: "AWS4-HMAC-SHA256".to_owned(),
            expires: "60".to_owned(),
            decoded_length: None,
            form: Form::new(),
            later: Vec::new(),
        };
        headers.iter().for_each(|(name, value)| draft.set(name, value, true));
        draft
    }

    /// Applies one step of `requests.txt`.
    pub(crate) fn with(mut self, step: &str) -> Self {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        let text = rest.to_owned();
        match verb {
            "then" => self.later.push(text),
            "method" => self.method = text,
            "path" => self.path = text,
            "query" => self.query = text,
            "body" => self.body = text.into_bytes(),
            "size" => self.body = vec![b'x'; rest.parse().expect("a size in bytes")],
            "key" => self.key = text,
            "secret" => self.secret = text,
            "region" => self.region = text,
            "service" => self.scope_service = text,
            "terminator" => self.terminator = text,
            "day" => self.day = Some(text),
            "minutes" => self.time += SignedDuration::from_mins(rest.parse().expect("a number of minutes")),
            "date" => self.date_header = Some(text),
            "payload" => self.payload = Some(text),
            "algorithm" => self.algorithm = text,
            "expires" => self.expires = text,
            "decoded-length" => self.decoded_length = Some(text),
            "header" | "unsigned" => {
                let (name, value) = rest.split_once(": ").expect("a header");
                self.set(name, value, verb == "header");
            }
            "unsign" => self.headers.iter_mut().for_each(|(name, _, signed)| *signed &= name != rest),
            "no" => self.headers.retain(|(name, ..)| name != rest),
            _ => self.form.apply(verb, rest),
        }
        self
    }

    /// Returns the request with another body.
    pub(crate) fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn sign(self) -> SignedRequest {
        let later = self.later.clone();
        let signed = match self.kind {
            RequestKind::Form => self.signed_form(),
            RequestKind::Url => sign::url(&self),
            RequestKind::Call
            | RequestKind::Chunks
            | RequestKind::ChunksWithTrailer
            | RequestKind::UnsignedChunks => sign::call(self),
        };
        later.iter().fold(signed, |request, step| request.with(step))
    }

    fn signed_form(self) -> SignedRequest {
        let scope = self.scope();
        let key = sign::key(&self);
        let credential = format!("{}/{scope}", self.key);
        let date = self.long_date();
        let (content_type, body) =
            self.form.encode(&self.algorithm, &credential, &date, |policy| sign::mac(&key, policy));
        let mut headers: Vec<_> = self.headers.into_iter().map(|(name, value, _)| (name, value)).collect();
        headers.push(("content-type".to_owned(), content_type));
        SignedRequest { method: self.method, path: self.path, query: self.query, headers, body }
    }

    pub(super) fn set(&mut self, name: &str, value: &str, signed: bool) {
        self.headers.retain(|(known, ..)| known != name);
        self.headers.push((name.to_owned(), value.to_owned(), signed));
    }

    /// Returns the date as `YYYYMMDDTHHMMSSZ`.
    pub(super) fn long_date(&self) -> String {
        self.time.strftime("%Y%m%dT%H%M%SZ").to_string()
    }

    /// Returns the day of the scope.
    pub(super) fn scope_day(&self) -> String {
        self.day.clone().unwrap_or_else(|| self.time.strftime("%Y%m%d").to_string())
    }

    pub(super) fn scope(&self) -> String {
        format!("{}/{}/{}/{}", self.scope_day(), self.region, self.scope_service, self.terminator)
    }
}
