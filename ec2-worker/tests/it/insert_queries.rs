//! `insertQuery` and the rules of values: no rule is lost without a word, and each statement loads a file of its own.

use ec2_worker::etl::dialect::Form;
use ec2_worker::etl::number_form::NumberForm;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::value_rules::ValueRules;

use super::World;
use super::objects::{copy, file_of, format, table};
use super::stack::{Stack, object, refers, string, value};
use super::value_rules::patterns;

const TABLE: &str = "CREATE TABLE t (n numeric, d date, note text, b boolean)";

fn german() -> ValueRules {
    ValueRules {
        numbers: Some(NumberForm { decimal: ',', grouping: Some('.'), ..NumberForm::default() }),
        ..ValueRules::default()
    }
}

/// A pattern in which ISO dates have another meaning.
fn by_day() -> ValueRules {
    ValueRules { dates: patterns(&["yyyy-dd-MM"]), ..ValueRules::default() }
}

async fn inserted(
    world: &World,
    insert: &str,
    text: &str,
    rules: ValueRules,
) -> Result<(String, String), String> {
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let mut load = world.load("t", &world.file(text));
    load.insert = Some(insert.to_owned());
    load.rules = rules;
    let told = world.run(&load).await.map_err(|failure| failure.message)?;
    Ok((world.rows("SELECT * FROM t").await, told))
}

#[tokio::test]
async fn a_text_that_the_statement_converts_is_refused_with_the_right_cast() {
    let world = World::new(TABLE).await;
    let words = || ValueRules { truths: vec!["oui".to_owned()], ..ValueRules::default() };
    for (insert, rules, says) in [
        (
            "INSERT INTO t (n) VALUES (nullif(?,'')::numeric)",
            german(),
            "makes a numeric of placeholder 1 as a text: `myDecimal` would not count; write `?::numeric`",
        ),
        ("INSERT INTO t (n) VALUES (?::text::numeric)", german(), "write `?::numeric`"),
        (
            "INSERT INTO t (n) VALUES (cast(nullif(trim(?), '') AS numeric(9, 2)))",
            german(),
            "write `?::numeric`",
        ),
        (
            "INSERT INTO t (d) VALUES (nullif(?,'')::date)",
            by_day(),
            "words such as today, and 05/06/2026 as May 6; write `?::date`",
        ),
        ("INSERT INTO t (d) VALUES (nullif(?,'')::date)", ValueRules::default(), "write `?::date`"),
        (
            "INSERT INTO t (d) VALUES ((? || ' 00:00')::timestamp)",
            ValueRules::default(),
            "write `?::timestamp`",
        ),
        (
            "INSERT INTO t (d) SELECT v.d::date FROM (VALUES (?)) v(d)",
            ValueRules::default(),
            "words such as today, and 05/06/2026 as May 6; write `?::date`",
        ),
        (
            "WITH v(n) AS (SELECT ?) INSERT INTO t (n) SELECT cast(n AS numeric) FROM v",
            german(),
            "write `?::numeric`",
        ),
        (
            "INSERT INTO t (d) SELECT d FROM jsonb_populate_record(null::t, jsonb_build_object('d', ?::text))",
            ValueRules::default(),
            "makes a date of placeholder 1 as a text",
        ),
        (
            "INSERT INTO t (b) VALUES (nullif(?,'')::boolean)",
            words(),
            "`myTrue` would not count; write `?::boolean`",
        ),
        (
            "INSERT INTO t (n) VALUES (?); DELETE FROM t",
            ValueRules::default(),
            "`insertQuery` has 2 statements; give one",
        ),
    ] {
        let refused = inserted(&world, insert, "v\n1.500\n", rules).await.expect_err(insert);
        assert!(refused.contains(says), "{insert}: {refused}");
    }
    let word =
        inserted(&world, "INSERT INTO t (d) VALUES (?::date)", "v\ntoday\n", ValueRules::default()).await;
    assert!(word.expect_err("no date").contains("\"today\" is not a date"));
}

#[tokio::test]
async fn a_value_with_a_type_follows_the_rules_and_a_text_without_them_is_noted() {
    let world = World::new(TABLE).await;
    for (insert, text, rules, wanted, note) in [
        (
            "INSERT INTO t (n) VALUES (?::numeric)",
            "v\n1.500\n\n\"2,5\"\n",
            german(),
            "1500|NULL|NULL|NULL NULL|NULL|NULL|NULL 2.5|NULL|NULL|NULL",
            "",
        ),
        (
            "INSERT INTO t (d) VALUES (?::date)",
            "v\n2024-01-02\n\"\"\n",
            by_day(),
            "NULL|2024-02-01|NULL|NULL NULL|NULL|NULL|NULL",
            "",
        ),
        (
            "INSERT INTO t (n) VALUES (nullif(?,'')::numeric)",
            "v\n1.5\n",
            ValueRules::default(),
            "1.5|NULL|NULL|NULL",
            "",
        ),
        (
            "INSERT INTO t (n, note) VALUES (?, ?)",
            "v,w\n\"1,5\",\"1,5\"\n",
            german(),
            "1.5|NULL|1,5|NULL",
            "",
        ),
        (
            "INSERT INTO t (note) VALUES (upper(?))",
            "v\n1.500\n",
            german(),
            "NULL|NULL|1.500|NULL",
            "`myDecimal` does not count for texts in an expression of `insertQuery` (placeholder 1)",
        ),
        (
            "INSERT INTO t (d) VALUES (to_date(?, 'DD.MM.YYYY'))",
            "v\n05.06.2026\n",
            ValueRules::default(),
            "NULL|2026-06-05|NULL|NULL",
            "",
        ),
    ] {
        let (rows, told) = inserted(&world, insert, text, rules).await.expect(insert);
        assert_eq!(rows, wanted, "{insert}");
        assert!(
            told.contains(note) && (!note.is_empty() || !told.contains("does not count")),
            "{insert}: {told}"
        );
    }
}

#[tokio::test]
async fn grouping_is_refused_inside_arrays_and_ranges_of_whole_numbers_too() {
    let world = World::new("CREATE TABLE t (v text)").await;
    for (of, text) in [
        ("int[]", "{1,234}"),
        ("bigint[]", "{1,234}"),
        ("smallint[]", "{1,234}"),
        ("int4range", "[1,234]"),
        ("int8range", "[1,234]"),
        ("int4multirange", "{[1,234]}"),
        ("int8multirange", "{[1,234]}"),
    ] {
        world.client.batch_execute(&format!("DROP TABLE t; CREATE TABLE t (v {of})")).await.expect("a table");
        let load = |text: &str| {
            let mut load = world.load("t", &world.file(format!("v\n\"{text}\"\n")));
            load.rules.numbers = Some(NumberForm { grouping: Some(','), ..NumberForm::default() });
            load
        };
        let refused = world.run(&load(text)).await.expect_err("refused").message;
        assert!(refused.contains("numbers are written as PostgreSQL writes them"), "{of}: {refused}");
        world.run(&load(&text.replace(',', ", "))).await.expect("a blank follows the comma");
        assert_eq!(world.rows("SELECT count(*) FROM t").await, "1", "{of}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_appended_once_for_each_statement() {
    let world = World::new("CREATE TABLE t (a int, m text, v int)").await;
    let stack = Stack::start().await;
    stack.put("in.txt", "a,jan,feb\n1,10,20\n").await;
    let run = async |insert: &str| {
        let form = format("Form", "CSV", &[("myHeader", "true")]);
        let mut objects = vec![copy(&[]), file_of("In", "in.txt"), form];
        objects.extend(table(&world, "Out", &[("insertQuery", insert)]));
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
        value(&attempt, "rowsLoaded").to_owned()
    };
    let january = "INSERT INTO t SELECT a, 'jan', j FROM (SELECT ?::int, ?::int, ?::int) x (a, j, f)";
    let february = "INSERT INTO t SELECT a, 'feb', f FROM (SELECT ?::int, ?::int, ?::int) x (a, j, f)";
    assert_eq!(run(january).await, "1");
    assert_eq!(run(february).await, "1");
    assert_eq!(run(&february.replace(" FROM", "\n  FROM")).await, "0", "it is the same statement");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY v").await, "1|jan|10 1|feb|20");
    let plain = async |declared: &[(&str, &str)]| {
        stack.put("two.txt", "7,8,9\n").await;
        let mut objects = vec![copy(&[]), file_of("In", "two.txt"), format("Form", "CSV", declared)];
        objects.push(object(
            "Out",
            vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "u")],
        ));
        objects.extend(table(&world, "Unused", &[]));
        value(&stack.run(objects).await, "rowsLoaded").to_owned()
    };
    world.client.batch_execute("CREATE TABLE u (a int, b int, c int)").await.expect("a table");
    assert_eq!(plain(&[]).await, "1");
    assert_eq!(plain(&[("column", "c"), ("column", "b"), ("column", "a")]).await, "1");
    assert_eq!(plain(&[("column", "c"), ("column", "b"), ("column", "a")]).await, "0");
    assert_eq!(plain(&[]).await, "0");
}

const TWO: &str = "INSERT INTO t (id, v) VALUES (?, ?)";

#[tokio::test]
async fn all_files_of_a_directory_have_one_header_for_an_insert_query() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    for (second, differs) in [
        ("Jones,Paris\nKing,Rome\n", true),
        ("town,name\nParis,Jones\n", true),
        ("name,country\nKing,IT\n", true),
        ("Name,Town\nKing,Rome\n", false),
    ] {
        let files = ["name,town\nSmith,Berlin\n", second].map(|text| world.file(text));
        let mut load = world.load("t", &files[0]);
        load.sources = files.map(|file| Source { origin: Origin::File(file), gzip: false }).to_vec();
        load.insert = Some(TWO.to_owned());
        match world.run(&load).await {
            Err(failure) if differs => {
                assert!(failure.message.contains("the header differs from that of"), "{failure}");
            }
            other => assert!(other.is_ok() && !differs, "{second}: {other:?}"),
        }
    }
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, "King|Rome Smith|Berlin");
}

#[tokio::test]
async fn a_header_that_contradicts_the_columns_of_an_insert_query_is_refused() {
    let world = World::new("CREATE TABLE t (id text, v text, w text)").await;
    let three = "INSERT INTO t (id, v, w) VALUES (?, ?, ?)";
    for (file, declared, says) in [
        ("id,note,v\n1,n,x\n", &[][..], "`v` would fill `w`"),
        (
            "nr,qty,price\n1,2,3\n",
            &["nr", "price", "qty"],
            "the header is nr, qty, price, and `column` declares nr, price, qty",
        ),
        ("id,note,v\n1,n,x\n", &["id", "note", "v"], ""),
        ("nr,price,qty\n2,2,3\n", &["nr", "price", "qty"], ""),
    ] {
        let mut load = world.load("t", &world.file(file));
        load.insert = Some(three.to_owned());
        load.declared = declared.iter().map(|name| (*name).to_owned()).collect();
        match world.run(&load).await {
            Err(failure) => {
                assert!(!says.is_empty() && failure.message.contains(says), "{file}: {failure}");
            }
            Ok(told) => assert_eq!(says, "", "{file}: {told}"),
        }
    }
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, "1|n|x 2|2|3");
}

#[tokio::test]
async fn keys_of_json_fill_an_insert_query_by_their_names() {
    let world = World::new("CREATE TABLE t (id text, v text, w text)").await;
    let three = "INSERT INTO t (id, v, w) VALUES (?, ?, ?)";
    let late = r#"{"nr":"1","note":"n"}
{"nr":"2","name":"b","note":"m"}
"#;
    for (insert, file, declared, rows, says) in [
        (three, late, &["nr", "name", "note"][..], "1|-|n 2|b|m", ""),
        (three, late, &[], "", "the keys of JSON objects have no order"),
        (three, late, &["nr", "note"], "", "`name` is none of the names in `column` (nr, note)"),
        (TWO, r#"{"v":"x","id":"1"}"#, &[], "1|x|-", ""),
        (TWO, r#"{"V":"x","ID":"1"}"#, &[], "1|x|-", ""),
        (
            TWO,
            r#"{"name":"x","nr":"1"}"#,
            &[],
            "",
            "`name`, `nr` is none of the columns that it fills (id, v)",
        ),
        (TWO, r#"{"name":"x","nr":"1"}"#, &["nr", "name"], "1|x|-", ""),
        ("INSERT INTO t (id) SELECT upper(?)", r#"{"any":"a"}"#, &[], "A|-|-", ""),
        ("UPDATE t SET v = ? WHERE id = ?", r#"{"v":"x","id":"1"}"#, &[], "", "which are not known"),
    ] {
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
        let mut load = world.load("t", &world.file(file));
        load.dialect.form = Form::Json;
        load.insert = Some(insert.to_owned());
        load.declared = declared.iter().map(|name| (*name).to_owned()).collect();
        match world.run(&load).await {
            Err(failure) => {
                assert!(!says.is_empty() && failure.message.contains(says), "{insert} {file}: {failure}");
            }
            Ok(told) => {
                assert_eq!(says, "", "{insert} {file}: {told}");
                let query = "SELECT id, coalesce(v, '-'), coalesce(w, '-') FROM t ORDER BY id";
                assert_eq!(world.rows(query).await, rows, "{insert} {file}");
            }
        }
    }
}
