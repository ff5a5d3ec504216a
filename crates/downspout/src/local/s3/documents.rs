//! The sub-resources of buckets that are documents: rules of CORS and of the lifecycle, tags, policies, and others.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::index;
use super::store::S3Store;

/// The document of a sub-resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document<T> {
    /// No client ever wrote it, so the bucket has the default of new buckets.
    Default,
    /// It was deleted.
    Deleted,
    Set(T),
}

impl<T> Document<T> {
    /// Returns the document that a client wrote, or `None`.
    pub(super) fn set(self) -> Option<T> {
        match self {
            Self::Set(document) => Some(document),
            Self::Default | Self::Deleted => None,
        }
    }
}

impl S3Store {
    /// Reads the document `name` of a bucket. Fails if the bucket does not exist.
    pub(super) async fn document<T>(
        &self,
        bucket: &str,
        name: &'static str,
    ) -> Result<Document<T>, StoreError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let bucket = bucket.to_owned();
        self.read(move |connection| {
            index::bucket(connection, &bucket)?;
            read(connection, &bucket, name)
        })
        .await
    }

    /// Reads the document `name` of every bucket in which a client wrote it.
    pub(super) async fn documents<T>(&self, name: &'static str) -> Result<Vec<(String, T)>, StoreError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.read(move |connection| {
            let sql =
                "SELECT bucket, document FROM bucket_documents WHERE name = ?1 AND document IS NOT NULL";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([name], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (bucket, document) = row?;
                Ok((bucket, serde_json::from_str(&document)?))
            })
            .collect()
        })
        .await
    }

    /// Writes the document `name` of a bucket, or deletes it.
    pub(super) async fn set_document<T: Serialize>(
        &self,
        bucket: &str,
        name: &'static str,
        document: Option<&T>,
    ) -> Result<(), StoreError> {
        let bucket = bucket.to_owned();
        let document = document.map(serde_json::to_string).transpose()?;
        self.writer()
            .write(move |tx| {
                index::bucket(tx.connection, &bucket)?;
                let sql =
                    "INSERT OR REPLACE INTO bucket_documents (bucket, name, document) VALUES (?1, ?2, ?3)";
                tx.connection.execute(sql, params![bucket, name, document])?;
                Ok(())
            })
            .await
    }
}

fn read<T: DeserializeOwned>(
    connection: &Connection,
    bucket: &str,
    name: &str,
) -> Result<Document<T>, StoreError> {
    let sql = "SELECT document FROM bucket_documents WHERE bucket = ?1 AND name = ?2";
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![bucket, name], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    Ok(match found {
        None => Document::Default,
        Some(None) => Document::Deleted,
        Some(Some(document)) => Document::Set(serde_json::from_str(&document)?),
    })
}
