//! Sends batches of rows to the database, each after a savepoint: with `COPY`, with `COPY` and an `INSERT`, or as
//! statements.

use std::fs::File;
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures::SinkExt as _;
use tokio_postgres::{CopyInSink, SimpleQueryMessage, Statement};

use super::super::position::Position;
use super::super::rejects::Spool;
use super::super::table::Table;
use super::super::transform::{Chunk, Layout};
use super::doubles::{Doubles, subtransactions};
use super::list;
use super::merge::{Merge, Way, merge};
use super::on_update::Guard;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::ledger::WorkKey;

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
    way: Way,
    /// The `COPY`, unless the layout is statements. It is prepared once, because a search for refused rows runs it often.
    copy: Option<Statement>,
    merge: Option<Merge>,
    /// Counts the rows of an upsert with the same key.
    doubles: Option<Doubles>,
    /// The load whose rows, and later ones, an upsert must not replace.
    protected: Option<WorkKey>,
}

/// The rows that were sent since the savepoint, and that the database has not accepted yet.
pub(super) struct Batch {
    pub(super) start: Position,
    pub(super) end: Position,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    sink: Option<Pin<Box<CopyInSink<Bytes>>>>,
    /// The number of rows that statements have changed.
    changed: u64,
}

/// The result of rows that the database accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The number of rows of this load that other rows of it have replaced.
    pub(super) replaced: u64,
    /// The number of rows that the database has stored or that other rows have replaced, if it reports the number. A trigger or
    /// the statement of the user may leave rows out.
    pub(super) stored: Option<u64>,
}

impl<'a> Writer<'a> {
    /// Prepares the sending of rows. `has_rows` says that the load has sent rows before; `guard` protects rows of other tables.
    pub(super) async fn new(
        tx: &'a Transaction,
        table: &Table,
        layout: Layout,
        way: Way,
        (has_rows, guard): (bool, &Guard),
    ) -> Result<Self, Failure> {
        let (columns, format) = match &layout {
            Layout::Binary(fit) => (list(&fit.columns), "binary"),
            Layout::Text(fit) => (list(&fit.columns), "text"),
            Layout::Statements(_) => {
                return Ok(Self { tx, layout, way, copy: None, merge: None, doubles: None, protected: None });
            }
        };
        let merge = match &layout {
            Layout::Binary(fit) | Layout::Text(fit) => merge(table, &fit.columns, &way, STAGE),
            Layout::Statements(_) => None,
        };
        let merge = merge.map(|merge| merge.guarded(guard));
        let into = if merge.is_some() { STAGE.to_owned() } else { table.quoted() };
        let copy = format!("COPY {into} ({columns}) FROM STDIN (FORMAT {format})");
        if merge.is_some() {
            let create = format!(
                "DROP TABLE IF EXISTS {STAGE}; CREATE TEMP TABLE downspout_stage ON COMMIT DROP AS \
                 SELECT {columns} FROM {} WITH NO DATA",
                table.quoted()
            );
            tx.run("creating a temporary table", &create).await?;
        }
        let doubles = match &way {
            Way::Upsert(key) => Some(Doubles::of(table, key, STAGE, has_rows)),
            _ => None,
        };
        let copy = tx.client().prepare(&copy).await.map_err(|error| Failure::database(DOING, &error))?;
        Ok(Self { tx, layout, way, copy: Some(copy), merge, doubles, protected: None })
    }

    /// Makes an upsert fail if it would replace a row of the load `of`, or a later one.
    pub(super) fn protecting(self, of: Option<WorkKey>) -> Self {
        Self { protected: of, ..self }
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the columns of a `COPY` as a list in SQL; `None` if the layout is statements.
    pub(super) fn columns(&self) -> Option<String> {
        match &self.layout {
            Layout::Binary(fit) | Layout::Text(fit) => Some(list(&fit.columns)),
            Layout::Statements(_) => None,
        }
    }

    /// Copies `rows` into the columns `columns` of another table.
    pub(super) async fn copy_into(&self, table: &str, columns: &str, rows: &[u8]) -> Result<(), Failure> {
        let format = if matches!(self.layout, Layout::Binary(_)) { "binary" } else { "text" };
        let copy = format!("COPY {table} ({columns}) FROM STDIN (FORMAT {format})");
        let copy = self.tx.client().prepare(&copy).await.map_err(|error| Failure::database(DOING, &error))?;
        let mut sink = self.open(&copy).await?;
        feed(&mut sink, Bytes::copy_from_slice(rows)).await?;
        self.close(sink).await.map(drop)
    }

    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Returns the present point in the load, right after a batch was undone, if the order of the rows counts because a later
    /// row replaces an earlier one.
    pub(super) async fn point(&self) -> Result<Option<i64>, Failure> {
        match self.doubles {
            Some(_) => subtransactions(self.tx).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn begin(&self, start: Position) -> Result<Batch, Failure> {
        self.tx.run("setting a savepoint", "SAVEPOINT batch").await?;
        let sink = match &self.copy {
            None => None,
            Some(copy) => Some(self.open(copy).await?),
        };
        Ok(Batch { start, end: start, rows: 0, bytes: 0, sink, changed: 0 })
    }

    pub(super) async fn send(&self, batch: &mut Batch, chunk: Chunk) -> Result<(), Failure> {
        batch.end = chunk.end;
        batch.rows += chunk.rows;
        batch.bytes += chunk.data.len() as u64;
        match &mut batch.sink {
            Some(sink) => feed(sink, Bytes::from(chunk.data)).await,
            None => {
                batch.changed += self.run_statements(&chunk.data).await?;
                Ok(())
            }
        }
    }

    /// Ends `batch`, and merges its rows in an upsert. If this fails because the database refuses the rows, the caller must call
    /// [`Self::undo`].
    pub(super) async fn finish(&self, batch: Batch) -> Result<Accepted, Failure> {
        let stored = match batch.sink {
            Some(sink) => self.close(sink).await?,
            None => batch.changed,
        };
        self.release(stored, &[]).await
    }

    /// Undoes everything since the savepoint, and removes the savepoint.
    pub(super) async fn undo(&self) -> Result<(), Failure> {
        self.tx.run("going back to a savepoint", "ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch").await
    }

    /// Sends `rows` as a batch of their own, and undoes the batch if the database refuses the rows. A row of `rows` is left out,
    /// and counted as replaced, if a row with its key was written in one of the spans `later` of
    /// the load.
    ///
    /// # Errors
    ///
    /// A refusal after the batch is undone; any other failure of the database as it is.
    pub(super) async fn apply(&self, rows: &[u8], later: &[Range<i64>]) -> Result<Accepted, Failure> {
        self.tx.run("setting a savepoint", "SAVEPOINT batch").await?;
        let result = self.copy_once(rows, later).await;
        match result {
            Err(failure) if failure.is_refusal() => {
                self.undo().await?;
                Err(failure)
            }
            other => other,
        }
    }

    async fn copy_once(&self, rows: &[u8], later: &[Range<i64>]) -> Result<Accepted, Failure> {
        let stored = if let Some(copy) = &self.copy {
            let mut sink = self.open(copy).await?;
            feed(&mut sink, Bytes::copy_from_slice(rows)).await?;
            self.close(sink).await?
        } else {
            self.run_statements(rows).await?
        };
        self.release(stored, later).await
    }

    /// Returns the number of rows that the statements have changed.
    async fn run_statements(&self, statements: &[u8]) -> Result<u64, Failure> {
        let done = self.tx.client().simple_query(&String::from_utf8_lossy(statements)).await;
        let Layout::Statements(statement) = &self.layout else {
            return Err(Failure::internal("rows of COPY were sent as statements"));
        };
        let messages = done.map_err(|error| {
            let failure = Failure::database(DOING, &error).of_rows();
            if statement.is_known { failure.of_values() } else { failure }
        })?;
        let changed = |message| match message {
            SimpleQueryMessage::CommandComplete(rows) => rows,
            _ => 0,
        };
        Ok(messages.into_iter().map(changed).sum())
    }

    async fn release(&self, stored: u64, later: &[Range<i64>]) -> Result<Accepted, Failure> {
        let Some(merge) = &self.merge else {
            self.tx.run("releasing a savepoint", "RELEASE SAVEPOINT batch").await?;
            let is_known = !matches!(&self.layout, Layout::Statements(statement) if !statement.reports_rows);
            return Ok(Accepted { replaced: 0, stored: is_known.then_some(stored) });
        };
        // The merge does not send these rows to the table.
        let mut superseded = 0;
        let mut replaced = 0;
        if let Some(doubles) = &self.doubles {
            if let Some(of) = &self.protected {
                doubles.check_newer(self.tx, of).await?;
            }
            if !later.is_empty() {
                superseded += doubles.remove_superseded(self.tx, later).await?;
            }
            superseded += doubles.count_within(self.tx).await?;
            replaced = superseded + doubles.count_before(self.tx).await?;
        }
        let merged =
            merge.run(self.tx, DOING, &format!("DELETE FROM {STAGE}; RELEASE SAVEPOINT batch")).await;
        let stored = merged.map_err(Failure::of_rows)?;
        if let Some(doubles) = &self.doubles {
            doubles.rows_were_written();
        }
        Ok(Accepted { replaced, stored: stored.map(|stored| stored + superseded) })
    }

    async fn open(&self, copy: &Statement) -> Result<Pin<Box<CopyInSink<Bytes>>>, Failure> {
        let sink = self.tx.client().copy_in(copy).await;
        let mut sink = Box::pin(sink.map_err(|error| Failure::database(DOING, &error))?);
        if matches!(self.layout, Layout::Binary(_)) {
            feed(&mut sink, Bytes::from_static(HEADER)).await?;
        }
        Ok(sink)
    }

    /// Ends a `COPY`, and returns the number of rows that it has stored.
    async fn close(&self, mut sink: Pin<Box<CopyInSink<Bytes>>>) -> Result<u64, Failure> {
        if matches!(self.layout, Layout::Binary(_)) {
            feed(&mut sink, Bytes::from_static(TRAILER)).await?;
        }
        sink.as_mut().finish().await.map_err(|error| Failure::database(DOING, &error).of_rows())
    }
}

async fn feed(sink: &mut Pin<Box<CopyInSink<Bytes>>>, bytes: Bytes) -> Result<(), Failure> {
    sink.feed(bytes).await.map_err(|error| Failure::database(DOING, &error).of_rows())
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
