//! `replace` never changes rows of other tables, unless it is told to.

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::etl::load::Load;

use super::World;

fn replace(world: &World, table: &str, content: &str) -> Load {
    let mut load = world.load(table, &world.file(content));
    load.mode = LoadMode::Replace;
    load
}

/// Returns a parent with four rows, and a child that refers to the rows 1 and 2.
fn family(action: &str) -> String {
    format!(
        "CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE, note text DEFAULT 'none');
         INSERT INTO parent VALUES (1, 'one', 'x'), (2, 'two', 'x'), (3, 'three', 'x'), (4, 'four', 'x');
         CREATE TABLE child (id int, parent_id int DEFAULT 4 REFERENCES parent {action});
         INSERT INTO child VALUES (10, 1), (20, 2), (30, NULL)"
    )
}

const PARENTS: &str = "SELECT id, name, note FROM parent ORDER BY id";
const CHILDREN: &str = "SELECT id, parent_id FROM child ORDER BY id";
const ALL_CHILDREN: &str = "10|1 20|2 30|NULL";
const ACTIONS: [&str; 6] = [
    "",
    "ON DELETE RESTRICT",
    "ON DELETE CASCADE",
    "ON DELETE SET NULL",
    "ON DELETE SET DEFAULT",
    "DEFERRABLE INITIALLY DEFERRED",
];

#[tokio::test]
async fn rows_that_refer_to_replaced_rows_stay() {
    for action in ACTIONS {
        let world = World::new(&family(action)).await;
        // The file gives the name of row 3 to another row, and does not have the column `note`.
        let load = replace(&world, "parent", "name,id\nTWO,2\nONE,1\nthree,5\n");
        world.run(&load).await.unwrap_or_else(|failure| panic!("{action}: {failure}"));
        assert_eq!(world.rows(PARENTS).await, "1|ONE|none 2|TWO|none 5|three|none", "{action}");
        assert_eq!(world.rows(CHILDREN).await, ALL_CHILDREN, "{action}");
    }
}

#[tokio::test]
async fn a_replace_that_would_change_another_table_is_refused_with_its_name() {
    for action in ACTIONS {
        let world = World::new(&family(action)).await;
        let mut load = replace(&world, "parent", "name,id\nONE,1\nfive,5\n");
        let failure = world.run(&load).await.expect_err("row 2 is in use");
        assert!(failure.message.contains("1 row of public.child"), "{action}: {failure}");
        assert!(failure.message.contains("child_parent_id_fkey"), "{action}: {failure}");
        assert_eq!(world.rows("SELECT count(*) FROM parent WHERE note = 'x'").await, "4", "{action}");
        assert_eq!(world.rows(CHILDREN).await, ALL_CHILDREN, "{action}");
        load.cascade = true;
        let changed = match action {
            "ON DELETE CASCADE" => "10|1 30|NULL",
            "ON DELETE SET NULL" => "10|1 20|NULL 30|NULL",
            // Row 4 is not in the file.
            "ON DELETE SET DEFAULT" => ALL_CHILDREN,
            _ => ALL_CHILDREN,
        };
        let result = world.run(&load).await;
        assert_eq!(result.is_ok(), changed != ALL_CHILDREN, "{action}: {result:?}");
        assert_eq!(world.rows(CHILDREN).await, changed, "{action}");
    }
}

#[tokio::test]
async fn refused_and_doubled_rows_of_a_kept_table_are_refused_rows() {
    let world = World::new(&family("ON DELETE CASCADE")).await;
    let mut load = replace(&world, "parent", "id,name\n1,a\n2,b\n2,c\nx,d\n3,e\n");
    load.limit = Limit::Count(2);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.contains("rowsLoaded=3, rowsRejected=2"), "{told}");
    assert!(
        told.contains("violates unique constraint \"parent_pkey\"; Key (id)=(2) already exists"),
        "{told}"
    );
    assert_eq!(world.rows(PARENTS).await, "1|a|none 2|b|none 3|e|none");
    let mut load = replace(&world, "parent", "name\na\n");
    let failure = world.run(&load).await.expect_err("no key in the file");
    assert!(failure.message.contains("column `id` is missing"), "{failure}");
    load = replace(&world, "parent", "id,name\n1,a\n");
    load.insert = Some("INSERT INTO parent VALUES (?::int, ?)".to_owned());
    let failure = world.run(&load).await.expect_err("statements cannot keep rows");
    assert!(failure.message.contains("public.child") && failure.message.contains("insertQuery"), "{failure}");
}

#[tokio::test]
async fn a_table_that_refers_to_itself_and_partitions_are_replaced() {
    let world = World::new(
        "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE);
         INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2);
         CREATE TABLE parts (id int PRIMARY KEY, name text) PARTITION BY RANGE (id);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
         CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
         INSERT INTO parts VALUES (1, 'a'), (11, 'b');
         CREATE TABLE users (part int REFERENCES parts ON DELETE CASCADE); INSERT INTO users VALUES (1), (11)",
    )
    .await;
    world.run(&replace(&world, "tree", "id,up\n2,5\n5,\n")).await.expect("replaced");
    assert_eq!(world.rows("SELECT id, up FROM tree ORDER BY id").await, "2|5 5|NULL");
    world
        .client
        .batch_execute("CREATE TABLE leaf (tree int REFERENCES tree); INSERT INTO leaf VALUES (2)")
        .await
        .expect("made");
    world.run(&replace(&world, "tree", "id,up\n1,\n2,1\n")).await.expect("replaced");
    assert_eq!(world.rows("SELECT id, up FROM tree ORDER BY id").await, "1|NULL 2|1");
    world.run(&replace(&world, "parts", "id,name\n11,B\n1,A\n12,C\n")).await.expect("replaced");
    world.run(&replace(&world, "parts_1", "id,name\n1,AA\n2,D\n")).await.expect("replaced");
    assert_eq!(world.rows("SELECT id, name FROM parts ORDER BY id").await, "1|AA 2|D 11|B 12|C");
    assert_eq!(world.rows("SELECT part FROM users ORDER BY part").await, "1 11");
    for table in ["parts", "parts_1"] {
        let failure = world.run(&replace(&world, table, "id,name\n5,E\n")).await.expect_err("1 is in use");
        assert!(failure.message.contains("of public.users"), "{failure}");
    }
    assert_eq!(world.rows("SELECT part FROM users ORDER BY part").await, "1 11");
}

#[tokio::test]
async fn triggers_rules_and_heirs_of_a_replaced_table_need_the_permission_of_the_load() {
    let world = World::new(
        "CREATE TABLE log (id int); CREATE TABLE a (id int); INSERT INTO a VALUES (1);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (old.id); RETURN old; END $$;
         CREATE TRIGGER note AFTER DELETE ON a FOR EACH ROW EXECUTE FUNCTION note();
         CREATE TABLE b (id int); INSERT INTO b VALUES (1); CREATE RULE note AS ON DELETE TO b DO ALSO INSERT INTO log VALUES (old.id);
         CREATE TABLE c (id int); INSERT INTO c VALUES (1); CREATE TABLE heir () INHERITS (c); INSERT INTO heir VALUES (2);
         CREATE TABLE d (id int); INSERT INTO d VALUES (1); CREATE TABLE other (id int); INSERT INTO other VALUES (1);
         CREATE VIEW v AS SELECT id FROM d;
         CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TABLE e (id int); INSERT INTO e VALUES (1);
         CREATE TRIGGER stay BEFORE DELETE ON e FOR EACH ROW EXECUTE FUNCTION stay()",
    )
    .await;
    for (table, says) in [
        ("a", "the trigger note of a"),
        ("b", "the rule note of b"),
        ("c", "the inheritance of heir"),
        ("e", "the trigger stay of e"),
    ] {
        let mut load = replace(&world, table, "id\n9\n");
        let failure = world.run(&load).await.expect_err("it may change another table");
        assert!(failure.message.starts_with(says) && failure.message.contains("`myCascade`"), "{failure}");
        assert_eq!(world.rows(&format!("SELECT id FROM ONLY {table}")).await, "1");
        load.cascade = true;
        let result = world.run(&load).await;
        assert_eq!(result.is_ok(), table != "e", "{table}: {result:?}");
    }
    assert_eq!(world.rows("SELECT count(*) FROM log").await, "2");
    assert_eq!(world.rows("SELECT id FROM e").await, "1", "the trigger keeps the row, so the load fails");
    world.run(&replace(&world, "v", "id\n9\n")).await.expect("a view of one table");
    assert_eq!(world.rows("SELECT id FROM d").await, "9");
}

#[tokio::test]
async fn a_user_who_may_not_read_the_other_table_is_refused_where_its_rows_could_change() {
    let roles = "CREATE ROLE clerk LOGIN; GRANT ALL ON DATABASE postgres TO clerk; GRANT ALL ON SCHEMA public TO clerk;
                 GRANT ALL ON parent TO clerk";
    for (action, is_ok) in [("ON DELETE CASCADE", false), ("", true)] {
        let world = World::new(&format!("{}; {roles}", family(action))).await;
        let mut load = replace(&world, "parent", "id,name\n1,a\n2,b\n");
        let url = world.postgres.url().replace("postgres@", "clerk@");
        load.target = ec2_worker::database::parse(&url, None, None, None, &[]).expect("a URL");
        let result = world.run(&load).await;
        assert_eq!(result.is_ok(), is_ok, "{action}: {result:?}");
        if let Err(failure) = result {
            assert!(
                failure.message.contains("public.child") && failure.message.contains("may not read"),
                "{failure}"
            );
        } else {
            let gone = replace(&world, "parent", "id,name\n1,a\n");
            let failure =
                world.run(&Load { target: load.target.clone(), ..gone }).await.expect_err("2 is in use");
            assert!(failure.message.contains("\"child\""), "{failure}");
        }
        assert_eq!(world.rows(CHILDREN).await, ALL_CHILDREN);
    }
}

#[tokio::test]
async fn kept_rows_exchange_unique_values() {
    let schema = |action: &str| {
        format!(
            "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, b text);
             INSERT INTO t VALUES (1, 'A', 'old'), (2, 'B', 'old'), (3, 'C', 'old');
             CREATE TABLE ch (id int, code text REFERENCES t (code) {action}); INSERT INTO ch VALUES (1, 'A')"
        )
    };
    let rows = "SELECT id, code, b FROM t ORDER BY id";
    for action in ACTIONS {
        let world = World::new(&schema(action)).await;
        let report = world.run(&replace(&world, "t", "id,code,b\n1,B,x\n2,A,y\n")).await;
        assert!(
            report.as_ref().is_ok_and(|report| report.contains("rowsLoaded=2, rowsRejected=0")),
            "{action}: {report:?}"
        );
        assert_eq!(world.rows(rows).await, "1|B|x 2|A|y", "{action}");
        assert_eq!(world.rows("SELECT code FROM ch").await, "A", "{action}");
    }
    for action in ["", "DEFERRABLE INITIALLY DEFERRED", "ON UPDATE CASCADE"] {
        let world = World::new(&schema(action)).await;
        world.client.batch_execute("INSERT INTO ch VALUES (2, 'B'), (3, 'C')").await.expect("inserted");
        let mut load = replace(&world, "t", "id,code,b\n1,B,x\n2,C,y\n3,A,z\n7,D,w\nx,E,v\n");
        load.limit = Limit::Count(1);
        let report = world.run(&load).await.unwrap_or_else(|failure| panic!("{action}: {failure}"));
        assert!(report.contains("rowsLoaded=4, rowsRejected=1"), "{action}: {report}");
        assert_eq!(world.rows(rows).await, "1|B|x 2|C|y 3|A|z 7|D|w", "{action}");
        assert_eq!(world.rows("SELECT code FROM ch ORDER BY id").await, "A B C", "{action}");
    }
}

#[tokio::test]
async fn a_row_with_a_unique_value_of_a_kept_row_is_refused_with_the_reason() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE, b text); INSERT INTO t VALUES (1, 'A', 'old'), (2, 'B', 'old');
         CREATE TABLE ch (code text REFERENCES t (code) ON DELETE CASCADE); INSERT INTO ch VALUES ('A'), ('B')",
    )
    .await;
    // The database would delete rows of `ch` if a kept row were deleted, so the two rows cannot exchange their numbers.
    let mut load = replace(&world, "t", "id,code,b\n1,B,x\n2,A,y\n3,C,z\n");
    load.limit = Limit::Count(2);
    let failure = world.run(&load).await.expect_err("the rows of the child need A and B");
    assert!(
        failure.message.contains("2 rows of public.ch") || failure.message.contains("public.ch"),
        "{failure}"
    );
    load.limit = Limit::Count(0);
    let failure = world.run(&load).await.expect_err("refused");
    let says = "already exists.: a row of the file has it, or an old row that `replace` keeps because rows of public.ch refer to it";
    assert!(failure.message.contains(says), "{failure}");
    assert_eq!(world.rows("SELECT code FROM ch ORDER BY code").await, "A B");
    assert_eq!(world.rows("SELECT b FROM t").await, "old old");
}

/// A parent whose key is the text `Ab` or the number 1.0, and a child that refers to it.
fn spelled(of: &str, old: &str, action: &str) -> String {
    format!(
        "CREATE EXTENSION IF NOT EXISTS citext; DROP TABLE IF EXISTS child, parent;
         CREATE TABLE parent (id {of} PRIMARY KEY, v text); INSERT INTO parent VALUES ('{old}', 'old');
         CREATE TABLE child (id {of} REFERENCES parent {action}); INSERT INTO child VALUES ('{old}')"
    )
}

#[tokio::test]
async fn an_equal_key_with_another_text_gets_the_text_of_the_file() {
    let world = World::new(
        "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    )
    .await;
    for (of, old, new) in [
        ("citext", "Ab", "aB"),
        ("text COLLATE any_case", "Ab", "aB"),
        ("numeric", "1.0", "1.00"),
        ("numeric(5,2)", "1.00", "1.00"),
        ("float8", "0", "-0"),
        ("numeric[]", "{1.0}", "{1.00}"),
    ] {
        for mode in [LoadMode::Replace, LoadMode::Upsert] {
            for action in ["", "ON DELETE CASCADE", "ON UPDATE CASCADE", "ON UPDATE RESTRICT"] {
                let case = format!("{of} {mode:?} {action}");
                world.client.batch_execute(&spelled(of, old, action)).await.expect("tables");
                let mut load = replace(&world, "parent", &format!("id,v\n\"{new}\",new\n"));
                load.mode = mode;
                let result = world.run(&load).await;
                let child = world.rows("SELECT id FROM child").await;
                assert_eq!(child, old, "{case}: {result:?}");
                if action.starts_with("ON UPDATE") && old != new {
                    let failure = result.expect_err(&case);
                    let names = if action.ends_with("CASCADE") { "public.child" } else { "\"child\"" };
                    assert!(failure.message.contains(names), "{case}: {failure}");
                    assert_eq!(world.rows("SELECT * FROM parent").await, format!("{old}|old"), "{case}");
                } else {
                    result.unwrap_or_else(|failure| panic!("{case}: {failure}"));
                    assert_eq!(world.rows("SELECT * FROM parent").await, format!("{new}|new"), "{case}");
                }
            }
        }
    }
    world.client.batch_execute(&spelled("citext", "Ab", "ON UPDATE CASCADE")).await.expect("tables");
    let mut load = replace(&world, "parent", "id,v\naB,new\n");
    load.cascade = true;
    world.run(&load).await.expect("allowed");
    assert_eq!(world.rows("SELECT id FROM child").await, "aB");
}

#[tokio::test]
async fn keys_that_refer_by_different_columns_are_refused_with_the_names_of_the_tables_and_the_constraints() {
    let parent = "CREATE TABLE t (id int PRIMARY KEY, code text UNIQUE); INSERT INTO t VALUES (1, 'A')";
    for (schema, says) in [
        (
            "CREATE TABLE ch (id int CONSTRAINT by_id REFERENCES t, code text CONSTRAINT by_code REFERENCES t (code));
             INSERT INTO ch VALUES (1, 'A')",
            "rows of public.ch refer to rows of public.t by different columns (constraints by_code and by_id)",
        ),
        (
            "CREATE TABLE ch (id int CONSTRAINT by_id REFERENCES t); INSERT INTO ch VALUES (1);
             CREATE TABLE other (code text CONSTRAINT by_code REFERENCES t (code)); INSERT INTO other VALUES ('A')",
            "rows of public.ch and public.other refer to rows of public.t by different columns (constraints by_id and by_code)",
        ),
    ] {
        let world = World::new(&format!("{parent}; {schema}")).await;
        let failure = world.run(&replace(&world, "t", "id,code\n1,A\n")).await.expect_err("two keys");
        assert!(failure.message.starts_with(says), "{failure}");
    }
}
