//! The access keys, the API key and the database password of the stack, which are created once per data directory.

use rand::RngExt;
use serde::{Deserialize, Serialize};
use sigv4::Credentials;

use super::data_dir::{DataDir, DataDirError, read_json, write_json};

/// Base 32, as in the key ids of AWS.
const ID_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Letters and digits only, which need no quotes in a shell, a URL or a JDBC string.
const SECRET_ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The access keys, the API key and the database password.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Keys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) postgres_password: String,
    /// The key that the HTTP doors of streams ask for. A data directory from before the time of streams has no such key.
    #[serde(default)]
    pub(super) api_key: String,
}

impl Keys {
    /// Returns the keys of the data directory. The first call for a directory creates its keys.
    pub(super) fn of(data_dir: &DataDir) -> Result<Self, DataDirError> {
        let file = data_dir.join("credentials.json");
        let mut keys = match read_json::<Self>(&file)? {
            Some(keys) if !keys.api_key.is_empty() => return Ok(keys),
            Some(keys) => keys,
            None => {
                let Credentials { access_key_id, secret_access_key } = new_credentials();
                let postgres_password = random(SECRET_ALPHABET, 24);
                Self { access_key_id, secret_access_key, postgres_password, api_key: String::new() }
            }
        };
        // As long as the keys that API Gateway makes.
        keys.api_key = random(SECRET_ALPHABET, 40);
        write_json(&file, &keys)?;
        Ok(keys)
    }
}

/// Returns a new access key.
pub(crate) fn new_credentials() -> Credentials {
    Credentials {
        access_key_id: format!("AKIA{}", random(ID_ALPHABET, 16)),
        secret_access_key: random(SECRET_ALPHABET, 40),
    }
}

fn random(alphabet: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(alphabet[rng.random_range(0..alphabet.len())])).collect()
}
