//! The ledger's objects in S3: read whole, put only if nobody put in between.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;

use crate::definitions::Home;
use crate::ledger::Ledger;
use crate::ports::{Condition, Listed, Put, Storage};

/// A ledger object as it was read; its ETag is what the next put depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub key: String,
    pub ledger: Ledger,
    etag: Option<String>,
}

impl Entry {
    /// Returns whether there was such an object.
    pub(crate) fn exists(&self) -> bool {
        self.etag.is_some()
    }
}

/// Reads and puts ledger objects.
#[derive(Debug)]
pub(crate) struct Book {
    pub home: Home,
    holder: String,
    /// What sweeps have read, by key; a listing shows what changed since.
    read: Mutex<HashMap<String, Entry>>,
}

impl Book {
    pub(crate) fn new(home: Home, holder: &str) -> Self {
        Self { home, holder: holder.to_owned(), read: Mutex::default() }
    }

    /// Returns whether a holder is an earlier incarnation of ours: `name#incarnation`, same name. It is gone.
    pub(crate) fn is_gone(&self, holder: &str) -> bool {
        let Some((name, _)) = self.holder.split_once('#') else { return false };
        let ours = holder.strip_prefix(self.holder.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let is_named_so = holder.split_once('#').is_some_and(|(other, _)| other == name);
        is_named_so && !ours
    }

    /// Returns the prefix of a definition's ledger objects.
    pub(crate) fn folder(&self, definition: &str) -> String {
        self.home.key(&format!("ledger/{definition}/"))
    }

    /// Returns the set of a ledger object; what begins with `_` is none.
    pub(crate) fn set_of(&self, definition: &str, key: &str) -> Option<String> {
        let name = key.strip_prefix(self.folder(definition).as_str())?.strip_suffix(".json")?;
        (!name.starts_with('_') && !name.contains('/')).then(|| name.to_owned())
    }

    /// Returns the ledger of a set that has none yet.
    pub(crate) fn absent(&self, definition: &str, set: &str) -> Entry {
        Entry { key: format!("{}{set}.json", self.folder(definition)), ..Entry::default() }
    }

    /// Reads the ledger of a set; one that does not exist is empty.
    pub(crate) async fn entry(
        &self,
        storage: &impl Storage,
        definition: &str,
        set: &str,
    ) -> anyhow::Result<Entry> {
        self.read(storage, self.absent(definition, set).key).await
    }

    /// Reads a listed ledger, unless it was read as it is before.
    pub(crate) async fn listed(&self, storage: &impl Storage, listed: &Listed) -> anyhow::Result<Entry> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(&listed.key).cloned();
        if let Some(known) = known.filter(|known| known.etag.as_ref() == Some(&listed.etag)) {
            return Ok(known);
        }
        let entry = self.read(storage, listed.key.clone()).await?;
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(listed.key.clone(), entry.clone());
        Ok(entry)
    }

    /// Reads a ledger that has changed since.
    pub(crate) async fn again(&self, storage: &impl Storage, entry: &Entry) -> anyhow::Result<Entry> {
        self.read(storage, entry.key.clone()).await
    }

    async fn read(&self, storage: &impl Storage, key: String) -> anyhow::Result<Entry> {
        let stored = storage.get(&self.home.bucket, &key).await.with_context(|| format!("reading {key}"))?;
        let Some(stored) = stored else { return Ok(Entry { key, ..Entry::default() }) };
        let ledger = serde_json::from_slice(&stored.body);
        let mut ledger: Ledger = ledger.with_context(|| format!("reading {key}: no ledger"))?;
        if let Some(head) = ledger.head.as_mut().filter(|head| self.is_gone(&head.holder)) {
            head.lease_until = head.lease_until.min(head.claimed_at);
        }
        Ok(Entry { key, ledger, etag: Some(stored.etag) })
    }

    /// Puts `ledger` in the place of `entry`; `None` when somebody else was there first.
    pub(crate) async fn put(
        &self,
        storage: &impl Storage,
        entry: &Entry,
        ledger: Ledger,
    ) -> anyhow::Result<Option<Entry>> {
        let body = serde_json::to_string_pretty(&ledger).context("writing a ledger")?;
        let condition = entry.etag.clone().map_or(Condition::Absent, Condition::Unchanged);
        let put = storage.put(&self.home.bucket, &entry.key, body, condition).await;
        let key = entry.key.clone();
        match put.with_context(|| format!("writing {key}"))? {
            Put::Stored(etag) => Ok(Some(Entry { key, ledger, etag: Some(etag) })),
            Put::Conflict => {
                // A put whose answer was lost is sent again by the SDK and then conflicts with itself.
                let now = self.read(storage, key).await?;
                Ok((now.ledger == ledger).then_some(now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_incarnation_of_the_same_holder_is_gone() {
        let book = |holder| Book::new(Home { bucket: "b".to_owned(), prefix: String::new() }, holder);
        let up = book("up#2");
        assert!(up.is_gone("up#1/7") && up.is_gone("up#21/7"));
        assert!(!up.is_gone("up#2/7") && !up.is_gone("other#1/7") && !up.is_gone("up/7"));
        assert!(!book("lambda").is_gone("lambda#1/7"));
    }
}
