//! Requests that `s3s` would not answer as S3 does.
//!
//! - S3 ignores a `Range` header that it cannot read, such as several ranges in one header; `s3s` refuses the request.
//! - A request for a sub-resource that `s3s` does not know would reach the bucket or the object itself: an annotation would
//!   overwrite its object.
//! - A read may name several ETags in `If-Match` and `If-None-Match`; `s3s` reads one.
//! - Requests for directory buckets and for Object Lambda are signed for services of their own.

use http::header::{AUTHORIZATION, IF_MATCH, IF_NONE_MATCH, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use percent_encoding::percent_decode_str;
use s3s::dto::{ETag, ETagCondition, Range};
use sigv4::s3::Refusal;

/// Sub-resources of buckets and objects that `s3s` does not know.
const UNKNOWN: [&str; 8] = [
    "abac",
    "annotation",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "renameObject",
    "object-lambda",
];

/// Refuses a request that is signed for another service than S3, but reaches the same endpoint. Its signature names the other
/// service, so this comes before the check of the signature.
pub(super) fn refuse_other_services(headers: &HeaderMap) -> Result<(), Refusal> {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let services = [("/s3express/", "directory buckets are"), ("/s3-object-lambda/", "Object Lambda is")];
    match services.into_iter().find(|(service, _)| authorization.contains(service)) {
        Some((_, feature)) => Err(left_out(feature)),
        None => Ok(()),
    }
}

/// Changes a request whose signature was checked into one that `s3s` answers as S3 does, or refuses it. `has_bucket_in_host` says
/// whether the whole path is the key.
pub(super) fn adapt(parts: &mut Parts, has_bucket_in_host: bool) -> Result<(), Refusal> {
    if let Some(name) = unknown_sub_resource(parts, has_bucket_in_host) {
        return Err(left_out(&format!("the sub-resource `{name}` is")));
    }
    if has_unreadable_range(parts) {
        parts.headers.remove(RANGE);
    }
    if matches!(parts.method, Method::GET | Method::HEAD) {
        let (if_match, if_none_match) =
            (take_list(&mut parts.headers, &IF_MATCH), take_list(&mut parts.headers, &IF_NONE_MATCH));
        parts.extensions.insert(EtagLists { if_match, if_none_match });
    }
    Ok(())
}

/// The ETags of a read whose header names several of them.
#[derive(Clone, Debug, Default)]
pub(super) struct EtagLists {
    if_match: Vec<String>,
    if_none_match: Vec<String>,
}

impl EtagLists {
    /// Returns the condition of `If-Match` for an object with the ETag `etag`.
    pub(super) fn if_match(&self, etag: &str) -> Option<ETagCondition> {
        one_of(&self.if_match, etag)
    }

    /// Returns the condition of `If-None-Match` for an object with the ETag `etag`.
    pub(super) fn if_none_match(&self, etag: &str) -> Option<ETagCondition> {
        one_of(&self.if_none_match, etag)
    }
}

/// Returns the condition that decides as the list does: the ETag of the object if the list has it.
fn one_of(list: &[String], etag: &str) -> Option<ETagCondition> {
    let one = list.iter().find(|one| *one == etag).or_else(|| list.first())?;
    Some(ETagCondition::ETag(ETag::Strong(one.clone())))
}

/// Takes a header with several ETags from the headers, and returns the ETags without their quotes.
fn take_list(headers: &mut HeaderMap, name: &HeaderName) -> Vec<String> {
    let Some(list) = headers.get(name).and_then(|value| value.to_str().ok()) else { return Vec::new() };
    let etag = |text: &str| {
        let text = text.trim();
        text.strip_prefix("W/").unwrap_or(text).trim_matches('"').to_owned()
    };
    // An ETag of this S3 has no comma.
    let etags: Vec<String> = list.split(',').map(etag).collect();
    if etags.len() < 2 {
        return Vec::new();
    }
    headers.remove(name);
    etags
}

fn left_out(what: &str) -> Refusal {
    Refusal::not_implemented(format!(
        "{what} not implemented here; docs/compatibility.md lists what this S3 does and leaves out"
    ))
}

fn has_unreadable_range(parts: &Parts) -> bool {
    let Some(range) = parts.headers.get(RANGE) else { return false };
    matches!(parts.method, Method::GET | Method::HEAD)
        && !range.to_str().is_ok_and(|range| Range::parse(range).is_ok())
}

fn unknown_sub_resource(parts: &Parts, has_bucket_in_host: bool) -> Option<&'static str> {
    let query = parts.uri.query()?;
    let mut names = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    names.find_map(|name| {
        // The encryption of a bucket is known; that of an object is not.
        if name == "encryption" && parts.method == Method::PUT && names_object(parts, has_bucket_in_host) {
            return Some("encryption");
        }
        UNKNOWN.into_iter().find(|unknown| *unknown == name)
    })
}

/// Returns whether a request is for an object, and not for a bucket. As in `s3s`, an escaped slash separates the bucket, too.
pub(super) fn names_object(parts: &Parts, has_bucket_in_host: bool) -> bool {
    let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy();
    let path = path.trim_start_matches('/');
    match has_bucket_in_host {
        true => !path.is_empty(),
        false => path.split_once('/').is_some_and(|(_, key)| !key.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: Method, uri: &str) -> Parts {
        Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_sub_resource_that_is_not_known_is_never_taken_for_the_object() {
        let found = |method, uri, in_host| unknown_sub_resource(&parts(method, uri), in_host);
        assert_eq!(found(Method::PUT, "/drop/key?annotation&annotationName=a", false), Some("annotation"));
        assert_eq!(found(Method::PUT, "/drop/key?encryption", false), Some("encryption"));
        assert_eq!(found(Method::PUT, "/key?encryption", true), Some("encryption"));
        assert_eq!(found(Method::PUT, "/drop%2Fkey?encryption", false), Some("encryption"));
        assert_eq!(found(Method::PUT, "/drop/?encryption", false), None);
        assert_eq!(found(Method::PUT, "/?encryption", true), None);
        assert_eq!(found(Method::GET, "/drop?prefix=annotation", false), None);
    }
}
