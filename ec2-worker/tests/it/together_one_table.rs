//! `myPublish` `together` with one loaded table: every mode, what is refused, and what other programs do meanwhile.

use e2e::until::until;

use super::World;
use super::stack::{BUCKET, Stack};
use super::together::left;

/// A definition that loads `in.csv` into the table `t`.
fn one_load(world: &World, fields: &str, node: &str, more: &str) -> String {
    let url = world.postgres.url();
    format!(
        r#"{{"objects": [
            {{"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "wg",
              "maximumRetries": "0", "myPublish": "together"}},
            {{"id": "Db", "type": "JdbcDatabase", "connectionString": "{url}", "username": "postgres",
              "*password": "none", "jdbcDriverClass": "org.postgresql.Driver"}},
            {{"id": "Csv", "type": "CSV", "myHeader": "true"}},
            {{"id": "Load", "type": "CopyActivity", "input": {{"ref": "File"}}, "output": {{"ref": "Table"}} {fields}}},
            {{"id": "File", "type": "S3DataNode", "filePath": "s3://{BUCKET}/in.csv", "dataFormat": {{"ref": "Csv"}}}},
            {{"id": "Table", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "table": "t" {node}}} {more}]}}"#
    )
}

const ROWS: &str = "SELECT * FROM t ORDER BY 1, 2";

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_gives_the_rows_that_it_gives_alone() {
    const KEY: &str =
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old')";
    for (schema, fields, file, rows) in [
        (KEY, "", "id,v\n3,new\n", "1|old 2|old 3|new"),
        (KEY, r#", "myLoadMode": "upsert""#, "id,v\n2,new\n3,new\n", "1|old 2|new 3|new"),
        (KEY, r#", "myLoadMode": "replace""#, "id,v\n2,new\n", "2|new"),
        ("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'old')", "", "id,v\n1,old\n", "1|old 1|old"),
        (
            "CREATE TABLE t (id numeric PRIMARY KEY, v text); INSERT INTO t VALUES (1.0, 'old'), (2.0, 'old')",
            r#", "myLoadMode": "upsert""#,
            "id,v\n1.00,new\n",
            "1.00|new 2.0|old",
        ),
        (
            "CREATE TABLE t (id numeric PRIMARY KEY, v text); INSERT INTO t VALUES (1.0, 'old'), (2.0, 'old');
             CREATE TABLE c (id numeric REFERENCES t ON DELETE CASCADE); INSERT INTO c VALUES (1.0)",
            r#", "myLoadMode": "replace""#,
            "id,v\n1.00,new\n",
            "1.00|new",
        ),
        (KEY, r#", "myMaxRejects": "2""#, "id,v\n2,twice\nx,bad\n3,new\n", "1|old 2|old 3|new"),
        (KEY, r#", "myOnColumns": "add-missing""#, "id,v,w\n3,new,more\n", "1|old|NULL 2|old|NULL 3|new|more"),
        (
            "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, w text GENERATED ALWAYS AS (v || '!') STORED);
             INSERT INTO t (v) VALUES ('old')",
            "",
            "v\nnew\n",
            "1|old|old! 2|new|new!",
        ),
        (
            "CREATE TABLE t (k text, n int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (k)); INSERT INTO t VALUES ('a'), ('b')",
            r#", "myLoadMode": "replace""#,
            "k\na\nc\n",
            "a|3 c|4",
        ),
        (
            "CREATE TABLE t (id int, v text) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9);
             CREATE TABLE t2 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'old'), (100, 'old')",
            "",
            "id,v\n200,new\n",
            "1|old 100|old 200|new",
        ),
        (
            "CREATE TABLE t (id int PRIMARY KEY, boss int REFERENCES t); INSERT INTO t VALUES (1, NULL)",
            r#", "myMaxRejects": "1""#,
            "id,boss\n3,2\n2,1\n4,9\n",
            "1|NULL 2|1 3|2",
        ),
        (
            "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (7);
             CREATE TABLE t (id int, parent_id int REFERENCES parent)",
            r#", "myMaxRejects": "1""#,
            "id,parent_id\n1,7\n2,8\n3,\n",
            "1|7 3|NULL",
        ),
    ] {
        let (world, stack) = (World::new(schema).await, Stack::start().await);
        stack.put("in.csv", file).await;
        let (_, failed) = stack.run_file(&one_load(&world, fields, "", "")).await;
        assert_eq!(failed, [], "{schema} {fields}");
        assert_eq!(world.rows(ROWS).await, rows, "{schema} {fields}");
        assert_eq!(left(&world).await, "", "{schema}");
        if !fields.contains("Mode") {
            // The table has the file now, so the next run leaves it out.
            let (_, failed) = stack.run_file(&one_load(&world, fields, "", "")).await;
            assert_eq!(failed, [], "{schema} {fields}");
            assert_eq!(world.rows(ROWS).await, rows, "{schema} {fields}, again");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_of_a_table_see_its_new_rows() {
    let world = World::new("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (1, 'old')").await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n5,new\n").await;
    let node = r#", "insertQuery": "INSERT INTO public.t VALUES (?, ?)", "myExpect": "SELECT count(*) = 1 FROM t -- one row""#;
    let (_, failed) = stack.run_file(&one_load(&world, r#", "myLoadMode": "replace""#, node, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(ROWS).await, "5|new");
    stack.put("in.csv", "id,v\n6,newer\n").await;
    let node = r#", "myExpect": "SELECT count(*) = 1 FROM public.t -- one row""#;
    let (_, failed) = stack.run_file(&one_load(&world, "", node, "")).await;
    assert!(failed[0].1.contains("one row"), "the old row and the new one: {failed:?}");
    let node = r#", "insertQuery": "INSERT INTO other VALUES (?, ?)""#;
    world.client.batch_execute("CREATE TABLE other (LIKE t)").await.expect("created");
    let (_, failed) = stack.run_file(&one_load(&world, "", node, "")).await;
    assert!(failed[0].1.contains("the load changes public.other"), "{failed:?}");
    assert_eq!(world.rows(ROWS).await, "5|new");
    let created = r#", "schemaName": "new", "createTableSql": "CREATE SCHEMA new; CREATE TABLE new.t (id int, v text)""#;
    let (_, failed) = stack.run_file(&one_load(&world, "", created, "")).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows("SELECT * FROM new.t").await, "6|newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_together_is_refused() {
    for (schema, message) in [
        ("CREATE TABLE u (id int, v text); CREATE VIEW t AS SELECT * FROM u", "it is a view"),
        (
            "CREATE TABLE t (id int, v text); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER stamp BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "the trigger stamp would act only when the run has ended",
        ),
        (
            "CREATE TABLE t (id int, v text); CREATE TABLE log (n int);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); RETURN NULL; END';
             CREATE TRIGGER audit AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "the trigger audit would act only when the run has ended, and may change other tables",
        ),
        (
            "CREATE TABLE t (id int, v text) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF t DEFAULT;
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER swallow BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION f()",
            "the trigger swallow of part would act only when the run has ended",
        ),
        ("CREATE TABLE t (id int, v text); CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING", "the rule r"),
        ("CREATE TABLE t (id int, v text); CREATE TABLE heir () INHERITS (t)", "the inheritance of heir"),
    ] {
        let (world, stack) = (World::new(schema).await, Stack::start().await);
        stack.put("in.csv", "id,v\n1,new\n").await;
        let (_, failed) = stack.run_file(&one_load(&world, "", "", "")).await;
        assert!(failed[0].1.contains(message), "{schema}: {failed:?}");
        assert_eq!(world.rows(ROWS).await, "", "{schema}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_publisher_runs_its_script_with_the_tables_in_place() {
    let world =
        World::new("CREATE TABLE t (id int, v text); CREATE MATERIALIZED VIEW m AS SELECT id FROM t").await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n1,new\n").await;
    let here = |script: &str| {
        format!(
            r#", {{"id": "Put", "type": "SqlActivity", "database": {{"ref": "Db"}}, "myPublish": "here", "script": "{script}",
                  "dependsOn": {{"ref": "Load"}}}}"#
        )
    };
    let (_, failed) = stack.run_file(&one_load(&world, "", "", &here("SELECT wrong"))).await;
    assert!(failed[0].1.contains("line 1, column 8"), "{failed:?}");
    assert_eq!(world.rows(ROWS).await, "");
    let (_, failed) = stack.run_file(&one_load(&world, "", "", &here("REFRESH MATERIALIZED VIEW m"))).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows("SELECT id FROM m").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_table_another_run_has_taken_over_fails_and_leaves_the_table() {
    let world = World::new("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n1,first\n").await;
    let flag = stack.folder.path().join("flag");
    let late = format!(
        r#", {{"id": "Late", "type": "ShellCommandActivity", "command": "while ! test -e {}; do sleep 0.1; done",
              "dependsOn": {{"ref": "Load"}}}}"#,
        flag.display()
    );
    let file = one_load(&world, "", "", &late);
    let first = stack.run_file(&file);
    let second = async {
        until("the first run has loaded its file", async || {
            let registry = world.rows("SELECT to_regclass('downspout.next_tables')").await;
            let registered =
                registry != "NULL" && !world.rows("SELECT * FROM downspout.ledger").await.is_empty();
            if registered { Ok(()) } else { Err(registry) }
        })
        .await;
        stack.put("in.csv", "id,v\n1,second\n").await;
        let ended = stack.run_file(&one_load(&world, "", "", "")).await;
        std::fs::write(&flag, "").expect("written");
        ended
    };
    let ((_, failed), (_, second)) = tokio::join!(first, second);
    assert_eq!(second, []);
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed[0].1.contains("fills public.t since this run began"), "{failed:?}");
    assert_eq!(world.rows(ROWS).await, "1|second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_activated_again_begins_with_the_rows_of_the_tables() {
    let world = World::new("CREATE TABLE t (id int, v text); CREATE TABLE log (n int)").await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n1,new\n").await;
    let flag = stack.folder.path().join("flag");
    let more = format!(
        r#", {{"id": "Log", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "INSERT INTO log VALUES (1)",
              "output": {{"ref": "LogTable"}}, "dependsOn": {{"ref": "Load"}}}},
            {{"id": "LogTable", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "table": "log"}},
            {{"id": "Late", "type": "ShellCommandActivity", "command": "test -e {}", "dependsOn": {{"ref": "Log"}}}}"#,
        flag.display()
    );
    let (pipeline, failed) = stack.run_file(&one_load(&world, "", "", &more)).await;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(world.rows("SELECT * FROM log").await, "", "a name without a schema is redirected too");
    std::fs::write(&flag, "").expect("written");
    stack.clients.datapipeline.activate_pipeline().pipeline_id(&pipeline).send().await.expect("activated");
    until("the second run has put its tables in place", async || {
        let rows = world.rows("SELECT * FROM log").await;
        if rows.is_empty() { Err(format!("{:?}", stack.failures(&pipeline).await)) } else { Ok(()) }
    })
    .await;
    assert_eq!(world.rows("SELECT * FROM log").await, "1");
    assert_eq!(world.rows(ROWS).await, "1|new");
    assert_eq!(left(&world).await, "");
}

/// A `SqlActivity` that runs after the load and before the publisher, with the table `output` as its output.
fn then(id: &str, after: &str, script: &str, output: &str) -> String {
    format!(
        r#", {{"id": "{id}", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "{script}",
              "dependsOn": {{"ref": "{after}"}}, "output": {{"ref": "{id}_table"}}}},
            {{"id": "{id}_table", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "table": "{output}"}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_a_table_show_its_old_rows_and_are_refused() {
    const PARTED: &str = "CREATE TABLE t (id int, v text) PARTITION BY RANGE (id);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9); CREATE TABLE sums (n bigint)";
    for (script, output, message) in [
        ("INSERT INTO sums SELECT count(*) FROM t1", "sums", "used the old rows of public.t1"),
        ("INSERT INTO t1 VALUES (5, 'x')", "t1", "one is a partition of the other"),
    ] {
        let (world, stack) = (World::new(PARTED).await, Stack::start().await);
        stack.put("in.csv", "id,v\n1,new\n").await;
        let more = then("Sum", "Load", script, output);
        let (_, failed) = stack.run_file(&one_load(&world, "", "", &more)).await;
        assert!(failed[0].1.contains(message), "{failed:?}");
        assert_eq!(world.rows(ROWS).await, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_another_program_has_changed_too_is_not_overwritten() {
    const KEYED: &str = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old'), (3, 'old')";
    let update = r#", "myLoadMode": "upsert""#;
    for (fields, file, other, is_conflict) in [
        ("", "id,v\n8,file\n", "INSERT INTO t VALUES (8, 'other')", true),
        ("", "id,v\n8,file\n", "INSERT INTO t VALUES (8, 'file')", false),
        ("", "id,v\n8,file\n", "UPDATE t SET v = 'other' WHERE id = 1", false),
        (update, "id,v\n1,file\n", "UPDATE t SET v = 'other' WHERE id = 1", true),
        (update, "id,v\n1,file\n", "DELETE FROM t WHERE id = 1", true),
        (update, "id,v\n1,file\n", "UPDATE t SET v = 'other' WHERE id = 2", false),
    ] {
        let (world, stack) = (World::new(KEYED).await, Stack::start().await);
        stack.put("in.csv", file).await;
        let each = then("Other", "Load", &other.replace("INTO t", "INTO public.t"), "t")
            .replace(r#""type": "SqlActivity""#, r#""type": "SqlActivity", "myPublish": "each""#);
        let (_, failed) = stack.run_file(&one_load(&world, fields, "", &each)).await;
        assert_eq!(!failed.is_empty(), is_conflict, "{other}: {failed:?}");
        let message = "1 row of public.t were changed by this run and also by another program";
        assert!(failed.iter().all(|(_, found)| found.starts_with(message)), "{other}: {failed:?}");
        let other_rows = world.rows("SELECT count(*) FROM t WHERE v = 'other'").await;
        let deleted = world.rows("SELECT count(*) FROM t WHERE id = 1").await;
        assert!(
            other_rows == "1" || other.contains("'file'") || deleted == "0",
            "{other}: what others did stays"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_exchange_the_values_of_a_unique_key() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    )
    .await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,code\n4,d\n").await;
    let swap = "UPDATE t SET code = code || '!'; UPDATE t SET code = CASE id WHEN 1 THEN 'b' WHEN 2 THEN 'a' ELSE rtrim(code, '!') END";
    let (_, failed) = stack.run_file(&one_load(&world, "", "", &then("Swap", "Load", swap, "t"))).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(ROWS).await, "1|b 2|a 3|c 4|d");
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_and_checks_of_a_table_that_read_old_rows_fail_the_load() {
    let world = World::new(
        "CREATE TABLE rates (v int); INSERT INTO rates VALUES (10);
         CREATE FUNCTION rate() RETURNS int LANGUAGE sql AS 'SELECT max(v) FROM public.rates';
         CREATE TABLE t (id int, v int DEFAULT rate())",
    )
    .await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id\n1\n").await;
    let before = then("Rates", "File", "UPDATE rates SET v = 30", "rates")
        .replace(r#""dependsOn": {"ref": "File"},"#, "");
    let load = r#", "dependsOn": {"ref": "Rates"}"#;
    let (_, failed) = stack.run_file(&one_load(&world, load, "", &before)).await;
    assert!(failed[0].1.contains("used the old rows of public.rates"), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_creates_and_fills_tables_that_were_not_there() {
    let world = World::new("CREATE TABLE t (id int, v text)").await;
    let stack = Stack::start().await;
    let script = "CREATE SCHEMA IF NOT EXISTS dims; CREATE TABLE IF NOT EXISTS dims.days (d date PRIMARY KEY); \
                  INSERT INTO dims.days SELECT '2026-01-01' WHERE NOT EXISTS (SELECT FROM dims.days); \
                  INSERT INTO dims.days VALUES ('2026-01-01') ON CONFLICT DO NOTHING";
    let create = format!(
        r#", {{"id": "Create", "type": "SqlActivity", "database": {{"ref": "Db"}}, "script": "{script}"}}"#
    );
    for id in 1..=2 {
        stack.put("in.csv", format!("id,v\n{id},new\n")).await;
        let file = one_load(&world, r#", "dependsOn": {"ref": "Create"}"#, "", &create);
        let (_, failed) = stack.run_file(&file).await;
        assert_eq!(failed, [], "run {id}: the second run changes nothing in the table that is there");
    }
    assert_eq!(world.rows("SELECT count(*) FROM dims.days").await, "1");
    let change = create.replace("ON CONFLICT DO NOTHING", "ON CONFLICT (d) DO UPDATE SET d = '2026-01-02'");
    stack.put("in.csv", "id,v\n3,new\n").await;
    let (_, failed) =
        stack.run_file(&one_load(&world, r#", "dependsOn": {"ref": "Create"}"#, "", &change)).await;
    assert!(failed[0].1.contains("changes dims.days, which is not an output"), "{failed:?}");
    assert_eq!(world.rows("SELECT d FROM dims.days").await, "2026-01-01");
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_of_a_table_that_a_script_fills_are_checked() {
    for publish in ["together", "each"] {
        let world = World::new("CREATE TABLE t (id int, v text); CREATE TABLE sums (n bigint)").await;
        let stack = Stack::start().await;
        stack.put("in.csv", "id,v\n1,new\n").await;
        let sum = then("Sum", "Load", "INSERT INTO sums SELECT count(*) FROM t", "sums");
        let with = |expect: &str| {
            let node = format!(r#""table": "sums", "myExpect": "SELECT n = {expect} FROM sums -- one row""#);
            let file = one_load(&world, "", "", &sum.replace(r#""table": "sums""#, &node));
            file.replace("\"myPublish\": \"together\"", &format!("\"myPublish\": \"{publish}\""))
        };
        let (_, failed) = stack.run_file(&with("2")).await;
        assert!(failed[0].1.contains("one row: `myExpect` gave false"), "{publish}: {failed:?}");
        assert_eq!(world.rows("SELECT * FROM sums").await, "", "{publish}");
        let (_, failed) = stack.run_file(&with("1")).await;
        assert_eq!(failed, [], "{publish}");
        assert_eq!(world.rows("SELECT * FROM sums").await, "1", "{publish}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expectation_is_not_asked_of_another_database() {
    let world = World::new("CREATE TABLE t (id int, v text); CREATE TABLE sums (n bigint)").await;
    world.client.batch_execute("CREATE DATABASE elsewhere").await.expect("created");
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n1,new\n").await;
    let other = world.postgres.url().replace("/postgres?", "/elsewhere?");
    let other = if other.contains("/elsewhere") {
        other
    } else {
        format!("{}/elsewhere", other.trim_end_matches("/postgres"))
    };
    let sum = then("Sum", "Load", "INSERT INTO sums VALUES (1)", "sums")
        .replace(r#""table": "sums""#, r#""table": "sums", "myExpect": "SELECT true""#)
        .replace(
            r#""type": "SqlDataNode", "database": {"ref": "Db"}"#,
            r#""type": "SqlDataNode", "database": {"ref": "Other"}"#,
        );
    let database = format!(
        r#", {{"id": "Other", "type": "JdbcDatabase", "connectionString": "{other}", "username": "postgres",
              "*password": "none", "jdbcDriverClass": "org.postgresql.Driver"}}"#
    );
    let file = one_load(&world, "", "", &format!("{sum}{database}"));
    let (_, failed) =
        stack.run_file(&file.replace("\"myPublish\": \"together\"", "\"myPublish\": \"each\"")).await;
    assert!(failed[0].1.contains("the table is in another database than the script"), "{failed:?}");
    assert_eq!(world.rows("SELECT * FROM sums").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_no_partition_takes_is_a_refused_row_of_its_load() {
    const BY_RANGE: &str = "CREATE TABLE t (id int, v text) PARTITION BY RANGE (id);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (9) PARTITION BY LIST (v);
        CREATE TABLE t1a PARTITION OF t1 FOR VALUES IN ('a', 'old'); INSERT INTO t VALUES (1, 'old')";
    const BY_LIST: &str = "CREATE TABLE t (id int, v text) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1, 2)";
    const PART: &str = "CREATE TABLE p (id int, v text) PARTITION BY LIST (v); CREATE TABLE t PARTITION OF p FOR VALUES IN ('a')";
    for (schema, fields, rows) in [
        (BY_RANGE, "", "1|old 2|a"),
        (BY_RANGE, r#", "myLoadMode": "replace""#, "2|a"),
        (BY_LIST, "", "1|b 2|a"),
        (PART, "", "2|a 20|a"),
    ] {
        let (world, stack) = (World::new(schema).await, Stack::start().await);
        stack.put("in.csv", "id,v\n2,a\n1,b\n20,a\n").await;
        let (_, failed) = stack.run_file(&one_load(&world, fields, "", "")).await;
        let is_refused = failed[0].1.contains("line 3") || failed[0].1.contains("line 4");
        assert!(failed[0].0 == "Load" && is_refused, "{failed:?}");
        assert!(failed[0].1.contains("add a partition for it"), "{failed:?}");
        let fields = format!(r#"{fields}, "myMaxRejects": "2""#);
        let (_, failed) = stack.run_file(&one_load(&world, &fields, "", "")).await;
        assert_eq!(failed, [], "{schema}");
        assert_eq!(world.rows(ROWS).await, rows, "{schema}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_partition_for_some_rows_takes_those_that_a_new_partition_is_for() {
    let world = World::new(
        "CREATE TABLE t (id int, v text) PARTITION BY LIST (id); CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1);
         CREATE TABLE h (id int, v text) PARTITION BY HASH (id); CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
    )
    .await;
    let stack = Stack::start().await;
    stack.put("in.csv", "id,v\n1,a\n").await;
    stack.put("more.csv", "id,v\n2,b\n").await;
    // Between two loads of the run, another activity adds a partition.
    let more = format!(
        r#", {{"id": "Add", "type": "SqlActivity", "database": {{"ref": "Db"}}, "myPublish": "each", "dependsOn": {{"ref": "Load"}},
              "script": "CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2)"}},
            {{"id": "More", "type": "CopyActivity", "input": {{"ref": "MoreFile"}}, "output": {{"ref": "Table"}},
              "dependsOn": {{"ref": "Add"}}}},
            {{"id": "MoreFile", "type": "S3DataNode", "filePath": "s3://{BUCKET}/more.csv", "dataFormat": {{"ref": "Csv"}}}},
            {{"id": "Hash", "type": "CopyActivity", "input": {{"ref": "File"}}, "output": {{"ref": "HashTable"}}}},
            {{"id": "HashTable", "type": "SqlDataNode", "database": {{"ref": "Db"}}, "table": "h"}}"#
    );
    let (_, failed) = stack.run_file(&one_load(&world, "", "", &more)).await;
    assert_eq!(failed, []);
    assert_eq!(world.rows(ROWS).await, "1|a 2|b");
    assert_eq!(world.rows("SELECT * FROM h").await, "1|a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_breaks_a_rule_of_one_partition_is_a_refused_row_of_its_load() {
    // Rows of the other partition may break the rule.
    const TABLE: &str = "CREATE TABLE t (id int, v text, n int) PARTITION BY RANGE (id);
        CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (100) TO (200);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100)";
    for (rule, says) in [
        ("ALTER TABLE t1 ADD CONSTRAINT small CHECK (n < 5)", "check constraint \"small of t1\""),
        ("ALTER TABLE t1 ALTER n SET NOT NULL", "check constraint \"NOT NULL of n of t1\""),
        ("ALTER TABLE t1 ADD CONSTRAINT one UNIQUE (v)", "unique constraint \"one of t1\"; Key (v)=(a) already exists"),
        ("CREATE UNIQUE INDEX one ON t1 (lower(v)) WHERE id > 0", "Key (lower(v))=(a) already exists"),
        (
            "DROP TABLE t1, t2; CREATE TABLE t1 PARTITION OF t DEFAULT; ALTER TABLE t1 ADD CHECK (id > 100 OR n < 5)",
            "check constraint \"t1_check of t1\"",
        ),
        ("DROP TABLE t1; CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100) PARTITION BY HASH (id);
          CREATE TABLE t1a PARTITION OF t1 FOR VALUES WITH (MODULUS 1, REMAINDER 0); ALTER TABLE t1 ADD CONSTRAINT small CHECK (n < 5)", "small of t1"),
    ] {
        for fields in ["", r#", "myLoadMode": "replace""#] {
            let (world, stack) = (World::new(&format!("{TABLE}; {rule}")).await, Stack::start().await);
            stack.put("in.csv", "id,v,n\n1,a,1\n2,a,\n3,b,7\n101,a,\n102,a,7\n").await;
            let (_, failed) = stack.run_file(&one_load(&world, fields, "", "")).await;
            assert!(failed[0].0 == "Load" && failed[0].1.contains(says), "{rule}: {failed:?}");
            let fields = format!(r#"{fields}, "myMaxRejects": "1""#);
            let (_, failed) = stack.run_file(&one_load(&world, &fields, "", "")).await;
            assert_eq!(failed, [], "{rule}");
            assert_eq!(world.rows("SELECT count(*) FROM t").await, "4", "{rule}");
            // The rows of the run are copied, and another load of them meets the same rules.
            stack.put("in.csv", "id,v,n\n50,c,3\n").await;
            let (_, failed) = stack.run_file(&one_load(&world, "", "", "")).await;
            assert_eq!(failed, [], "{rule}");
        }
    }
}
