//! Lists the versions of a bucket and its open uploads: key by key, and common prefixes in place of the keys below them.
//!
//! Both lists have several entries for one key, so the place in a list is a key and a mark within the entries of the key.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::StoreError;
use super::index;
use super::listing::{ListFrom, Listing, after_prefix};
use super::model::{NULL_VERSION, S3Object, Upload};
use super::parts;
use super::rows;
use super::store::S3Store;
use super::versions::{content_at, position_of};

/// A version in a list.
#[derive(Clone, Debug)]
pub(super) struct ListedVersion {
    /// The version. A delete marker has no size and no ETag.
    pub(super) object: S3Object,
    pub(super) is_marker: bool,
    pub(super) is_latest: bool,
}

/// One page of a list whose entries are of type `T`.
#[derive(Clone, Debug)]
pub(super) struct MarkedPage<T> {
    pub(super) entries: Vec<T>,
    pub(super) prefixes: Vec<String>,
    /// The key, and the mark within its entries, after which the next page begins. `None` if there is no next page.
    pub(super) next: Option<(String, Option<String>)>,
}

impl<T> Default for MarkedPage<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), prefixes: Vec::new(), next: None }
    }
}

/// A row of such a list.
trait Marked: Sized {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self>;
    fn key(&self) -> &str;
    /// Returns the mark by which a client continues after this row.
    fn mark(&self) -> String;
}

impl Marked for ListedVersion {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { object: rows::listed_object(row)?, is_marker: row.get(7)?, is_latest: false })
    }

    fn key(&self) -> &str {
        &self.object.key
    }

    fn mark(&self) -> String {
        position_of(self.object.content)
    }
}

impl Marked for Upload {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        parts::upload_row(row)
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn mark(&self) -> String {
        self.id.clone()
    }
}

const VERSIONS: &str = "\
    SELECT key, content, size, etag, modified, version, 1, 0 FROM objects \
    WHERE bucket = ?1 AND key >= ?2 AND (key > ?3 OR content < ?4) UNION ALL \
    SELECT key, content, size, etag, modified, version, 1, marker FROM versions \
    WHERE bucket = ?1 AND key >= ?2 AND (key > ?3 OR content < ?4) ORDER BY 1, 2 DESC";

const UPLOADS: &str = "\
    SELECT id, key, initiated, meta FROM uploads \
    WHERE bucket = ?1 AND key >= ?2 AND (key > ?3 OR id > ?4) ORDER BY key, id";

impl S3Store {
    /// Lists a page of the versions in a bucket: keys in binary order, and the newest version of a key first. `mark` is the id
    /// of the version of `after` after which the page begins.
    pub(super) async fn list_versions(
        &self,
        bucket: &str,
        listing: Listing,
        mark: Option<String>,
    ) -> Result<MarkedPage<ListedVersion>, StoreError> {
        let bucket = bucket.to_owned();
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            index::bucket(&snapshot, &bucket)?;
            let place = match (&listing.from, &mark) {
                (ListFrom::After(key), Some(mark)) => {
                    number_of(&snapshot, &bucket, key, mark)?.map(|content| (key.clone(), content))
                }
                _ => None,
            };
            let within = place.as_ref().map(|(key, content)| (key.as_str(), *content));
            let mut page = page::<ListedVersion, i64>(&snapshot, VERSIONS, &bucket, &listing, within)?;
            let mut key = place.map(|(key, _)| key);
            for version in &mut page.entries {
                version.is_latest = key.as_ref() != Some(&version.object.key);
                key = Some(version.object.key.clone());
            }
            Ok(page)
        })
        .await
    }

    /// Lists a page of the open uploads of a bucket, in the order of their keys and ids. `mark` is the id of the upload of the
    /// key in the listing after which the page begins.
    pub(super) async fn list_uploads(
        &self,
        bucket: &str,
        listing: Listing,
        mark: Option<String>,
    ) -> Result<MarkedPage<Upload>, StoreError> {
        let bucket = bucket.to_owned();
        self.read(move |connection| {
            let snapshot = connection.unchecked_transaction()?;
            index::bucket(&snapshot, &bucket)?;
            let within = match (&listing.from, &mark) {
                (ListFrom::After(key), Some(mark)) => Some((key.as_str(), mark.clone())),
                _ => None,
            };
            page::<Upload, String>(&snapshot, UPLOADS, &bucket, &listing, within)
        })
        .await
    }
}

/// Returns the number of the version that a client names as the place where the last page ended. The version may be deleted
/// meanwhile: an id contains its number, and after a deleted version `null` the list begins again with the key.
fn number_of(
    connection: &Connection,
    bucket: &str,
    key: &str,
    mark: &str,
) -> Result<Option<i64>, StoreError> {
    if mark != NULL_VERSION {
        return Ok(content_at(mark));
    }
    let sql = "SELECT content FROM objects WHERE bucket = ?1 AND key = ?2 AND version = ?3 UNION ALL \
               SELECT content FROM versions WHERE bucket = ?1 AND key = ?2 AND version = ?3";
    let values = params![bucket, key.as_bytes(), mark];
    let found = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    Ok(Some(found.unwrap_or(i64::MAX)))
}

/// Reads a page. With `within`, the page begins inside the entries of a key, after the mark beside the key.
fn page<T: Marked, M: rusqlite::ToSql>(
    connection: &Connection,
    sql: &str,
    bucket: &str,
    listing: &Listing,
    within: Option<(&str, M)>,
) -> Result<MarkedPage<T>, StoreError> {
    let mut page = MarkedPage::default();
    if listing.limit == 0 {
        return Ok(page);
    }
    let mut begin = match within {
        Some((key, _)) => key.as_bytes().to_vec().max(listing.prefix.clone().into_bytes()),
        None => listing.first(),
    };
    // Without a place inside a key, no key is equal to the third parameter, because no key is empty.
    let inside: &[u8] = within.as_ref().map_or(b"", |(key, _)| key.as_bytes());
    let mut last = None;
    let mut statement = connection.prepare_cached(sql)?;
    'seek: loop {
        let mut rows =
            statement.query(params![bucket, begin, inside, within.as_ref().map(|(_, mark)| mark)])?;
        while let Some(row) = rows.next()? {
            let entry = T::read(row)?;
            if !entry.key().starts_with(&listing.prefix) {
                return Ok(page);
            }
            if page.entries.len() + page.prefixes.len() >= listing.limit {
                page.next = last;
                return Ok(page);
            }
            let Some(prefix) = listing.rolled_up(entry.key()).map(str::to_owned) else {
                last = Some((entry.key().to_owned(), Some(entry.mark())));
                page.entries.push(entry);
                continue;
            };
            begin = after_prefix(prefix.as_bytes());
            last = Some((prefix.clone(), None));
            page.prefixes.push(prefix);
            continue 'seek;
        }
        return Ok(page);
    }
}
