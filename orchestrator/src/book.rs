//! The book: reads the ledger's objects in S3, and writes an object only if nobody else has written it since the read.

use anyhow::Context as _;

use crate::conditional::Conditional;
use crate::home::Home;
use crate::ledger::Ledger;
use crate::ports::{Condition, Put, Storage};
use crate::set_name::SetName;

/// A ledger object with its ETag, which is the condition of the next put.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entry {
    pub key: String,
    pub ledger: Ledger,
    etag: Option<String>,
}

impl Entry {
    /// Returns whether the object existed when it was read.
    pub(crate) fn exists(&self) -> bool {
        self.etag.is_some()
    }
}

/// Reads and writes ledger objects.
#[derive(Debug)]
pub(crate) struct Book {
    pub home: Home,
    holder: String,
}

impl Book {
    pub(crate) fn new(home: Home, holder: &str) -> Self {
        Self { home, holder: holder.to_owned() }
    }

    /// Returns whether the process of a holder has ended.
    ///
    /// The answer is certain only for holders with this process's own name and another incarnation
    /// (`name#incarnation`); for any other holder, returns false.
    pub(crate) fn is_gone(&self, holder: &str) -> bool {
        let Some((name, _)) = self.holder.split_once('#') else { return false };
        let is_ours = holder.strip_prefix(self.holder.as_str()).is_some_and(|rest| rest.starts_with('/'));
        let has_our_name = holder.split_once('#').is_some_and(|(other, _)| other == name);
        has_our_name && !is_ours
    }

    /// Returns the prefix of a definition's ledger objects.
    pub(crate) fn folder(&self, definition: &str) -> String {
        self.home.key(&format!("ledger/{definition}/"))
    }

    /// Returns the set whose ledger has this key. Names that begin with `_` belong to other objects of the folder.
    pub(crate) fn set_of(&self, definition: &str, key: &str) -> Option<SetName> {
        let id = key.strip_prefix(self.folder(definition).as_str())?.strip_suffix(".json")?;
        let is_set = !id.starts_with('_') && !id.contains('/');
        is_set.then(|| SetName { definition: definition.to_owned(), id: id.to_owned() })
    }

    /// Returns the entry of a set that has no ledger yet.
    pub(crate) fn absent(&self, name: &SetName) -> Entry {
        Entry { key: format!("{}{}.json", self.folder(&name.definition), name.id), ..Entry::default() }
    }

    /// Reads the ledger of a set. A ledger that does not exist is empty.
    pub(crate) async fn entry(&self, storage: &impl Storage, name: &SetName) -> anyhow::Result<Entry> {
        self.read(storage, self.absent(name).key).await
    }

    /// Reads the ledger of an entry again, after it changed.
    pub(crate) async fn again(&self, storage: &impl Storage, entry: &Entry) -> anyhow::Result<Entry> {
        self.read(storage, entry.key.clone()).await
    }

    async fn read(&self, storage: &impl Storage, key: String) -> anyhow::Result<Entry> {
        let stored = storage.get(&self.home.bucket, &key).await.with_context(|| format!("reading {key}"))?;
        let Some(stored) = stored else { return Ok(Entry { key, ..Entry::default() }) };
        let ledger = serde_json::from_slice(&stored.body);
        let mut ledger: Ledger =
            ledger.with_context(|| format!("reading {key}: the object is not a ledger"))?;
        if let Some(head) = ledger.head.as_mut().filter(|head| self.is_gone(&head.holder)) {
            head.lease_until = head.lease_until.min(head.claimed_at);
        }
        Ok(Entry { key, ledger, etag: Some(stored.etag) })
    }

    /// Writes `ledger` in place of the ledger of `entry`, and returns the new entry.
    ///
    /// Returns [`Conditional::LedgerChanged`] and writes nothing if another handler wrote the object after `entry` was read.
    pub(crate) async fn put(
        &self,
        storage: &impl Storage,
        entry: &Entry,
        ledger: Ledger,
    ) -> anyhow::Result<Conditional<Entry>> {
        let body = serde_json::to_string_pretty(&ledger).context("writing a ledger")?;
        let condition = entry.etag.clone().map_or(Condition::Absent, Condition::Unchanged);
        let put = storage.put(&self.home.bucket, &entry.key, body, condition).await;
        let key = entry.key.clone();
        match put.with_context(|| format!("writing {key}"))? {
            Put::Stored(etag) => Ok(Conditional::Done(Entry { key, ledger, etag: Some(etag) })),
            Put::Conflict => {
                // The SDK sends a put again if it lost the answer, and then the put conflicts with itself.
                let now = self.read(storage, key).await?;
                Ok(if now.ledger == ledger { Conditional::Done(now) } else { Conditional::LedgerChanged })
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
