//! The header `Authorization`: `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`.

use std::collections::BTreeMap;

/// The parameters of the header, which begins with the algorithm of Signature Version 4.
pub(crate) struct Authorization<'a> {
    parameters: BTreeMap<&'a str, &'a str>,
}

impl<'a> Authorization<'a> {
    /// Reads the parts of the header after the algorithm.
    pub(crate) fn parse(parameters: &'a str) -> Self {
        let pairs = parameters.split(',').filter_map(|parameter| parameter.trim().split_once('='));
        Self { parameters: pairs.map(|(name, value)| (name.trim(), value.trim())).collect() }
    }

    /// Returns the parameter `name`, or `None` if it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.parameters.get(name).copied().filter(|value| !value.is_empty())
    }
}
