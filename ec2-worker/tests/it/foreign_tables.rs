//! Foreign tables as targets and sources: a table of another PostgreSQL, and a file of the server.

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::etl::dialect::Dialect;

use super::World;
use super::exports::exported;

/// A table `far.t` on a server that is reached through `postgres_fdw`, and `t`, which stands for it.
async fn world() -> World {
    let world = World::new(
        "CREATE SCHEMA far; CREATE TABLE far.t (id int PRIMARY KEY, note text CHECK (note <> 'bad'), day date);
         CREATE EXTENSION postgres_fdw",
    )
    .await;
    let port = world.postgres.port();
    let server = format!(
        "CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{port}', dbname 'postgres');
         CREATE USER MAPPING FOR postgres SERVER here OPTIONS (user 'postgres');
         CREATE FOREIGN TABLE t (id int, note text, day date) SERVER here OPTIONS (schema_name 'far', table_name 't')"
    );
    world.client.batch_execute(&server).await.expect("a foreign table");
    world
}

#[tokio::test]
async fn a_foreign_table_is_loaded_replaced_and_exported() {
    let world = world().await;
    let all = "SELECT * FROM far.t ORDER BY id";
    let file = world.file("id,note,day\n1,one,2024-02-29\n2,\"two, \"\"x\"\"\",\n");
    world.run(&world.load("t", &file)).await.expect("loaded");
    assert_eq!(world.rows(all).await, "1|one|2024-02-29 2|two, \"x\"|NULL");
    let dialect = Dialect { header: true, ..Dialect::default() };
    let (written, _) =
        exported(&world, Some("SELECT * FROM t ORDER BY id"), &dialect).await.expect("written");
    assert_eq!(String::from_utf8_lossy(&written), "id,note,day\n1,one,2024-02-29\n2,\"two, \"\"x\"\"\",\n");
    let mut replace = world.load("t", &world.file("id,note,day\n3,three,\n"));
    replace.mode = LoadMode::Replace;
    world.run(&replace).await.expect("replaced");
    assert_eq!(world.rows(all).await, "3|three|NULL");
}

#[tokio::test]
async fn rows_that_the_far_server_refuses_are_refused_and_nothing_else() {
    let world = world().await;
    let file = world.file("id,note,day\n1,one,\n2,bad,\n1,again,\n3,three,2024-02-29\n");
    let mut load = world.load("t", &file);
    load.limit = Limit::Count(2);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.starts_with("rowsLoaded=2, rowsRejected=2"), "{told}");
    assert_eq!(world.rows("SELECT id, note FROM far.t ORDER BY id").await, "1|one 3|three");
    assert_eq!(world.rows("SELECT line FROM t_rejects ORDER BY line").await, "3 4");
    let mut load = world.load("t", &world.file("id,note,day\n7,x,\n8,bad,\n"));
    load.limit = Limit::Count(0);
    world.run(&load).await.expect_err("over the limit");
    assert_eq!(world.rows("SELECT count(*) FROM far.t").await, "2", "nothing of it stays");
}

#[tokio::test]
async fn what_a_foreign_table_cannot_do_is_said() {
    let world = world().await;
    let mut upsert = world.load("t", &world.file("id,note,day\n1,one,\n"));
    upsert.mode = LoadMode::Upsert;
    let failure = world.run(&upsert).await.expect_err("there is no key");
    assert!(failure.message.contains("upsert") || failure.message.contains("key"), "{failure}");
    world
        .client
        .batch_execute(
            "CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
             CREATE FOREIGN TABLE listed (line text) SERVER files OPTIONS (program 'echo one', format 'text')",
        )
        .await
        .expect("a table of a program");
    let failure =
        world.run(&world.load("listed", &world.file("line\nx\n"))).await.expect_err("it is read-only");
    assert!(failure.message.contains("listed"), "{failure}");
    let dialect = Dialect { header: true, ..Dialect::default() };
    let (written, _) = exported(&world, Some("SELECT * FROM listed"), &dialect).await.expect("written");
    assert_eq!(String::from_utf8_lossy(&written), "line\none\n");
}
