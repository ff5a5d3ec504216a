//! The place where the next sweep of a definition goes on.

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::book::Book;
use crate::ports::{Condition, Storage};

/// The cursor as it was read, with the condition of the next put.
pub(super) struct Cursor {
    /// The last key that was read; `None` if the next sweep begins a round.
    pub(super) after: Option<String>,
    condition: Condition,
}

#[derive(Serialize, Deserialize)]
struct StoredCursor {
    after: Option<String>,
}

pub(super) async fn read(storage: &impl Storage, book: &Book, definition: &str) -> anyhow::Result<Cursor> {
    let key = key(book, definition);
    let stored = storage.get(&book.home.bucket, &key).await.with_context(|| format!("reading {key}"))?;
    let Some(stored) = stored else { return Ok(Cursor { after: None, condition: Condition::Absent }) };
    // An unreadable cursor begins a new round.
    let after = serde_json::from_slice::<StoredCursor>(&stored.body).ok().and_then(|cursor| cursor.after);
    Ok(Cursor { after, condition: Condition::Unchanged(stored.etag) })
}

/// Writes where the next sweep goes on, unless another sweep has written it since `cursor` was read.
pub(super) async fn write(
    storage: &impl Storage,
    book: &Book,
    definition: &str,
    cursor: Cursor,
    after: Option<String>,
) -> anyhow::Result<()> {
    // As long as a round fits into one sweep, no cursor is needed.
    if after == cursor.after {
        return Ok(());
    }
    let key = key(book, definition);
    let body = serde_json::to_string(&StoredCursor { after }).context("writing a cursor")?;
    let put = storage.put(&book.home.bucket, &key, body, cursor.condition).await;
    put.with_context(|| format!("writing {key}")).map(drop)
}

fn key(book: &Book, definition: &str) -> String {
    format!("{}_sweep.json", book.folder(definition))
}
