//! The home of the definitions: the bucket and the prefix that hold the definitions and the ledger.

/// A bucket, and a prefix that is empty or ends in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub bucket: String,
    pub prefix: String,
}

impl Home {
    /// Reads `s3://bucket` or `s3://bucket/prefix`; returns `None` for any other text.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let rest = uri.strip_prefix("s3://").filter(|rest| !rest.is_empty() && !rest.starts_with('/'))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Some(Self { bucket: bucket.to_owned(), prefix })
    }

    /// Returns the key of `name` under the prefix.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns the `s3://` URI of a definition's file.
    pub(crate) fn definition_uri(&self, definition: &str) -> String {
        self.uri(&self.key(&format!("{definition}.json")))
    }

    /// Returns the `s3://` URI of a key.
    pub(crate) fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_a_bucket_with_or_without_a_prefix() {
        let home = |uri| Home::parse(uri).map(|home| home.key("orders.json"));
        assert_eq!(home("s3://definitions"), Some("orders.json".to_owned()));
        assert_eq!(home("s3://definitions/a/b/"), Some("a/b/orders.json".to_owned()));
        assert_eq!(home("definitions"), None);
        assert_eq!(home("s3://"), None);
    }
}
