//! Tables for refused rows whose name another object has, and whose name is long.

use definition::kind::field::{Limit, OnColumns};
use ec2_worker::etl::load;
use ec2_worker::etl::rejected::{self, Wanted};
use ec2_worker::etl::table::Table;
use ec2_worker::progress::Progress;

use super::World;

#[tokio::test]
async fn an_object_with_the_name_of_the_table_for_refused_rows_is_told_as_that() {
    for (create, what) in [
        ("CREATE TABLE t_rejects (id int, reason text)", "a table with other columns"),
        ("CREATE VIEW t_rejects AS SELECT 1 AS id", "a view"),
        ("CREATE MATERIALIZED VIEW t_rejects AS SELECT 1 AS id", "a materialized view"),
        ("CREATE SEQUENCE t_rejects", "a sequence"),
        ("CREATE INDEX t_rejects ON t (id)", "an index"),
        ("CREATE TYPE t_rejects AS (id int)", "a type"),
        ("CREATE TYPE t_rejects AS ENUM ('a')", "a type"),
        ("CREATE DOMAIN t_rejects AS int", "a type"),
    ] {
        let world = World::new(&format!("CREATE TABLE t (id int); {create}")).await;
        let mut load = world.load("t", &world.file("id\n1\nx\n"));
        load.limit = Limit::Count(1);
        let message = world.run(&load).await.expect_err(create).message;
        assert!(
            message.starts_with(&format!(
                "the refused rows of public.t cannot be stored in \"public\".\"t_rejects\", because this name is that of {what}; rename"
            )) && message.contains("\"x\" is not a whole number"),
            "{create}: {message}"
        );
        assert_eq!(world.rows("SELECT count(*) FROM t").await, "0", "{create}");
        let tx = world.pool.begin(&load.target).await.expect("a transaction");
        let table = Table::find(&tx, None, "t").await.expect("found").expect("it is there");
        assert_eq!(rejected::rows(&tx, &table, &Wanted::default()).await.expect("none"), [], "{create}");
        tx.rollback().await;
        // Without refused rows, the name does not matter.
        let load = world.load("t", &world.file("id\n1\n"));
        world.run(&load).await.unwrap_or_else(|failure| panic!("{create}: {failure}"));
    }
}

#[tokio::test]
async fn tables_whose_long_names_begin_alike_have_their_own_refused_rows() {
    let names = ["1", "2"].map(|end| format!("{}{end}", "a".repeat(62)));
    let create = names.iter().map(|name| format!("CREATE TABLE {name} (id int);"));
    let world = World::new(&create.collect::<String>()).await;
    for name in &names {
        let mut load = world.load(name, &world.file("id\n1\nx\n"));
        load.limit = Limit::Count(1);
        world.run(&load).await.expect("loaded");
    }
    let query = "SELECT count(*) FROM pg_class WHERE relname ~ '_rejects$'";
    assert_eq!(world.rows(query).await, "2");
}

#[tokio::test]
async fn a_load_that_fails_does_not_say_that_it_has_added_a_column() {
    let world = World::new("CREATE TABLE t (id int)").await;
    for (rows, says) in [("1,a\nx,b\n", false), ("1,a\n", true)] {
        let mut load = world.load("t", &world.file(format!("id,w\n{rows}")));
        load.on_columns = OnColumns::AddMissing;
        let progress = Progress::default();
        let done = load::load(&load, &world.pool, &progress).await;
        assert_eq!(done.is_ok(), says);
        let notes = format!("{:?}", progress.fields());
        assert_eq!(notes.contains("added the column `w` (text) to public.t"), says, "{notes}");
    }
}

#[tokio::test]
async fn a_row_without_a_partition_needs_a_partition_and_not_another_check() {
    let world = World::new(
        "CREATE TABLE t (id int CHECK (id < 50)) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9)",
    )
    .await;
    for (table, value, says) in [
        ("t", "10", "correct the value, or add a partition for it"),
        ("t", "60", "correct the value, or change the check of the table"),
        ("t1", "10", "correct the value, or load the table of which this one is a partition"),
    ] {
        let load = world.load(table, &world.file(format!("id\n1\n{value}\n")));
        let message = world.run(&load).await.expect_err(says).message;
        // A row with two faults may be refused for either.
        let is_told = message.contains(says) || value == "60" && message.contains("add a partition");
        assert!(is_told, "{table} {value}: {message}");
    }
}
