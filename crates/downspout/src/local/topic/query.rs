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

    /// Returns the items of a numbered list, in order, each as a call of its own. For `Tags.member`, the calls have the
    /// parameters `Key` and `Value` of `Tags.member.1`, `Tags.member.2` and so on. An item that is a single text has the
    /// empty name.
    pub(super) fn items(&self, list: &str) -> Vec<Self> {
        let prefix = format!("{list}.");
        let mut items: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
        let of_list = self.parameters.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        for (key, value) in of_list {
            let rest = &key[prefix.len()..];
            let (number, name) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                items.entry(number).or_default().insert(name.to_owned(), value.clone());
            }
        }
        items.into_values().map(|parameters| Self { parameters }).collect()
    }

    /// Returns the entries of a map, such as `Attributes`.
    pub(super) fn map(&self, name: &str) -> BTreeMap<String, String> {
        let entries = self.items(&format!("{name}.entry")).into_iter();
        let pair = |entry: Self| {
            Some((entry.get("key")?.to_owned(), entry.get("value").unwrap_or_default().to_owned()))
        };
        entries.filter_map(pair).collect()
    }
}
