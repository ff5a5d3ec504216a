//! Lists keys by a walk along the index, which skips over each common prefix. So the cost depends on the number of entries that
//! are returned, not on the size of the bucket.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::index;
use super::model::S3Object;
use super::rows;
use super::store::S3Store;

/// The parameters of a listing.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    pub(super) prefix: String,
    pub(super) delimiter: Option<String>,
    /// The start of the listing.
    pub(super) from: ListFrom,
    pub(super) limit: usize,
}

/// The position at which a listing starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ListFrom {
    #[default]
    Start,
    /// After this key. If the key is a common prefix of an earlier page, the listing starts after all keys that begin
    /// with it.
    After(String),
    /// At this key, or at the first key after it.
    At(Vec<u8>),
}

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// The start of the next page, if there is one.
    pub(super) next: Option<Vec<u8>>,
}

/// An object, or the common prefix of several keys.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    Object(Box<S3Object>),
    Prefix(String),
}

impl Entry {
    /// Returns the key or the common prefix.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Object(object) => &object.key,
            Self::Prefix(prefix) => prefix,
        }
    }
}

impl Listing {
    /// Returns the common prefix that `key` belongs to, if the key contains the delimiter after the listing's prefix.
    pub(super) fn rolled_up<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let rest = key.get(self.prefix.len()..)?;
        let end = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(&key[..end])
    }

    /// Returns the smallest bytes that the first entry of the page can have.
    pub(super) fn first(&self) -> Vec<u8> {
        let begin = match &self.from {
            ListFrom::Start => Vec::new(),
            ListFrom::At(bytes) => bytes.clone(),
            ListFrom::After(key) if self.rolled_up(key) == Some(key) && key.starts_with(&self.prefix) => {
                after_prefix(key.as_bytes())
            }
            ListFrom::After(key) => after_key(key.as_bytes()),
        };
        begin.max(self.prefix.clone().into_bytes())
    }
}

/// Returns the smallest bytes that are greater than `key`.
fn after_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Returns the smallest bytes that are greater than everything that begins with `prefix`.
pub(super) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut bound = prefix.to_vec();
    if let Some(last) = bound.last_mut() {
        // UTF-8 contains no byte 0xFF, so this addition cannot overflow.
        *last += 1;
    }
    bound
}

impl S3Store {
    /// Lists a page of the keys of a bucket, in binary order.
    pub(super) async fn list(&self, bucket: &str, listing: Listing) -> Result<Page, StoreError> {
        let bucket = bucket.to_owned();
        self.read(move |connection| {
            // All seeks for a page read the same snapshot.
            let snapshot = connection.unchecked_transaction()?;
            index::bucket(&snapshot, &bucket)?;
            page(&snapshot, &bucket, &listing)
        })
        .await
    }
}

fn page(connection: &Connection, bucket: &str, listing: &Listing) -> Result<Page, StoreError> {
    let mut page = Page::default();
    let mut begin = listing.first();
    let sql = "SELECT key, content, size, etag, modified, version, 0 FROM objects \
               WHERE bucket = ?1 AND key >= ?2 ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    'seek: loop {
        let mut rows = statement.query(params![bucket, begin])?;
        while let Some(row) = rows.next()? {
            let object = rows::listed_object(row)?;
            if !object.key.starts_with(&listing.prefix) {
                return Ok(page);
            }
            if page.entries.len() >= listing.limit {
                page.next = Some(begin);
                return Ok(page);
            }
            let Some(prefix) = listing.rolled_up(&object.key).map(str::to_owned) else {
                begin = after_key(object.key.as_bytes());
                page.entries.push(Entry::Object(Box::new(object)));
                continue;
            };
            begin = after_prefix(prefix.as_bytes());
            page.entries.push(Entry::Prefix(prefix));
            continue 'seek;
        }
        return Ok(page);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::event::EventName;
    use super::super::model::{Conditions, Meta};
    use super::super::receiving::{Body, Received};
    use super::*;

    fn empty() -> Received {
        Received { body: Body::Inline(vec![]), size: 0, md5: [0; 16], checksums: Default::default() }
    }

    /// Lists all pages, and returns the names of their entries.
    async fn all(store: &S3Store, mut listing: Listing) -> Vec<String> {
        let mut names = Vec::new();
        loop {
            let page = store.list("bucket", listing.clone()).await.unwrap();
            assert!(page.entries.len() <= listing.limit);
            names.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
            match page.next {
                Some(next) => listing.from = ListFrom::At(next),
                None => return names,
            }
        }
    }

    /// Returns the names that a listing must have by its definition.
    fn model(keys: &BTreeSet<String>, prefix: &str, delimiter: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for key in keys.iter().filter(|key| key.starts_with(prefix)) {
            let rest = &key[prefix.len()..];
            let name = match rest.find(delimiter) {
                Some(at) if !delimiter.is_empty() => key[..prefix.len() + at + delimiter.len()].to_owned(),
                _ => key.clone(),
            };
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        names
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_listing_is_what_its_definition_says(
            keys in prop::collection::btree_set("[ab/é]{1,5}", 0..30),
            prefix in "[ab/]{0,2}",
            delimiter in prop::sample::select(vec!["", "/", "b/"]),
            limit in 1..5_usize,
        ) {
            let directory = tempfile::tempdir().unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let store = S3Store::open(directory.path()).unwrap();
                store.create_bucket("bucket").await.unwrap();
                for key in &keys {
                    let (meta, always) = (Meta::default(), Conditions::default());
                    store.put("bucket", key, empty(), meta, always, EventName::CreatedPut).await.unwrap();
                }
                let listing = Listing {
                    prefix: prefix.clone(),
                    delimiter: Some(delimiter.to_owned()),
                    from: ListFrom::Start,
                    limit,
                };
                let found = all(&store, listing.clone()).await;
                assert_eq!(found, model(&keys, &prefix, delimiter));
                // Clients use the last entry of a page as the marker of the next page, so a listing that starts after an
                // entry must return exactly the entries after it.
                for (at, name) in found.iter().enumerate() {
                    let rest = all(&store, Listing { from: ListFrom::After(name.clone()), ..listing.clone() }).await;
                    assert_eq!(rest, found[at + 1..]);
                }
            });
        }
    }
}
