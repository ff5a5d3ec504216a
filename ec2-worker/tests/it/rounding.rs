//! A value with more decimals than its column keeps is rounded, as PostgreSQL does it, and a note says how many and where.

use ec2_worker::etl::dialect::Form;

use super::World;

const TABLE: &str = "CREATE TABLE t (id int, price numeric(5,2), thousands numeric(6,-3), at timestamp, day_at timestamptz(0), clock time(3)";
const FILE: &str = "id,price,thousands,at,day_at,clock\n\
                    1,1.230,7000,2026-01-02 03:04:05.123456,2026-01-02 03:04:05+00,03:04:05.123\n\
                    2,1.239,7499,2026-01-02 23:59:59.9999999,2026-01-02 03:04:05.5+00,03:04:05.1236\n\
                    x,1.239,7499,2026-01-02 23:59:59.9999999,2026-01-02 03:04:05.5+00,03:04:05.1236\n\
                    4,-1.5e-3,7000,2026-01-02 03:04:05,2026-01-02 03:04:05+00,03:04:05\n";

#[tokio::test]
async fn decimals_that_a_column_does_not_keep_are_reported_with_their_number_and_line() {
    let world = World::new("SELECT 1").await;
    let insert = "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)";
    for (way, more, insert) in
        [("binary", "", None), ("text", ", place point", None), ("insert", "", Some(insert))]
    {
        let create = format!("DROP TABLE IF EXISTS t, t_rejects; {TABLE}{more})");
        world.client.batch_execute(&create).await.expect("a table");
        let file = if more.is_empty() {
            FILE.to_owned()
        } else {
            FILE.replacen("clock\n", "clock,place\n", 1)
                .replace("5.123\n", "5.123,\n")
                .replace("5.1236\n", "5.1236,\n")
                .replace("04:05\n", "04:05,\n")
        };
        let mut load = world.load("t", &world.file(file));
        load.limit = definition::kind::field::Limit::Count(1);
        load.insert = insert.map(str::to_owned);
        let told = world.run(&load).await.expect("within the limit");
        let rows = "SELECT id, price, thousands, at, to_char(day_at AT TIME ZONE 'UTC', 'SS'), clock FROM t ORDER BY id";
        assert_eq!(
            world.rows(rows).await,
            "1|1.23|7000|2026-01-02 03:04:05.123456|05|03:04:05.123 2|1.24|7000|2026-01-03 00:00:00|06|03:04:05.124 \
             4|0.00|7000|2026-01-02 03:04:05|05|03:04:05",
            "{way}"
        );
        for says in [
            "2 values of column `price` have more decimals than numeric(5,2) keeps, and PostgreSQL rounds them, the first in line 3",
            "1 value of column `thousands` has more decimals than numeric(6,-3) keeps",
            "1 value of column `at` has more decimals than timestamp without time zone keeps",
            "1 value of column `day_at` has more decimals than timestamp(0) with time zone keeps",
            "1 value of column `clock` has more decimals than time(3) without time zone keeps",
        ] {
            assert!(told.contains(says), "{way}: {says} is not in {told}");
        }
    }
}

const INSIDE: &str = "CREATE TYPE offer AS (price numeric(5,2), at timestamp(0), waits interval(0));
    CREATE DOMAIN whole_second AS timestamp(0);";

#[tokio::test]
async fn values_inside_a_value_and_intervals_are_reported_too() {
    let world = World::new(INSIDE).await;
    let cases = [
        ("numeric(5,2)[]", "{1.23,1.230}", "{1.23,1.239}", "{1.23,1.24}"),
        ("numeric(5,2)[]", "{}", "{{1},{1.239}}", "{{1.00},{1.24}}"),
        ("timestamp(0)[]", "{2026-01-02 03:04:05}", "{2026-01-02 03:04:05.6}", "{\"2026-01-02 03:04:06\"}"),
        ("time(0)[]", "{03:04:05,NULL}", "{03:04:05.6}", "{03:04:06}"),
        ("whole_second", "2026-01-02 03:04:05", "2026-01-02 03:04:05.6", "2026-01-02 03:04:06"),
        (
            "tsrange",
            "[2026-01-02 03:04:05.123456,)",
            "[2026-01-02 03:04:05.1234567,)",
            "[\"2026-01-02 03:04:05.123457\",)",
        ),
        ("offer", "(1.23,,1 hour)", "(1.239,,)", "(1.24,,)"),
        ("offer", "(,2026-01-02 03:04:05,)", "(,2026-01-02 03:04:05.6,)", "(,\"2026-01-02 03:04:06\",)"),
        ("offer[]", "{}", "{\"(,,1.6 seconds)\"}", "{\"(,,00:00:02)\"}"),
        ("interval(0)", "1.5 hours", "00:00:01.6", "00:00:02"),
        ("interval second(0)", "PT5S", "1600 ms", "00:00:02"),
        ("interval(3)[]", "{00:00:00.25}", "{00:00:00.0016}", "{00:00:00.002}"),
        ("interval", "1.123456 seconds", "1.1234567 seconds", "00:00:01.123457"),
    ];
    for (of, exact, rounded, stored) in cases {
        for (form, insert) in
            [(Form::Text, None), (Form::Json, None), (Form::Text, Some("INSERT INTO t VALUES (?, ?)"))]
        {
            let create = format!("DROP TABLE IF EXISTS t; CREATE TABLE t (id int, v {of})");
            world.client.batch_execute(&create).await.expect("a table");
            let file = match form {
                Form::Json => format!(
                    "{{\"id\":1,\"v\":\"{exact}\"}}\n{{\"id\":2,\"v\":\"{}\"}}\n",
                    rounded.replace('"', "\\\"")
                ),
                _ => format!("id,v\n1,\"{exact}\"\n2,\"{}\"\n", rounded.replace('"', "\"\"")),
            };
            let mut load = world.load("t", &world.file(file));
            load.dialect.form = form;
            load.insert = insert.map(str::to_owned);
            let told = world.run(&load).await.expect("a load");
            assert_eq!(world.rows("SELECT v FROM t WHERE id = 2").await, stored, "{of}");
            assert!(
                told.contains("1 value of column `v` has more decimals than"),
                "{of} {rounded} {form:?}: {told}"
            );
            let line = if form == Form::Json { 2 } else { 3 };
            assert!(told.contains(&format!("the first in line {line}")), "{of} {exact}: {told}");
        }
    }
}

#[tokio::test]
async fn a_cast_of_an_insert_query_does_not_hide_the_limits_of_the_column() {
    let world =
        World::new("CREATE TABLE t (id int, days interval day, price numeric(5,2), at timestamp(0))").await;
    let file = "id,days,price,at\n1,36 hours,1,2026-01-02 03:04:05\n2,2 days,1.239,2026-01-02 03:04:05.6\n";
    let mut load = world.load("t", &world.file(file));
    load.limit = definition::kind::field::Limit::Count(1);
    load.insert =
        Some("INSERT INTO t VALUES (?::int, ?::interval day, ?::numeric, cast(? AS timestamp))".to_owned());
    let told = world.run(&load).await.expect("a load");
    assert_eq!(world.rows("SELECT * FROM t").await, "2|2 days|1.24|2026-01-02 03:04:06");
    for says in [
        "keeps nothing finer than a day",
        "column `price` has more decimals",
        "column `at` has more decimals",
    ] {
        assert!(told.contains(says), "{says} is not in {told}");
    }
}

#[tokio::test]
async fn whole_numbers_that_a_floating_point_column_changes_are_reported() {
    let world = World::new("CREATE TABLE t (id int, account double precision, small real)").await;
    let file = "id,account,small\n1,4111111111111111,16777216\n2,9007199254740993,16777217\n3,0.1,1e10\n";
    for insert in [None, Some("INSERT INTO t VALUES (?, ?, ?)")] {
        let mut load = world.load("t", &world.file(file));
        load.insert = insert.map(str::to_owned);
        let told = world.run(&load).await.expect("a load");
        for says in [
            "1 value of column `account` has more digits than double precision keeps, and PostgreSQL rounds them, the first in line 3",
            "1 value of column `small` has more digits than real keeps",
        ] {
            assert!(told.contains(says), "{insert:?}: {says} is not in {told}");
        }
    }
    let stored = world.rows("SELECT DISTINCT account::numeric, small::numeric FROM t WHERE id = 2").await;
    assert_eq!(stored, "9007199254740990|16777200", "the shortest text");
}

#[tokio::test]
async fn whole_numbers_in_an_array_of_floating_point_numbers_are_reported_too() {
    let world =
        World::new("CREATE TABLE t (accounts double precision[], small real[], exact float8[])").await;
    let file = "accounts,small,exact\n\"{1,9007199254740993}\",{16777217},\"{0.1,4111111111111111}\"\n";
    let told = world.run(&world.load("t", &world.file(file))).await.expect("a load");
    assert!(
        told.contains("1 value of column `accounts` has more digits than double precision[] keeps"),
        "{told}"
    );
    assert!(told.contains("1 value of column `small` has more digits than real[] keeps"), "{told}");
    assert!(!told.contains("column `exact`"), "{told}");
}

#[tokio::test]
async fn a_number_of_another_type_that_fills_a_column_is_reported_too() {
    let digits = "9007199254740993";
    let cases = [
        ("?::numeric", "int", "1.5", "2", "decimals than integer keeps"),
        ("?::float8", "bigint", "2.5", "2", "digits than bigint keeps"),
        ("?::float8", "bigint", digits, "9007199254740992", "digits than bigint keeps"),
        ("cast(? AS double precision)", "numeric(5,2)", "1.239", "1.24", "digits than numeric(5,2) keeps"),
        (
            "?::numeric",
            "double precision",
            digits,
            "9.007199254740992e+15",
            "digits than double precision keeps",
        ),
        (
            "?::bigint",
            "double precision",
            digits,
            "9.007199254740992e+15",
            "digits than double precision keeps",
        ),
        ("?::float8", "real", "16777217", "1.6777216e+07", "digits than real keeps"),
        ("?::numeric::int", "int", "1.5", "2", ""),
        ("?::numeric", "int", "2", "2", ""),
        ("?::timestamp", "date", "2026-01-03 00:00:00", "2026-01-03", ""),
    ];
    let world = World::new("SELECT 1").await;
    for (cast, of, text, stored, note) in cases {
        let create = format!("DROP TABLE IF EXISTS t; CREATE TABLE t (v {of})");
        world.client.batch_execute(&create).await.expect("a table");
        let mut load = world.load("t", &world.file(format!("v\n{text}\n")));
        load.insert = Some(format!("INSERT INTO t VALUES ({cast})"));
        let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{cast} into {of}: {failure}"));
        assert_eq!(world.rows("SELECT v FROM t").await, stored, "{cast} into {of}");
        match note {
            "" => assert!(!told.contains("PostgreSQL rounds"), "{cast} into {of}: {told}"),
            note => {
                let says = format!(
                    "1 value of column `v` has more {note}, and PostgreSQL rounds them, the first in line 2"
                );
                assert!(told.contains(&says), "{cast} into {of}: {told}");
            }
        }
    }
}

#[tokio::test]
async fn a_time_of_day_that_a_date_does_not_keep_is_reported() {
    let world = World::new("CREATE TABLE t (a date, b date)").await;
    let file =
        "a,b\n2026-01-03 00:00:00,2026-01-03 00:00:00Z\n2026-01-03 23:00:00,2026-01-03T23:00:00-08:00\n";
    let mut load = world.load("t", &world.file(file));
    load.insert = Some("INSERT INTO t VALUES (?::timestamp, ?::timestamptz)".to_owned());
    let told = world.run(&load).await.expect("a load");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY b").await, "2026-01-03|2026-01-03 2026-01-03|2026-01-04");
    for column in ["a", "b"] {
        let says = format!(
            "1 value of column `{column}` has a time of day or an offset, which date does not keep, the first in line 3"
        );
        assert!(told.contains(&says), "{told}");
    }
}
