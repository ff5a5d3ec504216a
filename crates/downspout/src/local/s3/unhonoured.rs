//! Refuses the headers of S3 that this endpoint does not honour.
//!
//! A client that asks for encryption, for an access rule or for a lock must not believe that it got one. What AWS does
//! without the header is accepted. The headers are those of the operations in the Amazon S3 API Reference.

use http::HeaderMap;
use sigv4::s3::Refusal;

/// A header, or the beginning of the names of several, with the values that are accepted.
struct Rule {
    header: &'static str,
    /// Values that request the usual behaviour, in lower case.
    accepted: &'static [&'static str],
    /// The feature that the header asks for.
    feature: &'static str,
}

const fn rule(header: &'static str, accepted: &'static [&'static str], feature: &'static str) -> Rule {
    Rule { header, accepted, feature }
}

/// The first rule whose name fits counts.
const RULES: &[Rule] = &[
    // AWS encrypts every object with AES256, but decrypts it for every reader.
    rule("x-amz-server-side-encryption-bucket-key-enabled", &["false"], "KMS keys of buckets"),
    rule("x-amz-server-side-encryption-customer-", &[], "encryption with keys of clients (SSE-C)"),
    rule(
        "x-amz-copy-source-server-side-encryption-customer-",
        &[],
        "encryption with keys of clients (SSE-C)",
    ),
    rule("x-amz-server-side-encryption-", &[], "encryption with KMS keys"),
    rule("x-amz-server-side-encryption", &["aes256"], "encryption with KMS keys"),
    // All objects belong to the owner of the keys, and no other client has access.
    rule("x-amz-acl", &["private", "bucket-owner-full-control"], "access control lists"),
    rule("x-amz-grant-", &[], "access control lists"),
    rule(
        "x-amz-object-ownership",
        &["bucketownerenforced"],
        "object ownership other than BucketOwnerEnforced",
    ),
    rule("x-amz-storage-class", &["standard"], "storage classes other than STANDARD"),
    rule("x-amz-website-redirect-location", &[], "websites and their redirects"),
    rule("x-amz-object-lock-legal-hold", &["off"], "object lock"),
    rule("x-amz-object-lock-", &[], "object lock"),
    rule("x-amz-bucket-object-lock-enabled", &["false"], "object lock"),
    rule("x-amz-bypass-governance-retention", &["false"], "object lock"),
    rule("x-amz-mfa", &[], "deletion with a device (MFA)"),
    rule("x-amz-write-offset-bytes", &[], "appending to objects"),
    rule("x-amz-rename-source", &[], "renaming objects"),
    rule("x-amz-if-match-", &[], "this condition, which only directory buckets have,"),
];

/// The headers that name the account which must own the bucket.
const EXPECTED_OWNERS: [&str; 2] = ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"];

/// Checks the headers of a request to the endpoint of `account`.
pub(super) fn check(headers: &HeaderMap, account: &str) -> Result<(), Refusal> {
    for (name, value) in headers {
        let name = name.as_str();
        let Some(rule) = RULES.iter().find(|rule| fits(rule.header, name)) else { continue };
        let value = value.to_str().unwrap_or_default().trim();
        if !rule.accepted.contains(&value.to_ascii_lowercase().as_str()) {
            return Err(not_implemented(rule, name, value));
        }
    }
    for name in EXPECTED_OWNERS {
        if headers.get_all(name).iter().any(|owner| owner.as_bytes() != account.as_bytes()) {
            return Err(Refusal::access_denied(format!(
                "Access Denied: every bucket of this S3 belongs to the account {account}, which is not the one in the \
                 header {name}"
            )));
        }
    }
    Ok(())
}

fn fits(header: &str, name: &str) -> bool {
    if header.ends_with('-') { name.starts_with(header) } else { name == header }
}

fn not_implemented(rule: &Rule, name: &str, value: &str) -> Refusal {
    let feature = rule.feature;
    // The value of another header may be a key of the client.
    let given = if rule.accepted.is_empty() { String::new() } else { format!(" with the value {value}") };
    Refusal::not_implemented(format!(
        "A header you provided implies functionality that is not implemented: the header {name}{given}. This S3 does not \
         have {feature}: leave the header out."
    ))
    .with("Header", name)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    const ACCOUNT: &str = "000000000000";

    fn check_one(name: &str, value: &str) -> Result<(), Refusal> {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header");
        check(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))]), ACCOUNT)
    }

    #[test]
    fn what_happens_anyway_is_accepted() {
        for (name, value) in [
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-server-side-encryption-bucket-key-enabled", "false"),
            ("x-amz-acl", "private"),
            ("x-amz-acl", "bucket-owner-full-control"),
            ("x-amz-object-ownership", "BucketOwnerEnforced"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-object-lock-legal-hold", "OFF"),
            ("x-amz-bucket-object-lock-enabled", "false"),
            ("x-amz-request-payer", "requester"),
            ("x-amz-expected-bucket-owner", ACCOUNT),
            ("x-amz-meta-acl", "public-read"),
            ("x-amz-date", "20150830T123600Z"),
        ] {
            assert_eq!(check_one(name, value), Ok(()), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_not_honoured_is_refused_in_words() {
        for (name, value) in [
            ("x-amz-server-side-encryption", "aws:kms"),
            ("x-amz-server-side-encryption", "aws:kms:dsse"),
            ("x-amz-server-side-encryption-aws-kms-key-id", "alias/mine"),
            ("x-amz-server-side-encryption-context", "e30="),
            ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
            ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-server-side-encryption-customer-key", "c2VjcmV0"),
            ("x-amz-server-side-encryption-customer-key-md5", "c2VjcmV0"),
            ("x-amz-copy-source-server-side-encryption-customer-key", "c2VjcmV0"),
            ("x-amz-acl", "public-read"),
            ("x-amz-acl", "authenticated-read"),
            ("x-amz-grant-read", "uri=http://acs.amazonaws.com/groups/global/AllUsers"),
            ("x-amz-object-ownership", "ObjectWriter"),
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-website-redirect-location", "/elsewhere"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
            ("x-amz-object-lock-legal-hold", "ON"),
            ("x-amz-bucket-object-lock-enabled", "true"),
            ("x-amz-bypass-governance-retention", "true"),
            ("x-amz-mfa", "serial 123456"),
            ("x-amz-write-offset-bytes", "10"),
            ("x-amz-if-match-size", "10"),
        ] {
            let refusal = check_one(name, value).expect_err(name);
            assert_eq!(refusal.code, "NotImplemented", "{name}");
            assert!(refusal.message.contains(name), "{refusal}");
            assert!(!refusal.message.contains("c2VjcmV0"), "a key stands in the message: {refusal}");
        }
    }

    #[test]
    fn another_owner_is_denied() {
        for name in EXPECTED_OWNERS {
            assert_eq!(check_one(name, "111122223333").expect_err(name).code, "AccessDenied");
        }
    }
}
