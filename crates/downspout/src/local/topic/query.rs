//! The requests of the Query protocol: forms with an action and numbered parameters.

use std::collections::BTreeMap;

use axum::http::request::Parts;

use super::response::SnsError;

/// A call: its action and its parameters.
#[derive(Debug)]
pub(super) struct Call {
    parameters: BTreeMap<String, String>,
}

impl Call {
    /// Reads the parameters from the form in the body and from the query of the URL.
    pub(super) fn read(parts: &Parts, body: &[u8]) -> Result<Self, SnsError> {
        let mut parameters = BTreeMap::new();
        for form in [parts.uri.query().unwrap_or_default().as_bytes(), body] {
            let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(form)
                .map_err(|_| SnsError::invalid("the request is not a form of the Query protocol"))?;
            parameters.extend(pairs);
        }
        Ok(Self { parameters })
    }

    #[cfg(test)]
    pub(super) fn of(pairs: &[(&str, &str)]) -> Self {
        Self {
            parameters: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    /// Returns the action's name.
    pub(super) fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    /// Returns a parameter; `None` if the call does not have it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Returns a parameter; fails if it is missing or empty.
    pub(super) fn require(&self, name: &str) -> Result<&str, SnsError> {
        self.get(name).filter(|value| !value.is_empty()).ok_or_else(|| SnsError::parameter(name))
    }

    /// Returns the text of the message attribute `name`.
    pub(super) fn message_attribute(&self, name: &str) -> Option<&str> {
        (1..=10) // SNS takes at most ten message attributes.
            .find(|n| self.get(&format!("MessageAttributes.entry.{n}.Name")) == Some(name))
            .and_then(|n| self.get(&format!("MessageAttributes.entry.{n}.Value.StringValue")))
    }
}
