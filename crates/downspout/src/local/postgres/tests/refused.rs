//! Statements that the embedded server would accept and that could not keep their promise.

use super::*;

fn refusal(error: &tokio_postgres::Error) -> String {
    let error = error.as_db_error().expect("the server answers");
    assert_eq!(error.code().code(), "0A000", "{error}");
    assert!(error.hint().is_some(), "{error}");
    error.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_could_not_log_in_and_databases_are_refused() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    for sql in ["CREATE DATABASE other", "CREATE USER app PASSWORD 'secret'", "CREATE ROLE app LOGIN"] {
        let message = refusal(&client.batch_execute(sql).await.expect_err("refused"));
        assert!(message.starts_with("the embedded PostgreSQL "), "{message}");
    }
    client
        .batch_execute("CREATE ROLE reader; GRANT reader TO postgres; SET ROLE reader; RESET ROLE")
        .await
        .expect("works");
    assert_eq!(
        one(&client, "SELECT count(*) FROM pg_roles WHERE rolname = 'app'").await.expect("answers"),
        "0"
    );
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_a_session_are_refused_and_those_of_a_transaction_work() {
    let stack = Stack::start(Limits::default()).await;
    let client = stack.connect("client").await;
    client.batch_execute("CREATE TABLE kept (a int)").await.expect("creates");
    for sql in [
        "create unlogged table lost (a int)",
        "ALTER TABLE kept SET UNLOGGED",
        "SELECT 1 AS a INTO UNLOGGED lost",
    ] {
        let message = refusal(&one(&client, sql).await.expect_err("refused"));
        assert!(message.contains("no unlogged tables"), "{sql}: {message}");
    }
    let message = refusal(&one(&client, "SELECT pg_advisory_lock(1)").await.expect_err("refused"));
    assert!(message.starts_with("pg_advisory_lock would protect nothing"), "{message}");
    // Prepared, with a parameter: the statement is refused when it runs.
    let error = client.query("SELECT pg_try_advisory_lock($1)", &[&1_i64]).await.expect_err("refused");
    assert!(refusal(&error).starts_with("pg_try_advisory_lock would"), "{error}");
    client.batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1)").await.expect("locks");
    // A refusal fails the transaction, as every error does.
    refusal(&one(&client, "SELECT pg_export_snapshot()").await.expect_err("refused"));
    let error = one(&client, "SELECT 1").await.expect_err("the transaction has failed");
    assert_eq!(code(&error), "25P02");
    client.batch_execute("ROLLBACK; SELECT pg_advisory_unlock_all()").await.expect("ends");
    stack.stop().await;
}
