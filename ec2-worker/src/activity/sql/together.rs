//! `myPublish` of a `SqlActivity`: makes next tables for its outputs, and checks that the script has used them.

use definition::kind::field::Publish;

use super::super::TaskContext;
use super::SqlActivity;
use crate::database::Transaction;
use crate::etl::load::publish;
use crate::etl::next_tables::{self, Base, Before, NextTables};
use crate::etl::table::Table;
use crate::failure::Failure;
use crate::ledger;
use crate::node::SqlNode;

/// Makes the next tables of the outputs of a script with `together`, unless an earlier attempt has done the work.
pub(super) async fn make_next_tables(context: &TaskContext<'_>, script: &SqlActivity) -> Result<(), Failure> {
    if script.publish != Publish::Together {
        return Ok(());
    }
    for node in &script.outputs {
        if node.target.session_key() != script.target.session_key() {
            let message = format!(
                "object `{}` is in another database than the script, and one transaction cannot put tables of two databases \
                 in place; give the activity `myPublish` each",
                node.id
            );
            return Err(Failure::bad_input("Publish", message));
        }
        let tx = ledger::begin_fixed(&context.tools.pool, &script.target).await?;
        if ledger::is_done(&tx, context.key).await? {
            tx.rollback().await;
            return Ok(());
        }
        let table = table(&tx, node).await?;
        next_tables::make(&tx, &script.run, &table, Base::Copy, script.cascade).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn table(tx: &Transaction, node: &SqlNode) -> Result<Table, Failure> {
    super::make_output(tx, Some(node)).await?;
    let schema = node.schema.as_deref();
    match Table::find(tx, schema, &node.table).await? {
        Some(table) => Ok(table),
        None => {
            let message = Table::missing(tx, schema, &node.table).await?;
            Err(Failure::bad_input("NoSuchTable", format!("{message}; create it, or give `createTableSql`")))
        }
    }
}

/// The tables that a script works on because of its `myPublish`.
pub(super) struct PublishedTables {
    pub(super) next_tables: NextTables,
    /// The tables before the script.
    before: Before,
    /// The names for SQL of the tables that were put in place before the script.
    pub(super) published: Vec<String>,
}

impl PublishedTables {
    /// Prepares the transaction for the script: `here` puts the tables of the run in place, and `together` redirects
    /// names without a schema to next tables.
    pub(super) async fn enter(
        tx: &Transaction,
        context: &TaskContext<'_>,
        script: &SqlActivity,
    ) -> Result<Self, Failure> {
        let mut found =
            Self { next_tables: NextTables::default(), before: Before::default(), published: Vec::new() };
        match script.publish {
            Publish::Each => {}
            Publish::Here => {
                found.published = publish::publish(tx, &script.run, context.progress).await?;
            }
            Publish::Together => {
                found.next_tables = NextTables::of(tx, &script.run).await?;
                found.next_tables.set_search_path(tx).await?;
                found.before = Before::read(tx).await?;
            }
        }
        Ok(found)
    }

    /// Checks, after a script with `together`, that it has read no old rows and has changed only rows of next tables.
    /// Messages call the script `name`.
    pub(super) async fn leave(
        &self,
        tx: &Transaction,
        script: &SqlActivity,
        name: &str,
    ) -> Result<(), Failure> {
        if script.publish != Publish::Together {
            return Ok(());
        }
        self.next_tables.check_reads(tx, name).await?;
        self.next_tables.check_changes(tx, &self.before, name).await?;
        self.next_tables.check_form(tx, &self.before, name).await
    }
}
