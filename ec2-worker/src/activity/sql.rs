//! `SqlActivity`: runs a script on a database, in one transaction with its ledger row if that is possible.

use definition::kind::field::{self, Publish};
use tokio_postgres::error::ErrorPosition;

use super::{Activity, TaskContext, TaskOutcome};
use crate::database::{DatabaseTarget, Transaction};
use crate::etl::load::Expectations;
use crate::etl::next_tables::{self, NextTables};
use crate::etl::table::Table;
use crate::failure::Failure;
use crate::hindrance::{Foreseen, Hindrance};
use crate::ledger;
use crate::node::{self, NodeKind, SqlNode};
use crate::patience::Patience;
use crate::reader::{Reader, Script, problem, refused};
use crate::sql::{RedirectedSql, SqlTemplate, Statement, statements};

mod together;

use together::PublishedTables;

/// A script, ready to run.
struct Prepared {
    /// The name for messages.
    name: String,
    text: String,
    statements: Vec<Filled>,
}

/// A statement, filled with its arguments.
struct Filled {
    statement: Statement,
    template: Option<(SqlTemplate, Vec<String>)>,
    sql: String,
}

/// A `SqlActivity`.
#[derive(Clone, Debug)]
pub(super) struct SqlActivity {
    /// The database.
    target: DatabaseTarget,
    /// `script` or `scriptUri`.
    script: Script,
    /// `scriptArgument`, in order.
    arguments: Vec<String>,
    /// The output node. Its table is created first if it is missing.
    output: Option<SqlNode>,
    /// The output nodes in the database, whose tables the script changes, if the worker needs them.
    outputs: Vec<SqlNode>,
    /// `myPublish`.
    publish: Publish,
    /// The id of the run.
    run: String,
    /// `myCascade`.
    cascade: bool,
    /// `queue` of Redshift.
    queue: Option<String>,
}

impl Activity for SqlActivity {
    const TYPE: &'static str = "SqlActivity";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        let attempt = reader.attempt();
        let database = reader.referred("database")?;
        let database = database.first().ok_or_else(|| problem(attempt, "database", "is missing"))?;
        let publish = field::MY_PUBLISH.of(attempt).map_err(|error| refused(attempt, error))?;
        let mut output = None;
        let mut outputs = Vec::new();
        for object in reader.referred("output")? {
            let is_table = matches!(NodeKind::of(object), Ok(NodeKind::Sql));
            let has = |key: &str| object.string(key).is_some();
            // Other outputs do not matter, so their fields may be those of another program.
            if is_table && (publish == Publish::Together || has("myExpect") || has("myExpectWarn")) {
                outputs.push(SqlNode::read(reader, object)?);
            }
            if publish != Publish::Together && has("createTableSql") {
                output = Some(SqlNode::read(reader, object)?);
            }
        }
        Ok(Self {
            target: node::target(database)?,
            script: reader.script("script")?,
            arguments: attempt.strings("scriptArgument").map(str::to_owned).collect(),
            output,
            outputs,
            publish,
            run: reader.run(),
            cascade: field::MY_CASCADE.of(attempt).map_err(|error| refused(attempt, error))?,
            queue: attempt.string("queue").map(str::to_owned),
        })
    }

    fn hindrances(foreseen: &Foreseen<'_>) -> Vec<Hindrance> {
        let made = foreseen.referred("output").filter(|node| node.string("createTableSql").is_some());
        let databases = made.filter_map(|node| node::database_of(node, foreseen.find).transpose());
        let databases = databases.chain(foreseen.referred("database").next().map(Ok));
        databases.filter_map(|database| database.and_then(node::check_database).err()).collect()
    }

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        let failure = match run_script(context, self).await {
            Ok(()) => return Ok(TaskOutcome::Finished),
            Err(failure) if self.publish == Publish::Each => return Err(failure),
            Err(failure) => failure,
        };
        Err(next_tables::explained(&context.tools.pool, &self.target, &self.run, failure).await)
    }
}

async fn run_script(context: &TaskContext<'_>, script: &SqlActivity) -> Result<(), Failure> {
    let (name, text) = context.script(&script.script).await?;
    let prepared = prepare(name, text, &script.arguments)?;
    if prepared.statements.is_empty() && script.publish != Publish::Here {
        let message = format!("{}: the script contains no statement", prepared.name);
        return Err(Failure::bad_input("Script", message));
    }
    let alone = prepared.statements.iter().any(|filled| filled.statement.stands_alone());
    if alone && script.publish != Publish::Each {
        let message = format!(
            "{}: a statement cannot run in a transaction, so `myPublish` must be each for this activity",
            prepared.name
        );
        return Err(Failure::bad_input("Script", message));
    }
    if script.queue.is_some() {
        context.progress.note("`queue` is for Redshift; this database has no query groups");
    }
    let mut patience = Patience::new(context.tools.database_patience);
    loop {
        let result = if alone {
            outside_transaction(context, script, &prepared).await
        } else {
            in_transaction(context, script, &prepared).await
        };
        match result {
            Err(failure) if failure.is_away() && patience.wait(&failure, context.progress).await => {}
            other => return other,
        }
    }
}

fn prepare(name: String, text: String, arguments: &[String]) -> Result<Prepared, Failure> {
    let mut left = arguments;
    let mut filled = Vec::new();
    let mut placeholders = 0;
    for statement in statements(&text) {
        if statement.copies_from_client() {
            let (line, _) = line_and_column(&text, statement.offset);
            let message =
                format!("{name}, line {line}: COPY FROM STDIN has no data in a script; use a CopyActivity");
            return Err(Failure::bad_input("Script", message));
        }
        // If the script has no arguments, a question mark is not a placeholder: it may be an operator of SQL.
        let template = (!arguments.is_empty()).then(|| SqlTemplate::new(&statement.text));
        let mut sql = statement.text.clone();
        let template = template.map(|template| {
            placeholders += template.placeholders();
            let (own, rest) = left.split_at(template.placeholders().min(left.len()));
            left = rest;
            if let Ok(with_values) = template.fill_script(own) {
                sql = with_values;
            }
            (template, own.to_vec())
        });
        filled.push(Filled { statement, template, sql });
    }
    if !arguments.is_empty() && placeholders != arguments.len() {
        let message = format!(
            "{name}: {placeholders} placeholders (`?`), but {} values of `scriptArgument`; give one for each, in order",
            arguments.len()
        );
        return Err(Failure::bad_input("ScriptArgument", message));
    }
    Ok(Prepared { name, text, statements: filled })
}

async fn in_transaction(
    context: &TaskContext<'_>,
    script: &SqlActivity,
    prepared: &Prepared,
) -> Result<(), Failure> {
    together::make_next_tables(context, script).await?;
    let tx = match script.publish {
        // Rows are compared as texts, which the settings of the role must not change.
        Publish::Here => ledger::begin_fixed(&context.tools.pool, &script.target).await?,
        Publish::Each | Publish::Together => ledger::begin(&context.tools.pool, &script.target).await?,
    };
    let result = claimed(context, script, prepared, &tx).await;
    match result {
        Ok(Some(published)) if published.is_empty() => tx.commit().await,
        Ok(Some(published)) => {
            let analyze: Vec<_> = published.iter().map(|table| format!("ANALYZE {table}")).collect();
            // The statistics help later queries. If ANALYZE fails, the work has still succeeded.
            if let Err(error) = tx.commit_then(&analyze.join("; ")).await? {
                context.progress.log(&format!("ANALYZE failed: {error}"));
            }
            Ok(())
        }
        Ok(None) => {
            tx.rollback().await;
            Ok(())
        }
        Err(failure) => {
            if !failure.is_away() {
                tx.rollback().await;
            }
            Err(failure)
        }
    }
}

/// Does the work, unless an earlier attempt has done it. Returns the tables that were put in place if there is something to
/// commit.
async fn claimed(
    context: &TaskContext<'_>,
    script: &SqlActivity,
    prepared: &Prepared,
    tx: &Transaction,
) -> Result<Option<Vec<String>>, Failure> {
    if let Some(report) = ledger::claim(tx, context.key).await? {
        context.progress.replace(report);
        context.progress.note("this was done by an earlier attempt, which could not report it");
        return Ok(None);
    }
    make_output(tx, script.output.as_ref()).await?;
    let published_tables = PublishedTables::enter(tx, context, script).await?;
    run_all(context, prepared, &published_tables.next_tables, tx).await?;
    check_outputs(context, script, &published_tables.next_tables, tx).await?;
    published_tables.leave(tx, script, &prepared.name).await?;
    ledger::record(tx, context.key, &context.progress.fields()).await?;
    Ok(Some(published_tables.published))
}

/// Runs a script with a statement that cannot be in a transaction, such as VACUUM: each statement alone, then the ledger row.
async fn outside_transaction(
    context: &TaskContext<'_>,
    script: &SqlActivity,
    prepared: &Prepared,
) -> Result<(), Failure> {
    let tx = ledger::begin(&context.tools.pool, &script.target).await?;
    let done = ledger::claim(&tx, context.key).await?;
    if let Some(report) = done {
        context.progress.replace(report);
        tx.rollback().await;
        return Ok(());
    }
    tx.rollback().await;
    context.progress.log("a statement cannot run in a transaction, so each one commits by itself");
    let session = context.tools.pool.session(&script.target).await?;
    make_output(&session, script.output.as_ref()).await?;
    run_all(context, prepared, &NextTables::default(), &session).await?;
    session.release();
    let tx = ledger::begin(&context.tools.pool, &script.target).await?;
    if ledger::claim(&tx, context.key).await?.is_none() {
        check_outputs(context, script, &NextTables::default(), &tx).await?;
        ledger::record(&tx, context.key, &context.progress.fields()).await?;
    }
    tx.commit().await
}

/// Checks the expectations of the outputs.
async fn check_outputs(
    context: &TaskContext<'_>,
    script: &SqlActivity,
    next_tables: &NextTables,
    tx: &Transaction,
) -> Result<(), Failure> {
    for node in &script.outputs {
        if node.target.session_key() != script.target.session_key() {
            let message = format!(
                "object `{}`, field `myExpect` cannot be checked, because the table is in another database than the script",
                node.id
            );
            return Err(Failure::bad_input("Definition", message));
        }
        let expect = Expectations { must: node.expect.clone(), warn: node.expect_warn.clone() };
        expect.check(tx, next_tables, context.progress).await?;
    }
    Ok(())
}

async fn make_output(tx: &Transaction, output: Option<&SqlNode>) -> Result<(), Failure> {
    let Some(SqlNode { schema, table, create: Some(create), .. }) = output else { return Ok(()) };
    if Table::find(tx, schema.as_deref(), table).await?.is_none() {
        tx.run("running createTableSql", create).await?;
    }
    Ok(())
}

async fn run_all(
    context: &TaskContext<'_>,
    prepared: &Prepared,
    next_tables: &NextTables,
    tx: &Transaction,
) -> Result<(), Failure> {
    for filled in &prepared.statements {
        let (line, _) = line_and_column(&prepared.text, filled.statement.offset);
        let started = std::time::Instant::now();
        let sql = next_tables.redirect(&filled.sql);
        if let Err(error) = tx.client().batch_execute(&sql.text).await {
            return Err(explain(prepared, filled, &sql, &error));
        }
        let millis = started.elapsed().as_millis();
        context.progress.log(&format!("{}, line {line}: done in {millis} ms", prepared.name));
    }
    Ok(())
}

/// Returns the error of the database, with its position in the script.
fn explain(
    prepared: &Prepared,
    filled: &Filled,
    sql: &RedirectedSql,
    error: &tokio_postgres::Error,
) -> Failure {
    let position = error.as_db_error().and_then(|refusal| match refusal.position() {
        Some(ErrorPosition::Original(position)) => Some(*position as usize),
        _ => None,
    });
    let shown = match position {
        Some(position) => {
            let byte = sql.text.char_indices().nth(position.saturating_sub(1));
            let byte = sql.original_offset(byte.map_or(sql.text.len(), |(at, _)| at));
            let within = match &filled.template {
                Some((template, values)) => template.original_offset(values, byte),
                None => byte,
            };
            let (line, column) = line_and_column(&prepared.text, filled.statement.offset + within);
            format!("{}, line {line}, column {column}", prepared.name)
        }
        None => {
            let (line, _) = line_and_column(&prepared.text, filled.statement.offset);
            format!("{}, statement at line {line}", prepared.name)
        }
    };
    Failure::database(&shown, error)
}

/// Returns the line and the column, from 1, of a byte in a text.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::super::tests::hindered;
    use super::*;

    #[test]
    fn arguments_go_to_the_statements_in_order() {
        let text = "INSERT INTO a VALUES (?);\nDELETE FROM b WHERE x = ? AND y = ?;".to_owned();
        let arguments = ["1", "2", "3"].map(str::to_owned);
        let prepared = prepare("s".to_owned(), text.clone(), &arguments).expect("fits");
        let sql: Vec<_> = prepared.statements.iter().map(|filled| filled.sql.as_str()).collect();
        assert_eq!(sql, ["INSERT INTO a VALUES ('1')", "DELETE FROM b WHERE x = '2' AND y = '3'"]);
        let problem = prepare("s".to_owned(), text, &arguments[..2]).err().map(|failure| failure.message);
        assert_eq!(
            problem.as_deref(),
            Some("s: 3 placeholders (`?`), but 2 values of `scriptArgument`; give one for each, in order")
        );
    }

    #[test]
    fn an_offset_is_a_line_and_a_column() {
        assert_eq!(line_and_column("a\nbé c", 6), (2, 4));
        assert_eq!(line_and_column("a", 99), (1, 2));
    }

    #[test]
    fn a_database_without_a_url_or_of_another_kind_hinders_the_work() {
        let sql = |database: &str| {
            let work = r#"{"id": "Work", "type": "SqlActivity", "database": {"ref": "Db"}}"#;
            hindered(&format!(r#"{work}, {{"id": "Db", {database}}}"#)).join("\n")
        };
        let by_instance = sql(r#""type": "RdsDatabase", "rdsInstanceId": "i""#);
        assert!(by_instance.starts_with("Db type is RdsDatabase"), "{by_instance}");
        let by_cluster = sql(r#""type": "RedshiftDatabase", "clusterId": "c""#);
        assert!(by_cluster.starts_with("Db clusterId names a cluster"), "{by_cluster}");
        let oracle = sql(r#""type": "JdbcDatabase", "connectionString": "jdbc:oracle:thin:@//h:1521/s""#);
        assert!(oracle.starts_with("Db connectionString is for `oracle`"), "{oracle}");
        for spoken in [
            r#""type": "RedshiftDatabase", "connectionString": "jdbc:redshift://h:5439/d""#,
            r##""type": "JdbcDatabase", "connectionString": "#{*myUrl}""##,
            r##""type": "JdbcDatabase", "connectionString": "jdbc:postgresql://#{*myHost}/d""##,
        ] {
            assert_eq!(sql(spoken), "");
        }
        let known = sql(r##""type": "JdbcDatabase", "connectionString": "jdbc:mysql://#{*myHost}/d""##);
        assert!(known.starts_with("Db connectionString is for `mysql`"), "{known}");
    }
}
