//! A stand-in for S3 with the calls that the server makes, and with the faults that S3 may have.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use flate2::read::MultiGzDecoder;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The fate of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request is answered as it should be.
    None,
    /// The answer is the status 503, and nothing is stored.
    Unavailable,
    /// The object is stored, and the connection ends without an answer.
    StoreAndBreak,
    /// The connection ends without an answer, and nothing is stored.
    Break,
    /// The bucket does not exist.
    NoBucket,
}

/// An object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
}

impl Object {
    /// Returns the lines, unpacked if the key says that they are packed.
    pub(crate) fn lines(&self, key: &str) -> Vec<String> {
        let mut text = String::new();
        let read: &mut dyn io::Read =
            if key.ends_with(".gz") { &mut MultiGzDecoder::new(&self.body[..]) } else { &mut &self.body[..] };
        read.read_to_string(&mut text).expect("an object is text");
        text.lines().map(str::to_owned).collect()
    }
}

type Chooser = Box<dyn FnMut(&Method, &str) -> Fault + Send>;

struct State {
    /// The objects, by `bucket/key`.
    objects: BTreeMap<String, Object>,
    chooser: Chooser,
    /// The keys of all puts that stored something, in their order.
    stored: Vec<String>,
    /// The number of puts.
    puts: usize,
}

/// The stand-in. Clones are the same.
#[derive(Clone)]
pub(crate) struct StandInS3 {
    state: Arc<Mutex<State>>,
    address: String,
}

impl StandInS3 {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let state = State {
            objects: BTreeMap::new(),
            chooser: Box::new(|_, _| Fault::None),
            stored: Vec::new(),
            puts: 0,
        };
        let s3 = Self { state: Arc::new(Mutex::new(state)), address };
        let served = s3.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let s3 = served.clone();
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let s3 = s3.clone();
                    async move { s3.answer(request.map(Body::new)).await }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        s3
    }

    /// Returns a client without retries of its own, so that tests see each failure.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::retry::RetryConfig;
        use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKID", "secret", None, None, "test"))
            .endpoint_url(&self.address)
            .force_path_style(true)
            .retry_config(RetryConfig::disabled());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Lets `chooser` choose the fault of every request from now on.
    pub(crate) fn choose(&self, chooser: impl FnMut(&Method, &str) -> Fault + Send + 'static) {
        self.lock().chooser = Box::new(chooser);
    }

    /// Returns the objects whose `bucket/key` contains a text.
    pub(crate) fn objects(&self, part: &str) -> Vec<(String, Object)> {
        let state = self.lock();
        let found = state.objects.iter().filter(|(key, _)| key.contains(part));
        found.map(|(key, object)| (key.clone(), object.clone())).collect()
    }

    /// Returns the lines of all data objects, in the order of their keys.
    pub(crate) fn data_lines(&self) -> Vec<String> {
        self.objects("drop/streams/").iter().flat_map(|(key, object)| object.lines(key)).collect()
    }

    /// Returns the keys that were stored, in the order of the puts.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.lock().stored.clone()
    }

    pub(crate) fn puts(&self) -> usize {
        self.lock().puts
    }

    /// Stores an object of somebody else.
    pub(crate) fn plant(&self, key: &str) {
        let object = Object { body: Bytes::from_static(b"foreign"), headers: HeaderMap::new() };
        self.lock().objects.insert(key.to_owned(), object);
    }

    pub(crate) fn remove(&self, key: &str) {
        self.lock().objects.remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test panics with the lock")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, io::Error> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 30).await.map_err(io::Error::other)?;
        let key = parts.uri.path().trim_start_matches('/').replace("%21", "!");
        let fault = {
            let mut state = self.lock();
            (state.chooser)(&parts.method, &key)
        };
        match fault {
            Fault::Unavailable => return Ok(error(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
            Fault::NoBucket => return Ok(error(StatusCode::NOT_FOUND, "NoSuchBucket")),
            Fault::Break => return Err(io::Error::other("told to break")),
            Fault::None | Fault::StoreAndBreak => {}
        }
        let answer = match parts.method {
            Method::PUT => self.put(&key, &parts, &body),
            Method::GET if parts.uri.query().is_some_and(|query| query.contains("list-type=2")) => {
                self.list(&key, parts.uri.query().unwrap_or_default())
            }
            _ => self.get(&key, parts.method == Method::HEAD),
        };
        if fault == Fault::StoreAndBreak { Err(io::Error::other("told to break")) } else { Ok(answer) }
    }

    fn put(&self, key: &str, parts: &Parts, body: &Bytes) -> Response<Body> {
        let mut state = self.lock();
        state.puts += 1;
        let must_be_new = parts.headers.get("if-none-match").is_some_and(|value| value == "*");
        assert!(must_be_new, "every put of the server must be for a new object");
        if state.objects.contains_key(key) {
            return error(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let is_chunked = parts.headers.contains_key("x-amz-decoded-content-length");
        let body = if is_chunked { unchunk(body) } else { body.clone() };
        state.stored.push(key.to_owned());
        state.objects.insert(key.to_owned(), Object { body, headers: parts.headers.clone() });
        Response::new(Body::empty())
    }

    fn get(&self, key: &str, is_head: bool) -> Response<Body> {
        let state = self.lock();
        let Some(object) = state.objects.get(key) else {
            return error(StatusCode::NOT_FOUND, if is_head { "NotFound" } else { "NoSuchKey" });
        };
        let mut response =
            Response::new(if is_head { Body::empty() } else { Body::from(object.body.clone()) });
        for (name, value) in &object.headers {
            if name.as_str().starts_with("x-amz-meta-") || name == http::header::CONTENT_TYPE {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    fn list(&self, bucket: &str, query: &str) -> Response<Body> {
        let parameters: BTreeMap<String, String> =
            serde_urlencoded::from_str(query).expect("a query of the SDK is readable");
        let bucket = bucket.trim_end_matches('/');
        let start = format!("{bucket}/{}", parameters.get("prefix").cloned().unwrap_or_default());
        let state = self.lock();
        let after = parameters.get("continuation-token").cloned().unwrap_or_default();
        let keys: Vec<_> =
            state.objects.keys().filter(|key| key.starts_with(&start) && **key > after).take(3).collect();
        let mut xml = String::from("<ListBucketResult>");
        // Pages are short, so that tests see several.
        if keys.len() == 3 {
            let last = keys[2];
            xml.push_str(&format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            ));
        }
        for key in keys {
            let key = &key[bucket.len() + 1..];
            xml.push_str(&format!("<Contents><Key>{key}</Key></Contents>"));
        }
        xml.push_str("</ListBucketResult>");
        Response::new(Body::from(xml))
    }
}

fn error(status: StatusCode, code: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("<Error><Code>{code}</Code></Error>")));
    *response.status_mut() = status;
    response
}

/// Takes the chunks of `aws-chunked` apart.
fn unchunk(mut body: &[u8]) -> Bytes {
    let mut content = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n").expect("a chunk begins with a line");
        let line = std::str::from_utf8(&body[..end]).expect("the line is text");
        let length = line.split(';').next().expect("a split has a first part");
        let length = usize::from_str_radix(length, 16).expect("the length is hexadecimal");
        if length == 0 {
            return content.into();
        }
        content.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 2 + length + 2..];
    }
}
