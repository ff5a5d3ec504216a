//! pandas, polars, Arrow and DuckDB: a load reads the files that these programs write, and these programs read the files that
//! an export writes.

use std::path::Path;
use std::process::Command;

use ec2_worker::etl::date::Pattern;
use ec2_worker::etl::dialect::Dialect;
use serde_json::{Value, json};

use super::World;
use super::exports::exported;

/// A change of a dialect.
type Change = fn(&mut Dialect);

fn python(arguments: &[&str]) -> Vec<u8> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    let mut command = Command::new(&python);
    let output = command.arg(tests.join("tests/it/foreign_programs.py")).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; run tests/setup", python.display()));
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn dialect(change: Change) -> Dialect {
    let mut dialect = Dialect { header: true, ..Dialect::default() };
    change(&mut dialect);
    dialect
}

/// Loads a file of the folder, and returns its rows in order.
async fn rows(world: &World, folder: &Path, name: &str, dialect: Dialect) -> Result<Vec<String>, String> {
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let mut load = world.load("t", &folder.join(name));
    load.key.instance = format!("{name} {dialect:?}");
    if name.contains("dates") {
        let patterns =
            ["dd.MM.yyyy", "dd.MM.yyyy HH:mm:ss.SSS"].map(|text| Pattern::new(text).expect("a pattern"));
        load.rules.dates = patterns.to_vec();
    }
    load.dialect = dialect;
    world.run(&load).await.map_err(|failure| failure.to_string())?;
    Ok(world.texts("SELECT * FROM t ORDER BY id").await)
}

#[tokio::test]
async fn files_of_other_programs_are_loaded_with_a_declared_and_with_a_detected_dialect() {
    let world =
        World::new("CREATE TABLE t (id int, note text, price float8, day date, at timestamp, paid bool)")
            .await;
    let folder = tempfile::TempDir::new().expect("a folder");
    python(&["write", folder.path().to_str().expect("UTF-8")]);
    let notes = [
        "plain",
        "b,c;d|e",
        "say \"x\"",
        "two\nlines",
        "back\\slash",
        "tail\\",
        " blanks ",
        "it's",
        "é😀",
        "NULL",
        "",
        "tab\there",
    ];
    let expected = |empty_is_null: bool| -> Vec<String> {
        let row = |(id, note): (usize, &&str)| {
            let note = if note.is_empty() && empty_is_null { "NULL" } else { note };
            let price = ["0.1", "NULL", "-1e-07", "1e+300"][id % 4];
            let day = ["2024-02-29", "NULL"][id % 2];
            let at = ["2024-01-31 10:30:00.5", "NULL", "1999-12-31 23:59:59"][id % 3];
            format!("{id}|{note}|{price}|{day}|{at}|{}", ["t", "f", "NULL"][id % 3])
        };
        notes.iter().enumerate().map(row).collect()
    };
    // `true` marks the files in which an empty text is loaded as NULL. pandas writes empty and missing values alike. DuckDB
    // writes an empty text without quotes when missing values have a word.
    let cases: [(&str, bool, Change); 18] = [
        ("polars.csv", false, |_| {}),
        ("polars_lines.csv", false, |d| d.separator = b";".to_vec()),
        ("polars_words.csv", false, |d| (d.separator, d.nulls) = (b"\t".to_vec(), vec![b"NA".to_vec()])),
        ("arrow.csv", false, |_| {}),
        ("arrow.csv.gz", false, |_| {}),
        ("arrow.csv.zst", false, |d| d.separator = b"|".to_vec()),
        ("duck.csv", false, |_| {}),
        ("duck.csv.gz", false, |_| {}),
        ("duck.csv.zst", false, |_| {}),
        ("duck_bars.csv", true, |d| {
            (d.separator, d.quote, d.nulls) = (b"|".to_vec(), Some(b'\''), vec![b"NULL".to_vec()]);
        }),
        ("duck_escape.csv", false, |d| (d.escape, d.nulls) = (Some(b'\\'), vec![b"none".to_vec()])),
        ("duck_dates.csv", false, |_| {}),
        ("pandas.csv", true, |_| {}),
        ("pandas.csv.gz", true, |_| {}),
        ("pandas.csv.bz2", true, |_| {}),
        ("pandas.csv.xz", true, |_| {}),
        ("pandas.csv.zst", true, |_| {}),
        ("pandas.csv.zip", true, |_| {}),
    ];
    let mut wrong = Vec::new();
    for (name, empty_is_null, change) in cases {
        let nulls = dialect(change).nulls;
        let detected = Dialect { detects: true, header: true, nulls, ..Dialect::default() };
        for (how, dialect) in [("declared", dialect(change)), ("detected", detected)] {
            let rows = rows(&world, folder.path(), name, dialect).await;
            if rows != Ok(expected(empty_is_null)) {
                wrong.push(format!("{name}, {how}: {rows:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Values that every program reads unchanged with its default options. Empty texts and `NA` are not among them, because pandas
/// reads them as missing values.
const VALUES: [&str; 10] =
    ["a", "b,c;d|e", "d\"e", "f\ng", "\\", "é😀", " h ", "it's", "x\\", "say \"x\", she\\said"];

#[tokio::test]
async fn other_programs_read_the_files_of_an_export() {
    let rows: Vec<_> =
        VALUES.iter().enumerate().map(|(id, text)| format!("({id}, $x${text}$x$, {id}.5)")).collect();
    let world = World::new(&format!(
        "CREATE TABLE t (id int, note text, price numeric); INSERT INTO t VALUES {}",
        rows.join(", ")
    ))
    .await;
    let cases: [(Change, Vec<(&str, Value)>); 7] = [
        (
            |_| {},
            vec![("pandas", json!({})), ("duckdb", json!({})), ("polars", json!({})), ("arrow", json!({}))],
        ),
        (
            |d| d.separator = b";".to_vec(),
            vec![
                ("pandas", json!({"sep": ";"})),
                ("duckdb", json!({})),
                ("polars", json!({"separator": ";"})),
                ("arrow", json!({"delimiter": ";"})),
            ],
        ),
        (|d| d.separator = b"\t".to_vec(), vec![("pandas", json!({"sep": "\t"})), ("duckdb", json!({}))]),
        (|d| d.separator = b"|".to_vec(), vec![("pandas", json!({"sep": "|"})), ("duckdb", json!({}))]),
        (
            |d| d.quote = Some(b'\''),
            vec![
                ("pandas", json!({"quotechar": "'"})),
                ("duckdb", json!({"quote": "''''", "escape": "''''"})),
            ],
        ),
        (
            |d| d.escape = Some(b'\\'),
            vec![
                ("pandas", json!({"escapechar": "\\", "doublequote": false})),
                ("duckdb", json!({"escape": "'\\'"})),
                ("arrow", json!({"escape_char": "\\", "double_quote": false})),
            ],
        ),
        (|d| d.encoding = Some(encoding_rs::UTF_16LE), vec![("pandas", json!({"encoding": "utf-16"}))]),
    ];
    let (mut jobs, mut names) = (Vec::new(), Vec::new());
    for (change, readers) in cases {
        let (file, _) = exported(&world, None, &dialect(change)).await.expect("written");
        let path = world.file(file);
        for (reader, options) in readers {
            jobs.push(json!([reader, path, options]));
            names.push(format!("{reader} {options}"));
        }
    }
    let found: Vec<Vec<Vec<Option<String>>>> =
        serde_json::from_slice(&python(&["read", &Value::from(jobs).to_string()])).expect("JSON");
    let header = ["id", "note", "price"].map(|name| Some(name.to_owned())).to_vec();
    let row = |(id, text): (usize, &&str)| {
        [id.to_string(), (*text).to_owned(), format!("{id}.5")].map(Some).to_vec()
    };
    let expected: Vec<_> = std::iter::once(header).chain(VALUES.iter().enumerate().map(row)).collect();
    for (name, found) in names.iter().zip(found) {
        assert_eq!(found, expected, "{name}");
    }
}
