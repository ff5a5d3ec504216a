//! The canonical request: the text whose digest a client signs.
//!
//! Source: "Create a signed AWS API request" in the IAM User Guide.

use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The characters that are escaped in a name or value of a query.
pub const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The characters that are escaped in a path.
pub const PATH: &AsciiSet = &VALUE.remove(b'/');

/// The name that a client of HTTP/2 may sign in the place of `host`, as the AWS SDK for JavaScript does. In a request that was read,
/// its value is the header `host`.
pub(crate) const AUTHORITY: &str = ":authority";

/// The parts of a canonical request, each in its canonical form.
pub(crate) struct CanonicalRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// The names of the signed headers in ascending order.
    pub(crate) signed: &'a [&'a str],
    /// The digest of the body, or the word that stands for it.
    pub(crate) payload: &'a str,
}

impl CanonicalRequest<'_> {
    /// Returns the text. It consists of bytes, because two header values that differ only in bytes outside UTF-8 must not
    /// have the same signature.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\n{}\n{}\n", self.method, self.path, self.query).into_bytes();
        for name in self.signed {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            let header = if *name == AUTHORITY { "host" } else { *name };
            for (index, value) in self.headers.get_all(header).iter().enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                push_trimmed(&mut text, value.as_bytes());
            }
            text.push(b'\n');
        }
        text.extend_from_slice(format!("\n{}\n{}", self.signed.join(";"), self.payload).as_bytes());
        text
    }
}

/// Returns the query with its pairs in ascending order, without the parameter `leave_out`.
///
/// A plus sign stands for a blank, as in every form, because the services read it so. Otherwise a plus could be put in the
/// place of a signed `%2B` and change the meaning of the request.
pub(crate) fn query(query: &str, leave_out: Option<&str>) -> String {
    let escape = |text: &[u8]| percent_encode(text, VALUE).to_string();
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .filter(|(name, _)| leave_out.is_none_or(|left_out| name != left_out.as_bytes()))
        .map(|(name, value)| (escape(&name), escape(&value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// Returns the names of the signed headers in ascending order, each once.
pub(crate) fn signed_headers(list: &str) -> Vec<&str> {
    let mut names: Vec<&str> = list.split(';').filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Returns the names of the headers `x-amz-*` of the request that are not signed.
pub(crate) fn unsigned_amz_headers(headers: &HeaderMap, signed: &[&str]) -> Vec<String> {
    let amz = headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    let mut left_out: Vec<String> = amz.filter(|name| !signed.contains(name)).map(str::to_owned).collect();
    left_out.sort_unstable();
    left_out
}

fn decode(text: &str) -> Vec<u8> {
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced).collect()
}

/// Appends a header value without the blanks at its ends, and with one blank in the place of several.
fn push_trimmed(text: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            text.push(b' ');
        }
        text.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_sorted_and_escaped_once() {
        assert_eq!(query("b=2&a=x%20y&a=%2b&c", None), "a=%2B&a=x%20y&b=2&c=");
        assert_eq!(query("X-Amz-Signature=00&a=1", Some("X-Amz-Signature")), "a=1");
    }

    #[test]
    fn a_plus_in_a_query_is_a_blank() {
        assert_eq!(query("a=1+2", None), query("a=1%202", None));
        assert_ne!(query("a=1+2", None), query("a=1%2B2", None));
    }

    #[test]
    fn the_authority_of_http_2_is_the_host() {
        let host = http::HeaderValue::from_static("example.com:80");
        let headers = HeaderMap::from_iter([(http::header::HOST, host)]);
        let (method, signed) = (&Method::POST, &[AUTHORITY][..]);
        let request =
            CanonicalRequest { method, path: "/", query: "", headers: &headers, signed, payload: "x" };
        let text = String::from_utf8(request.to_bytes()).expect("text");
        assert_eq!(text, "POST\n/\n\n:authority:example.com:80\n\n:authority\nx");
    }

    #[test]
    fn values_that_differ_in_bytes_have_different_texts() {
        let text = |value: &[u8]| {
            let value = http::HeaderValue::from_bytes(value).expect("legal bytes");
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static("x-test"), value)]);
            let request = CanonicalRequest {
                method: &Method::GET,
                path: "/",
                query: "",
                headers: &headers,
                signed: &["x-test"],
                payload: "",
            };
            request.to_bytes()
        };
        assert_ne!(text(b"\xff"), text(b"\xfe"));
        assert_eq!(text(b"a   b"), text(b"a b"));
    }
}
