//! The policy of a form: the time at which it expires, and the values that the fields of the form may have.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;
use sigv4::s3::Refusal;

/// The fields that the policy need not mention.
const EXEMPT: [&str; 3] = ["file", "policy", "x-amz-signature"];

/// The largest file of a form in bytes, as of every upload in one request.
const LARGEST_FILE: u64 = 5 << 30;

/// A policy that has not expired.
pub(super) struct Policy {
    conditions: Vec<Condition>,
    sizes: Sizes,
}

/// The sizes that the file may have, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    least: u64,
    most: u64,
}

/// A condition on the value of one field. `field` is in lower case and without the dollar sign.
struct Condition {
    field: String,
    test: Test,
    /// The condition as the policy has it, for messages.
    shown: String,
}

enum Test {
    Equals(String),
    StartsWith(String),
}

impl Policy {
    /// Reads a policy from Base64. Fails if it cannot be read or has expired.
    pub(super) fn parse(policy: &str, now: Timestamp) -> Result<Self, Refusal> {
        let text = BASE64.decode(policy).map_err(|_| invalid("it is not Base64."))?;
        let document: Value = serde_json::from_slice(&text).map_err(|_| invalid("Invalid JSON."))?;
        let expiration =
            document["expiration"].as_str().ok_or_else(|| invalid("Policy missing expiration."))?;
        let end = iso_time(expiration)
            .ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{expiration}'")))?;
        if end <= now {
            return Err(denied("Policy expired."));
        }
        let listed =
            document["conditions"].as_array().ok_or_else(|| invalid("Policy missing conditions."))?;
        let mut read = Self { conditions: Vec::new(), sizes: Sizes { least: 0, most: LARGEST_FILE } };
        for condition in listed {
            read.add(condition)?;
        }
        Ok(read)
    }

    fn add(&mut self, condition: &Value) -> Result<(), Refusal> {
        let not_readable = || invalid(&format!("Invalid condition: {condition}."));
        if let Some(object) = condition.as_object() {
            for (field, value) in object {
                let value = value.as_str().ok_or_else(not_readable)?;
                self.push(field, Test::Equals(value.to_owned()), condition);
            }
            return Ok(());
        }
        let parts = condition.as_array().map(Vec::as_slice).unwrap_or_default();
        let [operator, first, second] = parts else { return Err(not_readable()) };
        let operator = operator.as_str().unwrap_or_default().to_ascii_lowercase();
        if operator == "content-length-range" {
            let (least, most) = number(first).zip(number(second)).ok_or_else(not_readable)?;
            self.sizes = Sizes { least: self.sizes.least.max(least), most: self.sizes.most.min(most) };
            return Ok(());
        }
        let field = first.as_str().and_then(|field| field.strip_prefix('$')).ok_or_else(not_readable)?;
        let value = second.as_str().ok_or_else(not_readable)?.to_owned();
        let test = match operator.as_str() {
            "eq" => Test::Equals(value),
            "starts-with" => Test::StartsWith(value),
            _ => return Err(not_readable()),
        };
        self.push(field, test, condition);
        Ok(())
    }

    fn push(&mut self, field: &str, test: Test, condition: &Value) {
        self.conditions.push(Condition {
            field: field.to_ascii_lowercase(),
            test,
            shown: condition.to_string(),
        });
    }

    /// Returns the sizes that the file may have.
    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Checks the fields of a form for `bucket`. Fails if a condition does not hold, or if the policy does not mention a
    /// field.
    pub(super) fn check(&self, fields: &[(String, String)], bucket: &str) -> Result<(), Refusal> {
        let value_of = |name: &str| match name {
            "bucket" => Some(bucket),
            _ => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str()),
        };
        let given = fields.iter().find(|(field, _)| field == "bucket");
        if given.is_some_and(|(_, given)| given != bucket) {
            return Err(denied("the field bucket names another bucket than the address of the request."));
        }
        for condition in &self.conditions {
            if !condition.holds(value_of(&condition.field)) {
                return Err(denied(&format!("Policy Condition failed: {}", condition.shown)));
            }
        }
        let names = fields.iter().map(|(name, _)| name.as_str()).chain(["bucket"]);
        let is_mentioned = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        let mut extra: Vec<&str> = names
            .filter(|name| !EXEMPT.contains(name) && !name.starts_with("x-ignore-") && !is_mentioned(name))
            .collect();
        extra.dedup();
        if extra.is_empty() {
            Ok(())
        } else {
            Err(denied(&format!("Extra input fields: {}", extra.join(", "))))
        }
    }
}

impl Condition {
    fn holds(&self, value: Option<&str>) -> bool {
        match (&self.test, value) {
            (Test::Equals(wanted), Some(value)) => value == wanted,
            // Each of several content types must begin as the policy says.
            (Test::StartsWith(start), Some(value)) if self.field == "content-type" => {
                value.split(',').all(|part| part.trim().starts_with(start.as_str()))
            }
            (Test::StartsWith(start), Some(value)) => value.starts_with(start.as_str()),
            (Test::StartsWith(start), None) => start.is_empty(),
            (Test::Equals(_), None) => false,
        }
    }
}

impl Sizes {
    /// Checks the number of bytes that have arrived so far.
    pub(super) fn check_arrived(self, size: u64) -> Result<(), Refusal> {
        if size <= self.most {
            return Ok(());
        }
        let message = "Your proposed upload exceeds the maximum allowed size";
        Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooLarge", message)
            .with("MaxSizeAllowed", self.most.to_string()))
    }

    /// Checks the size of the whole file.
    pub(super) fn check_whole(self, size: u64) -> Result<(), Refusal> {
        if size >= self.least {
            return self.check_arrived(size);
        }
        let message = "Your proposed upload is smaller than the minimum allowed size";
        Err(Refusal::new(StatusCode::BAD_REQUEST, "EntityTooSmall", message)
            .with("MinSizeAllowed", self.least.to_string())
            .with("ProposedSize", size.to_string()))
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS`, with or without a fraction, in UTC. S3 reads no other form.
fn iso_time(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let is_iso = bytes.get(10) == Some(&b'T') && text.ends_with('Z') && text.is_ascii();
    let is_plain = bytes.iter().all(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(byte));
    text.parse().ok().filter(|_| is_iso && is_plain && bytes.len() >= 20)
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "InvalidPolicyDocument", format!("Invalid Policy: {why}"))
}

fn denied(why: &str) -> Refusal {
    Refusal::access_denied(format!("Invalid according to Policy: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(document: &str) -> Result<Policy, Refusal> {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        Policy::parse(&BASE64.encode(document), now)
    }

    fn policy(conditions: &str) -> Policy {
        let text = format!(r#"{{"expiration": "2026-01-01T00:00:01Z", "conditions": {conditions}}}"#);
        parse(&text).unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(), String> {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        policy(conditions).check(&fields, "drop").map_err(|refusal| refusal.message)
    }

    #[test]
    fn an_expiration_has_one_form() {
        for (text, code) in [
            ("2026-01-01T00:00:01Z", None),
            ("2026-01-01T00:00:01.000Z", None),
            ("2026-01-01T00:00:00Z", Some("AccessDenied")),
            ("2025-12-31T23:59:59.999Z", Some("AccessDenied")),
            ("2030-01-01T00:00:00+00:00", Some("InvalidPolicyDocument")),
            ("2030-01-01 00:00:00Z", Some("InvalidPolicyDocument")),
            ("2030-01-01T00:00:00", Some("InvalidPolicyDocument")),
            ("2030-01-01", Some("InvalidPolicyDocument")),
            ("20300101T000000Z", Some("InvalidPolicyDocument")),
            ("Tue, 01 Jan 2030 00:00:00 GMT", Some("InvalidPolicyDocument")),
            ("1893456000", Some("InvalidPolicyDocument")),
        ] {
            let read = parse(&format!(r#"{{"expiration": "{text}", "conditions": []}}"#));
            assert_eq!(read.err().map(|refusal| refusal.code), code, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for document in [
            "{",
            "[]",
            r#"{"conditions": []}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z"}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": [["like", "$key", "a"]]}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": [["eq", "key", "a"]]}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": [["eq", "$key"]]}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": ["eq"]}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": [{"key": 1}]}"#,
            r#"{"expiration": "2030-01-01T00:00:00Z", "conditions": [["content-length-range", -1, 5]]}"#,
        ] {
            let refusal = parse(document).err().unwrap_or_else(|| panic!("{document} is accepted"));
            assert_eq!(refusal.code, "InvalidPolicyDocument", "{document}");
        }
    }

    #[test]
    fn every_condition_must_hold() {
        let conditions =
            r#"[{"bucket": "drop"}, ["starts-with", "$key", "user/"], ["eq", "$Content-Type", "text/csv"]]"#;
        let good = [("key", "user/a"), ("content-type", "text/csv"), ("x-ignore-me", "1"), ("policy", "p")];
        assert_eq!(check(conditions, &good), Ok(()));
        for (name, value) in [("key", "other/a"), ("content-type", "text/html")] {
            let fields = good.map(|(field, given)| (field, if field == name { value } else { given }));
            let message = check(conditions, &fields).expect_err(name);
            assert!(
                message.starts_with("Invalid according to Policy: Policy Condition failed: ["),
                "{message}"
            );
        }
        assert!(check(conditions, &good[..1]).is_err(), "a missing field equals nothing");
    }

    #[test]
    fn every_field_must_be_mentioned_and_so_must_the_bucket() {
        let conditions = r#"[["starts-with", "$key", ""]]"#;
        let message = check(conditions, &[("key", "a"), ("acl", "public-read")]);
        assert_eq!(message, Err("Invalid according to Policy: Extra input fields: acl, bucket".to_owned()));
        assert!(check(r#"[{"bucket": "other"}]"#, &[]).is_err(), "a policy for another bucket");
        assert!(check(r#"[{"bucket": "drop"}]"#, &[("bucket", "other")]).is_err());
    }

    #[test]
    fn a_file_has_a_size_of_the_range() {
        let sizes = policy(r#"[["content-length-range", 2, "4"]]"#).sizes();
        let code = |result: Result<(), Refusal>| result.err().map(|refusal| refusal.code);
        assert_eq!(code(sizes.check_whole(1)), Some("EntityTooSmall"));
        assert_eq!((code(sizes.check_whole(2)), code(sizes.check_whole(4))), (None, None));
        assert_eq!(code(sizes.check_arrived(5)), Some("EntityTooLarge"));
    }
}
