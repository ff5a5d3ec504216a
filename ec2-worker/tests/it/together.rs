//! `myPublish` `together`: all tables of a run change at once, or none does.

use super::World;
use super::stack::{BUCKET, Stack};

/// Two staging tables, one of which refers to the other, and a table of results with a history. A view, an index, a
/// comment, a right, a sequence and a foreign key from outside must survive.
const SHOP: &str = "
CREATE SCHEMA staging; CREATE SCHEMA analytics; CREATE ROLE reader;
CREATE TABLE staging.orders (id int PRIMARY KEY, price numeric NOT NULL CHECK (price > 0));
CREATE TABLE staging.items (order_id int REFERENCES staging.orders, name text, n bigserial);
CREATE TABLE analytics.sales (day date PRIMARY KEY, total numeric, items int);
COMMENT ON TABLE staging.orders IS 'the orders'; GRANT SELECT ON staging.orders TO reader;
CREATE INDEX by_price ON staging.orders (price);
CREATE VIEW analytics.dear AS SELECT id FROM staging.orders WHERE price > 5;
CREATE TABLE notes (order_id int REFERENCES staging.orders, note text);
INSERT INTO staging.orders VALUES (1, 10), (2, 1); INSERT INTO staging.items (order_id, name) VALUES (1, 'old');
INSERT INTO analytics.sales VALUES ('2026-01-01', 11, 1); INSERT INTO notes VALUES (1, 'kept');";

const ORDERS: &str = "SELECT id, price FROM staging.orders ORDER BY id";
const ITEMS: &str = "SELECT order_id, name, n FROM staging.items ORDER BY n";
const SALES: &str = "SELECT day, total, items FROM analytics.sales ORDER BY day";
/// All that must be as before after a run that failed.
const OLD: [(&str, &str); 3] = [(ORDERS, "1|10 2|1"), (ITEMS, "1|old|1"), (SALES, "2026-01-01|11|1")];

/// A definition whose script is `build`, and whose later objects are `more`.
fn shop(world: &World, build: &str, more: &str) -> String {
    let url = world.postgres.url();
    let load = |name: &str, after: &str| {
        format!(
            r#"{{"id": "Load_{name}", "type": "CopyActivity", "input": {{"ref": "File_{name}"}},
                 "output": {{"ref": "{name}"}}, "myLoadMode": "replace" {after}}},
               {{"id": "File_{name}", "type": "S3DataNode", "filePath": "s3://{BUCKET}/{name}.csv",
                 "dataFormat": {{"ref": "Csv"}}}},
               {{"id": "{name}", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "schemaName": "staging",
                 "table": "{name}"}}"#
        )
    };
    let (orders, items) = (load("orders", ""), load("items", r#", "dependsOn": {"ref": "Load_orders"}"#));
    format!(
        r#"{{"objects": [
            {{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "wg",
              "maximumRetries": "0", "myPublish": "together"}},
            {{"id": "Db", "type": "JdbcDatabase", "connectionString": "{url}", "username": "postgres",
              "*password": "none", "jdbcDriverClass": "org.postgresql.Driver"}},
            {{"id": "Csv", "type": "CSV", "myHeader": "true"}}, {orders}, {items},
            {{"id": "Build", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "{build}",
              "dependsOn": [{{"ref": "Load_orders"}}, {{"ref": "Load_items"}}], "output": {{"ref": "Sales"}}}},
            {{"id": "Sales", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "schemaName": "analytics",
              "table": "sales"}} {more}]}}"#
    )
}

const BUILD: &str = "INSERT INTO analytics.sales SELECT '2026-01-02', sum(price), (SELECT count(*) FROM staging.items) \
                     FROM staging.orders ON CONFLICT (day) DO UPDATE SET total = excluded.total";

async fn drop_files(stack: &Stack) {
    stack.put("orders.csv", "id,price\n1,20\n3,7\n").await;
    stack.put("items.csv", "order_id,name\n3,new\n1,newer\n").await;
}

async fn assert_old(world: &World) {
    for (query, rows) in OLD {
        assert_eq!(world.rows(query).await, rows, "{query}");
    }
}

/// Returns the tables and schemas that are left of next tables.
pub(super) async fn left(world: &World) -> String {
    world.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%\\_\\_df-%'").await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tables_of_a_run_change_in_one_transaction_and_keep_all_but_their_rows() {
    let (world, stack) = (World::new(SHOP).await, Stack::start().await);
    drop_files(&stack).await;
    let (pipeline, failed) = stack.run_file(&shop(&world, BUILD, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(ORDERS).await, "1|20 3|7");
    assert_eq!(world.rows(ITEMS).await, "3|new|2 1|newer|3", "the sequence goes on");
    assert_eq!(world.rows(SALES).await, "2026-01-01|11|1 2026-01-02|27|2");
    assert_eq!(
        world.rows("SELECT * FROM analytics.dear ORDER BY 1").await,
        "1 3",
        "the view reads the table"
    );
    assert_eq!(world.rows("SELECT note FROM notes").await, "kept", "the row that refers to order 1");
    let kept = "SELECT obj_description('staging.orders'::regclass), has_table_privilege('reader', 'staging.orders', 'SELECT'), \
                to_regclass('staging.by_price'), (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated)";
    assert_eq!(world.rows(kept).await, "the orders|t|staging.by_price|2");
    assert_eq!(left(&world).await, "");
    let xmins = "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM staging.items UNION ALL \
                 SELECT xmin FROM analytics.sales WHERE day = '2026-01-02') AS rows";
    assert_eq!(world.rows(xmins).await, "1", "one transaction has written the rows of both tables");
    let state =
        format!("SELECT DISTINCT state FROM downspout.next_tables WHERE starts_with(run, '{pipeline}')");
    assert_eq!(world.rows(&state).await, "published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_leaves_every_table_and_the_next_run_is_not_disturbed() {
    let (world, stack) = (World::new(SHOP).await, Stack::start().await);
    drop_files(&stack).await;
    let (_, failed) = stack.run_file(&shop(&world, &format!("{BUILD}; SELECT 1/0"), "")).await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1.contains("division by zero"), "{failed:?}");
    assert_old(&world).await;
    stack.put("items.csv", "order_id,name\n2,wrong\n").await;
    let (_, failed) = stack.run_file(&shop(&world, BUILD, "")).await;
    assert!(failed[0].1.contains("items_order_id_fkey"), "order 2 is not in the new file: {failed:?}");
    assert_old(&world).await;
    drop_files(&stack).await;
    let (_, failed) = stack.run_file(&shop(&world, BUILD, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(SALES).await, "2026-01-01|11|1 2026-01-02|27|2");
    assert_eq!(left(&world).await, "", "the tables of the failed runs are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_shows_the_new_rows_before_anybody_else_sees_them() {
    let (world, stack) = (World::new(SHOP).await, Stack::start().await);
    drop_files(&stack).await;
    let export = |id: &str, node: &str| {
        format!(
            r#", {{"id": "{id}", "type": "CopyActivity", "input": {{"ref": "{id}_rows"}}, "output": {{"ref": "{id}_file"}}}},
               {{"id": "{id}_rows", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "schemaName": "analytics", {node}}},
               {{"id": "{id}_file", "type": "S3DataNode", "filePath": "s3://{BUCKET}/{id}.csv", "dataFormat": {{"ref": "Csv"}}}}"#
        )
    };
    let table =
        export("whole", r#""table": "sales""#).replacen('{', r#"{"dependsOn": {"ref": "Build"}, "#, 1);
    let query = export(
        "part",
        r#""table": "sales", "selectQuery": "SELECT total FROM analytics.sales WHERE items = 2""#,
    )
    .replacen('{', r#"{"dependsOn": {"ref": "whole"}, "#, 1);
    let fail = r#", {"id": "Fail", "type": "ShellCommandActivity", "command": "exit 3", "dependsOn": {"ref": "part"}}"#;
    let (_, failed) = stack.run_file(&shop(&world, BUILD, &format!("{table}{query}{fail}"))).await;
    assert_eq!(failed.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["Fail"], "{failed:?}");
    assert_eq!(stack.get("whole.csv").await, b"day,total,items\n2026-01-01,11,1\n2026-01-02,27,2\n");
    assert_eq!(stack.get("part.csv").await, b"total\n27\n");
    assert_old(&world).await;
    let view = export("view", r#""table": "dear""#).replacen('{', r#"{"dependsOn": {"ref": "Build"}, "#, 1);
    let (_, failed) = stack.run_file(&shop(&world, BUILD, &view)).await;
    let message = "the query used the old rows of staging.orders, through a view";
    assert!(failed[0].1.starts_with(message), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_would_use_old_rows_or_change_other_tables_fails() {
    let (world, stack) = (World::new(SHOP).await, Stack::start().await);
    world
        .client
        .batch_execute(
            "CREATE FUNCTION old_total() RETURNS numeric LANGUAGE sql AS 'SELECT sum(price) FROM staging.orders'",
        )
        .await
        .expect("created");
    drop_files(&stack).await;
    for (script, message) in [
        ("SELECT * FROM analytics.dear", "used the old rows of staging.orders"),
        ("SELECT old_total()", "used the old rows of staging.orders"),
        ("DO $$BEGIN PERFORM 1 FROM staging.items; END$$", "used the old rows of staging.items"),
        ("DELETE FROM notes", "changes public.notes, which is not an output"),
        ("TRUNCATE public.notes", "changes public.notes"),
        ("CREATE INDEX ON analytics.sales (total)", "changes the form of analytics.sales"),
        ("ALTER TABLE analytics.sales ADD COLUMN x int", "changes the form of analytics.sales"),
        ("GRANT SELECT ON analytics.sales TO reader", "changes the form of analytics.sales"),
        ("VACUUM analytics.sales", "`myPublish` must be each"),
        ("INSERT INTO analytics.sales VALUES ('2026-01-01', wrong, 1)", "line 1, column 51"),
    ] {
        let (_, failed) = stack.run_file(&shop(&world, script, "")).await;
        assert_eq!(failed.len(), 1, "{script}: {failed:?}");
        assert!(failed[0].1.contains(message), "{script}: {failed:?}");
        assert_old(&world).await;
        assert_eq!(world.rows("SELECT note FROM notes").await, "kept");
    }
    // Temporary tables and TRUNCATE are not a problem.
    let script = "CREATE TEMP TABLE sums ON COMMIT DROP AS SELECT sum(price) s FROM staging.orders; \
                  TRUNCATE analytics.sales; INSERT INTO analytics.sales SELECT '2026-01-03', s, 0 FROM sums";
    let (_, failed) = stack.run_file(&shop(&world, script, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(SALES).await, "2026-01-03|27|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_others_change_meanwhile_are_not_lost() {
    let (world, stack) = (World::new(SHOP).await, Stack::start().await);
    drop_files(&stack).await;
    // While the run waits, another program adds a row to the table of results, and changes none of those that the run changes.
    let meanwhile = |sql: &str| {
        format!(
            r#", {{"id": "Other", "type": "SqlActivity", "database": {{"ref": "Db"}}, "myPublish": "each", "script": "{sql}",
                 "dependsOn": {{"ref": "Build"}}}}"#
        )
    };
    let added = meanwhile("INSERT INTO analytics.sales VALUES ('2025-12-31', 5, 5)");
    let (_, failed) = stack.run_file(&shop(&world, BUILD, &added)).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(SALES).await, "2025-12-31|5|5 2026-01-01|11|1 2026-01-02|27|2");
    let deletes = "DELETE FROM analytics.sales WHERE day = '2026-01-01'";
    let added = meanwhile("INSERT INTO analytics.sales VALUES ('2025-12-30', 4, 4)");
    let (_, failed) = stack.run_file(&shop(&world, deletes, &added)).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(SALES).await, "2025-12-30|4|4 2025-12-31|5|5 2026-01-02|27|2");
    // Without a primary key, rows can be added, but not changed if others have changed them too.
    let no_key = "ALTER TABLE analytics.sales DROP CONSTRAINT sales_pkey";
    world.client.batch_execute(no_key).await.expect("dropped");
    let inserts = "INSERT INTO analytics.sales VALUES ('2026-01-05', 1, 1)";
    let (_, failed) =
        stack.run_file(&shop(&world, inserts, &added.replace("2025-12-30", "2025-12-29"))).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows("SELECT count(*), sum(total) FROM analytics.sales").await, "5|41");
    let changes = "UPDATE analytics.sales SET total = 2 WHERE total = 1";
    let (_, failed) = stack.run_file(&shop(&world, changes, &added)).await;
    assert!(failed[0].1.contains("another program has changed rows"), "{failed:?}");
    let (_, failed) = stack.run_file(&shop(&world, changes, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows("SELECT count(*), sum(total) FROM analytics.sales").await, "6|46");
}
