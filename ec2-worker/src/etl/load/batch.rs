//! Sends batches of rows to the database, each after a savepoint: with `COPY`, with `COPY` and a merge, or as
//! statements.

use std::fs::File;
use std::pin::Pin;

use bytes::Bytes;
use definition::kind::field::LoadMode;
use futures::SinkExt as _;
use tokio_postgres::CopyInSink;

use super::super::position::Position;
use super::super::rejects::Spool;
use super::super::table::Table;
use super::super::transform::{Chunk, Layout};
use super::list;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::identifier;

/// The start of binary `COPY` data (PostgreSQL manual, COPY, "Binary Format").
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The end of binary `COPY` data.
const TRAILER: &[u8] = b"\xff\xff";
/// The table for the rows of one batch before the merge.
const STAGE: &str = "pg_temp.downspout_stage";
/// The beginning of the message when the database refuses rows.
pub(super) const DOING: &str = "copying rows";

/// Sends rows of one layout to one table.
pub(super) struct Writer<'a> {
    tx: &'a Transaction,
    layout: Layout,
    copy: String,
    merge: Option<String>,
}

/// The rows that were sent since the savepoint, and that the database has not accepted yet.
pub(super) struct Batch {
    pub(super) start: Position,
    pub(super) end: Position,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    sink: Option<Pin<Box<CopyInSink<Bytes>>>>,
}

impl<'a> Writer<'a> {
    pub(super) async fn new(
        tx: &'a Transaction,
        table: &Table,
        layout: Layout,
        mode: LoadMode,
    ) -> Result<Self, Failure> {
        let (columns, format) = match &layout {
            Layout::Binary(columns) => (list(columns), "binary"),
            Layout::Text(columns) => (list(columns), "text"),
            Layout::Statements(_) => return Ok(Self { tx, layout, copy: String::new(), merge: None }),
        };
        let upsert = mode == LoadMode::Upsert;
        let into = if upsert { STAGE.to_owned() } else { table.quoted() };
        let copy = format!("COPY {into} ({columns}) FROM STDIN (FORMAT {format})");
        let merge = upsert.then(|| merge(table, &layout, &columns));
        if upsert {
            let create = format!(
                "DROP TABLE IF EXISTS {STAGE}; CREATE TEMP TABLE downspout_stage ON COMMIT DROP AS \
                 SELECT {columns} FROM {} WITH NO DATA",
                table.quoted()
            );
            tx.run("creating a temporary table", &create).await?;
        }
        Ok(Self { tx, layout, copy, merge })
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) async fn begin(&self, start: Position) -> Result<Batch, Failure> {
        self.tx.run("setting a savepoint", "SAVEPOINT batch").await?;
        let sink = match self.layout {
            Layout::Statements(_) => None,
            _ => Some(self.open().await?),
        };
        Ok(Batch { start, end: start, rows: 0, bytes: 0, sink })
    }

    pub(super) async fn send(&self, batch: &mut Batch, chunk: Chunk) -> Result<(), Failure> {
        batch.end = chunk.end;
        batch.rows += chunk.rows;
        batch.bytes += chunk.data.len() as u64;
        match &mut batch.sink {
            Some(sink) => feed(sink, Bytes::from(chunk.data)).await,
            None => self.tx.run(DOING, &String::from_utf8_lossy(&chunk.data)).await,
        }
    }

    /// Ends `batch`, and merges its rows in an upsert. If this fails because the database refuses the rows, the caller
    /// must call [`Self::undo`].
    pub(super) async fn finish(&self, batch: Batch) -> Result<(), Failure> {
        if let Some(sink) = batch.sink {
            self.close(sink).await?;
        }
        self.release().await
    }

    /// Undoes everything since the savepoint, and removes the savepoint.
    pub(super) async fn undo(&self) -> Result<(), Failure> {
        self.tx.run("going back to a savepoint", "ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch").await
    }

    /// Sends `rows` as a batch of their own, and undoes the batch if the database refuses the rows.
    ///
    /// # Errors
    ///
    /// A refusal after the batch is undone; any other failure of the database as it is.
    pub(super) async fn apply(&self, rows: &[u8]) -> Result<(), Failure> {
        self.tx.run("setting a savepoint", "SAVEPOINT batch").await?;
        let result = self.copy_once(rows).await;
        match result {
            Err(failure) if failure.is_refusal() => {
                self.undo().await?;
                Err(failure)
            }
            other => other,
        }
    }

    async fn copy_once(&self, rows: &[u8]) -> Result<(), Failure> {
        if let Layout::Statements(_) = self.layout {
            self.tx.run(DOING, &String::from_utf8_lossy(rows)).await?;
        } else {
            let mut sink = self.open().await?;
            feed(&mut sink, Bytes::copy_from_slice(rows)).await?;
            self.close(sink).await?;
        }
        self.release().await
    }

    async fn release(&self) -> Result<(), Failure> {
        match &self.merge {
            Some(merge) => self.tx.run(DOING, &format!("{merge}; RELEASE SAVEPOINT batch")).await,
            None => self.tx.run("releasing a savepoint", "RELEASE SAVEPOINT batch").await,
        }
    }

    async fn open(&self) -> Result<Pin<Box<CopyInSink<Bytes>>>, Failure> {
        let sink = self.tx.client().copy_in(self.copy.as_str()).await;
        let mut sink = Box::pin(sink.map_err(|error| Failure::database(DOING, &error))?);
        if matches!(self.layout, Layout::Binary(_)) {
            feed(&mut sink, Bytes::from_static(HEADER)).await?;
        }
        Ok(sink)
    }

    async fn close(&self, mut sink: Pin<Box<CopyInSink<Bytes>>>) -> Result<(), Failure> {
        if matches!(self.layout, Layout::Binary(_)) {
            feed(&mut sink, Bytes::from_static(TRAILER)).await?;
        }
        sink.as_mut().finish().await.map_err(|error| Failure::database(DOING, &error))?;
        Ok(())
    }
}

async fn feed(sink: &mut Pin<Box<CopyInSink<Bytes>>>, bytes: Bytes) -> Result<(), Failure> {
    sink.feed(bytes).await.map_err(|error| Failure::database(DOING, &error))
}

/// Returns the statements that merge a batch into `table`. If several rows have the same key, the last row stays, as if
/// the rows had been merged one by one.
fn merge(table: &Table, layout: &Layout, columns: &str) -> String {
    let key: Vec<String> = table.primary_key.iter().map(|name| identifier(name)).collect();
    let key = key.join(", ");
    let (Layout::Binary(fields) | Layout::Text(fields)) = layout else { return String::new() };
    let others = fields.iter().filter(|column| !table.primary_key.contains(&column.name));
    let sets: Vec<String> =
        others.map(|column| identifier(&column.name)).map(|c| format!("{c} = excluded.{c}")).collect();
    let action =
        if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", sets.join(", ")) };
    format!(
        "INSERT INTO {} ({columns}) SELECT DISTINCT ON ({key}) {columns} FROM {STAGE} ORDER BY {key}, ctid DESC \
         ON CONFLICT ({key}) DO {action}; DELETE FROM {STAGE}",
        table.quoted()
    )
}

/// Copies a CSV file with a header into the columns `columns` of the table `table`.
pub(super) async fn copy_csv(
    tx: &Transaction,
    table: &str,
    columns: &[&str],
    mut file: File,
) -> Result<(), Failure> {
    let doing = "storing refused rows";
    let sql = format!("COPY {table} ({}) FROM STDIN (FORMAT csv, HEADER)", columns.join(", "));
    let sink = tx.client().copy_in(sql.as_str()).await.map_err(|error| Failure::database(doing, &error))?;
    let mut sink = Box::pin(sink);
    loop {
        let mut piece = vec![0; 64 * 1024];
        match Spool::read(&mut file, &mut piece)? {
            0 => break,
            count => {
                piece.truncate(count);
                feed(&mut sink, Bytes::from(piece)).await?;
            }
        }
    }
    sink.as_mut().finish().await.map_err(|error| Failure::database(doing, &error))?;
    Ok(())
}
