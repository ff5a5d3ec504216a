//! Finds or creates the table of a load, and prepares it for the rows.

use definition::kind::field::LoadMode;

use super::super::column::Column;
use super::super::header::Fit;
use super::super::loaded_files;
use super::super::next_tables::{self, Base, Before, NextTables};
use super::super::source::{Origin, Source};
use super::super::statement::Statement;
use super::super::table::{Relation, Table};
use super::super::transform::Layout;
use super::merge::Way;
use super::on_update::Guard;
use super::{Load, LoadTry, lock, replace, rules, waiting};
use crate::database::{Pool, Transaction};
use crate::failure::Failure;
use crate::ledger;
use crate::sql::identifier;

impl LoadTry<'_> {
    pub(super) async fn table(&self, tx: &Transaction) -> Result<Table, Failure> {
        let Load { schema, table: name, create, .. } = self.load;
        let schema = schema.as_deref();
        if let Some(table) = Table::find(tx, schema, name).await? {
            return Ok(table);
        }
        let shown = schema.map_or_else(|| name.clone(), |schema| format!("{schema}.{name}"));
        let Some(create) = create else {
            let missing = Table::missing(tx, schema, name).await?;
            let message = format!("{missing}; create it, or give `createTableSql`");
            return Err(Failure::bad_input("NoSuchTable", message));
        };
        lock(tx, &shown).await?;
        if let Some(table) = Table::find(tx, schema, name).await? {
            return Ok(table);
        }
        tx.run("running createTableSql", create).await?;
        self.progress.log(&format!("created table {shown}"));
        match Table::find(tx, schema, name).await? {
            Some(table) => Ok(table),
            None => {
                let missing = Table::missing(tx, schema, name).await?;
                Err(Failure::bad_input("CreateTableSql", format!("createTableSql ran, but {missing}")))
            }
        }
    }

    /// Makes the next table, unless an earlier attempt has done the work.
    pub(super) async fn make_next_table(&self, pool: &Pool, run: &str) -> Result<(), Failure> {
        let tx = ledger::begin_fixed(pool, &self.load.target).await?;
        if ledger::is_done(&tx, &self.load.key).await? {
            tx.rollback().await;
            return Ok(());
        }
        let table = self.table(&tx).await?;
        let base = if self.load.mode == LoadMode::Replace { Base::Empty } else { Base::Copy };
        next_tables::make(&tx, run, &table, base, self.load.cascade).await?;
        tx.commit().await
    }

    /// Returns the next table of `table`, and redirects the rest of the transaction to the next tables.
    pub(super) async fn next_table(
        &mut self,
        tx: &Transaction,
        run: &str,
        table: &Table,
    ) -> Result<Table, Failure> {
        let next_tables = NextTables::of(tx, run).await?;
        let Some(next) = next_tables.of_table(table.oid) else {
            let message = format!("the next table of {table} was dropped; try again");
            return Err(Failure::bad_input("NextTable", message));
        };
        let next = next.next(tx).await?;
        next_tables.set_search_path(tx).await?;
        self.next_tables = next_tables;
        self.before = Some(Before::read(tx).await?);
        self.progress.set("waitsForPublication", true);
        Ok(next)
    }

    /// Checks that the statements of the definition have used and changed no other tables than the next tables.
    pub(super) async fn check_next_tables(&self, tx: &Transaction) -> Result<(), Failure> {
        let Some(before) = &self.before else { return Ok(()) };
        self.next_tables.check_reads(tx, "the load (a query, a default or a check of its table)").await?;
        self.next_tables.check_changes(tx, before, "the load").await
    }

    pub(super) async fn prepare(&mut self, tx: &Transaction, table: &Table) -> Result<(), Failure> {
        if table.kind == Relation::MaterializedView {
            let message = format!(
                "{table} is a materialized view, which takes no rows; load a table of its query, then refresh the view"
            );
            return Err(Failure::bad_input("MaterializedView", message));
        }
        if self.load.insert.is_none() {
            rules::check(tx, table, self.load.mode == LoadMode::Upsert).await?;
        }
        // A deferred constraint would refuse the whole load at the commit, instead of one row.
        tx.run("checking constraints at once", "SET CONSTRAINTS ALL IMMEDIATE").await?;
        self.own_keys = waiting::own_keys(tx, table).await?;
        self.guard = Guard::of(tx, table, self.load.cascade, &self.next_tables).await?;
        match self.load.mode {
            LoadMode::Append => Ok(()),
            LoadMode::Replace => {
                self.kept = replace::empty(tx, table, self.load.cascade, self.load.insert.is_some()).await?;
                if self.kept.is_some() {
                    rules::check(tx, table, true).await?;
                }
                loaded_files::forget(tx, table).await
            }
            LoadMode::Upsert if table.primary_key.is_empty() => {
                let message = format!("table {table} has no primary key, which `myLoadMode` upsert needs");
                Err(Failure::bad_input("NoPrimaryKey", message))
            }
            LoadMode::Upsert if table.has_deferrable_key => {
                let message = format!(
                    "the primary key of table {table} is DEFERRABLE, and PostgreSQL cannot compare rows by such a key; \
                     make it NOT DEFERRABLE for `myLoadMode` upsert"
                );
                Err(Failure::bad_input("DeferrableKey", message))
            }
            LoadMode::Upsert => Ok(()),
        }
    }

    /// Returns in which way the rows of a layout go into the table.
    pub(super) fn way(&self, table: &Table, layout: &Layout) -> Result<Way, Failure> {
        let (Layout::Binary(fit) | Layout::Text(fit)) = layout else { return Ok(Way::Copy) };
        let (key, mode) = match (&self.kept, self.load.mode) {
            (Some(kept), _) => (&kept.key, "replace, because rows of other tables refer to the table,"),
            (None, LoadMode::Upsert) => (&table.primary_key, "upsert"),
            // COPY does not fill views, and not tables with policies for this user.
            (None, _) if table.kind == Relation::View || table.row_security => return Ok(Way::Insert),
            (None, _) => return Ok(Way::Copy),
        };
        let has = |name: &String| fit.columns.iter().any(|column| column.name == *name);
        if let Some(absent) = key.iter().find(|name| !has(name)) {
            let message =
                format!("`myLoadMode` {mode} needs the key column `{absent}` of {table} in the file");
            return Err(Failure::bad_input("NoKey", message));
        }
        if let Some(fixed) = table.always_identity.iter().find(|name| has(name) && !key.contains(name)) {
            let message = format!(
                "`myLoadMode` {mode} cannot change the column `{fixed}` of {table}, which is GENERATED ALWAYS AS IDENTITY; \
                 leave it out of the file"
            );
            return Err(Failure::bad_input("Identity", message));
        }
        Ok(match &self.kept {
            Some(kept) => Way::Keep(key.clone(), kept.loaded.clone()),
            None => Way::Upsert(key.clone()),
        })
    }

    /// Notes the file as loaded. Returns false, with a remark for the user, if the mode is `append` and the table has
    /// the file already.
    pub(super) async fn is_new(
        &self,
        tx: &Transaction,
        table: &Table,
        source: &Source,
    ) -> Result<bool, Failure> {
        let Origin::Object(_, object) = &source.origin else { return Ok(true) };
        let Load { key, insert, declared, dialect, mode, .. } = self.load;
        let shape = loaded_files::shape(insert.as_deref(), declared, dialect.sheet.as_deref());
        let is_noted = loaded_files::note(tx, key, table, object, &shape).await?;
        if is_noted && *mode == LoadMode::Append && loaded_files::has_other(tx, table, object, &shape).await?
        {
            self.progress.note(format!(
                "an earlier version of {} was loaded into {table}, and its rows stay unless they were deleted; `myLoadMode` upsert or replace \
                 would replace them",
                source.name()
            ));
        }
        if is_noted || *mode != LoadMode::Append {
            return Ok(true);
        }
        let loaded = loaded_files::loaded_by(tx, table, object, &shape).await?;
        let by = loaded.map(|(at, pipeline)| format!(" ({pipeline}, {at})")).unwrap_or_default();
        self.progress.note(format!(
            "{} is in {table} already{by}; not appended again. If its rows were deleted since, they are missing: `myLoadMode` upsert or replace \
             loads a file again",
            source.name()
        ));
        Ok(false)
    }

    /// Adds to the table the columns that it lacks, and notes for the user how the fields of the file go into
    /// columns.
    ///
    /// # Errors
    ///
    /// If the header differs from that of an earlier file of the load, or the database refuses the columns.
    pub(super) async fn fit(
        &mut self,
        tx: &Transaction,
        table: &mut Table,
        source: &Source,
        fit: &Fit,
    ) -> Result<(), Failure> {
        self.compare_headers(source, fit)?;
        for note in &fit.notes {
            self.progress.note(note);
        }
        let numbered = fit.columns.iter().map(|column| &column.name);
        for column in numbered.filter(|column| table.numbered.contains(*column)) {
            self.progress.note(format!(
                "the file gives the values of `{column}`, so the sequence of that column was not advanced"
            ));
        }
        if fit.added.is_empty() {
            return Ok(());
        }
        let columns =
            fit.added.iter().map(|name| format!("ADD COLUMN IF NOT EXISTS {} text", identifier(name)));
        let alter = format!("ALTER TABLE {} {}", table.quoted(), columns.collect::<Vec<_>>().join(", "));
        tx.run(&format!("adding columns to {table}"), &alter).await?;
        for name in &fit.added {
            // A note would stay if the load failed, which undoes the change.
            self.added.push(name.clone());
            table.columns.push(Column { has_default: true, ..Column::of_text(name.clone()) });
        }
        Ok(())
    }

    /// Reads an `insertQuery`, and asks the database for the types of its placeholders.
    ///
    /// # Errors
    ///
    /// If the rules of the file would not count for its values, or the connection breaks.
    pub(super) async fn statement(
        &self,
        tx: &Transaction,
        table: &Table,
        insert: &str,
    ) -> Result<Statement, Failure> {
        let (mut statement, why) = Statement::describe(tx, table, insert).await?;
        statement.declared.clone_from(&self.load.declared);
        if let Some(note) = statement.check_texts(&self.load.rules, insert)? {
            self.progress.note(note);
        }
        let Some(why) = why else { return Ok(statement) };
        if let Some(field) = self.load.rules.needs_types() {
            let message = format!(
                "`{field}` needs the types of the placeholders of `insertQuery`, which the database does not tell: {why}"
            );
            return Err(Failure::bad_input("Definition", message));
        }
        self.progress
            .note(format!("the values of `insertQuery` are sent as the file has them, because {why}"));
        Ok(statement)
    }
}
