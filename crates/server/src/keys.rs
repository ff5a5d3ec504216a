//! The access keys that may call the service, and the file that keeps them.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigv4::Credentials;
use tokio::sync::Notify;

/// An access key, with its account and its rights.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessKey {
    /// The public part, `AKIA...`.
    pub access_key_id: String,
    /// The secret part. `Debug` does not show it.
    pub secret_access_key: String,
    /// The account whose pipelines the key may use.
    pub account_id: String,
    /// If there are any, the key may only poll these worker groups, and report on tasks from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worker_groups: Vec<String>,
    /// A remark for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The time at which the key was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// The time at which the key was revoked. A revoked key may do nothing; it stays in the file, so that its account does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { access_key_id, account_id, worker_groups, .. } = self;
        write!(f, "AccessKey({access_key_id} of {account_id}, worker groups {worker_groups:?})")
    }
}

impl AccessKey {
    /// Returns a key that may use every operation on the pipelines of `account_id`.
    pub fn unlimited(credentials: Credentials, account_id: impl Into<String>) -> Self {
        Self {
            access_key_id: credentials.access_key_id,
            secret_access_key: credentials.secret_access_key,
            account_id: account_id.into(),
            worker_groups: Vec::new(),
            comment: None,
            created_at: None,
            revoked_at: None,
        }
    }
}

/// The keys that a running service knows. They may be replaced while it runs.
#[derive(Default)]
pub struct Keys {
    by_id: RwLock<HashMap<String, Arc<AccessKey>>>,
    replaced: Notify,
}

impl Keys {
    /// Returns these keys.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = AccessKey>) -> Self {
        let known = Self::default();
        known.replace(keys);
        known
    }

    /// Replaces all keys.
    pub fn replace(&self, keys: impl IntoIterator<Item = AccessKey>) {
        let by_id = keys.into_iter().map(|key| (key.access_key_id.clone(), Arc::new(key))).collect();
        *self.by_id.write().unwrap_or_else(PoisonError::into_inner) = by_id;
        self.replaced.notify_one();
    }

    /// Returns the key with this id, unless it was revoked.
    pub(crate) fn get(&self, access_key_id: &str) -> Option<Arc<AccessKey>> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(access_key_id).filter(|key| key.revoked_at.is_none()).cloned()
    }

    /// Returns the accounts of all keys, also of revoked ones.
    pub(crate) fn accounts(&self) -> BTreeSet<String> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.values().map(|key| key.account_id.clone()).collect()
    }

    /// Waits until the keys are replaced.
    pub(crate) async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

/// The reason why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("{} cannot be {action}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The content does not have the form that `downspout keys` writes.
    #[error("{} is not a file of access keys: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem, with its line. The text never quotes the file, which has secrets.
        problem: String,
    },
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    keys: Vec<AccessKey>,
}

/// Reads a file of keys.
///
/// # Errors
///
/// [`KeyFileError`] if the file cannot be read, is not a file of keys, has a key twice, or has an empty or impossible value.
pub fn read_keys(path: &Path) -> Result<Vec<AccessKey>, KeyFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| {
        let path = path.to_owned();
        KeyFileError::File { path, action: "read", source }
    })?;
    let wrong = |problem: String| KeyFileError::Content { path: path.to_owned(), problem };
    let Content { keys } = serde_json::from_str(&text).map_err(|error| {
        // The message of serde may quote a value, and values are secrets.
        let kind = if error.is_data() {
            "a member is missing, unknown or of the wrong type"
        } else {
            "it is not JSON"
        };
        wrong(format!("{kind} (line {}, column {})", error.line(), error.column()))
    })?;
    let mut seen = BTreeSet::new();
    for (index, key) in keys.iter().enumerate() {
        let number = index + 1;
        if let Some(problem) = problem_of(key) {
            return Err(wrong(format!("key {number}: {problem}")));
        }
        if !seen.insert(&key.access_key_id) {
            return Err(wrong(format!("key {number}: its accessKeyId was there before")));
        }
    }
    Ok(keys)
}

fn problem_of(key: &AccessKey) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if key.access_key_id.is_empty() || !key.access_key_id.bytes().all(is_plain) {
        return Some("accessKeyId must have letters, digits, - and _ only");
    }
    if key.secret_access_key.len() < 16 {
        return Some("secretAccessKey must have at least 16 characters");
    }
    if !is_account_id(&key.account_id) {
        return Some("accountId must have 12 digits");
    }
    key.worker_groups.iter().any(String::is_empty).then_some("workerGroups has an empty name")
}

/// Returns whether `text` is an account id: 12 digits.
#[must_use]
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Writes a file of keys, which only its owner may read. A reader sees the old file or the new one, never a part.
///
/// # Errors
///
/// [`KeyFileError::File`] if the file cannot be written.
pub fn write_keys(path: &Path, keys: &[AccessKey]) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::File { path: path.to_owned(), action: "written", source };
    let content = Content { keys: keys.to_vec() };
    let text = serde_json::to_string_pretty(&content).map_err(|error| failed(error.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // `tempfile` makes files that only their owner may read.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(file, "{text}").and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> AccessKey {
        let credentials = Credentials {
            access_key_id: id.to_owned(),
            secret_access_key: "a secret of the tests".to_owned(),
        };
        AccessKey::unlimited(credentials, "000000000000")
    }

    fn problem(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("writes");
        let error = read_keys(file.path()).expect_err("refused").to_string();
        error.split_once(": ").expect("has a problem").1.to_owned()
    }

    #[test]
    fn a_written_file_is_read_and_only_its_owner_may_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys.json");
        let mut keys = vec![key("AKIAONE"), key("AKIATWO")];
        keys[1].worker_groups = vec!["loaders".to_owned()];
        keys[1].revoked_at = Some(Timestamp::UNIX_EPOCH);
        write_keys(&path, &keys).expect("writes");
        assert_eq!(read_keys(&path).expect("reads"), keys);
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn problems_name_their_place_and_no_secret() {
        let secret = r#""secretAccessKey": "hidden hidden hidden""#;
        for (text, expected) in [
            ("nonsense", "it is not JSON (line 1, column 2)".to_owned()),
            (
                &format!(r#"{{"keys": [{{"accessKeyId": "A", {secret}, "accountId": 5}}]}}"#),
                "a member is missing, unknown or of the wrong type (line 1, column 88)".to_owned(),
            ),
            (
                &format!(r#"{{"keys": [{{"accessKeyId": "A", {secret}, "accountId": "5"}}]}}"#),
                "key 1: accountId must have 12 digits".to_owned(),
            ),
            (
                r#"{"keys": [{"accessKeyId": "A", "secretAccessKey": "short", "accountId": "000000000000"}]}"#,
                "key 1: secretAccessKey must have at least 16 characters".to_owned(),
            ),
        ] {
            assert_eq!(problem(text), expected);
        }
        let one = format!(r#"{{"accessKeyId": "A", {secret}, "accountId": "000000000000"}}"#);
        assert_eq!(
            problem(&format!(r#"{{"keys": [{one}, {one}]}}"#)),
            "key 2: its accessKeyId was there before"
        );
    }

    #[test]
    fn a_revoked_key_is_unknown_and_its_account_stays() {
        let mut revoked = key("AKIAONE");
        revoked.revoked_at = Some(Timestamp::UNIX_EPOCH);
        let keys = Keys::new([revoked]);
        assert!(keys.get("AKIAONE").is_none());
        assert_eq!(keys.accounts(), BTreeSet::from(["000000000000".to_owned()]));
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", key("AKIAONE")).contains("secret of"));
    }
}
