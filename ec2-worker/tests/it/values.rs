//! One text has one meaning: binary `COPY`, text `COPY` and `insertQuery` store the same value or refuse the same text, and
//! the value is the one that the server itself reads.

use std::fmt::Write as _;

use definition::kind::field::Limit;
use ec2_worker::etl::load::Load;
use ec2_worker::etl::value_rules::ValueRules;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;

use super::World;

/// Reads a text as the server reads a literal in an INSERT.
pub(crate) const READING: &str = "CREATE FUNCTION reading(value text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE found text;
    BEGIN
        EXECUTE format('INSERT INTO probe VALUES (%L) RETURNING coalesce(v::text, ''NULL'')', value) INTO found;
        RETURN found;
    EXCEPTION WHEN OTHERS THEN RETURN 'refused';
    END $$; CREATE DOMAIN day AS date; CREATE DOMAIN birthday AS day; CREATE DOMAIN host AS inet;
    CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE pair AS (a int, b date);
    CREATE TYPE stay AS (price money, at timestamp, length interval, name text); CREATE TYPE counts AS (label text, n int[]);
    CREATE TYPE amounts AS RANGE (subtype = money); CREATE DOMAIN spans AS numrange[]; CREATE DOMAIN cents AS int;";

/// The ways to the database.
pub(crate) const WAYS: [&str; 3] = ["binary_way", "text_way", "insert_way"];

pub(crate) fn load(world: &World, way: &str, texts: &[String], rules: &ValueRules) -> Load {
    let mut file = if way == "text_way" { "n,v,x\n" } else { "n,v\n" }.to_owned();
    for (index, text) in texts.iter().enumerate() {
        let more = if way == "text_way" { ",\"(1,2)\"" } else { "" };
        writeln!(file, "{index},\"{}\"{more}", text.replace('"', "\"\"")).expect("a line");
    }
    let mut load = world.load(way, &world.file(file));
    load.rules = rules.clone();
    load.limit = Limit::Count(1_000_000);
    if way == "insert_way" {
        load.insert = Some("INSERT INTO insert_way VALUES (?, ?)".to_owned());
    }
    load
}

/// Stores texts as values of a type in all ways, and returns what each of them became: a value, `NULL` or `refused`.
///
/// # Panics
///
/// If the ways differ.
pub(crate) async fn stored(world: &World, of: &str, rules: &ValueRules, texts: &[String]) -> Vec<String> {
    let drop: Vec<String> =
        WAYS.iter().map(|way| format!("DROP TABLE IF EXISTS {way}, {way}_rejects;")).collect();
    let create = format!(
        "{} DROP TABLE IF EXISTS probe; CREATE TABLE probe (v {of}); CREATE TABLE binary_way (n int, v {of});
         CREATE TABLE text_way (n int, v {of}, x point); CREATE TABLE insert_way (n int, v {of}); SET timezone = 'UTC'",
        drop.concat()
    );
    world.client.batch_execute(&create).await.expect("tables");
    let mut all: Vec<Vec<String>> = Vec::new();
    for way in WAYS {
        world.run(&load(world, way, texts, rules)).await.expect("within the limit");
        let rows = world.client.query(&format!("SELECT n, v::text FROM {way}"), &[]).await.expect("rows");
        let mut found = vec!["refused".to_owned(); texts.len()];
        for row in rows {
            let value: Option<String> = row.get(1);
            found[row.get::<_, i32>(0) as usize] = value.unwrap_or_else(|| "NULL".to_owned());
        }
        all.push(found);
    }
    for (index, text) in texts.iter().enumerate() {
        let each: Vec<&str> = all.iter().map(|found| found[index].as_str()).collect();
        assert!(each.windows(2).all(|two| two[0] == two[1]), "{of} {text:?}: {each:?}");
    }
    all.swap_remove(0)
}

/// Returns the values that the server itself reads from the texts.
pub(crate) async fn readings(world: &World, texts: &[String]) -> Vec<String> {
    let sql = "SELECT reading(t) FROM unnest($1::text[]) WITH ORDINALITY AS a(t, n) ORDER BY n";
    let rows = world.client.query(sql, &[&texts]).await.expect("readings");
    rows.iter().map(|row| row.get(0)).collect()
}

pub(crate) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn rules() -> ValueRules {
    ValueRules::default()
}

/// The texts of a type that every way must read as the server does, and texts that the load refuses though the server takes
/// them, because they have two meanings or would lose a part of their value.
const AS_THE_SERVER: &[(&str, &[&str], &[&str])] = &[
    ("int4", &["1", " 42 ", "+7", "-0", "2147483648", "1e3", "1.0", "x", "1 2", "--1", "1_000x"], &[]),
    ("int2", &["32767", "32768", "-32768", "", " "], &[]),
    (
        "int8",
        &["9223372036854775807", "-9223372036854775808", "9223372036854775808", "000000000000000000000001"],
        &[],
    ),
    (
        "numeric",
        &[
            "1e5",
            "-1.5E-3",
            ".5",
            "5.",
            ".",
            "e5",
            "1e",
            "NaN",
            "Infinity",
            "-inf",
            "+Infinity",
            "1e1001",
            "1e-2000",
            "1,5",
            "12%",
            "0x1F",
        ],
        &[],
    ),
    (
        "numeric(10,2)",
        &["99.999", "99999999.995", "99999999.994", "-99999999.995", "Infinity", "nan", "1e7", "1e8"],
        &[],
    ),
    ("numeric(5,2)", &["999.995", "999.99", "999.994999", "1000", "0.001", "00999.99", "-999.995"], &[]),
    ("numeric(2,4)", &["0.0099", "0.00994", "0.00995", "0.01", "0", "1"], &[]),
    ("numeric(3,-2)", &["99949", "99950", "12345", "49", "100000"], &[]),
    (
        "float8",
        &[
            "1e308",
            "1e309",
            "1e-400",
            "5e-324",
            "-0",
            "inf",
            "-Infinity",
            "NaN",
            "1.",
            ".5",
            "1e+5",
            "0e-999",
            "1_000",
            "abc",
        ],
        &[],
    ),
    // The number is just above the middle of two values of `real`; as double precision it is the middle.
    (
        "float4",
        &[
            "1.5",
            "3.4e38",
            "3.5e38",
            "1e-46",
            "1e-45",
            "0.1",
            "1.00000005960464477540",
            "16777217",
            "7.038531e-26",
        ],
        &[],
    ),
    (
        "bool",
        &[
            "t", "TRUE", "tru", "y", "ye", "on", "of", "o", "OFF", " no ", "1", "0", "2", "10", "", "truex",
            "yess",
        ],
        &[],
    ),
    (
        "date",
        &[
            "2024-02-29",
            "2023-02-29",
            "2024-06-31",
            "2024-2-9",
            "2024/02/09",
            "20240229",
            "0044-03-15 BC",
            "0001-01-01 bc",
            "0000-01-01",
            "infinity",
            "-INFINITY",
            "12024-01-01",
            "5874897-12-31",
            "5874898-01-01",
            "4713-01-01 BC",
            "4714-11-24 BC",
            "4714-11-23 BC",
            "2024-02-29T00:00:00",
            "2024-02-29 00:00:00+00",
            "2024-13-01",
            "",
            " 2024-02-29 ",
            "2024-02-29 AD",
        ],
        &[
            "05/06/2024",
            "5-6-2024",
            "24-05-06",
            "2024-02-29 10:30",
            "Jan 5, 2024",
            "today",
            "2024-02-29 00:00+02",
        ],
    ),
    (
        "timestamp",
        &[
            "2024-02-29",
            "2024-02-29 23:59:59.9999995",
            "2024-02-29 23:59:60",
            "2024-02-29 24:00",
            "2024-02-29 24:00:01",
            "2024-02-29t10:30",
            "2024-02-29 10:30Z",
            "0044-03-15 10:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "294277-01-01",
            "2024-02-29 10:30 PM",
            "2024-02-29 13:30 PM",
            "infinity",
            "20240229T101112",
            "2024-02-29 9:05",
            "2024-02-29 10:30:15.0000005",
            "2024-02-29 10:30:15.1234565",
        ],
        &["05/06/2024 10:30", "2024-02-29 10:30+02", "now"],
    ),
    (
        "timestamptz",
        &[
            "2024-02-29 10:00",
            "2024-02-29 10:00z",
            "2024-02-29 10:00+05",
            "2024-02-29 10:00+0530",
            "2024-02-29 10:00 +05:30",
            "2024-02-29 10:00-03:30:15",
            "2024-02-29 10:00 UTC",
            "2024-07-01 10:00 Europe/Berlin",
            "2024-10-27 02:30 Europe/Berlin",
            "2024-03-31 02:30 Europe/Berlin",
            "2024-02-29 10:00 Nowhere/Else",
            "2024-02-29 10:00+16",
            "2024-02-29 10:00+15:59:59",
            "0044-03-15 10:00+00 BC",
            "-infinity",
            "294276-12-31 23:59:59Z",
            "294276-12-31 23:59:59-01",
            "2024-02-29 10:00+5",
            "2024-02-29 10:00+530",
        ],
        &["05/06/2024", "2024-02-29 10:00 CST"],
    ),
    (
        "time",
        &[
            "10:30",
            "23:59:59.5",
            "24:00",
            "24:00:01",
            "23:59:60",
            "10:30 PM",
            "10:60",
            "",
            "9:05",
            "00:00:00.0000005",
        ],
        &["103000"],
    ),
    (
        "timetz",
        &["10:30", "10:30+05:30", "10:30-03:30:15", "24:00Z", "10:30 UTC", "10:30+16"],
        &["10:30 CST"],
    ),
    (
        "uuid",
        &[
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11}",
            "a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11",
            "a0-eebc999c0b4ef8bb6d6bb9bd380a11",
            "{a0eebc999c0b4ef8bb6d6bb9bd380a11",
            "a0eebc999c0b4ef8bb6d6bb9bd380a1",
            "",
        ],
        &[],
    ),
    ("json", &[" {\"a\": 1, \"a\": 2} ", "\"\\u0000\"", "{", "01", "\"\\ud800\"", "[1,]", "nul"], &[]),
    ("jsonb", &["{\"a\": 1, \"a\": 2}", "\"\\u0000\"", "1e400", "\"\\ud800\"", "[1, 2"], &[]),
    ("bytea", &["\\xdeadBEEF", "\\xde ad", "\\xdea", "a\\\\b\\001", "\\9", "äö", ""], &[]),
    ("text", &["", " a ", "\\N", "a\tb\nc\\", "'quoted'"], &[]),
    ("varchar(3)", &["abc", "abc  ", "abcd", "äöü", "äöü  ", "   x", ""], &[]),
    ("char(3)", &["a", "abc  ", "abcd", ""], &[]),
    ("mood", &["ok", "ok ", "OK", ""], &[]),
    ("inet", &["10.0.0.1", "10.0.0.1/8", "::1", "x", ""], &[]),
    ("cidr", &["10.0.0.0/8", "10.0.0.1/8", ""], &[]),
    ("macaddr", &["08:00:2b:01:02:03", "08002b010203", "08-00", ""], &[]),
    (
        "interval",
        &[
            "1 day",
            "P1Y2M",
            "P0001-02-03T04:05:06",
            "-1:30",
            "- 2 days",
            "@ 1 hour ago",
            "1-2 3 4:5:6.7",
            "soon",
            "",
        ],
        &["12-", "(12)", "5%", "$5", "::1", "[1]"],
    ),
    ("int4range", &["\u{b}[1,5)\u{c}", "[1,5)", "(1,5]", "empty", "[5,1)", ""], &[]),
    (
        "daterange",
        &["[2024-01-01,2024-02-01)", "[2024-01-01,)", "empty", "[2024-06-31,)", "(,infinity)", ""],
        &["[05/06/2024,)"],
    ),
    (
        "tstzrange",
        &[
            "[\"2024-01-01 10:00+02\",\"2024-02-01 00:00\")",
            "[2024-01-01,]",
            "[2024-01-01, )",
            " [ 2024-01-01 ,)",
        ],
        &["[\"05/06/2024 10:00\",)"],
    ),
    (
        "date[]",
        &[
            "{2024-01-05,NULL}",
            "{}",
            "{\"2024-01-05\"}",
            "{{2024-01-05},{2024-01-06}}",
            "{ 2024-01-05 , null }",
            "\u{b}{\u{b}2024-01-05\u{c},\u{b}null\u{b}}\u{c}",
            "{ }",
            "[0:1]={2024-01-05,2024-01-06}",
            "{x}",
            "",
        ],
        &["{05/06/2024}"],
    ),
    (
        "int4[]",
        &[
            "{1,2}",
            "{1,NULL}",
            "1,2",
            "",
            " { 1 , 2 } ",
            "[2:3]={1,2}",
            "{{1},{2}}",
            "{{1},{2,3}}",
            "{1,}",
            "{ }",
        ],
        &["{1_000}"],
    ),
    (
        "text[]",
        &["{a,\"b c\"}", "{\"\"}", "", "{a b , c\\ }", "{null,\"null\"}", "{\"a\\\"b\",{c}}", "{a\"b\"}"],
        &[],
    ),
    ("box[]", &["{(1,2),(0,0);(3,4),(0,0)}", "{(1,2)}"], &[]),
    ("money[]", &["{1.5,\"1,500.00\"}", "{five}"], &["{\"1,5\"}", "{1.239}", "{-}"]),
    (
        "interval[]",
        &["{1 day,-01:30:00}", "{\"1 day, 2 hours\"}"],
        &["{12-}", "{5%}", "{(12)}", "{\"1,5 hours\"}"],
    ),
    ("\"char\"", &["a", "", " ", "\\101"], &["abc", "é"]),
    ("\"char\"[]", &["{a,b}"], &["{ab}"]),
    ("oid", &["1", " 7 ", "x", "4294967296"], &["-1"]),
    ("xid", &["1", "0"], &["4294967297", "-1", "010", "08"]),
    ("xid8[]", &["{4294967297,0}"], &["{010}", "{-1}"]),
    ("interval year", &["1 year", "5", "2 years 0 months"], &["1 year 5 months", "3 days", "1.5 years"]),
    ("interval day", &["3 days", "1 month 2 days"], &["36 hours"]),
    ("interval hour to minute", &["01:30", "1 day 01:30:00"], &["01:30:45"]),
    (
        "stay",
        &["(1.50,2026-01-05 10:00,1 day,x)", "(,,,)", " (1,infinity,01:00,\"a, b\")", "(1,2)"],
        &[
            "(1.234,,,)",
            "(-,,,)",
            "(,2026-01-05 10:00+02,,)",
            "(,,12-,)",
            "(,,\"1,5 hours\",)",
            "(,05/06/2026,,)",
        ],
    ),
    ("amounts", &["[1,2)", "[1.50,)"], &["[1.234,2)", "[-,2)"]),
    ("bit(3)", &["101", "1011", "x", ""], &[]),
    ("varbit", &["101", "", "2"], &[]),
    (
        "money",
        &["12.5", "$1,234.56", "-$5.00", "$-5", "(1.25)", "($1)", "1234.5000", "0.500", "1234.500", "x", ""],
        &["-", "$", "1.234", "1.500", "0,123", "12.345", "5-", "5--", "--5", "(5", "5)", "(-5)"],
    ),
    ("point", &["(1,2)", "1,2", "x", ""], &[]),
    ("tsvector", &["a b", ""], &[]),
    ("xml", &["<a/>", "<a>", "<?xml version=\"1.0\" encoding=\"latin1\"?><a>ä</a>"], &[]),
    (
        "pair",
        &["(1,2024-01-05)", "(1,2024-01-05 00:00)", "(1,infinity)", "(1,)", "(1", ""],
        &["(1,05/06/2024)", "(1,2024-01-05 10:30)"],
    ),
    ("pair[]", &["{\"(1,2024-01-05)\",\"(2,)\"}", "{}", "{(1}"], &["{\"(1,05/06/2024)\"}"]),
    ("day[]", &["{2024-01-05,infinity,NULL}", "{2024-13-05}"], &["{05/06/2024}"]),
    ("birthday", &["2024-01-05", "x", ""], &["05/06/2024"]),
    ("host", &["10.0.0.1", "x", ""], &[]),
];

/// The types whose empty text is a value.
const WITH_EMPTY: &[&str] =
    &["\"char\"", "text", "varchar(3)", "char(3)", "bytea", "varbit", "tsvector", "xml"];

#[tokio::test]
async fn every_way_reads_a_text_as_the_server_does_or_refuses_it() {
    let world = World::new(READING).await;
    let mut wrong = Vec::new();
    for (of, taken, refused) in AS_THE_SERVER {
        let all: Vec<String> = taken.iter().chain(*refused).map(|text| (*text).to_owned()).collect();
        let found = stored(&world, of, &rules(), &all).await;
        let read = readings(&world, &all).await;
        for (index, text) in all.iter().enumerate() {
            let wanted = match index {
                _ if text.is_empty() && !WITH_EMPTY.contains(of) => "NULL",
                _ if index < taken.len() => &read[index],
                _ => "refused",
            };
            if found[index] != wanted {
                wrong.push(format!("{of} {text:?}: {}, not {wanted}", found[index]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Types, and the form of random texts that may or may not be values of them.
const RANDOM: &[(&str, &str)] = &[
    ("int2", "[ ]?[+-]?[0-9]{0,6}[ ]?"),
    ("int4", "[+-]?[0-9]{1,11}[.]?0?"),
    ("int8", "[+-]?[0-9]{1,20}(e1)?"),
    ("numeric", "[+-]?[0-9]{0,9}[.]?[0-9]{0,9}([eE][+-]?[0-9]{1,2})?"),
    ("numeric(6,2)", "-?(9{3,5}|[0-9]{1,5})[.](9{0,3}[0-9]{0,2})(e-?[0-3])?"),
    ("numeric(2,3)", "0?[.](09{1,3}|[0-9]{1,5})"),
    ("float8", "[+-]?[0-9]{1,20}[.]?[0-9]{0,20}(e[+-]?[0-9]{1,3})?"),
    ("float4", "[+-]?[0-9]{1,9}[.][0-9]{0,12}(e[+-]?[0-9]{1,2})?"),
    ("bool", "[tfyno][rufalsen]{0,4}"),
    ("date", "[12][0-9]{3}-(0?[0-9]|1[0-3])-(0?[0-9]|[123][0-9])( BC)?"),
    ("timestamp", "20[0-9]{2}-0[1-9]-[0-3][0-9][ T][0-2]?[0-9]:[0-6][0-9](:[0-6][0-9]([.][0-9]{1,9})?)?Z?"),
    (
        "timestamptz",
        "[0-9]{4}-0[1-9]-[0-2][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]( ?[+-][01][0-9](:?[0-6][0-9])?| UTC)?( BC)?",
    ),
    ("time", "[0-2]?[0-9]:[0-6][0-9](:[0-6][0-9]([.][0-9]{1,8})?)?"),
    ("timetz", "[0-2][0-9]:[0-5][0-9]:[0-6][0-9]([+-][01][0-9](:[0-6][0-9])?)?"),
    ("uuid", "\\{?([0-9a-f]{4}-?){7,8}[0-9a-f]{0,4}\\}?"),
    ("bytea", "(\\\\x)?([0-9a-f]{2} ?){0,6}[0-9a-g\\\\]?"),
    ("json", "[{\\[]?(\"[a-z\\\\u0-9]{0,6}\"|-?[0-9]{1,3}([.][0-9]|e5)?|null|true|,|:)[}\\]]?"),
    ("jsonb", "[{\\[]?(\"[a-z\\\\u0-9]{0,6}\"|-?[0-9]{1,3}([.][0-9]|e5)?|null|true|,|:)[}\\]]?"),
    ("varchar(4)", "[aä]{0,5} {0,3}"),
    ("char(4)", "[aä]{0,5} {0,3}"),
    ("text", "[a-z\\\\'\t\n\r\"ä,;]{0,10}"),
    ("date[]", "\\{(2024-0[1-9]-[0-3][0-9],?|NULL,?){0,3}\\}"),
    ("tsrange", "[\\[(]?(2024-0[1-9]-[0-3][0-9])?,(\"?2025-01-01 10:[0-6]0\"?)?[\\])]"),
    ("interval", "-?[0-9]{1,3} ?(day|mon|h|x)?"),
    ("inet", "[0-9]{1,3}[.][0-9]{1,3}[.]0[.]1(/[0-9]{1,2})?"),
];

#[tokio::test]
async fn random_texts_have_one_meaning_on_every_way() {
    let world = World::new(READING).await;
    let mut runner = TestRunner::deterministic();
    let mut wrong = Vec::new();
    for (of, form) in RANDOM {
        let strategy = string_regex(form).expect("a form");
        let text = |runner: &mut TestRunner| strategy.new_tree(runner).expect("a text").current();
        let all: Vec<String> = (0..150).map(|_| text(&mut runner)).filter(|text| !text.is_empty()).collect();
        let found = stored(&world, of, &rules(), &all).await;
        let read = readings(&world, &all).await;
        let legal = read.iter().filter(|read| *read != "refused").count();
        assert!(legal > 10, "{of}: only {legal} of {} are legal", all.len());
        for ((text, found), read) in all.iter().zip(&found).zip(&read) {
            if found != read && !text.trim().is_empty() {
                wrong.push(format!("{of} {text:?}: {found}, not {read}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
