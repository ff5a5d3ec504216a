//! Reports what a load has done, before it is committed.

use definition::kind::field::LoadMode;

use super::super::table::Table;
use super::LoadTry;

impl LoadTry<'_> {
    /// Reports the counts and the added columns of a load that is about to be committed.
    pub(super) fn report(&self, table: &Table) {
        let super::Loaded { rows, rejected, skipped, replaced, left_out, .. } = self.loaded;
        self.progress.set("rowsRead", rows + rejected + skipped);
        self.progress.set("rowsLoaded", rows - left_out);
        self.progress.set("rowsRejected", rejected);
        self.progress.set("rowsSkipped", skipped + left_out);
        if let Some(note) = self.left_out_note() {
            self.progress.note(note);
        }
        if table.row_security && self.load.mode == LoadMode::Replace {
            self.progress.note(format!(
                "row-level security is active for this user on {table}, so rows that its policies hide were not replaced"
            ));
        }
        self.progress.set("bytesRead", self.loaded.bytes);
        for name in &self.added {
            self.progress.note(format!("added the column `{name}` (text) to {table}"));
        }
        if replaced > 0 {
            let have = if replaced == 1 { "has" } else { "have" };
            self.progress.note(format!(
                "{replaced} of the {rows} loaded rows {have} the key of a later row of the same load; the last row with a key stays"
            ));
        }
    }
    /// Returns the note about rows that the database has accepted and not stored.
    pub(super) fn left_out_note(&self) -> Option<String> {
        let left_out = self.loaded.left_out;
        let why = match self.load.insert {
            Some(_) => "`insertQuery` or a trigger of the table",
            None => "a trigger of the table",
        };
        let were = if left_out == 1 { "row was" } else { "rows were" };
        let otherwise = match self.load.mode {
            LoadMode::Upsert => ", went elsewhere, or changed nothing",
            LoadMode::Append | LoadMode::Replace => ", or went elsewhere",
        };
        (left_out > 0).then(|| format!("{left_out} {were} left out by {why}{otherwise}"))
    }
}
