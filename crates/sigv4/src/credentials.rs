//! The keys that may sign.

use std::fmt;

/// A pair of keys that may sign requests.
#[derive(Clone)]
pub struct Credentials {
    /// The public part, `AKIA...`.
    pub access_key_id: String,
    /// The secret part. `Debug` does not show it.
    pub secret_access_key: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The keys that an endpoint knows. They may change while the endpoint runs.
pub trait KnownKeys: Send + Sync {
    /// Returns the secret key that belongs to an access key id, or `None` if the id is unknown.
    fn secret_of(&self, access_key_id: &str) -> Option<String>;
}

impl KnownKeys for Vec<Credentials> {
    fn secret_of(&self, access_key_id: &str) -> Option<String> {
        let found = self.iter().find(|credentials| credentials.access_key_id == access_key_id);
        found.map(|credentials| credentials.secret_access_key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_secret() {
        let credentials =
            Credentials { access_key_id: "AKID".to_owned(), secret_access_key: "hidden".to_owned() };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKID") && !shown.contains("hidden"), "{shown}");
    }
}
