//! Exports: a load with the same dialect, and other programs, read the exported files back.

use bytes::Bytes;
use ec2_worker::etl::dialect::{Dialect, RecordEnd};
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::unload::{self, Unload};
use ec2_worker::failure::Failure;
use ec2_worker::node::SqlNode;
use ec2_worker::progress::Progress;
use futures::SinkExt as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::gzip::piped;
use super::{World, told};

/// Exports the table `t`, or the rows of a query. Returns the file and the progress that the export reported.
pub(crate) async fn exported(
    world: &World,
    select: Option<&str>,
    dialect: &Dialect,
) -> Result<(Vec<u8>, String), Failure> {
    exported_as(world, select, dialect, &[]).await
}

/// Exports as [`exported`] does, with the columns that a data format declares.
pub(crate) async fn exported_as(
    world: &World,
    select: Option<&str>,
    dialect: &Dialect,
    declared: &[String],
) -> Result<(Vec<u8>, String), Failure> {
    let target = world.load("t", world.folder.path()).target;
    let node = SqlNode { select: select.map(str::to_owned), ..world.node("t", target) };
    let (path, progress) = (world.file(""), Progress::default());
    let out = Unload::new(&node, dialect).in_order(declared);
    unload::to_file(&world.pool, &out, &path, std::time::Duration::ZERO, &progress).await?;
    Ok((std::fs::read(path).expect("it is there"), told(&progress)))
}

/// Loads a file into the table `back` with a dialect.
pub(crate) async fn load_back(world: &World, file: &[u8], dialect: &Dialect) -> Result<String, Failure> {
    load_back_as(world, file, dialect, &[]).await
}

/// Loads as [`load_back`] does, with the columns that a data format declares.
pub(crate) async fn load_back_as(
    world: &World,
    file: &[u8],
    dialect: &Dialect,
    declared: &[String],
) -> Result<String, Failure> {
    let path = world.file(file);
    let mut load = world.load("back", &path);
    load.sources = vec![Source { origin: Origin::File(path), gzip: false }];
    load.dialect = dialect.clone();
    load.declared = declared.to_vec();
    world.run(&load).await
}

fn csv() -> Dialect {
    Dialect { header: true, ..Dialect::default() }
}

fn tsv() -> Dialect {
    let null = b"\\N".to_vec();
    Dialect { separator: b"\t".to_vec(), quote: None, nulls: vec![null.clone()], null, ..Dialect::default() }
}

/// Dialects that can express every value.
fn complete() -> Vec<Dialect> {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let word = bytes("NULL");
    vec![
        csv(),
        Dialect { separator: bytes("|"), ..Dialect::default() },
        Dialect { separator: bytes(";"), quote: Some(b'\''), ..csv() },
        Dialect { escape: Some(b'\\'), ..csv() },
        Dialect { quote: Some(b'"'), ..tsv() },
        Dialect { separator: bytes("||"), record_end: RecordEnd::Bytes(bytes("\x1e\n")), ..csv() },
        Dialect { record_end: RecordEnd::Bytes(bytes(";")), null: word.clone(), nulls: vec![word], ..csv() },
        Dialect { encoding: Some(encoding_rs::UTF_16LE), separator: bytes("¦"), ..csv() },
        Dialect { encoding: Some(encoding_rs::GB18030), comment: bytes("#"), ..Dialect::default() },
    ]
}

const TYPES: &str = "CREATE TYPE mood AS ENUM ('sad', 'so, so'); CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN day AS date";

/// The type of a column, and literals of odd values.
type Column = (&'static str, &'static [&'static str]);

/// The columns of the table.
const COLUMNS: &[Column] = &[
    ("bool", &["true", "false"]),
    ("int2", &["-32768", "7"]),
    ("int8", &["9223372036854775807", "-1"]),
    ("float4", &["0.1", "NaN", "-Infinity", "3.4e38", "-0"]),
    ("float8", &["0.1", "Infinity", "5e-324", "1.7976931348623157e308", "123456789.123456789"]),
    ("numeric", &["NaN", "1e-30", "123456789012345678901234567890.5", "-0.10"]),
    ("numeric(6,2)", &["1234.50", "-0.01"]),
    ("money", &["1234.5", "-0.99"]),
    (
        "text",
        &[
            "",
            " ",
            "a",
            "\\N",
            "NULL",
            "NA",
            "a\"b",
            "''",
            ",",
            "|",
            ";",
            "\t",
            "\n",
            "\r",
            "\r\n",
            "a\r",
            "\\",
            "\\\\",
            "#x",
            "\u{feff}x",
            "sep=;",
            "é¦中",
            " x ",
            "\\.",
            "\u{1}\u{1e}",
            "null",
            "||",
            "x\\",
            "\"",
        ],
    ),
    ("varchar(9)", &["", "a,b", "\"\""]),
    ("char(4)", &["", "ab", "a\nb"]),
    ("mood", &["sad", "so, so"]),
    ("day", &["2024-02-29", "infinity"]),
    ("date", &["2024-02-29", "-infinity", "0044-03-15 BC", "12024-01-01"]),
    ("timestamp", &["2024-02-29 23:59:59.999999", "infinity", "0001-01-01 00:00:00 BC"]),
    ("timestamptz", &["2024-02-29 23:59:59.5+05:30", "-infinity", "1883-01-01 12:00:00 Europe/Berlin"]),
    ("time", &["24:00", "00:00:00.000001"]),
    ("timetz", &["12:30:00+05:30", "00:00:00-15:59"]),
    ("interval", &["1 year -2 days 03:04:05.6", "-00:00:01"]),
    ("uuid", &["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    ("json", &["{\"a\": [1, \"b,\\n\"]}", "null", "\"\""]),
    ("jsonb", &["{\"a\": 1e2}", "[]"]),
    ("bytea", &["", "\\x00ff22"]),
];
/// The columns that have no binary form in a load.
const MORE: &[Column] = &[
    ("int4[]", &["{}", "{1,NULL}", "[0:1]={1,2}"]),
    ("text[]", &["{}", "{\"\",NULL,\"NULL\",\"a\\\"b,\\\\c\"}"]),
    ("pair", &["(1,\"a,\"\"b\")", "(,)"]),
    ("inet", &["10.0.0.1/8", "::1"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("varbit", &["", "101"]),
    ("point", &["(1.5,-2)"]),
    ("int4range", &["empty", "[1,5)"]),
    ("tstzrange", &["[2024-01-01,)"]),
    ("xml", &["<a b=\"c\">d</a>"]),
    ("tsvector", &["", "'a':1 'b''c':2"]),
    ("\"char\"", &["a", "\""]),
];

/// Makes the tables `t` and `back`, and random rows in `t`.
async fn fill(world: &World, columns: &[Column]) {
    let declared: Vec<_> =
        columns.iter().enumerate().map(|(index, (of, _))| format!("\"c {index}\" {of}")).collect();
    let declared = declared.join(", ");
    let tables = format!("CREATE TABLE t ({declared}); CREATE TABLE back ({declared})");
    world.client.batch_execute(&tables).await.expect("tables");
    let mut runner = TestRunner::deterministic();
    let mut rows = vec![format!("({})", vec!["NULL"; columns.len()].join(", "))];
    for _ in 0..120 {
        let values = columns.iter().map(|(of, literals)| {
            let one = prop::option::weighted(0.8, prop::sample::select(*literals));
            match one.new_tree(&mut runner).expect("a value").current() {
                Some(text) => format!("E'{}'::{of}", text.replace('\\', "\\\\").replace('\'', "''")),
                None => "NULL".to_owned(),
            }
        });
        rows.push(format!("({})", values.collect::<Vec<_>>().join(", ")));
    }
    let insert = format!("SET timezone = 'UTC'; INSERT INTO t VALUES {}", rows.join(", "));
    world.client.batch_execute(&insert).await.expect("legal values");
}

async fn texts(world: &World, table: &str) -> Vec<String> {
    let query = format!("SELECT x::text COLLATE \"C\" FROM {table} x ORDER BY 1");
    let rows = world.client.query(&query, &[]).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn every_type_is_read_back_in_every_dialect() {
    for columns in [COLUMNS.to_vec(), [COLUMNS, MORE].concat()] {
        let world = World::new(TYPES).await;
        fill(&world, &columns).await;
        let expected = texts(&world, "t").await;
        for dialect in complete() {
            let (file, told) = exported(&world, None, &dialect).await.expect("written");
            // The row of NULLs alone looks like a blank line where NULL is the empty field.
            let reader = Dialect { skip_blank: false, ..dialect.clone() };
            assert_eq!(told.contains("1 row has no value in any column"), dialect.null.is_empty(), "{told}");
            let told = load_back(&world, &file, &reader).await;
            let told = told.unwrap_or_else(|failure| panic!("{dialect:?}: {failure}"));
            assert!(told.starts_with("rowsLoaded=121, rowsRejected=0"), "{told}");
            assert_eq!(texts(&world, "back").await, expected, "{dialect:?}");
            world.client.batch_execute("TRUNCATE back").await.expect("emptied");
        }
    }
}

#[tokio::test]
async fn a_table_of_one_column_is_read_back_with_its_nulls() {
    let world = World::new(
        "CREATE TABLE t (v text); CREATE TABLE back (v text); INSERT INTO t VALUES (NULL), (''), (' '), (NULL), ('sep=;')",
    )
    .await;
    for dialect in complete() {
        let (file, _) = exported(&world, None, &dialect).await.expect("written");
        load_back(&world, &file, &dialect).await.expect("read");
        assert_eq!(texts(&world, "back").await, texts(&world, "t").await, "{dialect:?}");
        world.client.batch_execute("TRUNCATE back").await.expect("emptied");
    }
}

#[tokio::test]
async fn a_text_that_tsv_cannot_hold_fails_the_export_with_its_place() {
    let world =
        World::new("CREATE TABLE t (id int, note text); INSERT INTO t VALUES (1, 'a'), (2, NULL)").await;
    assert_eq!(exported(&world, None, &tsv()).await.expect("written").0, b"1\ta\n2\t\\N\n");
    for (value, problem) in [
        ("'\\N'", "is `\\N`, which would be read as NULL"),
        ("''", "is an empty text, which would be read as NULL"),
        ("E'a\\tb'", "contains tab, which separates columns"),
        ("E'a\\nb'", "contains a line break, which ends a record"),
    ] {
        let select = format!("SELECT * FROM t UNION ALL SELECT 3, {value} ORDER BY 1");
        let failure = exported(&world, Some(&select), &tsv()).await.expect_err(value);
        assert_eq!(failure.id, "BadInput:Unwritable");
        assert_eq!(
            failure.message,
            format!(
                "the rows of `selectQuery` of `Node`, row 3, column `note`: the value {problem}; set `myQuote` or \
                 `escapeChar` on the data format of the output"
            )
        );
    }
}

#[tokio::test]
async fn a_query_that_changes_the_database_is_refused_and_changes_nothing() {
    let world = World::new(
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2); CREATE TABLE log (at timestamptz);
         CREATE FUNCTION noted() RETURNS int LANGUAGE sql AS 'INSERT INTO log VALUES (now()) RETURNING 1';
         CREATE SEQUENCE s",
    )
    .await;
    for (select, command) in [
        ("DELETE FROM t RETURNING *", "DELETE"),
        ("WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone", "SELECT"),
        ("INSERT INTO t VALUES (3) RETURNING id", "INSERT"),
        ("UPDATE t SET id = 4 RETURNING id", "UPDATE"),
        ("SELECT noted() FROM t", "INSERT"),
        ("SELECT id, nextval('s') FROM t", "nextval()"),
    ] {
        let failure = exported(&world, Some(select), &csv()).await.expect_err(select);
        assert_eq!(
            failure.message,
            format!(
                "object `Node`, field `selectQuery` changes the database (cannot execute {command} in a read-only \
                 transaction), but an export only reads, because a file and a change cannot be committed together; make \
                 the change in a SqlActivity"
            )
        );
    }
    assert_eq!(world.rows("SELECT count(*), sum(id), (SELECT count(*) FROM log) FROM t").await, "2|3|0");
}

#[tokio::test]
async fn queries_of_many_forms_are_exported_and_others_refused_by_name() {
    let world = World::new(
        "CREATE TABLE t (id int, note text); INSERT INTO t VALUES (1, 'a'); CREATE TABLE none ();
         CREATE MATERIALIZED VIEW m AS SELECT * FROM t",
    )
    .await;
    for (select, file) in [
        ("-- all\nSELECT * FROM t; -- done", "id,note\n1,a\n"),
        ("SELECT * FROM t;;\n/* ; */", "id,note\n1,a\n"),
        ("WITH x AS (SELECT 2 AS id) SELECT * FROM x", "id\n2\n"),
        ("VALUES (1, ';')", "column1,column2\n1,;\n"),
        ("TABLE t", "id,note\n1,a\n"),
        ("(SELECT * FROM m)", "id,note\n1,a\n"),
        ("SELECT * FROM t WHERE false", "id,note\n"),
    ] {
        let (written, told) = exported(&world, Some(select), &csv()).await.expect(select);
        assert_eq!(String::from_utf8_lossy(&written), file, "{select}");
        assert_eq!(told, "", "{select}");
    }
    let empty =
        exported(&world, Some("SELECT * FROM t WHERE false"), &Dialect::default()).await.expect("none");
    assert_eq!(empty.0, b"");
    let (twice, told) = exported(&world, Some("SELECT id, id FROM t"), &csv()).await.expect("written");
    assert_eq!(twice, b"id,id\n1,1\n");
    assert!(told.starts_with("note=the header has two columns named `id`"), "{told}");
    for (select, what) in [
        ("SELECT 1; SELECT 2", "has 2 statements; an export needs one that returns rows"),
        (" ; -- nothing", "has no statement; write a SELECT"),
        ("SELECT FROM t", "returns no columns; name the columns to export"),
    ] {
        let failure = exported(&world, Some(select), &csv()).await.expect_err(select);
        assert_eq!(failure.message, format!("object `Node`, field `selectQuery` {what}"));
    }
}

#[tokio::test]
async fn other_programs_read_what_is_written() {
    let values = ["a", "b,c", "d\"e", "f\ng\r", "\\", "é", " h ", "|", "it's", "x\\"];
    let rows: Vec<_> = values.iter().map(|text| format!("({}, $x${text}$x$)", text.len())).collect();
    let world = World::new(&format!(
        "CREATE TABLE t (id int, note text); INSERT INTO t VALUES {}; CREATE TABLE back (LIKE t)",
        rows.join(", ")
    ))
    .await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/read_csv.py");
    for (dialect, arguments) in [
        (csv(), ["utf-8", ",", "\"", "none"]),
        (Dialect { separator: b"|".to_vec(), quote: Some(b'\''), ..csv() }, ["utf-8", "|", "'", "none"]),
        (Dialect { escape: Some(b'\\'), ..csv() }, ["utf-8", ",", "\"", "\\"]),
        (Dialect { encoding: Some(encoding_rs::UTF_16LE), ..csv() }, ["utf-16", ",", "\"", "none"]),
        (Dialect { encoding: Some(encoding_rs::WINDOWS_1252), ..csv() }, ["cp1252", ",", "\"", "none"]),
        (Dialect { quote: Some(b'"'), header: true, ..tsv() }, ["utf-8", "\t", "\"", "none"]),
    ] {
        let (file, _) = exported(&world, None, &dialect).await.expect("written");
        let read = piped("python3", &[&[script], &arguments[..]].concat(), &file);
        let read: Vec<Vec<String>> = serde_json::from_slice(&read).expect("JSON");
        let expected: Vec<Vec<String>> = std::iter::once(vec!["id".to_owned(), "note".to_owned()])
            .chain(values.iter().map(|text| vec![text.len().to_string(), (*text).to_owned()]))
            .collect();
        assert_eq!(read, expected, "{arguments:?}");
    }
    // PostgreSQL's own reader.
    let (file, _) = exported(&world, None, &csv()).await.expect("written");
    let copy = world.client.copy_in("COPY back FROM STDIN (FORMAT csv, HEADER)").await.expect("a copy");
    let mut copy = std::pin::pin!(copy);
    copy.send(Bytes::from(file)).await.expect("sent");
    copy.finish().await.expect("read");
    assert_eq!(texts(&world, "back").await, texts(&world, "t").await);
}

#[tokio::test]
async fn an_empty_text_that_would_come_back_as_null_fails_the_export() {
    let world = World::new("CREATE TABLE t (id int, note text); INSERT INTO t VALUES (1, '')").await;
    let dialect = Dialect { header: true, quoted_nulls: true, ..Dialect::default() };
    let failure = exported(&world, None, &dialect).await.expect_err("refused");
    assert!(failure.message.contains("`myQuotedNulls` of the data format makes NULL"), "{failure}");
}

#[tokio::test]
async fn an_export_tells_that_policies_may_hide_rows() {
    let schema = "CREATE TABLE t (id int); CREATE TABLE other (id int); CREATE ROLE clerk LOGIN;
        INSERT INTO t VALUES (1), (2); INSERT INTO other VALUES (1); GRANT ALL ON t, other TO clerk;
        CREATE VIEW seen AS SELECT * FROM t; GRANT ALL ON seen TO clerk;
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY one ON t TO clerk USING (id = 1)";
    let world = World::new(schema).await;
    let clerk = world.postgres.url().replace("postgres@", "clerk@");
    let clerk = ec2_worker::database::parse(&clerk, None, None, None, &[]).expect("a URL");
    let owner = world.load("t", world.folder.path()).target;
    let note = "rows that its policies hide were not exported (query would be affected by row-level security policy \
                for table \"t\")";
    for (target, select, rows, is_noted) in [
        (&clerk, None, 1, true),
        (&clerk, Some("SELECT o.id FROM other o LEFT JOIN t USING (id) -- all"), 1, true),
        (&clerk, Some("SELECT id FROM other;"), 1, false),
        (&clerk, Some("TABLE seen"), 2, false),
        (&owner, None, 2, false),
    ] {
        let node = SqlNode { select: select.map(str::to_owned), ..world.node("t", target.clone()) };
        let (path, progress) = (world.file(""), Progress::default());
        let out = Unload::new(&node, &csv());
        let done = unload::to_file(&world.pool, &out, &path, std::time::Duration::ZERO, &progress).await;
        done.unwrap_or_else(|failure| panic!("{select:?}: {failure}"));
        let written = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(written.lines().count(), rows + 1, "{select:?}: {written}");
        let told = told(&progress);
        assert_eq!(told.contains(note), is_noted, "{select:?}: {told}");
    }
}
