//! Files in many dialects, packings and encodings, most of them written by other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use definition::kind::field::Limit;
use ec2_worker::etl::dialect::{Dialect, Form, RecordEnd};
use ec2_worker::etl::load::Load;

use super::World;

const TABLE: &str = "CREATE TABLE t (id int, note text)";
/// The rows of the table that `written_files.py` writes in many dialects, as [`World::rows`] shows them.
const NOTES: &str = "1|semi;colon, comma 2|a \"quote\" 3|two\nlines 4|tab\there | pipe";

/// A change of a dialect.
type Change = fn(&mut Dialect);

/// Writes the file `name` by another program: see `written_files.py`.
pub(super) fn written(world: &World, name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    let path = world.folder.path().join(name);
    let script = tests.join("tests/it/written_files.py");
    let status = Command::new(&python).arg(script).arg(name).arg(&path).status();
    let status = status.unwrap_or_else(|error| panic!("{}: {error}; run tests/setup", python.display()));
    assert!(status.success(), "{name}");
    path
}

/// Returns the dialect that `change` makes of CSV with a header.
fn dialect(change: impl FnOnce(&mut Dialect)) -> Dialect {
    let mut dialect = Dialect { header: true, ..Dialect::default() };
    change(&mut dialect);
    dialect
}

async fn rows(world: &World, file: &Path, dialect: Dialect) -> String {
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let mut load = world.load("t", file);
    load.dialect = dialect;
    // The same file is loaded more than once, each time by other work.
    load.key.instance = format!("{} {:?}", load.key.instance, load.dialect);
    world.run(&load).await.unwrap_or_else(|failure| panic!("{}: {failure}", file.display()));
    world.rows("SELECT * FROM t ORDER BY id").await
}

/// Loads a file that must be refused, and returns the message.
async fn refusal(world: &World, file: &Path, dialect: Dialect) -> String {
    let mut load = world.load("t", file);
    load.dialect = dialect;
    world.run(&load).await.expect_err("refused").message
}

#[tokio::test]
async fn packed_files_are_recognised_by_their_bytes() {
    let world = World::new(TABLE).await;
    for name in [
        "gzip",
        "gzip zeros",
        "zstd",
        "zstd frames",
        "zstd stream",
        "bzip2",
        "bzip2 streams",
        "xz",
        "xz streams",
        "zip",
        "zip stored",
        "zip of a Mac",
    ] {
        let file = written(&world, name);
        assert_eq!(rows(&world, &file, dialect(|_| {})).await, "1|one 2|two", "{name}");
    }
    let two = refusal(&world, &written(&world, "zip two"), dialect(|_| {})).await;
    assert!(two.contains("contains 2 files (orders/orders.csv, more.csv)"), "{two}");
    for (name, message) in [
        ("zip same names", "holds several files with the same name"),
        ("zip joined", "begins after 1"),
        ("zip after a program", "begins after 17 other bytes"),
    ] {
        let refused = refusal(&world, &written(&world, name), dialect(|_| {})).await;
        assert!(refused.contains(message), "{name}: {refused}");
    }
    let bomb = refusal(&world, &written(&world, "bomb"), dialect(|d| d.comment = b"#".to_vec())).await;
    assert!(bomb.contains("more than 200 times as large"), "{bomb}");
    for name in ["gzip", "zstd", "bzip2", "xz", "zip"] {
        let whole = std::fs::read(written(&world, name)).expect("just written");
        let cut = world.file(&whole[..whole.len() - 9]);
        let message = refusal(&world, &cut, dialect(|_| {})).await;
        assert!(message.starts_with(&cut.display().to_string()), "{name}: {message}");
        assert_eq!(world.rows("SELECT count(*) FROM t").await, "2", "{name}: nothing of it stays");
    }
}

#[tokio::test]
async fn a_packed_file_that_asks_for_gigabytes_of_memory_is_refused() {
    let world = World::new(TABLE).await;
    for name in ["zstd of gigabytes", "xz of gigabytes"] {
        let message = refusal(&world, &written(&world, name), dialect(|_| {})).await;
        assert!(message.contains("needs too much memory to unpack; pack it again with"), "{name}: {message}");
    }
}

#[tokio::test]
async fn rows_that_the_database_refuses_are_found_in_packed_and_encoded_files() {
    let world = World::new("CREATE TABLE t (id int PRIMARY KEY, note text)").await;
    for name in ["zstd", "zip", "xz"] {
        world.client.batch_execute("TRUNCATE t; INSERT INTO t VALUES (2, 'old')").await.expect("a row");
        let mut load = world.load("t", &written(&world, name));
        load.limit = Limit::Count(1);
        let told = world.run(&load).await.expect("one row is refused");
        assert!(told.starts_with("rowsLoaded=1, rowsRejected=1"), "{name}: {told}");
    }
    let mut load = world.load("t", &written(&world, "titled workbook"));
    load.dialect = dialect(|d| (d.form, d.skip_lines) = (Form::Workbook, 2));
    load.limit = Limit::Count(1);
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    world.run(&load).await.expect("one row is refused");
    assert_eq!(world.rows("SELECT id, note FROM t ORDER BY id").await, "1|one 2|two");
    assert_eq!(world.rows("SELECT max(line) FROM t_rejects WHERE raw_line LIKE '%again%'").await, "5");
    let text: Vec<u8> = "id,note\n1,ä\n1,ö\n3,ü\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut load = world.load("t", &world.file([b"\xff\xfe", &text[..]].concat()));
    load.limit = Limit::Count(1);
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    world.run(&load).await.expect("one row is refused");
    assert_eq!(world.rows("SELECT id, note FROM t ORDER BY id").await, "1|ä 3|ü");
}

#[tokio::test]
async fn dialects_are_read_as_declared_and_as_found() {
    let world = World::new(TABLE).await;
    let declared: [(&str, Change); 7] = [
        ("excel", |_| {}),
        ("excel-tab utf-16", |d| d.separator = b"\t".to_vec()),
        ("semicolons cp1252", |d| d.separator = b";".to_vec()),
        ("unix", |_| {}),
        ("backslash", |d| d.escape = Some(b'\\')),
        ("no quotes", |d| {
            d.separator = b"|".to_vec();
            (d.quote, d.escape) = (None, Some(b'\\'));
        }),
        ("apostrophes", |d| {
            d.separator = b";".to_vec();
            d.quote = Some(b'\'');
        }),
    ];
    for (name, change) in declared {
        let file = written(&world, name);
        assert_eq!(rows(&world, &file, dialect(change)).await, NOTES, "{name}");
        let found = rows(&world, &file, dialect(|d| d.detects = true)).await;
        assert_eq!(found, NOTES, "{name}, found");
    }
}

#[tokio::test]
async fn line_ends_marks_and_lines_to_leave_out_are_passed_over() {
    let world = World::new(TABLE).await;
    let cases: [(&str, &[u8], Change); 18] = [
        ("CR alone, and a line feed in a name", b"id,\"no\nte\"\r1,one\r2,two\r", |_| {}),
        ("CR alone, and a long name", b"\"id\",\"note\n\"\r1,one\r2,two", |_| {}),
        ("CR alone", b"id,note\r1,one\r2,two\r", |_| {}),
        ("CR alone, no end", b"id,note\r1,one\r2,two", |_| {}),
        ("CR LF", b"id,note\r\n1,one\r\n2,two", |_| {}),
        ("two marks", b"\xef\xbb\xbf\xef\xbb\xbfid,note\n1,one\n2,two\n", |_| {}),
        ("sep=", b"sep=;\r\nid;note\r\n1;one\r\n2;two\r\n", |_| {}),
        ("a mark and sep=", b"\xef\xbb\xbfSEP=|\nid|note\n1|one\n2|two\n", |_| {}),
        ("lines at the start", b"Report\n,,,\"\nid,note\n1,one\n2,two\n", |d| d.skip_lines = 2),
        ("a footer", b"id,note\n1,one\n2,two\n\nTotal: 2 rows\n\n", |d| d.skip_footer = 1),
        ("a footer of two", b"id,note\n1,one\n2,two\nx\n\"y\nz\"\n", |d| d.skip_footer = 2),
        ("comments", b"# a\nid,note\n# b,c\n1,one\n#\n2,two\n", |d| d.comment = b"#".to_vec()),
        ("blank lines", b"\n \nid,note\n\n1,one\n,\n  ,\t\n2,two\n\n,\n", |_| {}),
        ("trailing separators", b"id,note,\n1,one,\n2,two,\n", |_| {}),
        ("a separator of two bytes", "id¦note\n1¦one\n2¦two\n".as_bytes(), |d| {
            d.separator = "¦".as_bytes().to_vec();
        }),
        ("a separator of three bytes", b"id||~note||~\n1||~one||~\n2||~two||~", |d| {
            d.separator = b"||~".to_vec();
        }),
        ("a record separator", b"id,note;1,one;2,two;", |d| d.record_end = RecordEnd::Bytes(b";".to_vec())),
        ("a record separator of two bytes", b"id,note|\n1,one|\n2,two|\n", |d| {
            d.record_end = RecordEnd::Bytes(b"|\n".to_vec());
        }),
    ];
    for (name, content, change) in cases {
        let file = world.file(content);
        assert_eq!(rows(&world, &file, dialect(change)).await, "1|one 2|two", "{name}");
    }
}

#[tokio::test]
async fn left_out_records_are_counted_and_reported() {
    let world = World::new(TABLE).await;
    let content = "Report\nid,note\n1,one\n,\n\n# x\n2,two\nTotal\n";
    let mut load = world.load("t", &world.file(content));
    load.dialect = dialect(|d| (d.skip_lines, d.skip_footer, d.comment) = (1, 1, b"#".to_vec()));
    let told = world.run(&load).await.expect("loaded");
    for part in ["left out 2 blank lines", "1 comment", "1 line at the start", "1 record at the end"] {
        assert!(told.contains(part), "{told}");
    }
    load.dialect.skip_blank = false;
    load.limit = Limit::Count(1);
    load.key.instance.push_str(" again");
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    world.run(&load).await.expect("the empty line is refused, the other is a row");
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, "1|one 2|two NULL|NULL");
}

#[tokio::test]
async fn text_that_is_not_in_the_encoding_is_refused_by_row_with_its_byte() {
    let world = World::new(TABLE).await;
    let latin = world.file(b"id,note\n1,caf\xe9\n2,plain\n");
    let message = refusal(&world, &latin, dialect(|_| {})).await;
    assert!(message.contains("line 2, column note: byte 0xe9 is not UTF-8"), "{message}");
    assert!(message.contains("set `myEncoding`, for example to windows-1252"), "{message}");
    let declared = dialect(|d| d.encoding = Some(encoding_rs::WINDOWS_1252));
    assert_eq!(rows(&world, &latin, declared).await, "1|café 2|plain");
    let japanese = world.file(b"id,note\n1,\x93\xfa\x96{\n2,\x93\xff\n");
    let mut load = world.load("t", &japanese);
    load.dialect = dialect(|d| d.encoding = Some(encoding_rs::SHIFT_JIS));
    load.limit = Limit::Count(1);
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let told = world.run(&load).await.expect("one row is refused");
    assert!(told.contains("line 3, column note: byte 0x93 is not Shift_JIS"), "{told}");
    assert_eq!(world.rows("SELECT * FROM t").await, "1|日本");
}

#[tokio::test]
async fn a_lone_carriage_return_is_refused_where_other_lines_end_with_line_feeds() {
    let world = World::new("CREATE TABLE t (note text)").await;
    let message = refusal(&world, &world.file("note\none\rtwo\n\"a\rb\"\n"), dialect(|_| {})).await;
    assert!(message.contains("line 2, column note: a carriage return (CR) without a line feed"), "{message}");
    let quoted = world.file("note\r\n\"a\rb\"\r\n");
    let mut load = world.load("t", &quoted);
    load.dialect = dialect(|_| {});
    world.run(&load).await.expect("inside quotes it is text");
    assert_eq!(world.rows("SELECT * FROM t").await, "a\rb");
}

#[tokio::test]
async fn a_long_record_is_a_row_or_a_refused_row_whose_end_is_found() {
    let world = World::new(TABLE).await;
    let long = "x".repeat(5_000_000);
    let file = world.file(format!("id,note\n1,{long}\n2,\"{long}\"\"\n,{long}\"\n3,c\n"));
    let mut load = world.load("t", &file);
    load.dialect = dialect(|_| {});
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT id, length(note) FROM t ORDER BY id").await, "1|5000000 2|10000003 3|1");
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    load.key.instance.push_str(" again");
    load.dialect.longest_record = 100_000;
    load.limit = Limit::Count(2);
    let told = world.run(&load).await.expect("two rows are refused");
    assert!(told.starts_with("rowsLoaded=1, rowsRejected=2"), "{told}");
    assert!(told.contains("line 2: the record is longer than 100000 bytes"), "{told}");
    assert_eq!(world.rows("SELECT * FROM t").await, "3|c");
    assert_eq!(world.rows("SELECT line, left(raw_line, 5) FROM t_rejects").await, "2|1,xxx 3|2,\"xx");
}

#[tokio::test]
async fn aws_dialect_has_backslashes_and_no_quotes() {
    let world = World::new(TABLE).await;
    let aws = |separator: &[u8]| Dialect {
        header: false,
        separator: separator.to_vec(),
        quote: None,
        escape: Some(b'\\'),
        nulls: vec![b"\\N".to_vec(), b"\\n".to_vec()],
        ..Dialect::default()
    };
    let file = world.file("1,Smith\\, John\n2,C:\\\\data\n3,\"plain\"\n4,\\N\n");
    assert_eq!(rows(&world, &file, aws(b",")).await, "1|Smith, John 2|C:\\data 3|\"plain\" 4|NULL");
    let file = world.file("1\tAnn\n2\t\\n\n");
    assert_eq!(rows(&world, &file, aws(b"\t")).await, "1|Ann 2|NULL");
    // A NULL has lost no backslash, but a letter in a text has.
    for (text, is_told) in [("1\t\\n\n2\t\\N\n", false), ("1\ta\\nb\n", true)] {
        let mut load = world.load("t", &world.file(text));
        load.dialect = aws(b"\t");
        let told = world.run(&load).await.expect("loaded");
        assert_eq!(told.contains("the letter was kept"), is_told, "{told}");
    }
}

#[tokio::test]
async fn workbooks_are_read_as_they_are_shown() {
    let world = World::new(
        "CREATE TABLE t (id int, note text, price float8, ordered date, at timestamp, paid bool, spent interval)",
    )
    .await;
    let workbook = |sheet: &str| dialect(|d| (d.form, d.sheet) = (Form::Workbook, Some(sheet.to_owned())));
    let file = written(&world, "workbook");
    let expected = "1|plain|12.5|2026-01-31|2026-01-31 10:30:00|t|30:00:00 \
                    2|a, \"b\"\nc|0.3|1900-03-01|2026-12-31 23:59:59|f|NULL \
                    3|NULL|NULL|NULL|NULL|NULL|NULL \
                    4|007|1e-07|9999-12-31|2026-01-01 00:00:00|t|00:01:00";
    assert_eq!(rows(&world, &file, workbook("Orders 2026")).await, expected);
    assert_eq!(rows(&world, &file, workbook("2")).await, expected);
    let message = refusal(&world, &file, workbook("Orders")).await;
    assert!(message.contains("has no sheet `Orders`; it has Read me, Orders 2026"), "{message}");
    let message = refusal(&world, &written(&world, "workbook bomb"), workbook("1")).await;
    assert!(message.contains("more than 200 times as large"), "{message}");
    let message = refusal(&world, &written(&world, "far cell"), workbook("1")).await;
    assert!(message.contains("beyond Excel's limits"), "{message}");
    let message = refusal(&world, &written(&world, "wide cell"), workbook("1")).await;
    assert!(message.contains("the workbook is damaged"), "{message}");
    let message = refusal(&world, &world.file("id,note\n1,one\n"), workbook("1")).await;
    assert!(message.contains("is not an Excel workbook"), "{message}");
    world.client.batch_execute("DROP TABLE t; CREATE TABLE t (id int, note text)").await.expect("a table");
    let mut load = world.load("t", &written(&world, "formulas"));
    load.dialect = dialect(|d| d.form = Form::Workbook);
    load.limit = Limit::Count(1);
    let told = world.run(&load).await.expect("one row is refused");
    assert!(told.contains("line 3: the formula in cell A3 has no saved result"), "{told}");
    assert_eq!(world.rows("SELECT * FROM t").await, "1|kept");
    for (name, ids, part) in [
        ("formulas of XlsxWriter", "0 1", "line 3: the formula in cell A3 has the saved result 0"),
        ("results of XlsxWriter", "0 1 2", "the saved results of 2 formulas may be old"),
    ] {
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
        let Load { key, sources, .. } = world.load("t", &written(&world, name));
        let load = Load { key, sources, ..load.clone() };
        let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(told.contains(part), "{name}: {told}");
        assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, ids, "{name}");
    }
}

#[tokio::test]
async fn number_formats_of_a_workbook_make_texts_and_leave_numbers_alone() {
    let texts = "zip text, article text, share text, price text, spent text, day text, total text, year text";
    let world = World::new(&format!("CREATE TABLE t ({texts})")).await;
    let mut load = world.load("t", &written(&world, "formats"));
    load.dialect = dialect(|d| d.form = Form::Workbook);
    let told = world.run(&load).await.expect("loaded");
    assert_eq!(
        world.rows("SELECT * FROM t").await,
        "01067|0012-345|12.5%|12.50|30:00:00|2026-01-31|1234.5|2026 \
         50667|0000-007|0%|3.00|00:01:00|2026-02-01|5|2025 \
         00123|x7|100%|12.567|00:00:00|2026-02-01|0|24"
    );
    assert!(told.contains("column G: the number format `#,##0.00` is not shown in a text"), "{told}");
    assert_eq!(told.matches("number format").count(), 1, "{told}");
    // The same file into numbers, by COPY in binary form, in text form (an interval), and by a statement.
    let numbers = "zip int, article text, share numeric, price float8, spent interval, day date, total numeric, year smallint";
    let expected = "1067|0012-345|0.125|12.5|30:00:00|2026-01-31|1234.5|2026 \
                    50667|0000-007|0|3|00:01:00|2026-02-01|5|2025 \
                    123|x7|1|12.567|00:00:00|2026-02-01|0|24";
    for insert in [None, Some("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)")] {
        world
            .client
            .batch_execute(&format!("DROP TABLE t; CREATE TABLE t ({numbers})"))
            .await
            .expect("a table");
        load.key.instance.push('+');
        load.insert = insert.map(str::to_owned);
        let told = world.run(&load).await.expect("loaded");
        assert_eq!(world.rows("SELECT * FROM t").await, expected, "{insert:?}");
        assert!(!told.contains("number format"), "{told}");
    }
    let binary = numbers.replace("interval", "time").replace("article text", "article varchar(8)");
    world.client.batch_execute(&format!("DROP TABLE t; CREATE TABLE t ({binary})")).await.expect("a table");
    load.key.instance.push('+');
    (load.insert, load.limit) = (None, Limit::Count(1));
    let told = world.run(&load).await.expect("30 hours are not a time of day");
    assert!(told.contains("\"30:00:00\" is not a time"), "{told}");
    assert_eq!(
        world.rows("SELECT zip, article, share, spent FROM t").await,
        "50667|0000-007|0|00:01:00 123|x7|1|00:00:00"
    );
    let raw = world.rows("SELECT raw_line FROM t_rejects").await;
    assert_eq!(raw, "1067,0012-345,0.125,12.5,30:00:00,2026-01-31,1234.5,2026");
}

#[tokio::test]
async fn frames_of_pandas_are_read_in_each_form() {
    let world = World::new("CREATE TABLE t (id int, note text, price float8, at timestamp)").await;
    let expected = "1|a,b|1.5|2026-01-31 10:00:00 2|NULL|NULL|2026-01-31 10:00:00.123456 3|x \"y\"|2.25|NULL";
    let json: Change = |d| d.form = Form::Json;
    let cases: [(&str, Change); 3] = [("pandas.csv", |_| {}), ("pandas.jsonl", json), ("pandas.json", json)];
    for (name, change) in cases {
        assert_eq!(rows(&world, &written(&world, name), dialect(change)).await, expected, "{name}");
    }
    let sheet = rows(&world, &written(&world, "pandas.xlsx"), dialect(|d| d.form = Form::Workbook)).await;
    // Excel keeps milliseconds.
    assert_eq!(sheet, expected.replace(".123456", ".123"));
}

#[tokio::test]
async fn whole_numbers_of_a_workbook_keep_their_digits_or_are_refused() {
    let world = World::new("CREATE TABLE t (id numeric, note text)").await;
    let mut load = world.load("t", &written(&world, "long ids"));
    load.dialect = dialect(|d| d.form = Form::Workbook);
    load.limit = Limit::Count(1);
    let told = world.run(&load).await.expect("one row may be refused");
    assert!(told.contains("cell A4 has the number 12345678901234570, which has more digits"), "{told}");
    let rows = "1234567890123456|one 1234567890123457|two 1000000000000000000000|big";
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, rows);
}

#[tokio::test]
async fn a_line_that_names_the_quote_or_the_escape_as_separator_is_a_record() {
    let world = World::new("CREATE TABLE t (id int, note text)").await;
    for (line, escape) in [("sep=\"", None), ("sep='", Some(b'\''))] {
        let mut load = world.load("t", &world.file(format!("{line}\nid,note\n1,one\n")));
        load.dialect.escape = escape;
        let failure = world.run(&load).await.expect_err("no header");
        assert!(
            failure.message.contains("line 1: the header does not fit table public.t"),
            "{}",
            failure.message
        );
    }
}
