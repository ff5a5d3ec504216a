//! Signs drafts, and changes requests after they are signed. The code shares nothing with the verifier.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};

use super::draft::{Draft, RequestKind};
use crate::endpoints::Service;

const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &VALUE.remove(b'/');
/// The smallest size of the chunks that a body is cut into, in bytes.
const CHUNK: usize = 3;

/// A request as it goes over the wire.
pub(crate) struct SignedRequest {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl SignedRequest {
    /// Applies one step of `requests.txt`.
    pub(super) fn with(mut self, step: &str) -> Self {
        let (verb, rest) = step.split_once(' ').unwrap_or((step, ""));
        match verb {
            "method" => self.method = rest.to_owned(),
            "path" => self.path = rest.to_owned(),
            "query" => self.query = [self.query.as_str(), rest].join("&").trim_matches('&').to_owned(),
            "no-query" => self.query.clear(),
            "body" => self.body = rest.replace("\\r\\n", "\r\n").into_bytes(),
            "append" => self.body.extend_from_slice(rest.as_bytes()),
            // `sign::call` has left the header out before it signed the request.
            "omit" => {}
            "signature" => self.change_signature(|_| rest.to_owned()),
            "uppercase" => self.change_signature(str::to_uppercase),
            "cut" => self.body.truncate(self.body.len() - rest.parse::<usize>().expect("a number of bytes")),
            "add" | "set" => {
                let (name, value) = rest.split_once(": ").unwrap_or((rest.trim_end_matches(':'), ""));
                if verb == "set" {
                    self.headers.retain(|(known, _)| known != name);
                }
                self.headers.push((name.to_owned(), value.to_owned()));
            }
            "no" => self.headers.retain(|(name, _)| name != rest),
            "replace" => {
                let rest = rest.replace("\\r\\n", "\r\n");
                let (from, to) = rest.split_once(" => ").unwrap_or((rest.trim_end_matches(" =>"), ""));
                self.replace(from, to);
            }
            _ => panic!("no such step: {step}"),
        }
        self
    }

    pub(crate) fn body(&mut self) -> &mut Vec<u8> {
        &mut self.body
    }

    /// Replaces a text in the header `Authorization`, else in the query, else in the body.
    fn replace(&mut self, from: &str, to: &str) {
        let in_query = self.query.contains(from);
        match self.authorization().filter(|value| value.contains(from)) {
            Some(value) => *value = value.replacen(from, to, 1),
            None if in_query => self.query = self.query.replacen(from, to, 1),
            None => {
                let body = String::from_utf8(std::mem::take(&mut self.body)).expect("the body is text");
                assert!(body.contains(from), "{from} is nowhere in {body}");
                self.body = body.replacen(from, to, 1).into_bytes();
            }
        }
    }

    fn change_signature(&mut self, change: impl Fn(&str) -> String) {
        let value = self.authorization().expect("the request has a header Authorization");
        let (start, signature) = value.split_once("Signature=").expect("the header has a signature");
        *value = format!("{start}Signature={}", change(signature));
    }

    fn authorization(&mut self) -> Option<&mut String> {
        self.headers.iter_mut().find(|(name, _)| name == "authorization").map(|(_, value)| value)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let separator = if self.query.is_empty() { "" } else { "?" };
        let mut text = format!(
            "{} {}{separator}{} HTTP/1.1\r\nConnection: close\r\n",
            self.method, self.path, self.query
        );
        if !self.headers.iter().any(|(name, _)| name == "content-length" || name == "transfer-encoding") {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        self.headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
        [text.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// Signs a request in its header.
pub(super) fn call(mut draft: Draft) -> SignedRequest {
    let stated = stated_payload(&draft);
    match draft.date_header.clone() {
        Some(form) => {
            let date = http_date(&draft, &form);
            draft.set("date", &date, true);
        }
        None => {
            let date = draft.long_date();
            draft.set("x-amz-date", &date, true);
        }
    }
    if draft.service == Service::S3 {
        draft.set("x-amz-content-sha256", &stated, true);
    }
    if is_chunked(&draft) {
        let length = draft.decoded_length.clone().unwrap_or_else(|| draft.body.len().to_string());
        draft.set("x-amz-decoded-content-length", &length, true);
        draft.set("content-encoding", "aws-chunked", true);
        if draft.kind != RequestKind::Chunks {
            draft.set("x-amz-trailer", "x-amz-checksum-crc32", true);
        }
    }
    for step in std::mem::take(&mut draft.later).iter().filter(|step| step.starts_with("omit ")) {
        draft.headers.retain(|(name, ..)| name != &step[5..]);
    }
    let signature = signature(&draft, &stated, &draft.query);
    let body = if is_chunked(&draft) { chunked(&draft, &signature) } else { draft.body.clone() };
    let mut headers: Vec<_> =
        draft.headers.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
    let authorization = format!(
        "{} Credential={}/{}, SignedHeaders={}, Signature={signature}",
        draft.algorithm,
        draft.key,
        draft.scope(),
        signed_names(&draft).join(";")
    );
    headers.push(("authorization".to_owned(), authorization));
    SignedRequest { method: draft.method, path: draft.path, query: draft.query, headers, body }
}

/// Signs a request in its query.
pub(super) fn url(draft: &Draft) -> SignedRequest {
    let credential = format!("{}/{}", draft.key, draft.scope());
    let pairs = [
        ("X-Amz-Algorithm", draft.algorithm.clone()),
        ("X-Amz-Credential", credential),
        ("X-Amz-Date", draft.long_date()),
        ("X-Amz-Expires", draft.expires.clone()),
        ("X-Amz-SignedHeaders", signed_names(draft).join(";")),
    ];
    let pairs = pairs.map(|(name, value)| format!("{name}={}", percent_encode(value.as_bytes(), VALUE)));
    let query = [draft.query.clone(), pairs.join("&")].join("&").trim_matches('&').to_owned();
    let stated = draft.payload.clone().unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned());
    let signature = signature(draft, &stated, &query);
    let headers = draft.headers.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect();
    SignedRequest {
        method: draft.method.clone(),
        path: draft.path.clone(),
        query: format!("{query}&X-Amz-Signature={signature}"),
        headers,
        body: draft.body.clone(),
    }
}

/// Returns the signature of `text` in hexadecimal.
pub(super) fn mac(key: &[u8], text: &str) -> String {
    hex::encode(keyed(key, text))
}

/// Returns the key of the draft's scope.
pub(super) fn key(draft: &Draft) -> Vec<u8> {
    let first = keyed(format!("AWS4{}", draft.secret).as_bytes(), &draft.scope_day());
    let parts = [draft.region.as_str(), &draft.scope_service, "aws4_request"];
    parts.iter().fold(first, |key, part| keyed(&key, part))
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length").chain_update(text);
    mac.finalize().into_bytes().to_vec()
}

fn digest(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn is_chunked(draft: &Draft) -> bool {
    matches!(draft.kind, RequestKind::Chunks | RequestKind::ChunksWithTrailer | RequestKind::UnsignedChunks)
}

fn stated_payload(draft: &Draft) -> String {
    draft.payload.clone().unwrap_or_else(|| match draft.kind {
        RequestKind::Chunks => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
        RequestKind::ChunksWithTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
        RequestKind::UnsignedChunks => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        RequestKind::Call | RequestKind::Url | RequestKind::Form => digest(&draft.body),
    })
}

fn signed_names(draft: &Draft) -> Vec<&str> {
    let mut names: Vec<&str> =
        draft.headers.iter().filter(|(_, _, signed)| *signed).map(|(name, ..)| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn signature(draft: &Draft, payload: &str, query: &str) -> String {
    let reencoded = |text: &str, set: &'static AsciiSet| {
        percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), set).to_string()
    };
    let path = match draft.service {
        Service::S3 => draft.path.split('/').map(|part| reencoded(part, VALUE)).collect::<Vec<_>>().join("/"),
        _ => percent_encode(draft.path.as_bytes(), PATH).to_string(),
    };
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    let names = signed_names(draft);
    // The canonical form of a header has one blank for each run of blanks. The date of asctime has two before the days 1 to 9.
    let value = |name: &str| {
        let header = draft.headers.iter().find(|(known, ..)| known == name);
        header.map(|(_, value, _)| value.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let lines: String =
        names.iter().map(|name| format!("{name}:{}\n", value(name).unwrap_or_default())).collect();
    let canonical = format!(
        "{}\n{path}\n{}\n{lines}\n{}\n{payload}",
        draft.method,
        pairs.collect::<Vec<_>>().join("&"),
        names.join(";")
    );
    let text = format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", draft.long_date(), draft.scope(), digest(canonical));
    mac(&key(draft), &text)
}

/// Returns the body in chunks, with the signatures and trailers that the kind of the request has.
fn chunked(draft: &Draft, seed: &str) -> Vec<u8> {
    let key = key(draft);
    let (date, scope) = (draft.long_date(), draft.scope());
    let is_signed = draft.kind != RequestKind::UnsignedChunks;
    let mut before = seed.to_owned();
    let mut body = Vec::new();
    for chunk in draft.body.chunks(CHUNK.max(draft.body.len() / 4)).chain([&b""[..]]) {
        let text =
            format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{before}\n{}\n{}", digest(""), digest(chunk));
        before = mac(&key, &text);
        let signature = if is_signed { format!(";chunk-signature={before}") } else { String::new() };
        body.extend_from_slice(format!("{:x}{signature}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        if !chunk.is_empty() {
            body.extend_from_slice(b"\r\n");
        }
    }
    if draft.kind != RequestKind::Chunks {
        let checksum =
            base64::engine::general_purpose::STANDARD.encode(crc32fast::hash(&draft.body).to_be_bytes());
        body.extend_from_slice(format!("x-amz-checksum-crc32:{checksum}\r\n").as_bytes());
        if is_signed {
            let trailers = digest(format!("x-amz-checksum-crc32:{checksum}\n"));
            let text = format!("AWS4-HMAC-SHA256-TRAILER\n{date}\n{scope}\n{before}\n{trailers}");
            body.extend_from_slice(format!("x-amz-trailer-signature:{}\r\n", mac(&key, &text)).as_bytes());
        }
    }
    body.extend_from_slice(b"\r\n");
    body
}

fn http_date(draft: &Draft, form: &str) -> String {
    let pattern = match form {
        "imf" => "%a, %d %b %Y %H:%M:%S GMT",
        "rfc850" => "%A, %d-%b-%y %H:%M:%S GMT",
        "asctime" => "%a %b %e %H:%M:%S %Y",
        "iso" => "%Y-%m-%dT%H:%M:%SZ",
        "basic" => "%Y%m%dT%H%M%SZ",
        _ => return form.to_owned(),
    };
    draft.time.strftime(pattern).to_string()
}
