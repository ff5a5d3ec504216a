//! The refused rows of a load: finds them in a refused batch, compares their number with the limit, and stores them.

use definition::counted::counted;
use definition::kind::field::Limit;

use super::super::position::Position;
use super::super::rejects;
use super::super::rejects_table::{self, Found};
use super::super::source::Source;
use super::super::table::Table;
use super::super::transform::{self, Chunk, Message, Plan, Reject};
use super::batch::{self, Writer};
use super::groups::Groups;
use super::quarantine::quarantine;
use super::waiting::{Waiting, WaitingRow};
use super::{LoadTry, READER_GONE, lock};
use crate::database::Transaction;
use crate::database::encoding::Characters;
use crate::failure::Failure;

impl LoadTry<'_> {
    /// Reads the range of a refused batch again, finds the rows at fault, and loads the others.
    pub(super) async fn load_again(
        &mut self,
        source: &Source,
        plan: &Plan,
        writer: &Writer<'_>,
        (start, end): (Position, Position),
        why: &Failure,
    ) -> Result<(), Failure> {
        self.progress.log(&format!("the database refused rows; searching for them: {why}"));
        writer.undo().await?;
        self.batch_size.refused();
        let input = source.open_range(start.offset, end.offset, plan.is_plain).await?;
        let mut messages = transform::again(input, plan.clone(), start, writer.layout().clone());
        let mut rows = Vec::new();
        let before = self.spool.count();
        // The row at fault, counted from the next chunk, if the database has named it.
        let mut named = why.row;
        while let Some(message) = messages.recv().await {
            match message {
                Message::Chunk(chunk) => {
                    let count = chunk.marks.len();
                    let here = named.filter(|row| *row <= count);
                    named = named.filter(|row| *row > count).map(|row| row - count);
                    self.copy_in_groups(source, writer, (&chunk, here), &mut rows).await?;
                }
                Message::Failed(failure) => return Err(failure),
                Message::Begin(_) => {}
                Message::End(_) => {
                    if why.is_doubtful() && rows.is_empty() && self.spool.count() == before {
                        // The database has taken each row, so the error was about something else.
                        return Err(why.clone());
                    }
                    if !rows.is_empty() {
                        let (layout, way) = (writer.layout().clone(), writer.way().clone());
                        self.waiting.push(Waiting { source: source.clone(), layout, way, rows });
                    }
                    return Ok(());
                }
            }
            if self.is_limit_passed() {
                return Ok(());
            }
        }
        Err(Failure::internal(READER_GONE))
    }

    /// Copies the rows of a chunk in groups, and finds the refused rows. `named` is the row of the chunk that the database has
    /// named before, counted from 1.
    async fn copy_in_groups(
        &mut self,
        source: &Source,
        writer: &Writer<'_>,
        (chunk, named): (&Chunk, Option<usize>),
        waiting: &mut Vec<WaitingRow>,
    ) -> Result<(), Failure> {
        let (mut at, mut groups) = (0, Groups::new(chunk.marks.len(), named));
        while at < chunk.marks.len() && !self.is_limit_passed() {
            let count = groups.next(chunk.marks.len() - at);
            let from = if at == 0 { 0 } else { chunk.marks[at - 1].end };
            let to = chunk.marks[at + count - 1].end;
            match writer.apply(&chunk.data[from..to], &[]).await {
                Ok(accepted) => {
                    self.loaded.add(count as u64, accepted);
                    at += count;
                    groups.accepted(count);
                }
                Err(failure) if failure.is_refusal() && count == 1 => {
                    let mark = &chunk.marks[at];
                    let (reason, may_wait) = (self.reason(&failure), self.may_wait(&failure));
                    let reject =
                        Reject { at: mark.at, column: failure.column, reason, raw: mark.raw.clone() };
                    if may_wait {
                        let (data, refused_at) = (chunk.data[from..to].to_vec(), writer.point().await?);
                        waiting.push(WaitingRow { data, reject, refused_at, later: Vec::new() });
                    } else {
                        self.collect(source, &[reject])?;
                    }
                    at += 1;
                    groups.refused(count, None);
                }
                Err(failure) if failure.is_refusal() => groups.refused(count, failure.row),
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    pub(super) fn collect(&mut self, source: &Source, rejects: &[Reject]) -> Result<(), Failure> {
        let name = source.name();
        for reject in rejects {
            self.spool.push(&name, reject)?;
        }
        if !rejects.is_empty() {
            self.loaded.rejected = self.spool.count();
            self.progress.set("rowsRejected", self.spool.count());
        }
        Ok(())
    }

    pub(super) fn is_limit_passed(&self) -> bool {
        self.load.limit.is_surely_exceeded(self.spool.count())
    }

    pub(super) fn check_limit(&self) -> Result<(), Failure> {
        let refused = self.spool.count();
        let total = self.loaded.rows + refused;
        if !self.load.limit.is_exceeded(refused, total) {
            return Ok(());
        }
        let counted = match self.load.limit {
            Limit::Count(_) => counted(refused, "row"),
            Limit::Percent(_) => format!("{refused} of {}", counted(total, "row")),
        };
        let message = format!(
            "{counted} refused, `myMaxRejects` allows {}; the table is left as it was: {}",
            self.load.limit,
            self.spool.reasons().join("; ")
        );
        Err(Failure::bad_input("TooManyRejects", message))
    }

    /// Checks that the load has a row.
    ///
    /// # Errors
    ///
    /// If every row was refused, whatever the limit allows, or if no file of the load has a row.
    pub(super) fn check_rows(&self) -> Result<(), Failure> {
        let refused = self.spool.count();
        if self.loaded.rows > 0 {
            return Ok(());
        }
        if refused > 0 {
            let every =
                if refused == 1 { "the only row was".to_owned() } else { format!("all {refused} rows were") };
            let reasons = self.spool.reasons().join("; ");
            let message = format!("{every} refused; the table is left as it was: {reasons}");
            return Err(Failure::bad_input("AllRejected", message));
        }
        match &self.empty {
            Some(empty) if !self.has_earlier => {
                let count = self.load.sources.len();
                let message =
                    format!("none of the {count} files has a row; the first without rows: {}", empty.message);
                Err(Failure::bad_input("NoRows", message))
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn keep_rejects(&mut self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        for reason in self.spool.reasons() {
            self.progress.add("rejectReasons", reason.clone());
        }
        let name = table.rejects();
        // If two loads need the same new table at once, the second one waits here and then finds the table.
        lock(tx, &name).await?;
        // CREATE TABLE IF NOT EXISTS needs the right to create tables even if the table is there.
        let is_there = match rejects_table::find(tx, table).await? {
            Found::Nothing => false,
            Found::Table => true,
            Found::Other(what) => return Err(rejects_table::taken(table, what, self.spool.reasons())),
        };
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {name} (file text, line bigint, byte_offset bigint, column_name text, \
             reason text, raw_line text, loaded_at timestamptz NOT NULL DEFAULT now(), pipeline_id text)"
        );
        if !is_there {
            tx.run("creating the table for refused rows", &create).await?;
        }
        let file = match Characters::among(tx, self.spool.characters()?).await? {
            None => self.spool.reader()?,
            // A database whose encoding is not UTF8 lacks characters.
            Some(characters) => self.spool.changed(|record| storable(record, &characters))?,
        };
        batch::copy_csv(tx, &name, &rejects::COLUMNS, file).await?;
        if let Some(at) = quarantine(self.load, self.spool).await? {
            self.progress.set("rejectsFile", at);
        }
        Ok(())
    }
}

/// Returns a record of the spool (see [`rejects::COLUMNS`]) as the database can store it.
fn storable(record: &[String], characters: &Characters) -> Vec<String> {
    let raw = record.get(5).map_or("", String::as_str);
    let field = |(place, text): (usize, &String)| match place {
        4 => characters.reason(text, raw),
        _ => characters.escape(text),
    };
    record.iter().enumerate().map(field).collect()
}
