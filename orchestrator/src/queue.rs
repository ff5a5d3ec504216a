//! The queue of a definition: a mark for each set that waits.
//!
//! A mark is an object beside the ledger whose key begins with the time from which the set may start, so that one short
//! listing finds the set that comes next. Its cost does not depend on how many sets the definition ever had. A mark is
//! only a hint. The ledger decides what happens to the set. A handler puts the mark before it writes into the ledger that
//! the set waits, so a crash between the two leaves a mark without a waiting set, not a waiting set without a mark. A race
//! between two handlers can still remove the mark of a waiting set; a sweep finds such a set.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::book::Book;
use crate::ledger::{Content, DroppedFile};
use crate::ports::{Condition, Storage};
use crate::report::log;
use crate::set_name::SetName;

/// How many marks one listing reads. Most calls need only the first mark.
const PAGE: usize = 50;
/// The number of digits of the time in a key: milliseconds since 1970, until the year 2286.
const TIME_DIGITS: usize = 13;

/// A waiting set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub key: String,
    pub set: SetName,
    /// The time from which the set may start.
    pub due: Timestamp,
    /// The time at which the mark was put.
    pub put_at: Timestamp,
}

/// A page of a queue.
pub(crate) struct Page {
    /// The marks of the page that can be read.
    pub marks: Vec<Mark>,
    /// The last key of the page, after which the next page begins; `None` if the queue ends here.
    pub last: Option<String>,
}

/// The content of a mark: one file of the set. The captured values of the set follow from its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub bucket: String,
    pub key: String,
}

/// Returns when the newest file of a set arrived. Waiting sets start in the order of this time.
pub(crate) fn landed_at(files: &[DroppedFile]) -> Timestamp {
    files.iter().map(|file| file.modified).max().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Puts a mark for a set that may start from `due` on. `file` is one of the files of the set.
pub(crate) async fn put(
    storage: &impl Storage,
    book: &Book,
    set: &SetName,
    due: Timestamp,
    file: Waiting,
) -> anyhow::Result<()> {
    let key = key(book, set, due);
    let body = serde_json::to_string(&file).context("writing a mark")?;
    let put = storage.put(&book.home.bucket, &key, body, Condition::Absent).await;
    // After a conflict, the same mark is there already.
    put.with_context(|| format!("writing {key}")).map(drop)
}

/// Puts the mark of whole content that waits for a run before it.
pub(crate) async fn put_content(
    storage: &impl Storage,
    book: &Book,
    set: &SetName,
    bucket: &str,
    content: &Content,
) -> anyhow::Result<()> {
    let Some(first) = content.files.first() else { return Ok(()) };
    let waiting = Waiting { bucket: bucket.to_owned(), key: first.key.clone() };
    put(storage, book, set, landed_at(&content.files), waiting).await
}

/// Removes the mark of a set that waits no longer. A mark that stays does no harm, so a failure is only logged.
pub(crate) async fn remove(storage: &impl Storage, book: &Book, set: &SetName, due: Timestamp) {
    remove_key(storage, book, &key(book, set, due)).await;
}

/// Removes the mark with this key.
pub(crate) async fn remove_key(storage: &impl Storage, book: &Book, key: &str) {
    if let Err(error) = storage.delete_object(&book.home.bucket, key).await {
        log::mark_kept(key, &error);
    }
}

/// Lists marks of a definition, those of the sets that may start first at the beginning. `after` is the last key of the page
/// before.
pub(crate) async fn page(
    storage: &impl Storage,
    book: &Book,
    definition: &str,
    after: Option<&str>,
) -> anyhow::Result<Page> {
    let folder = folder(book, definition);
    let listed = storage.page(&book.home.bucket, &folder, after, PAGE).await;
    let listed = listed.with_context(|| format!("listing {folder}"))?;
    let mark = |key: String, put_at| {
        let (due, set) = key.strip_prefix(&folder)?.strip_suffix(".json")?.split_once('-')?;
        let due = Timestamp::from_millisecond(due.parse().ok()?).ok()?;
        let set = SetName { definition: definition.to_owned(), id: set.to_owned() };
        Some(Mark { key, set, due, put_at })
    };
    let last = listed.last().map(|listed| listed.key.clone());
    let marks = listed.into_iter().filter_map(|listed| mark(listed.key, listed.modified)).collect();
    Ok(Page { marks, last })
}

/// Reads the contents of a mark. Returns `None` if the mark is gone or cannot be read.
pub(crate) async fn read(
    storage: &impl Storage,
    book: &Book,
    mark: &Mark,
) -> anyhow::Result<Option<Waiting>> {
    let stored = storage.get(&book.home.bucket, &mark.key).await;
    let stored = stored.with_context(|| format!("reading {}", mark.key))?;
    Ok(stored.and_then(|stored| serde_json::from_slice(&stored.body).ok()))
}

fn folder(book: &Book, definition: &str) -> String {
    format!("{}_queue/", book.folder(definition))
}

fn key(book: &Book, set: &SetName, due: Timestamp) -> String {
    let folder = folder(book, &set.definition);
    let due = due.as_millisecond().max(0);
    format!("{folder}{due:0TIME_DIGITS$}-{}.json", set.id)
}
