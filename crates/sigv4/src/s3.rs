//! The rules of S3: signatures in headers, presigned URLs, policies of forms, and bodies that are checked while they arrive.
//!
//! S3 differs from the other services: the path is encoded once, a body may be left out of the signature or be signed in
//! chunks, and each refusal has a code of S3. Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3
//! API Reference.

mod chunks;
mod content;
mod content_error;
mod header;
mod path;
mod payload;
mod policy;
mod presigned;
mod refusal;
mod rules;
mod signed_request;
mod trailers;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;
use jiff::Timestamp;

use crate::credentials::Credentials;
use rules::Rules;

pub use content::Content;
pub use content_error::ContentError;
pub use payload::BodyCheck;
pub use policy::SignedPolicy;
pub use refusal::{Refusal, version_2_refused};
pub use trailers::Trailers;

/// The parameters of a presigned URL.
const QUERY_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// Checks the signatures of requests to an S3 endpoint.
#[derive(Clone, Debug)]
pub struct S3Verifier {
    rules: Rules,
}

impl S3Verifier {
    /// Returns a verifier for the endpoint of `region`.
    pub fn new(region: impl Into<String>, credentials: Vec<Credentials>) -> Self {
        Self { rules: Rules { region: region.into(), credentials } }
    }

    /// Checks that one of the credentials signed the request, and returns how the body must be checked.
    ///
    /// The signature must cover `host` and every header `x-amz-*` that the request has. `now` must be the time of the
    /// system's clock.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the code and the message of S3.
    pub fn verify(&self, parts: &Parts, now: Timestamp) -> Result<BodyCheck, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let names: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
        let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&name.as_ref()));
        let in_header = parts.headers.contains_key(AUTHORIZATION);
        let in_query = has(&["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]);
        let version_2 = has(&["AWSAccessKeyId", "Signature"]);
        match (in_header, in_query, version_2) {
            (true, false, false) => header::verify(&self.rules, parts, now),
            (false, true, false) => presigned::verify(&self.rules, parts, now),
            (false, false, true) => Err(version_2_refused()),
            (false, false, false) => Err(Refusal::access_denied("Access Denied")),
            _ => Err(Refusal::invalid_argument(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified",
            )),
        }
    }

    /// Checks that one of the credentials signed the policy of a form.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the code and the message of S3.
    pub fn verify_policy(&self, policy: &SignedPolicy<'_>, now: Timestamp) -> Result<(), Refusal> {
        policy::verify(&self.rules, policy, now)
    }
}

/// Removes the signature from a request that was verified, so that nothing behind the verifier reads the signature.
pub fn without_signature(parts: &mut Parts) {
    parts.headers.remove(AUTHORIZATION);
    let Some(query) = parts.uri.query() else { return };
    let is_kept = |pair: &&str| !QUERY_PARAMETERS.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
    let path = parts.uri.path();
    let target = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    // A part of a legal target is legal.
    if let Ok(uri) = target.parse() {
        parts.uri = uri;
    }
}

/// Returns the value of a header as text, or `None` if the request does not have the header.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The key, the date and the signatures are those of the examples in the Amazon S3 API Reference.
    const SCOPE: &str = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
    const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
        &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

    fn verify(parts: &Parts, minutes_later: i64) -> Result<BodyCheck, Refusal> {
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let signed_at = crate::date::parse("20130524T000000Z").expect("the constant is a date");
        let now = signed_at + jiff::SignedDuration::from_mins(minutes_later);
        S3Verifier::new("us-east-1", vec![credentials]).verify(parts, now)
    }

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        request = request.header("host", "examplebucket.s3.amazonaws.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("the request is well formed").into_parts().0
    }

    fn authorization(signed: &str, signature: &str) -> String {
        format!("AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={signed},Signature={signature}")
    }

    fn get_object() -> Parts {
        let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        let headers = [
            ("range", "bytes=0-9"),
            ("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-amz-date", "20130524T000000Z"),
            ("authorization", &authorization("host;range;x-amz-content-sha256;x-amz-date", signature)),
        ];
        request("GET", "/test.txt", &headers)
    }

    fn code(result: Result<BodyCheck, Refusal>) -> &'static str {
        result.err().map_or("accepted", |refusal| refusal.code)
    }

    #[test]
    fn the_published_get_is_accepted() {
        assert_eq!(code(verify(&get_object(), 1)), "accepted");
    }

    #[test]
    fn the_published_put_is_accepted() {
        let signed = "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class";
        let signature = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        let headers = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ("authorization", &authorization(signed, signature)),
        ];
        for path in ["/test$file.text", "/test%24file.text"] {
            assert_eq!(code(verify(&request("PUT", path, &headers), 1)), "accepted", "{path}");
        }
    }

    #[test]
    fn the_published_url_is_accepted_for_a_day() {
        let parts = request("GET", PRESIGNED, &[]);
        assert_eq!(code(verify(&parts, 24 * 60)), "accepted");
        let refusal = verify(&parts, 24 * 60 + 1).err();
        assert_eq!(refusal.map(|refusal| refusal.message).as_deref(), Some("Request has expired"));
    }

    #[test]
    fn a_header_that_was_added_is_refused_by_name() {
        for mut parts in [get_object(), request("GET", PRESIGNED, &[])] {
            parts.headers.insert("x-amz-copy-source", http::HeaderValue::from_static("/other/key"));
            let refusal = verify(&parts, 1).err().expect("the header is not signed");
            assert_eq!(refusal.code, "AccessDenied");
            assert_eq!(refusal.details, [("HeadersNotSigned", "x-amz-copy-source".to_owned())]);
        }
    }

    #[test]
    fn the_signature_is_removed_and_the_rest_stays() {
        let mut parts = request("GET", &format!("{PRESIGNED}&versionId=null&x-id=GetObject"), &[]);
        without_signature(&mut parts);
        assert_eq!(parts.uri, "/test.txt?versionId=null&x-id=GetObject");
        let mut parts = get_object();
        without_signature(&mut parts);
        assert!(!parts.headers.contains_key("authorization"));
    }
}
