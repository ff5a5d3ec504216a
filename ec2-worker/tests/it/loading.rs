use std::path::Path;
use std::time::Duration;

use definition::kind::field::{Limit, LoadMode};
use e2e::until::until;
use ec2_worker::etl::load;
use ec2_worker::progress::Progress;

use super::{World, told};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, quantity int NOT NULL CHECK (quantity > 0), \
                      day date, loaded_at timestamptz NOT NULL DEFAULT now())";
const ALL: &str = "SELECT id, quantity, day FROM orders ORDER BY id";

#[tokio::test]
async fn a_load_is_done_once_however_often_it_is_handed_out() {
    let world = World::new(ORDERS).await;
    let file = world.file("quantity,id,day\n5,1,2025-12-31\n6,2,\n");
    let load = world.load("orders", &file);
    assert_eq!(world.run(&load).await.expect("loaded"), "rowsLoaded=2, rowsRejected=0");
    assert_eq!(world.rows(ALL).await, "1|5|2025-12-31 2|6|NULL");
    let again = world.run(&load).await.expect("nothing to do");
    assert!(again.starts_with("rowsLoaded=2, rowsRejected=0, note=this was loaded"), "{again}");
    assert_eq!(world.rows(ALL).await, "1|5|2025-12-31 2|6|NULL");
}

#[tokio::test]
async fn rows_that_a_check_or_the_database_refuses_go_to_quarantine() {
    let world = World::new(ORDERS).await;
    let file = world.file("id,quantity,day\n1,5,\n2,x,\n1,7,\n3,0,\n4,8,\n,1,\n5,9\n");
    let mut load = world.load("orders", &file);
    load.limit = Limit::Count(5);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.starts_with("rowsLoaded=2, rowsRejected=5, rejectReasons="), "{told}");
    assert!(told.contains("line 3, column quantity: \"x\" is not a whole number"), "{told}");
    assert_eq!(world.rows(ALL).await, "1|5|NULL 4|8|NULL");
    let kept =
        world.rows("SELECT line, byte_offset, column_name, raw_line FROM orders_rejects ORDER BY line").await;
    assert_eq!(kept, "3|21|quantity|2,x, 4|26|NULL|1,7, 5|31|NULL|3,0, 7|41|id|,1, 8|45|NULL|5,9");
    let reason = world.rows("SELECT reason FROM orders_rejects WHERE line = 4").await;
    assert!(reason.contains("duplicate key") && reason.contains("(id)=(1)"), "{reason}");
}

#[tokio::test]
async fn too_many_refused_rows_leave_the_table_as_it_was() {
    let world = World::new(&format!("{ORDERS}; INSERT INTO orders VALUES (9, 9)")).await;
    let file = world.file("id,quantity,day\n1,5,\n2,x,\n3,y,\n");
    for (limit, counted) in
        [(Limit::Count(1), "2 rows refused"), (Limit::Percent(50.0), "2 of 3 rows refused")]
    {
        let mut load = world.load("orders", &file);
        load.mode = LoadMode::Replace;
        load.limit = limit;
        let failure = world.run(&load).await.expect_err("over the limit");
        assert_eq!(failure.id, "BadInput:TooManyRejects");
        assert!(failure.message.starts_with(counted), "{failure}");
        assert_eq!(world.rows("SELECT id FROM orders").await, "9");
    }
}

#[tokio::test]
async fn replace_leaves_only_the_rows_of_the_file_and_upsert_changes_rows_by_key() {
    let world = World::new(&format!("{ORDERS}; INSERT INTO orders VALUES (1, 1), (9, 9)")).await;
    let mut upsert = world.load("orders", &world.file("id,quantity,day\n1,5,\n2,6,\n2,7,\n"));
    upsert.mode = LoadMode::Upsert;
    world.run(&upsert).await.expect("merged");
    assert_eq!(world.rows("SELECT id, quantity FROM orders ORDER BY id").await, "1|5 2|7 9|9");
    let mut replace = world.load("orders", &world.file("id,quantity,day\n3,3,\n"));
    replace.mode = LoadMode::Replace;
    world.run(&replace).await.expect("replaced");
    assert_eq!(world.rows("SELECT id FROM orders").await, "3");
}

#[tokio::test]
async fn an_insert_query_and_a_create_statement_of_the_user_are_used() {
    let world = World::new("CREATE SCHEMA shop").await;
    let mut load = world.load("shop.notes", &world.file("a,b\n1,it's\n2,\nx,bad\n"));
    load.create = Some("CREATE TABLE shop.notes (id int, upper text)".to_owned());
    load.insert = Some("INSERT INTO shop.notes VALUES (?::int * 10, upper(?));".to_owned());
    load.limit = Limit::Count(1);
    assert!(world.run(&load).await.expect("loaded").starts_with("rowsLoaded=2, rowsRejected=1"));
    assert_eq!(world.rows("SELECT * FROM shop.notes ORDER BY id").await, "10|IT'S 20|NULL");
}

#[tokio::test]
async fn rows_that_a_deferred_check_refuses_are_found_by_halving() {
    let schema = "CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents SELECT generate_series(1, 5000); \
                  CREATE TABLE children (id int, parent int REFERENCES parents)";
    let world = World::new(schema).await;
    let mut text = "id,parent\n".to_owned();
    for id in 1..=5000 {
        let parent = if id % 1000 == 7 { 99_999 } else { id };
        text.push_str(&format!("{id},{parent}\n"));
    }
    let mut load = world.load("children", &world.file(text));
    load.limit = Limit::Percent(1.0);
    assert!(world.run(&load).await.expect("loaded").starts_with("rowsLoaded=4995, rowsRejected=5"));
    assert_eq!(world.rows("SELECT count(*) FROM children").await, "4995");
    assert_eq!(world.rows("SELECT line FROM children_rejects ORDER BY line LIMIT 2").await, "8 1008");
}

#[tokio::test]
async fn loads_at_the_same_time_create_the_same_tables_without_an_error() {
    let world = World::new("CREATE TABLE t (id int)").await;
    let loads = (0..6).map(|number| {
        let mut load = world.load("t", &world.file(format!("id\n{number}\nx\n")));
        load.limit = Limit::Count(1);
        load
    });
    let loads: Vec<_> = loads.collect();
    let results = futures::future::join_all(loads.iter().map(|load| world.run(load))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let counts = "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM t_rejects), (SELECT count(*) FROM downspout.ledger)";
    assert_eq!(world.rows(counts).await, "6|6|6");
}

#[tokio::test]
async fn a_load_waits_for_a_database_that_comes_back() {
    let world = World::new("CREATE TABLE t (id int)").await;
    let load = world.load("t", &world.file("id\n1\n"));
    world.postgres.down();
    let progress = Progress::default();
    let (result, ()) = tokio::join!(load::load(&load, &world.pool, &progress), async {
        until("two tries have failed", async || {
            let log = progress.log_text();
            if log.matches("; trying again").count() >= 2 { Ok(()) } else { Err(log) }
        })
        .await;
        world.postgres.up();
    });
    result.expect("loaded in the end");
    let told = told(&progress);
    assert!(told.starts_with("rowsLoaded=1, rowsRejected=0, note=connecting to 127.0.0.1:"), "{told}");
    assert!(told.ends_with("; tried again"), "{told}");
    let mut hasty = world.load("t", &world.file("id\n2\n"));
    hasty.patience = Duration::ZERO;
    world.postgres.down();
    let failure = world.run(&hasty).await.expect_err("away");
    assert_eq!(failure.id, "Database:Unavailable");
}

#[tokio::test]
async fn a_statement_with_a_nul_character_is_bad_input_and_no_lost_connection() {
    let world = World::new("").await;
    let target = world.load("t", Path::new("t.csv")).target;
    let session = world.pool.session(&target).await.expect("a session");
    let failure = session.run("s3://b/s.sql, line 1", "SELECT '\0'").await.expect_err("it cannot be sent");
    assert_eq!(failure.id, "BadInput:Nul");
    assert!(!failure.is_away(), "waiting for the database would not help");
    assert_eq!(
        failure.message,
        "s3://b/s.sql, line 1: the text holds a NUL character, which PostgreSQL cannot take; remove it"
    );
    session.run("the next statement", "SELECT 1").await.expect("the session goes on");
}
