//! Cross-origin requests: a browser asks first whether a page may send a request, and reads an answer only if the answer allows it.
//!
//! Follows the user guide of S3, "Configuring cross-origin resource sharing": the first rule that fits decides.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use s3s::dto::{CORSConfiguration, CORSRule};
use s3s::{S3Error, S3Result, s3_error};

use super::documents::Document;
use super::error::{StoreError, custom_error};
use super::store::S3Store;

/// The name of the document with the rules of a bucket.
pub(super) const DOCUMENT: &str = "cors";

/// The question of a browser: a page of `origin` wants to send a request.
pub(super) struct Question<'r> {
    origin: &'r str,
    method: &'r str,
    headers: Vec<&'r str>,
}

impl<'r> Question<'r> {
    /// Reads the question before a request (`OPTIONS`). Fails if a part of the question is missing.
    pub(super) fn of_preflight(headers: &'r HeaderMap) -> S3Result<Self> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(ORIGIN)
            .ok_or_else(|| bad_request("Insufficient information. Origin request header needed."))?;
        let method = text(ACCESS_CONTROL_REQUEST_METHOD)
            .ok_or_else(|| bad_request("Invalid Access-Control-Request-Method: null"))?;
        let wanted = text(ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let headers = wanted.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        Ok(Self { origin, method, headers })
    }

    /// Returns the question that comes with a request of the given method, or `None` if the request comes from no page.
    pub(super) fn of_request(method: &'r str, headers: &'r HeaderMap) -> Option<Self> {
        let origin = headers.get(ORIGIN)?.to_str().ok()?;
        Some(Self { origin, method, headers: Vec::new() })
    }
}

/// Returns the headers of the answer to a preflight request, or the refusal.
pub(super) async fn preflight(store: &S3Store, bucket: &str, question: &Question<'_>) -> S3Result<HeaderMap> {
    let rules = match store.document::<CORSConfiguration>(bucket, DOCUMENT).await? {
        Document::Set(configuration) => configuration.cors_rules,
        Document::Default | Document::Deleted => {
            return Err(forbidden("CORSResponse: CORS is not enabled for this bucket."));
        }
    };
    let rule = rules.iter().find(|rule| fits(rule, question)).ok_or_else(|| {
        forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request \
             method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the \
             resource's CORS spec.",
        )
    })?;
    Ok(allowing(rule, question))
}

/// Returns the headers that let a page read the answer to its request. There are none if the bucket has no rule for it, or does not
/// exist.
pub(super) async fn headers(store: &S3Store, bucket: &str, question: &Question<'_>) -> HeaderMap {
    let found = match store.document::<CORSConfiguration>(bucket, DOCUMENT).await {
        Ok(found) => found,
        Err(StoreError::NoSuchBucket(_)) => return HeaderMap::new(),
        // The request itself goes on, and tells its client whether the store works.
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(s3.bucket = bucket, error, "the CORS rules of a bucket could not be read");
            return HeaderMap::new();
        }
    };
    let rules = found.set().map(|configuration| configuration.cors_rules);
    let rule = rules.iter().flatten().find(|rule| fits(rule, question));
    rule.map(|rule| allowing(rule, question)).unwrap_or_default()
}

fn fits(rule: &CORSRule, question: &Question<'_>) -> bool {
    let allows = |name: &&str| {
        let name = name.to_ascii_lowercase();
        let mut allowed = rule.allowed_headers.iter().flatten();
        allowed.any(|pattern| matches(&pattern.to_ascii_lowercase(), &name))
    };
    rule.allowed_origins.iter().any(|pattern| matches(pattern, question.origin))
        && rule.allowed_methods.iter().any(|method| method == question.method)
        && question.headers.iter().all(allows)
}

/// Returns whether `text` fits `pattern`, in which one `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn allowing(rule: &CORSRule, question: &Question<'_>) -> HeaderMap {
    let is_for_all = rule.allowed_origins.iter().any(|origin| origin == "*");
    let mut headers = HeaderMap::new();
    let mut add = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(ACCESS_CONTROL_ALLOW_ORIGIN, if is_for_all { "*" } else { question.origin });
    add(ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
    if !is_for_all {
        add(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    if !question.headers.is_empty() {
        add(ACCESS_CONTROL_ALLOW_HEADERS, &question.headers.join(", ").to_ascii_lowercase());
    }
    if let Some(exposed) = rule.expose_headers.as_ref().filter(|exposed| !exposed.is_empty()) {
        add(ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        add(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    add(VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    headers
}

/// Checks rules before they are stored.
pub(super) fn check(configuration: &CORSConfiguration) -> S3Result<()> {
    const MOST_RULES: usize = 100;
    let rules = &configuration.cors_rules;
    if rules.is_empty() || rules.len() > MOST_RULES {
        return Err(s3_error!(
            MalformedXML,
            "a CORS configuration has 1 to {MOST_RULES} rules, and this one has {}",
            rules.len()
        ));
    }
    for rule in rules {
        let strange = rule
            .allowed_methods
            .iter()
            .find(|method| !["GET", "PUT", "HEAD", "POST", "DELETE"].contains(&method.as_str()));
        if let Some(method) = strange {
            return Err(s3_error!(
                InvalidRequest,
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        let patterns = rule.allowed_origins.iter().map(|pattern| ("AllowedOrigin", pattern));
        let patterns =
            patterns.chain(rule.allowed_headers.iter().flatten().map(|pattern| ("AllowedHeader", pattern)));
        for (element, pattern) in patterns {
            if pattern.matches('*').count() > 1 {
                return Err(s3_error!(
                    InvalidRequest,
                    "{element} \"{pattern}\" can not have more than one wildcard."
                ));
            }
        }
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(s3_error!(MalformedXML, "a CORS rule needs an AllowedMethod and an AllowedOrigin"));
        }
    }
    Ok(())
}

fn bad_request(message: &'static str) -> S3Error {
    custom_error("BadRequest", StatusCode::BAD_REQUEST, message)
}

fn forbidden(message: &'static str) -> S3Error {
    custom_error("AccessForbidden", StatusCode::FORBIDDEN, message)
}

#[cfg(test)]
mod tests {
    use s3s::S3ErrorCode;

    use super::*;

    fn rule(origin: &str, header: &str) -> CORSRule {
        CORSRule {
            allowed_headers: Some(vec![header.to_owned()]),
            allowed_methods: vec!["PUT".to_owned()],
            allowed_origins: vec![origin.to_owned()],
            expose_headers: None,
            id: None,
            max_age_seconds: None,
        }
    }

    #[test]
    fn a_rule_fits_by_origin_method_and_headers() {
        let rule = rule("https://*.example.com", "X-Amz-*");
        let question = |origin, method, header| Question { origin, method, headers: vec![header] };
        assert!(fits(&rule, &question("https://a.example.com", "PUT", "x-amz-date")));
        assert!(!fits(&rule, &question("https://example.com", "PUT", "x-amz-date")));
        assert!(!fits(&rule, &question("https://a.example.com", "GET", "x-amz-date")));
        assert!(!fits(&rule, &question("https://a.example.com", "PUT", "content-type")));
    }

    #[test]
    fn two_wildcards_in_one_pattern_are_refused() {
        let configuration = CORSConfiguration { cors_rules: vec![rule("https://*.*", "*")] };
        assert_eq!(check(&configuration).unwrap_err().code(), &S3ErrorCode::InvalidRequest);
    }
}
