//! `myPublish` `together`: what a run says if a newer run has taken over its table, and if a deferred trigger refuses the end.

use e2e::until::until;

use super::World;
use super::stack::{BUCKET, Stack};

/// A definition that loads `in.csv` into `t`, and then does `more`.
fn definition(world: &World, more: &str) -> String {
    let url = world.postgres.url();
    format!(
        r#"{{"objects": [
            {{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "wg",
              "maximumRetries": "0", "myPublish": "together"}},
            {{"id": "Db", "type": "JdbcDatabase", "connectionString": "{url}", "username": "postgres",
              "*password": "none", "jdbcDriverClass": "org.postgresql.Driver"}},
            {{"id": "Csv", "type": "CSV", "myHeader": "true"}},
            {{"id": "Load", "type": "CopyActivity", "input": {{"ref": "File"}}, "output": {{"ref": "Table"}}, "myCascade": "true"}},
            {{"id": "File", "type": "S3DataNode", "filePath": "s3://{BUCKET}/in.csv", "dataFormat": {{"ref": "Csv"}}}},
            {{"id": "Table", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "table": "t"}} {more}]}}"#
    )
}

/// A script that waits in the middle of its transaction until `go` has a row.
const WAIT: &str = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM go) LOOP PERFORM pg_sleep(0.05); \
                    END LOOP; END $$";

#[tokio::test(flavor = "multi_thread")]
async fn work_that_another_run_disturbs_says_that_it_has_taken_over_the_table() {
    let script = |use_of_table: &str| {
        format!(
            r#", {{"id": "Use", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "{WAIT}; {use_of_table}",
                  "dependsOn": {{"ref": "Load"}}, "output": {{"ref": "Table"}}}}"#
        )
    };
    for more in [
        script("INSERT INTO public.t VALUES (9, 'x')"),
        script("UPDATE t SET v = 'x'"),
        script("SELECT * FROM public.t"),
    ] {
        let world = World::new("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE go (n int)").await;
        let stack = Stack::start().await;
        stack.put("in.csv", "id,v\n1,first\n").await;
        let file = definition(&world, &more);
        let first = stack.run_file(&file);
        let second = async {
            until("the script of the first run waits", async || {
                let query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND state = 'active' \
                             AND pid <> pg_backend_pid()";
                let waiting = world.rows(query).await;
                if waiting == "1" { Ok(()) } else { Err(waiting) }
            })
            .await;
            stack.put("in.csv", "id,v\n1,second\n").await;
            let ended = stack.run_file(&definition(&world, "")).await;
            world.client.batch_execute("INSERT INTO go VALUES (1)").await.expect("inserted");
            ended
        };
        let ((_, failed), (_, second)) = tokio::join!(first, second);
        assert_eq!(second, [], "{more}");
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(failed[0].1.contains("fills public.t since this run began"), "{more}: {failed:?}");
        assert_eq!(world.rows("SELECT id, v FROM t").await, "1|second");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferred_trigger_that_refuses_the_end_of_a_run_is_named_with_its_table() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, v text);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.id = 2 THEN RAISE ''no 2''; END IF; RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER not_two AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()",
    )
    .await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n1,a\n2,b\n").await;
    let (_, failed) = stack.run_file(&definition(&world, "")).await;
    assert!(failed[0].1.contains("checking the constraint not_two of public.t: no 2"), "{failed:?}");
    stack.put("in.csv", "id,v\n1,a\n3,b\n").await;
    let (_, failed) = stack.run_file(&definition(&world, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows("SELECT id FROM t ORDER BY 1").await, "1 3");
}
