//! Characters that the encoding of a database lacks. Only UTF8 has all of them.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use super::Transaction;
use crate::failure::Failure;

const DOING: &str = "finding the characters of the database's encoding";

/// The text in a reason by which a reader, and a retry, knows that characters were replaced (see [`Characters::escape`]).
pub(crate) const ESCAPED: &str = "each \\u{...} stands for a character that the database's encoding";

/// The characters that a database cannot store, of those of some texts.
#[derive(Debug)]
pub(crate) struct Characters {
    /// The name of the encoding.
    pub(crate) encoding: String,
    lacking: BTreeSet<char>,
}

impl Characters {
    /// Finds out which characters of `texts` the database cannot store. Returns `None` if it can store all of them.
    ///
    /// # Errors
    ///
    /// If the connection breaks, or the transaction has failed before.
    pub(crate) async fn lacking<'t>(
        tx: &Transaction,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Result<Option<Self>, Failure> {
        let others: BTreeSet<char> =
            texts.into_iter().flat_map(str::chars).filter(|letter| !letter.is_ascii()).collect();
        Self::among(tx, others).await
    }

    /// As [`Self::lacking`], for the characters `others`.
    pub(crate) async fn among(tx: &Transaction, others: BTreeSet<char>) -> Result<Option<Self>, Failure> {
        if others.is_empty() {
            return Ok(None);
        }
        let found = tx.query(DOING, "SELECT current_setting('server_encoding')", &[]).await?;
        let encoding: String = found.first().map(|row| row.get(0)).unwrap_or_default();
        if matches!(encoding.as_str(), "UTF8" | "SQL_ASCII") {
            return Ok(None);
        }
        let (mut lacking, mut groups) = (BTreeSet::new(), vec![Vec::from_iter(others)]);
        while let Some(mut group) = groups.pop() {
            if can_store(tx, &group).await? {
                continue;
            }
            if group.len() > 1 {
                groups.push(group.split_off(group.len() / 2));
                groups.push(group);
            } else {
                lacking.extend(group);
            }
        }
        Ok((!lacking.is_empty()).then_some(Self { encoding, lacking }))
    }

    /// Returns the text with `\u{20ac}` and its like in place of the characters that the database cannot store.
    pub(crate) fn escape(&self, text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for letter in text.chars() {
            match self.lacking.contains(&letter) {
                true => escaped.extend(letter.escape_unicode()),
                false => escaped.push(letter),
            }
        }
        escaped
    }

    /// Returns the reason of a refused row that has `raw` as its text, escaped, and with a sentence about the escapes if there
    /// are any.
    pub(crate) fn reason(&self, reason: &str, raw: &str) -> String {
        let escaped = self.escape(reason);
        if escaped == reason && !raw.contains(|letter| self.lacking.contains(&letter)) {
            return escaped;
        }
        let before = escaped.find(ESCAPED).map_or(escaped.as_str(), |at| &escaped[..at]);
        format!("{}; {ESCAPED} {} lacks", before.trim_end_matches("; "), self.encoding)
    }
}

/// Returns whether the database can store all these characters.
async fn can_store(tx: &Transaction, characters: &[char]) -> Result<bool, Failure> {
    let text: String = characters.iter().collect();
    tx.run(DOING, "SAVEPOINT characters").await?;
    match tx.query(DOING, "SELECT $1", &[(&text, Type::TEXT)]).await {
        Ok(_) => tx.run(DOING, "RELEASE SAVEPOINT characters").await.map(|()| true),
        Err(failure) if failure.is_refusal() => {
            let undo = "ROLLBACK TO SAVEPOINT characters; RELEASE SAVEPOINT characters";
            tx.run(DOING, undo).await.map(|()| false)
        }
        Err(failure) => Err(failure),
    }
}
