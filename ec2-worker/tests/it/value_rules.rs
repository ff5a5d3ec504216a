//! The rules by which the texts of a file become values, on every way to the database.

use ec2_worker::etl::date::Pattern;
use ec2_worker::etl::dialect::{Dialect, Form};
use ec2_worker::etl::number_form::NumberForm;
use ec2_worker::etl::value_rules::{ColumnPattern, ValueRules};

use super::World;
use super::stack::{Stack, object, refers, string, value};
use super::values::{READING, WAYS, load, rules, stored, texts};

pub(crate) fn patterns(all: &[&str]) -> Vec<Pattern> {
    all.iter().map(|text| Pattern::new(text).expect("a pattern")).collect()
}

/// Stores texts by rules in all ways, and checks the stored value of each.
async fn become_by(world: &World, of: &str, rules: &ValueRules, wanted: &[(&str, &str)]) {
    let all = texts(&wanted.iter().map(|(text, _)| *text).collect::<Vec<_>>());
    let found = stored(world, of, rules, &all).await;
    for ((text, wanted), found) in wanted.iter().zip(found) {
        assert_eq!(found, *wanted, "{of} {text:?}");
    }
}

#[tokio::test]
async fn patterns_of_dates_count_on_every_way_and_iso_stays_legal() {
    let world = World::new(READING).await;
    let dates = patterns(&["dd/MM/yyyy", "MMM d, yyyy", "dd/MM/yyyy HH:mm", "yyMMdd", "hh:mm a", "HH.mm"]);
    let rules = ValueRules { dates, ..ValueRules::default() };
    let of_dates: &[(&str, &str)] = &[
        ("05/06/2024", "2024-06-05"),
        ("Jan 5, 2024", "2024-01-05"),
        ("2024-01-05", "2024-01-05"),
        ("240105", "2024-01-05"),
        ("infinity", "infinity"),
        ("31/06/2024", "refused"),
        ("05/06/24", "refused"),
        ("", "NULL"),
    ];
    become_by(&world, "date", &rules, of_dates).await;
    become_by(&world, "birthday", &rules, of_dates).await;
    let at = [
        ("05/06/2024 10:30", "2024-06-05 10:30:00"),
        ("2024-06-05T10:30", "2024-06-05 10:30:00"),
        ("10:30 PM", "refused"),
    ];
    become_by(&world, "timestamp", &rules, &at).await;
    become_by(&world, "timestamptz", &rules, &[("05/06/2024 10:30", "2024-06-05 10:30:00+00")]).await;
    become_by(
        &world,
        "time",
        &rules,
        &[("10:30 PM", "22:30:00"), ("10.30", "10:30:00"), ("10:30", "10:30:00"), ("05/06/2024", "refused")],
    )
    .await;
    become_by(&world, "date[]", &rules, &[("{05/06/2024,2024-01-05}", "{2024-06-05,2024-01-05}")]).await;
    become_by(&world, "daterange", &rules, &[("[05/06/2024,)", "[2024-06-05,)")]).await;
    // A date in ISO 8601 has two meanings beside this pattern.
    let rules = ValueRules { dates: patterns(&["yyyy-dd-MM"]), ..ValueRules::default() };
    become_by(&world, "date", &rules, &[("2024-05-06", "2024-06-05"), ("2024-05-13", "refused")]).await;
}

#[tokio::test]
async fn numbers_and_booleans_are_read_as_the_file_declares_them() {
    let world = World::new(READING).await;
    let numbers = NumberForm {
        decimal: ',',
        grouping: Some('.'),
        currencies: vec!["€".to_owned()],
        percent: true,
        trailing_sign: true,
    };
    let (truths, falsehoods) = (vec!["Oui".to_owned()], vec!["non".to_owned()]);
    let rules = ValueRules { numbers: Some(numbers), truths, falsehoods, ..ValueRules::default() };
    become_by(
        &world,
        "numeric(8,3)",
        &rules,
        &[
            ("1.234,5", "1234.500"),
            ("12%", "0.120"),
            ("12,5- €", "-12.500"),
            ("1.5", "refused"),
            ("1,5e2", "150.000"),
            ("99.999,9995", "refused"),
            ("", "NULL"),
        ],
    )
    .await;
    become_by(
        &world,
        "int4",
        &rules,
        &[("1.234.567", "1234567"), ("12-", "-12"), ("1,0", "refused"), ("12%", "refused")],
    )
    .await;
    become_by(&world, "float8", &rules, &[("1,5", "1.5"), ("NaN", "NaN"), ("1.000,25", "1000.25")]).await;
    // The forms of numbers do not count inside a value, where a number with their characters has two meanings.
    become_by(
        &world,
        "stay",
        &rules,
        &[("(5,,,1.500)", "($5.00,,,1.500)"), ("(1.50,,,x)", "refused"), ("(,,1.500 hours,x)", "refused")],
    )
    .await;
    become_by(&world, "spans", &rules, &[("{\"[1,2)\"}", "{\"[1,2)\"}"), ("{\"[1.500,2)\"}", "refused")])
        .await;
    // An array with a comma between digits may be one number inside a composite value, too.
    let list = [
        ("(a,\"{1,500}\")", "refused"),
        ("(a,\"{1, 500}\")", "(a,\"{1,500}\")"),
        ("(\"1,500\",{7})", "(\"1,500\",{7})"),
    ];
    let english = NumberForm { decimal: '.', grouping: Some(','), ..NumberForm::default() };
    let english = ValueRules { numbers: Some(english), ..super::values::rules() };
    become_by(&world, "counts", &rules, &list).await;
    become_by(&world, "counts", &english, &list).await;
    become_by(&world, "cents[]", &english, &[("{1,500}", "refused"), ("{1, 500}", "{1,500}")]).await;
    become_by(&world, "int4range", &english, &[("[1, 500)", "[1,500)")]).await;
    become_by(&world, "numeric[]", &rules, &[("{15e-1, 2}", "{1.5,2}"), ("{1.5}", "refused")]).await;
    become_by(&world, "bool", &rules, &[("OUI", "true"), ("Non", "false"), ("t", "true"), ("si", "refused")])
        .await;
    become_by(&world, "text", &rules, &[("1.234,5", "1.234,5"), ("oui", "oui")]).await;
}

#[tokio::test]
async fn declared_texts_mean_null_in_quotes_too_where_that_is_asked() {
    let world = World::new(READING).await;
    for (quoted_nulls, wanted) in [(true, "NULL|NULL|c"), (false, "|NA|c")] {
        for way in WAYS {
            let create = format!(
                "DROP TABLE IF EXISTS {way}; CREATE TABLE {way} (n int, v text{})",
                if way == "text_way" { ", x point" } else { "" }
            );
            world.client.batch_execute(&create).await.expect("a table");
            let mut load =
                load(&world, way, &texts(&["", "NA", "c"]), &ValueRules { quoted_nulls, ..rules() });
            load.dialect.nulls = vec![b"NA".to_vec()];
            world.run(&load).await.expect("loaded");
            let found = world
                .rows(&format!("SELECT string_agg(coalesce(v, 'NULL'), '|' ORDER BY n) FROM {way}"))
                .await;
            assert_eq!(found, wanted, "{way}");
        }
    }
}

#[tokio::test]
async fn declared_texts_mean_null_in_the_strings_of_json() {
    let world = World::new("CREATE TABLE t (n int, v text, m int)").await;
    let file = world.file("{\"n\": 1, \"v\": \"NA\", \"m\": \"NA\"}\n{\"n\": 2, \"v\": \"\", \"m\": 3}\n");
    let mut load = world.load("t", &file);
    load.dialect =
        Dialect { form: Form::Json, header: true, nulls: vec![b"NA".to_vec()], ..Dialect::default() };
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT n, v IS NULL, m IS NULL FROM t ORDER BY n").await, "1|t|t 2|f|f");
}

#[tokio::test]
async fn a_pattern_for_one_column_is_for_this_column_and_must_fit_it() {
    let world = World::new(
        "CREATE TABLE t (n int, born date, changed timestamp, note text, more date DEFAULT current_date)",
    )
    .await;
    let of = |column: &str, pattern: &str| ColumnPattern {
        column: column.to_owned(),
        pattern: Pattern::new(pattern).expect("a pattern"),
    };
    let mut load = world.load(
        "t",
        &world.file("n,born,changed,note\n1,05/06/2024,6.5.24 10:30,a\n2,2024-06-05,2024-05-06,b\n"),
    );
    load.rules.dates = patterns(&["MM/dd/yyyy"]);
    load.rules.columns =
        vec![of("Born", "dd/MM/yyyy"), of("changed", "d.M.yy HH:mm"), of("more", "dd/MM/yyyy")];
    world.run(&load).await.expect("loaded");
    let rows =
        world.rows("SELECT n, born, to_char(changed, 'YYYY-MM-DD\"T\"HH24:MI') FROM t ORDER BY n").await;
    assert_eq!(rows, "1|2024-06-05|2024-05-06T10:30 2|2024-06-05|2024-05-06T00:00");
    load.insert = Some("INSERT INTO t VALUES (?, ?, ?, ?)".to_owned());
    load.rules.columns.pop();
    load.key.instance = "again".to_owned();
    world.run(&load).await.expect("loaded");
    let same = "SELECT count(*), count(DISTINCT (n, born, changed, note)::text) FROM t";
    assert_eq!(world.rows(same).await, "4|2");
    load.insert = None;
    for (column, pattern, says) in [
        ("birthday", "dd/MM/yyyy", "`myColumn` names column `birthday`, which is not there"),
        (
            "note",
            "dd/MM/yyyy",
            "`myColumn` has a pattern for column `note`, which is text and no date or time",
        ),
        ("born", "HH:mm", "the pattern `HH:mm` of `myColumn` for column `born` does not give a date"),
    ] {
        load.rules.columns = vec![of(column, pattern)];
        load.key.instance = column.to_owned();
        let failure = world.run(&load).await.expect_err("it does not fit");
        assert_eq!(failure.id, "BadInput:Definition");
        assert!(failure.message.ends_with(says), "{failure}");
    }
}

#[tokio::test]
async fn an_insert_query_of_unknown_types_takes_texts_without_rules() {
    let world = World::new(
        "CREATE TABLE t (n int, born date); CREATE PROCEDURE put(n int, born date) LANGUAGE sql AS \
         'INSERT INTO t VALUES (n, born)'",
    )
    .await;
    let mut load = world.load("t", &world.file("n,born\n1,2024-06-05\n2,\n"));
    load.insert = Some("CALL put(?, ?)".to_owned());
    let told = world.run(&load).await.expect("loaded");
    assert!(told.contains("the values of `insertQuery` are sent as the file has them, because"), "{told}");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY n").await, "1|2024-06-05 2|NULL");
    load.rules.dates = patterns(&["dd/MM/yyyy"]);
    load.key.instance = "by rules".to_owned();
    let failure = world.run(&load).await.expect_err("the pattern could not be used");
    assert!(failure.message.starts_with("`myDateFormat` needs the types of the placeholders"), "{failure}");
}

#[tokio::test]
async fn a_refused_value_is_reported_with_its_reason_and_the_field_that_helps() {
    let world = World::new("CREATE TABLE t (v text)").await;
    for (of, text, says) in [
        (
            "date",
            "05/06/2024",
            "is not a date (as 2025-12-31); another form needs `myDateFormat`, such as dd/MM/yyyy",
        ),
        ("date", "2024-06-05 10:30", "it has a time of day or an offset, which the column would lose"),
        ("timestamp", "2024-06-05 10:30+02", "it has an offset from UTC, which the column would lose"),
        (
            "int4",
            "1,234",
            "is not a whole number; `myDecimal`, `myGrouping` and `myCurrency` say how numbers are written",
        ),
        ("numeric", "12%", "is not a number; `myPercent` takes a percent sign"),
        ("numeric", "12-", "is not a number; `myTrailingSign` takes a sign behind the number"),
        ("numeric(5,2)", "999.995", "is out of range for numeric(5,2)"),
        ("bool", "oui", "other words need `myTrue` and `myFalse`"),
        ("date[]", "{05/06/2024}", "is not a date[] (as 2025-12-31)"),
    ] {
        world.client.batch_execute(&format!("DROP TABLE t; CREATE TABLE t (v {of})")).await.expect("a table");
        let load = world.load("t", &world.file(format!("v\n\"{text}\"\n")));
        let failure = world.run(&load).await.expect_err("refused");
        assert!(failure.message.contains(says) && failure.message.contains("line 2, column v"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_definition_reach_the_load_and_those_of_the_activity_win() {
    let world = World::new("CREATE TABLE t (id int, born date, paid numeric, ok bool, note text)").await;
    let stack = Stack::start().await;
    stack
        .put("in.csv", "id;born;paid;ok;note\n1;05/06/2024;\"1.234,5\";oui;\"-\"\n2;6.5.24;12%;non;\"\"\n")
        .await;
    let work = object(
        "Copy",
        vec![
            string("type", "CopyActivity"),
            refers("input", "In"),
            refers("output", "Out"),
            string("myColumn", "born dd/MM/yyyy"),
            string("myColumn", "born d.M.yy"),
            string("myDecimal", ","),
        ],
    );
    let format = [
        ("columnSeparator", ";"),
        ("myHeader", "true"),
        ("myColumn", "id d.M.yy"),
        ("myDecimal", "."),
        ("myGrouping", "."),
        ("myPercent", "true"),
        ("myTrue", "Oui"),
        ("myFalse", "Non"),
        ("myNullValues", "-"),
        ("myQuotedNulls", "true"),
    ];
    let format = format.iter().map(|(key, value)| string(key, value));
    let format = std::iter::once(string("type", "Custom")).chain(format).collect();
    let input = vec![
        string("type", "S3DataNode"),
        string("filePath", "s3://files/in.csv"),
        refers("dataFormat", "Form"),
    ];
    let database = vec![
        string("type", "JdbcDatabase"),
        string("connectionString", &world.postgres.url()),
        string("username", "postgres"),
        string("*password", "none"),
        string("jdbcDriverClass", "org.postgresql.Driver"),
    ];
    let output = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "t")];
    let objects = [("In", input), ("Out", output), ("Db", database), ("Form", format)];
    let objects = objects.into_iter().map(|(id, fields)| object(id, fields)).chain([work]).collect();
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    let rows = "SELECT id, born, paid, ok, note IS NULL FROM t ORDER BY id";
    assert_eq!(world.rows(rows).await, "1|2024-06-05|1234.5|t|t 2|2024-05-06|0.12|f|t");
}
