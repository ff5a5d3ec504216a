//! Writes the rows of a query or of a table to a file with the separator of a dialect, in S3 or in the scratch folder.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::dialect::Dialect;
use super::result_preview;
use super::table::Table;
use crate::database::{DatabaseTarget, Pool, Transaction};
use crate::failure::Failure;
use crate::node::SqlNode;
use crate::patience::Patience;
use crate::progress::Progress;
use crate::sql::literal;
use crate::storage::{ObjectWriter, S3Uri, Storage};

const PIECE: usize = 256 * 1024;

/// The rows to write, and their form.
#[derive(Clone, Debug)]
pub struct Unload {
    target: DatabaseTarget,
    schema: Option<String>,
    table: String,
    select: Option<String>,
    options: String,
    header: bool,
}

impl Unload {
    /// Returns the rows of a node, in a dialect.
    #[must_use]
    pub fn new(node: &SqlNode, dialect: &Dialect) -> Self {
        let separator = literal(&String::from_utf8_lossy(&dialect.separator));
        let null = literal(&String::from_utf8_lossy(&dialect.null));
        let header = if dialect.header { ", HEADER" } else { "" };
        Self {
            target: node.target.clone(),
            schema: node.schema.clone(),
            table: node.table.clone(),
            select: node.select.clone(),
            options: format!("FORMAT csv, DELIMITER {separator}, NULL {null}{header}"),
            header: dialect.header,
        }
    }

    async fn query(&self, tx: &Transaction) -> Result<String, Failure> {
        if let Some(select) = &self.select {
            return Ok(select.trim().trim_end_matches(';').to_owned());
        }
        let table = Table::find(tx, self.schema.as_deref(), &self.table).await?;
        let Some(table) = table else {
            let message = Table::missing(tx, self.schema.as_deref(), &self.table).await?;
            return Err(Failure::bad_input("NoSuchTable", message));
        };
        Ok(format!("SELECT * FROM {}", table.quoted()))
    }
}

/// The destination of the rows.
enum Sink {
    Object(Box<ObjectWriter>),
    File(tokio::fs::File),
}

impl Sink {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::File(file) => {
                file.write_all(bytes).await.map_err(|error| Failure::scratch("writing rows", &error))
            }
            Self::Object(writer) => writer.write(bytes).await,
        }
    }

    async fn finish(self) -> Result<(), Failure> {
        match self {
            Self::File(mut file) => {
                file.flush().await.map_err(|error| Failure::scratch("writing rows", &error))
            }
            Self::Object(writer) => writer.finish().await,
        }
    }
}

/// Writes the rows to an object. An object that exists already stays until the new object is complete, and is kept if
/// the work fails.
///
/// # Errors
///
/// If the table is missing, the database refuses the query or cannot be reached, or S3 refuses the object.
pub async fn to_object(
    pool: &Pool,
    unload: &Unload,
    storage: &Storage,
    at: &S3Uri,
    gzip: bool,
    patience: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut patience = Patience::new(patience);
    progress.set("writtenTo", at);
    loop {
        let sink = Sink::Object(Box::new(ObjectWriter::new(storage, at, gzip)));
        match write(pool, unload, sink, progress).await {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            other => return other,
        }
    }
}

/// Writes the rows to a local file.
///
/// # Errors
///
/// If the table is missing, the database refuses the query or cannot be reached, or the scratch folder fails.
pub async fn to_file(
    pool: &Pool,
    unload: &Unload,
    path: &Path,
    patience: Duration,
    progress: &Progress,
) -> Result<(), Failure> {
    let mut patience = Patience::new(patience);
    loop {
        let file = tokio::fs::File::create(path)
            .await
            .map_err(|error| Failure::scratch("creating a file", &error))?;
        match write(pool, unload, Sink::File(file), progress).await {
            Err(failure) if failure.is_away() && patience.wait(&failure, progress).await => {}
            other => return other,
        }
    }
}

async fn write(pool: &Pool, unload: &Unload, mut sink: Sink, progress: &Progress) -> Result<(), Failure> {
    let tx = pool.begin_fixed(&unload.target).await?;
    let result = stream(&tx, unload, &mut sink, progress).await;
    if !matches!(&result, Err(failure) if failure.is_away()) {
        tx.rollback().await;
    }
    result?;
    sink.finish().await
}

async fn stream(
    tx: &Transaction,
    unload: &Unload,
    sink: &mut Sink,
    progress: &Progress,
) -> Result<(), Failure> {
    let doing = "reading the query's rows";
    let query = unload.query(tx).await?;
    let sql = format!("COPY ({query}\n) TO STDOUT ({})", unload.options);
    let rows = tx.client().copy_out(sql.as_str()).await.map_err(|error| Failure::database(doing, &error))?;
    let mut rows = std::pin::pin!(rows);
    let (mut count, mut bytes, mut piece, mut preview) =
        (0_u64, 0_u64, Vec::with_capacity(PIECE), Vec::new());
    while let Some(row) = rows.next().await {
        // The server sends each row as one message.
        let row = row.map_err(|error| Failure::database(doing, &error))?;
        count += 1;
        bytes += row.len() as u64;
        piece.extend_from_slice(&row);
        if preview.len() < result_preview::LIMIT {
            preview.extend_from_slice(&row);
        }
        if piece.len() >= PIECE {
            sink.write(&piece).await?;
            piece.clear();
            progress.set("rowsWritten", count - u64::from(unload.header));
        }
    }
    sink.write(&piece).await?;
    progress.set("rowsWritten", count - u64::from(unload.header).min(count));
    if matches!(sink, Sink::Object(_)) && !preview.is_empty() {
        progress.set("resultPreview", result_preview::of(&preview, bytes, unload.header));
    }
    Ok(())
}
