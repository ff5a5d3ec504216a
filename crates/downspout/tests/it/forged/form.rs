//! The form of a browser.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const BOUNDARY: &str = "----boundary";

/// A form and its policy. The defaults make a legal form.
pub(super) struct Form {
    fields: Vec<(String, String)>,
    conditions: Vec<Value>,
    expiration: String,
    file: Option<String>,
    file_name: String,
    /// A policy document in the place of the one above.
    policy: Option<String>,
    left_out: Vec<String>,
}

impl Form {
    pub(super) fn new() -> Self {
        let expiration = Timestamp::now() + SignedDuration::from_mins(5);
        Self {
            fields: vec![("key".to_owned(), "forged".to_owned())],
            conditions: vec![
                json!({"bucket": "drop"}),
                json!(["starts-with", "$key", "forged"]),
                json!(["content-length-range", 1, 10]),
            ],
            expiration: expiration.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            file: Some("content".to_owned()),
            file_name: "file.csv".to_owned(),
            policy: None,
            left_out: Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, verb: &str, rest: &str) {
        match verb {
            "field" => {
                let (name, value) = rest.split_once(": ").expect("a field");
                self.fields.retain(|(known, _)| known != name);
                self.fields.push((name.to_owned(), value.to_owned()));
            }
            "no-field" => self.left_out.push(rest.to_owned()),
            "condition" => self.conditions.push(serde_json::from_str(rest).expect("a condition")),
            "no-conditions" => self.conditions.clear(),
            "expiration" => rest.clone_into(&mut self.expiration),
            "file" => self.file = Some(rest.to_owned()),
            "no-file" => self.file = None,
            "file-name" => rest.clone_into(&mut self.file_name),
            "policy" => self.policy = Some(rest.to_owned()),
            _ => panic!("no such step: {verb} {rest}"),
        }
    }

    /// Returns the content type and the body. `sign` signs the policy.
    pub(super) fn encode(
        mut self,
        algorithm: &str,
        credential: &str,
        date: &str,
        sign: impl Fn(&str) -> String,
    ) -> (String, Vec<u8>) {
        let of_signature =
            [("x-amz-algorithm", algorithm), ("x-amz-credential", credential), ("x-amz-date", date)];
        self.conditions.extend(of_signature.map(|(name, value)| json!({name: value})));
        let policy = json!({"expiration": self.expiration, "conditions": self.conditions}).to_string();
        let policy = BASE64.encode(self.policy.unwrap_or(policy));
        let signature = sign(&policy);
        let own =
            of_signature.into_iter().chain([("policy", policy.as_str()), ("x-amz-signature", &signature)]);
        let own = own.filter(|(name, _)| !self.fields.iter().any(|(given, _)| given == name));
        let own: Vec<_> = own.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut body = String::new();
        for (name, value) in own.iter().chain(&self.fields).filter(|(name, _)| !self.left_out.contains(name))
        {
            body.push_str(&format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
        if let Some(file) = self.file {
            body.push_str(&format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n\r\n{file}\r\n",
                self.file_name
            ));
        }
        body.push_str(&format!("--{BOUNDARY}--\r\n"));
        (format!("multipart/form-data; boundary={BOUNDARY}"), body.into_bytes())
    }
}
