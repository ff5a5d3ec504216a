//! Asks the database, after the rows and before the commit, whether the expectations of a load or a script hold.

use tokio_postgres::SimpleQueryMessage;

use super::super::next_tables::NextTables;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::sql::without_comment;

/// Queries that must give true after the rows of a table have changed. The text after `--` at the end of a query is the message if it does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// `myExpect`: if one does not hold, the load fails.
    pub must: Vec<String>,
    /// `myExpectWarn`: if one does not hold, the load says so.
    pub warn: Vec<String>,
}

impl Expectations {
    /// Checks the expectations. If a run publishes its tables together, they are about the rows of `next_tables`.
    ///
    /// # Errors
    ///
    /// If an expectation of `myExpect` does not hold, or the database refuses its query.
    pub async fn check(
        &self,
        tx: &Transaction,
        next_tables: &NextTables,
        progress: &Progress,
    ) -> Result<(), Failure> {
        for text in &self.must {
            if let Some(problem) = problem(tx, next_tables, text, "myExpect").await? {
                let message = format!("{problem}; the table is left as it was");
                return Err(Failure::bad_input("Expectation", message));
            }
        }
        for text in &self.warn {
            tx.run("setting a savepoint", "SAVEPOINT expectation").await?;
            match problem(tx, next_tables, text, "myExpectWarn").await {
                Ok(None) => {}
                Ok(Some(problem)) => progress.note(problem),
                Err(failure) if failure.is_away() => return Err(failure),
                Err(failure) => {
                    tx.run("going back to a savepoint", "ROLLBACK TO SAVEPOINT expectation").await?;
                    progress.note(failure.message);
                }
            }
        }
        Ok(())
    }
}

/// Returns why an expectation does not hold; `None` if it holds: the query gives rows of one column, and true in each.
async fn problem(
    tx: &Transaction,
    next_tables: &NextTables,
    text: &str,
    field: &str,
) -> Result<Option<String>, Failure> {
    let (sql, message) = without_comment(text);
    let sql = sql.trim().trim_end_matches(';');
    let doing = format!("checking `{field}` ({sql})");
    // As a part of a query, the text cannot end the transaction.
    let query = format!("SELECT * FROM (\n{}\n) AS expectation", next_tables.redirect(sql).text);
    let answer = tx.client().simple_query(&query).await.map_err(|error| Failure::database(&doing, &error))?;
    let rows = answer.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let rows: Vec<_> = rows.collect();
    // The values of further columns would be ignored.
    if let Some(row) = rows.iter().find(|row| row.len() != 1) {
        let message =
            format!("{doing}: the query gives {} columns; give one, which is true or false", row.len());
        return Err(Failure::bad_input("Definition", message));
    }
    let rows = rows.iter().map(|row| row.try_get(0).ok().flatten().unwrap_or("NULL"));
    let values: Vec<&str> = rows.collect();
    let found = match values.iter().find(|value| **value != "t") {
        None if values.is_empty() => "no row",
        None => return Ok(None),
        Some(&"f") => "false",
        Some(other) => other,
    };
    let prefix = message.map_or_else(String::new, |message| format!("{message}: "));
    Ok(Some(format!("{prefix}`{field}` gave {found} instead of true ({sql})")))
}
