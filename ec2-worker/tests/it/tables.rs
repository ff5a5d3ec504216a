//! Tables that differ from a plain one: generated columns, identities, views, policies, partitions, odd names.

use definition::kind::field::{Limit, LoadMode, OnColumns};

use ec2_worker::etl::load::{self, Load};
use ec2_worker::progress::Progress;

use super::World;

#[tokio::test]
async fn a_key_that_the_table_always_generates_can_be_in_the_file_in_every_mode() {
    let schema =
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, tags text[])";
    let world = World::new(schema).await;
    for (mode, content, rows) in [
        (LoadMode::Append, "id,name\n7,seven\n8,eight\n", "7|seven 8|eight"),
        (LoadMode::Upsert, "id,name\n8,acht\n9,neun\n", "7|seven 8|acht 9|neun"),
        (LoadMode::Replace, "id,name\n1,one\n", "1|one"),
    ] {
        let mut load =
            world.load("t", &world.file(content.replace('\n', ",\n").replace("name,", "name,tags")));
        load.mode = mode;
        let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{mode:?}: {failure}"));
        assert!(told.contains("the sequence of that column was not advanced"), "{told}");
        assert_eq!(world.rows("SELECT id, name FROM t ORDER BY id").await, rows);
    }
    let other = "CREATE TABLE u (key text PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY)";
    world.client.batch_execute(other).await.expect("a table");
    let mut load = world.load("u", &world.file("key,number\na,5\n"));
    load.mode = LoadMode::Upsert;
    let failure = world.run(&load).await.expect_err("an upsert cannot change it");
    assert!(failure.message.contains("the column `number` of public.u"), "{failure}");
}

#[tokio::test]
async fn a_column_that_the_table_generates_is_left_out_with_a_note() {
    for extra in ["", ", tags text[]"] {
        let schema = format!(
            "CREATE TABLE t (id int PRIMARY KEY, qty int, price numeric(8,2){extra},
             total numeric(10,2) GENERATED ALWAYS AS (qty * price) STORED)"
        );
        let world = World::new(&schema).await;
        let (name, value) = if extra.is_empty() { ("", "") } else { (",tags", ",{a}") };
        let content =
            format!("id,Total,qty,price{name}\n1,99,2,1.50{value}\nx,99,2,1.5{value}\n1,99,3,1{value}\n");
        for mode in [LoadMode::Append, LoadMode::Replace] {
            let mut load = world.load("t", &world.file(&content));
            load.mode = mode;
            load.limit = Limit::Count(2);
            let told = world.run(&load).await.expect("loaded");
            let note = "note=left out, because the database generates the column: `total`";
            assert!(told.contains(note) && told.contains("rowsRejected=2"), "{told}");
            assert_eq!(world.rows("SELECT id, total FROM t").await, "1|3.00");
            world.client.batch_execute("DROP TABLE t_rejects").await.expect("there");
        }
        let mut upsert = world.load("t", &world.file(content.replace("\nx,99,2,1.5", "\n2,99,2,1.5")));
        upsert.mode = LoadMode::Upsert;
        world.run(&upsert).await.expect("merged");
        assert_eq!(world.rows("SELECT id, total FROM t ORDER BY id").await, "1|3.00 2|3.00");
    }
}

#[tokio::test]
async fn columns_that_the_table_lacks_are_left_out_or_added_as_the_load_says() {
    let world = World::new("CREATE TABLE t (id int, note text)").await;
    let content = "Sent On,ID,note,Sent-To\n2024-06-05,1,a,b\n";
    let mut load = world.load("t", &world.file(content));
    let failure = world.run(&load).await.expect_err("strict");
    assert!(failure.message.contains("column 1, `Sent On`, is not in the table"), "{failure}");
    load.on_columns = OnColumns::IgnoreExtra;
    let told = world.run(&load).await.expect("left out");
    assert!(told.contains("left out, because the table has no such column: `Sent On`, `Sent-To`"), "{told}");
    let mut load = world.load("t", &world.file(content));
    load.on_columns = OnColumns::AddMissing;
    load.sources.push(world.load("t", &world.file("id,note,sent on,sent-to\n2,c,d,e\n")).sources[0].clone());
    let told = world.run(&load).await.expect("added");
    assert!(told.contains("added the column `sent_on` (text) to public.t"), "{told}");
    let all = "SELECT id, note, sent_on, \"sent-to\" FROM t ORDER BY id, sent_on NULLS FIRST";
    assert_eq!(world.rows(all).await, "1|a|NULL|NULL 1|a|2024-06-05|b 2|c|d|e");
    // A load that fails adds no column.
    let mut load = world.load("t", &world.file("id,note,more\nx,c,d\n"));
    load.on_columns = OnColumns::AddMissing;
    world.run(&load).await.expect_err("a refused row");
    assert_eq!(
        world.rows("SELECT count(*) FROM information_schema.columns WHERE column_name = 'more'").await,
        "0"
    );
}

#[tokio::test]
async fn views_and_tables_with_policies_are_filled_like_tables() {
    let schema =
        "CREATE TABLE base (id int PRIMARY KEY, note text CHECK (note <> 'bad'), tenant text DEFAULT 'a');
        CREATE VIEW plain AS SELECT id, note FROM base;
        CREATE VIEW joined AS SELECT id, upper(note) AS note FROM base;
        CREATE FUNCTION put() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO base (id, note) VALUES (new.id, lower(new.note)); RETURN new; END $$;
        CREATE TRIGGER put INSTEAD OF INSERT ON joined FOR EACH ROW EXECUTE FUNCTION put();
        CREATE ROLE clerk LOGIN; GRANT ALL ON DATABASE postgres TO clerk; GRANT ALL ON SCHEMA public TO clerk;
        GRANT ALL ON base, plain TO clerk; ALTER TABLE base ENABLE ROW LEVEL SECURITY;
        CREATE POLICY small ON base TO clerk USING (true) WITH CHECK (id < 100);
        CREATE MATERIALIZED VIEW stored AS SELECT * FROM base";
    let world = World::new(schema).await;
    let clerk = world.postgres.url().replace("postgres@", "clerk@");
    for (table, user, file, rejected) in [
        ("base", None, "id,note,tenant\n9,nine,b\n9,again,b\n", 1),
        ("plain", None, "id,note\n1,one\n1,twice\n2,two\n", 1),
        ("joined", None, "id,note\n3,THREE\n3,THREE\n4,BAD\n", 2),
        ("base", Some(&clerk), "id,note,tenant\n5,five,b\n500,more,b\n6,bad,b\n", 2),
    ] {
        let mut load = world.load(table, &world.file(file));
        load.limit = Limit::Count(rejected);
        if let Some(url) = user {
            let grant = "GRANT ALL ON SCHEMA downspout TO clerk; GRANT ALL ON ALL TABLES IN SCHEMA downspout TO clerk;
                GRANT ALL ON base_rejects TO clerk";
            world.client.batch_execute(grant).await.expect("granted");
            load.target = ec2_worker::database::parse(url, None, None, None, &[]).expect("a URL");
        }
        let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{table}: {failure}"));
        assert!(told.contains(&format!("rowsRejected={rejected}")), "{table}: {told}");
    }
    assert_eq!(
        world.rows("SELECT id, note FROM base ORDER BY id").await,
        "1|one 2|two 3|three 5|five 9|nine"
    );
    let failure = world.run(&world.load("stored", &world.file("id,note,tenant\n1,a,b\n"))).await;
    let failure = failure.expect_err("it takes no rows");
    assert!(failure.message.starts_with("public.stored is a materialized view"), "{failure}");
}

#[tokio::test]
async fn rows_that_a_partition_an_index_or_a_trigger_refuses_are_refused_rows() {
    let schema = "CREATE TABLE t (id int, note text) PARTITION BY RANGE (id);
        CREATE TABLE t_small PARTITION OF t FOR VALUES FROM (0) TO (10);
        CREATE INDEX ON t (note);
        CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF new.note = 'own' THEN RAISE 'not this one' USING ERRCODE = 'U0001'; END IF;
            IF new.note = 'odd' THEN RAISE 'nor this one'; END IF; RETURN new; END $$;
        CREATE TRIGGER look BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION look();
        CREATE TABLE spans (during tsrange, EXCLUDE USING gist (during WITH &&))";
    let world = World::new(schema).await;
    let long: String = (0..3000).map(|n| format!("{:x}", md5ish(n))).collect();
    let mut load = world.load("t", &world.file(format!("id,note\n1,a\n11,b\n2,own\n3,odd\n4,{long}\n5,c\n")));
    load.limit = Limit::Count(4);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.starts_with("rowsLoaded=2, rowsRejected=4"), "{told}");
    for reason in ["no partition of relation", "not this one", "nor this one", "index row"] {
        assert!(told.contains(reason), "{reason}: {told}");
    }
    let mut load = world
        .load("spans", &world.file("during\n\"[2024-01-01,2024-01-03)\"\n\"[2024-01-02,2024-01-04)\"\n"));
    load.limit = Limit::Count(1);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.contains("conflicting key value violates exclusion constraint"), "{told}");
}

/// Returns a number that looks random, so that its text is not compressed.
fn md5ish(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[tokio::test]
async fn tables_and_columns_with_odd_names_are_found() {
    let long = "l".repeat(63);
    let schema = format!(
        "CREATE SCHEMA \"My Shop\"; CREATE TABLE \"Sales.Letters\" (\"Chars.Letters\" char(3), \"order\" int);
         CREATE TABLE \"My Shop\".\"Sales.Letters\" (\"Chars.Letters\" char(3), \"order\" int);
         CREATE TABLE \"group\" (\"Chars.Letters\" char(3), \"order\" int);
         CREATE TABLE {long} (\"Chars.Letters\" char(3), \"order\" int); CREATE TABLE \"say \"\"a\"\"\" (LIKE \"group\")"
    );
    let world = World::new(&schema).await;
    for (schema, table, found) in [
        (None, "\"Sales.Letters\"", "public.Sales.Letters"),
        (None, "Sales.Letters", "public.Sales.Letters"),
        (None, "\"My Shop\".\"Sales.Letters\"", "My Shop.Sales.Letters"),
        (Some("My Shop"), "Sales.Letters", "My Shop.Sales.Letters"),
        (Some("\"My Shop\""), "\"Sales.Letters\"", "My Shop.Sales.Letters"),
        (None, "group", "public.group"),
        (None, "GROUP", "public.group"),
        (None, "\"say \"\"a\"\"\"", "public.say \"a\""),
        (None, &"l".repeat(70), &format!("public.{long}")),
    ] {
        let mut load = world.load(table, &world.file("chars.letters,ORDER\nabc,1\n"));
        load.schema = schema.map(str::to_owned);
        let progress = ec2_worker::progress::Progress::default();
        let loaded = ec2_worker::etl::load::load(&load, &world.pool, &progress).await;
        loaded.unwrap_or_else(|failure| panic!("{schema:?} {table}: {failure}"));
        let into = progress.fields().into_iter().find(|(key, _)| key == "loadedTable").expect("told").1;
        assert_eq!(into, found, "{schema:?} {table}");
    }
    let failure = world.run(&world.load("\"GROUP\"", &world.file("a\n1\n"))).await.expect_err("another name");
    assert_eq!(failure.id, "BadInput:NoSuchTable");
}

#[tokio::test]
async fn a_table_of_1600_columns_is_loaded_in_every_mode() {
    let columns: Vec<String> = (0..1599).map(|number| format!("c{number} int")).collect();
    let world = World::new(&format!("CREATE TABLE t (id int PRIMARY KEY, {})", columns.join(", "))).await;
    let names: Vec<String> = (0..1599).map(|number| format!("c{number}")).collect();
    let values = vec!["1"; 1599].join(",");
    for mode in [LoadMode::Append, LoadMode::Upsert, LoadMode::Replace] {
        let mut load = world.load(
            "t",
            &world.file(format!("id,{}\n{mode_id},{values}\n", names.join(","), mode_id = mode as u8)),
        );
        load.mode = mode;
        world.run(&load).await.expect("loaded");
        assert_eq!(world.rows("SELECT sum(c1598) = count(*) FROM t").await, "t", "{mode:?}");
    }
}

const TREE: &str = "CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, qty int CHECK (qty > 0))";

#[tokio::test]
async fn a_refused_row_of_a_tree_takes_no_good_row_with_it_in_whatever_order() {
    let world = World::new("").await;
    for insert in [None, Some("INSERT INTO tree VALUES (?::int, ?::int, ?::int)")] {
        for (content, rejected, left) in [
            // Row 9 is refused; the others refer to rows that come later.
            ("id,up,qty\n3,2,1\n2,1,1\n9,,0\n1,,1\n", 1, "1 2 3"),
            ("id,up,qty\n4,3,1\n9,,0\n3,2,1\n1,,1\n2,1,1\n", 1, "1 2 3 4"),
            // Row 5 refers to a row that is refused, and row 6 to row 5.
            ("id,up,qty\n6,5,1\n5,9,1\n9,,0\n2,1,1\n1,,1\n", 3, "1 2"),
            ("id,up,qty\n9,,0\n1,,1\n", 1, "1"),
        ] {
            for mode in [LoadMode::Append, LoadMode::Replace, LoadMode::Upsert] {
                let fresh = format!("DROP TABLE IF EXISTS tree, tree_rejects; {TREE}");
                world.client.batch_execute(&fresh).await.expect("a table");
                let mut load = world.load("tree", &world.file(content));
                (load.mode, load.limit) = (mode, Limit::Count(rejected));
                load.insert = insert.map(str::to_owned);
                let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{content}: {failure}"));
                assert!(told.contains(&format!("rowsRejected={rejected}")), "{content}: {told}");
                assert_eq!(world.rows("SELECT id FROM tree ORDER BY id").await, left, "{content} {mode:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_row_of_an_upsert_that_waits_for_its_parent_does_not_replace_a_later_row() {
    let world = World::new(TREE).await;
    for (content, expected, replaced) in [
        // The first row 3 waits for row 2; the second row 3 needs no parent.
        ("id,up,qty\n9,,0\n3,2,1\n3,,5\n2,,1\n", "2|NULL|1 3|NULL|5", 1),
        // The first row 3 waits for a row that waits itself.
        ("id,up,qty\n9,,0\n3,4,1\n3,2,5\n4,6,1\n6,,1\n2,,1\n", "2|NULL|1 3|2|5 4|6|1 6|NULL|1", 1),
        // Both rows 3 wait.
        ("id,up,qty\n9,,0\n3,2,1\n3,2,5\n2,,1\n", "2|NULL|1 3|2|5", 1),
        // The row that waits is the last one with its key.
        ("id,up,qty\n9,,0\n3,,5\n3,2,1\n2,,1\n", "2|NULL|1 3|2|1", 1),
        ("id,up,qty\n9,,0\n3,2,1\n2,,1\n4,2,1\n", "2|NULL|1 3|2|1 4|2|1", 0),
    ] {
        world.client.batch_execute("TRUNCATE tree; DROP TABLE IF EXISTS tree_rejects").await.expect("empty");
        // An old row with the same key is replaced.
        world.client.batch_execute("INSERT INTO tree VALUES (3, NULL, 7)").await.expect("a row");
        let mut load = world.load("tree", &world.file(content));
        (load.mode, load.limit) = (LoadMode::Upsert, Limit::Count(1));
        let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{content}: {failure}"));
        assert_eq!(world.rows("SELECT id, up, qty FROM tree ORDER BY id").await, expected, "{content}");
        let note = format!("{replaced} of the ");
        assert_eq!(told.contains(&note), replaced > 0, "{content}: {told}");
    }
}

#[tokio::test]
async fn rows_that_the_database_leaves_out_are_not_counted_as_loaded() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY); \
         CREATE FUNCTION even() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN IF NEW.id % 2 = 0 THEN RETURN NEW; END IF; RETURN NULL; END$$; \
         CREATE PROCEDURE add_row(id int) LANGUAGE sql AS $$INSERT INTO t VALUES (id)$$; \
         CREATE TABLE evens (id int); \
         CREATE TRIGGER even BEFORE INSERT ON evens FOR EACH ROW EXECUTE FUNCTION even()",
    )
    .await;
    let counts = async |load: &Load| {
        let progress = Progress::default();
        load::load(load, &world.pool, &progress).await.expect("loaded");
        let wanted = ["rowsRead", "rowsLoaded", "rowsSkipped", "note"];
        let fields = progress.fields().into_iter().filter(|(key, _)| wanted.contains(&key.as_str()));
        fields.map(|(_, value)| value).collect::<std::collections::BTreeSet<_>>()
    };
    let mut once = world.load("t", &world.file("id\n1\n2\n1\n"));
    once.insert = Some("INSERT INTO t VALUES (?) ON CONFLICT DO NOTHING".to_owned());
    let note = "1 row was left out by `insertQuery` or a trigger of the table, or went elsewhere";
    assert_eq!(counts(&once).await, ["3", "2", "1", note].map(str::to_owned).into());
    for behind_with in [
        "WITH x AS (SELECT ?::int i) INSERT INTO t SELECT i FROM x ON CONFLICT DO NOTHING",
        "-- once\nWITH x (i) AS (VALUES (?::int)) INSERT INTO t SELECT i FROM x WHERE i NOT IN (SELECT id FROM t)",
    ] {
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
        once = world.load("t", &world.file("id\n1\n2\n1\n"));
        once.insert = Some(behind_with.to_owned());
        assert_eq!(counts(&once).await, ["3", "2", "1", note].map(str::to_owned).into(), "{behind_with}");
    }
    let mut called = world.load("t", &world.file("id\n7\n8\n"));
    called.insert = Some("CALL add_row(?)".to_owned());
    // The database does not tell how many rows a CALL has stored.
    let told = counts(&called).await;
    assert!(told.contains("2") && !told.iter().any(|note| note.contains("left out")), "{told:?}");
    let evens = world.load("evens", &world.file("id\n1\n2\n3\n4\n5\n"));
    let note = "3 rows were left out by a trigger of the table, or went elsewhere";
    assert_eq!(counts(&evens).await, ["5", "2", "3", note].map(str::to_owned).into());
}

#[tokio::test]
async fn a_load_that_breaks_an_expectation_is_undone_or_warns() {
    let world = World::new("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
    let expect = |must: &[&str], warn: &[&str]| {
        let mut load = world.load("t", &world.file("id\n2\n3\n"));
        load.mode = LoadMode::Replace;
        load.expect.must = must.iter().map(|text| (*text).to_owned()).collect();
        load.expect.warn = warn.iter().map(|text| (*text).to_owned()).collect();
        load
    };
    for (must, says) in [
        ("SELECT count(*) > 2 FROM t -- there must be 3 rows", "there must be 3 rows: `myExpect` gave false"),
        ("SELECT NULL::boolean;", "`myExpect` gave NULL instead of true (SELECT NULL::boolean)"),
        ("SELECT true FROM t WHERE false", "`myExpect` gave no row"),
        ("SELECT id < 3 FROM t ORDER BY id", "`myExpect` gave false"),
        ("SELECT count(*) FROM t", "`myExpect` gave 2 instead of true"),
        ("SELECT true, false", "the query gives 2 columns; give one, which is true or false"),
        ("SELECT nothing FROM t", "column \"nothing\" does not exist"),
        ("COMMIT", "syntax error"),
    ] {
        let failure = world.run(&expect(&["SELECT true", must], &[])).await.expect_err(must);
        assert!(failure.message.contains(says), "{must}: {failure}");
        assert!(failure.id.starts_with("BadInput:"), "{failure:?}");
        assert_eq!(world.rows("SELECT id FROM t").await, "1", "{must}");
    }
    let warn = ["SELECT count(*) > 2 FROM t -- few rows", "SELECT nothing FROM t", "SELECT false"];
    let told = world.run(&expect(&["SELECT count(*) = 2 FROM t"], &warn)).await.expect("loaded");
    for says in
        ["note=few rows: `myExpectWarn` gave false", "\"nothing\" does not exist", "true (SELECT false)"]
    {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, "2 3");
}

#[tokio::test]
async fn fields_without_a_header_fill_the_columns_in_order_despite_defaults() {
    let world = World::new("CREATE TABLE t (id int DEFAULT 0, note text DEFAULT 'none')").await;
    let mut load = world.load("t", &world.file("1,a\n2,\n"));
    load.dialect.header = false;
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, "1|a 2|NULL");
}
