//! An update of a key must not change rows of other tables through ON UPDATE actions, unless `myCascade` allows it.

use definition::kind::field::LoadMode;
use ec2_worker::etl::load::Load;

use super::World;
use super::stack::{BUCKET, Stack};

const ACTIONS: [&str; 3] = ["CASCADE", "SET NULL", "SET DEFAULT"];

/// A table `t` with a unique column `code`, and a child that refers to the code `old`.
fn parent_and_child(action: &str) -> String {
    format!(
        "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE DEFAULT '', v text DEFAULT ''); INSERT INTO t VALUES (0, 'none'), (1, 'old'), (2, 'free');
         CREATE TABLE child (code text DEFAULT 'none' REFERENCES t (code) ON UPDATE {action}); INSERT INTO child VALUES ('old')"
    )
}

fn upsert(world: &World, content: &str) -> Load {
    let mut load = world.load("t", &world.file(content));
    load.mode = LoadMode::Upsert;
    load
}

#[tokio::test]
async fn an_upsert_that_would_change_another_table_is_refused_and_the_message_names_that_table() {
    for action in ACTIONS {
        let world = World::new(&parent_and_child(action)).await;
        let mut load = upsert(&world, "id,code,v\n1,new,x\n");
        let failure = world.run(&load).await.expect_err(action);
        assert_eq!(failure.id, "BadInput:OtherTables");
        let says = format!(
            "change `code` in 1 row of public.t to which rows of public.child refer (constraint child_code_fkey, ON UPDATE {action})"
        );
        assert!(failure.message.contains(&says), "{failure}");
        assert_eq!(world.rows("SELECT code FROM t ORDER BY id").await, "none old free", "{action}");
        assert_eq!(world.rows("SELECT code FROM child").await, "old", "{action}");
        load.cascade = true;
        world.run(&load).await.expect("allowed");
        let changed =
            ["new", "NULL", "none"][ACTIONS.iter().position(|it| *it == action).expect("one of them")];
        assert_eq!(world.rows("SELECT code FROM child").await, changed, "{action}");
    }
}

#[tokio::test]
async fn an_upsert_that_leaves_the_referenced_values_is_loaded() {
    for action in ACTIONS {
        let world = World::new(&parent_and_child(action)).await;
        // The code of row 2 changes, but no row refers to it. The file has two lines for row 1; the last
        // one counts, and it keeps the code.
        for content in
            ["id,v\n1,x\n", "id,code,v\n1,wrong,x\n1,old,x\n2,other,x\n3,more,x\n", "code,id\nold,1\n"]
        {
            world
                .run(&upsert(&world, content))
                .await
                .unwrap_or_else(|failure| panic!("{content}: {failure}"));
        }
        let rows = "SELECT id, code, v FROM t ORDER BY id";
        assert_eq!(world.rows(rows).await, "0|none| 1|old|x 2|other|x 3|more|x", "{action}");
        assert_eq!(world.rows("SELECT code FROM child").await, "old", "{action}");
    }
}

#[tokio::test]
async fn a_value_that_only_looks_different_and_a_value_that_a_trigger_changes_count_as_changed() {
    for (schema, content) in [
        (
            "CREATE TABLE t (id int PRIMARY KEY, code numeric UNIQUE); INSERT INTO t VALUES (1, 1.0);
             CREATE TABLE child (code numeric REFERENCES t (code) ON UPDATE SET NULL); INSERT INTO child VALUES (1.0)",
            "id,code\n1,1.00\n",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v text, code text UNIQUE DEFAULT ''); INSERT INTO t VALUES (1, 'a', 'a');
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.code = NEW.v; RETURN NEW; END';
             CREATE TRIGGER f BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
             CREATE TABLE child (code text REFERENCES t (code) ON UPDATE SET NULL); INSERT INTO child VALUES ('a')",
            "id,v\n1,b\n",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, v text, code text UNIQUE GENERATED ALWAYS AS (v || '!') STORED);
             INSERT INTO t VALUES (1, 'a');
             CREATE TABLE child (code text REFERENCES t (code) ON UPDATE CASCADE); INSERT INTO child VALUES ('a!')",
            "id,v\n1,b\n",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, up text DEFAULT '' REFERENCES t (code) ON UPDATE SET NULL);
             INSERT INTO t VALUES (1, 'a', NULL), (2, 'b', 'a'); CREATE VIEW child AS SELECT up FROM t WHERE id = 2",
            "id,code\n1,c\n",
        ),
    ] {
        let world = World::new(schema).await;
        let before = world.rows("SELECT * FROM child").await;
        let failure = world.run(&upsert(&world, content)).await.expect_err(schema);
        assert!(failure.message.contains("`code` in 1 row of public.t"), "{schema}: {failure}");
        assert_eq!(world.rows("SELECT * FROM child").await, before, "{schema}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_put_in_place_together_change_other_tables_only_with_cascade() {
    for (mode, says) in [("upsert", "public.child"), ("append", "public.child")] {
        let world = World::new(&parent_and_child("SET NULL")).await;
        let stack = Stack::start().await;
        let file = if mode == "upsert" { "id,code,v\n1,new,x\n" } else { "id,code,v\n7,new,x\n" };
        stack.put("in.csv", file).await;
        let definition = |fields: &str| {
            let script =
                if mode == "append" { "UPDATE t SET code = 'script' WHERE id = 1" } else { "SELECT 1" };
            format!(
                r#"{{"objects": [
                {{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "wg",
                  "maximumRetries": "0", "myPublish": "together"{fields}}},
                {{"id": "Db", "type": "JdbcDatabase", "connectionString": "{}", "username": "postgres",
                  "*password": "none", "jdbcDriverClass": "org.postgresql.Driver"}},
                {{"id": "Csv", "type": "CSV", "myHeader": "true"}},
                {{"id": "Load", "type": "CopyActivity", "input": {{"ref": "File"}}, "output": {{"ref": "Table"}},
                  "myLoadMode": "{mode}"}},
                {{"id": "Build", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "{script}",
                  "dependsOn": {{"ref": "Load"}}, "output": {{"ref": "Table"}}}},
                {{"id": "File", "type": "S3DataNode", "filePath": "s3://{BUCKET}/in.csv", "dataFormat": {{"ref": "Csv"}}}},
                {{"id": "Table", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "table": "t"}}]}}"#,
                world.postgres.url()
            )
        };
        let (_, failed) = stack.run_file(&definition("")).await;
        assert!(failed.len() == 1 && failed[0].1.contains(says), "{mode}: {failed:?}");
        assert_eq!(world.rows("SELECT code FROM child").await, "old", "{mode}");
        let (_, failed) = stack.run_file(&definition(r#", "myCascade": "true""#)).await;
        assert_eq!(failed, [], "{mode}");
        assert_eq!(world.rows("SELECT code FROM child").await, "NULL", "{mode}");
    }
}
