//! The access keys of the machines of resources.
//!
//! Each machine has a key of its own, which may do nothing but the work of the machine's worker group. These keys are
//! not stored. The id of a key names the account, the pipeline and the attempt of the machine, and the secret is derived from
//! the id and from one secret of the store. So every server on the store knows every key, and nothing has to be revoked: a key is
//! good as long as the run has the machine.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use engine::{AttemptId, PipelineId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use sigv4::{Credentials, KnownKeys};

use crate::host::ResourceId;
use crate::keys::{Keys, is_account_id};

/// The beginning of the ids of these keys.
const PREFIX: &str = "MACHINE-";
/// The number of characters of an attempt's digest in a key's id.
const DIGEST_LENGTH: usize = 32;

/// Derives the keys of the machines of one account.
pub(crate) struct MachineKeys {
    account: String,
    secret: String,
}

/// The parts of the id of a machine's key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MachineKey {
    /// The account that owns the pipeline.
    pub(crate) account: String,
    /// The pipeline that the machine works for.
    pub(crate) pipeline: PipelineId,
    /// The digest of the attempt, whose id may have characters that an access key cannot have.
    attempt_digest: String,
}

/// The machine keys of all accounts that are at work.
#[derive(Default)]
pub(crate) struct MachineKeyring(RwLock<HashMap<String, Arc<MachineKeys>>>);

impl MachineKeys {
    pub(crate) fn new(account: &str, secret: String) -> Self {
        Self { account: account.to_owned(), secret }
    }

    /// Returns a random secret that cannot be guessed.
    pub(crate) fn fresh_secret() -> String {
        // Each of the two has 122 random bits.
        format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
    }

    /// Returns the key of a machine.
    pub(crate) fn credentials(&self, machine: &ResourceId) -> Credentials {
        let digest = attempt_digest(&machine.attempt);
        let access_key_id = format!("{PREFIX}{}-{}-{digest}", self.account, machine.pipeline);
        let secret_access_key = self.secret_of(&access_key_id);
        Credentials { access_key_id, secret_access_key }
    }

    fn secret_of(&self, access_key_id: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes());
        let mut mac = mac.expect("HMAC takes keys of every length");
        mac.update(access_key_id.as_bytes());
        hex(&mac.finalize().into_bytes())
    }
}

impl MachineKey {
    /// Reads the id of a key. Returns `None` if it is not an id of a machine's key.
    pub(crate) fn parse(access_key_id: &str) -> Option<Self> {
        let (account, rest) = access_key_id.strip_prefix(PREFIX)?.split_once('-')?;
        let (pipeline, digest) = rest.rsplit_once('-')?;
        let is_whole = is_account_id(account) && !pipeline.is_empty() && digest.len() == DIGEST_LENGTH;
        is_whole.then(|| Self {
            account: account.to_owned(),
            pipeline: pipeline.into(),
            attempt_digest: digest.to_owned(),
        })
    }

    /// Returns whether the key belongs to the machine of this attempt.
    pub(crate) fn is_of(&self, attempt: &AttemptId) -> bool {
        attempt_digest(attempt) == self.attempt_digest
    }
}

impl MachineKeyring {
    /// Makes the machine keys of an account known.
    pub(crate) fn add(&self, keys: Arc<MachineKeys>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(keys.account.clone(), keys);
    }

    fn secret_of(&self, access_key_id: &str) -> Option<String> {
        let account = MachineKey::parse(access_key_id)?.account;
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(keys.get(&account)?.secret_of(access_key_id))
    }
}

/// All keys as a verifier of signatures sees them: those of the file, and those of machines.
pub(crate) struct SigningKeys {
    pub(crate) keys: Arc<Keys>,
    pub(crate) machines: Arc<MachineKeyring>,
}

impl KnownKeys for SigningKeys {
    fn secret_of(&self, access_key_id: &str) -> Option<String> {
        match self.keys.get(access_key_id) {
            Some(key) => Some(key.secret_access_key.clone()),
            None => self.machines.secret_of(access_key_id),
        }
    }
}

fn attempt_digest(attempt: &AttemptId) -> String {
    let mut digest = hex(&Sha256::digest(attempt.as_str().as_bytes()));
    digest.truncate(DIGEST_LENGTH);
    digest
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(attempt: u32) -> ResourceId {
        let attempt = AttemptId::from(format!("@a b/é_2030-01-31T22:00:00_Attempt={attempt}"));
        ResourceId { pipeline: PipelineId::from("df-0123"), attempt }
    }

    #[test]
    fn the_id_of_a_key_reads_back_and_fits_one_attempt() {
        let keys = MachineKeys::new("123456789012", "s".to_owned());
        let id = keys.credentials(&machine(1)).access_key_id;
        let read = MachineKey::parse(&id).expect("is a machine's key");
        assert_eq!((read.account.as_str(), read.pipeline.as_str()), ("123456789012", "df-0123"));
        assert!(read.is_of(&machine(1).attempt) && !read.is_of(&machine(2).attempt));
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(id.bytes().all(is_plain), "{id}");
        for other in ["AKIAONE", "MACHINE-1-df-0-00", &id[..id.len() - 1], "MACHINE-123456789012-"] {
            assert_eq!(MachineKey::parse(other), None, "{other}");
        }
    }

    #[test]
    fn every_server_derives_the_same_key_and_two_machines_never_share_a_key() {
        let keys = |account, secret: &str| MachineKeys::new(account, secret.to_owned());
        let (one, other) = (keys("123456789012", "s"), keys("123456789012", "s"));
        let secret = one.credentials(&machine(1)).secret_access_key;
        assert_eq!(other.credentials(&machine(1)).secret_access_key, secret);
        assert_ne!(one.credentials(&machine(2)).secret_access_key, secret);
        assert_ne!(keys("123456789012", "t").credentials(&machine(1)).secret_access_key, secret);
    }

    #[test]
    fn a_keyring_knows_the_machines_of_its_accounts_alone() {
        let ring = MachineKeyring::default();
        let ours = Arc::new(MachineKeys::new("123456789012", "s".to_owned()));
        let theirs = MachineKeys::new("000000000000", "s".to_owned());
        ring.add(Arc::clone(&ours));
        let key = ours.credentials(&machine(1));
        assert_eq!(ring.secret_of(&key.access_key_id), Some(key.secret_access_key));
        assert_eq!(ring.secret_of(&theirs.credentials(&machine(1)).access_key_id), None);
        assert_eq!(ring.secret_of("AKIAONE"), None);
    }
}
