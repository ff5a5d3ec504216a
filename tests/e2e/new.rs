//! `downspout new` writes a pipeline for files of other programs, and the pipeline loads every row of them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use e2e::{postgres::NativePostgres, program::Up};
use tempfile::TempDir;

use crate::PROGRAM;

/// Runs the program in `folder`.
fn downspout(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).current_dir(folder).args(arguments).output().expect("starting downspout")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Customers as a German spreadsheet exports them: windows-1252, semicolons, decimal commas, `ja` and `nein`, a title
/// before the header, and postal codes with a zero at the start.
fn customers() -> Vec<u8> {
    let mut text = "Kundenliste\r\n\r\nKunden-Nr;PLZ;Ort;Umsatz (€);Seit;Aktiv;Punkte\r\n".to_owned();
    for row in 1..=40 {
        let (plz, ort) = if row % 2 == 0 { ("01067", "Dresden") } else { ("50667", "Köln") };
        let aktiv = if row % 3 == 0 { "nein" } else { "ja" };
        let punkte = if row % 5 == 0 { "N/A".to_owned() } else { row.to_string() };
        let umsatz = if row % 2 == 0 { "1.234,50 €" } else { "-7,25 €" };
        let _ = write!(text, "{row};{plz};{ort};{umsatz};{:02}.06.2025;{aktiv};{punkte}\r\n", row % 28 + 1);
    }
    encoding_rs::WINDOWS_1252.encode(&text).0.into_owned()
}

/// Events with tabs, comments, and without a header: American dates with times, quotes in texts, and empty fields.
fn events() -> Vec<u8> {
    let mut text = "# exported\n# by a tool\n".to_owned();
    for row in 0..30 {
        let price = if row % 4 == 0 { String::new() } else { format!("{row}.50") };
        let _ = writeln!(text, "{row}\t{}/13/2025 1:05 PM\tsize 5\" x\t{price}", row % 12 + 1);
    }
    text.into_bytes()
}

/// JSON lines with a code, a nested value, and a key that some objects lack.
fn products() -> Vec<u8> {
    let mut text = String::new();
    for row in 0..25 {
        let note = if row % 2 == 0 { r#", "Note": "two\nlines""# } else { "" };
        let _ = writeln!(
            text,
            r#"{{"Product Code": "{row:03}", "tags": ["a", {row}], "made": "2025-06-01T10:00:00+02:00"{note}}}"#
        );
    }
    text.into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_pipeline_loads_all_rows_of_strange_files() {
    let folder = TempDir::new().expect("a temporary folder");
    let files = [
        ("customers.csv", customers()),
        ("events.txt", events()),
        ("products.jsonl", products()),
        // Names that are words for numbers.
        ("words.csv", b"nan,infinity\n1,2\n3,4\n".to_vec()),
    ];
    for (name, bytes) in &files {
        std::fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    }
    let mut arguments = vec!["new", "strange-files", "--daily", "--into", "pipes"];
    arguments.extend(files.iter().map(|(name, _)| *name));
    let made = downspout(folder.path(), &arguments);
    assert!(made.status.success(), "{}", said(&made));
    let valid = downspout(folder.path(), &["validate", "pipes/strange-files.json"]);
    assert_eq!(said(&valid), "pipes/strange-files.json: fit to run\n");
    let again = downspout(folder.path(), &arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("strange-files.json exists"), "{}", said(&again));

    let postgres = NativePostgres::shared();
    let definitions = folder.path().join("pipes");
    let definitions = definitions.to_str().expect("a UTF-8 folder");
    let up = Up::start(PROGRAM, &["--definitions", definitions, "--database-url", &postgres.url()]).await;
    for (name, bytes) in files {
        up.put(&format!("incoming/2026-03-01/{name}"), bytes).await;
    }
    let mail = up.mail_of("2026-03-01").await;
    assert_eq!(mail.subject, "strange-files 2026-03-01: 97 rows loaded, 0 refused", "{}", mail.body);
    let database = up.database().await;
    let row = database
        .query_one(
            "SELECT (SELECT string_agg(concat_ws('|', kunden_nr, plz, ort, \"umsatz_(€)\", seit, aktiv, punkte), ',' \
             ORDER BY kunden_nr) FROM strange_files.customers WHERE kunden_nr IN (1, 5, 6)), \
             (SELECT concat_ws('|', column_1, column_2, column_3, column_4) FROM strange_files.events WHERE column_1 = 1), \
             (SELECT count(*) FROM strange_files.events WHERE column_4 IS NULL), \
             (SELECT concat_ws('|', product_code, tags, made AT TIME ZONE 'UTC', note) FROM strange_files.products \
             WHERE product_code = '002'), (SELECT string_agg(concat_ws('|', nan, infinity), ',' ORDER BY nan) FROM strange_files.words)",
            &[],
        )
        .await
        .expect("the tables that `new` declared");
    assert_eq!(
        row.get::<_, &str>(0),
        "1|50667|Köln|-7.25|2025-06-02|t|1,5|50667|Köln|-7.25|2025-06-06|t,6|01067|Dresden|1234.50|2025-06-07|f|6"
    );
    assert_eq!(row.get::<_, &str>(1), "1|2025-02-13 13:05:00|size 5\" x|1.50");
    assert_eq!(row.get::<_, i64>(2), 8);
    assert_eq!(row.get::<_, &str>(4), "1|2,3|4");
    assert_eq!(row.get::<_, &str>(3), "002|[\"a\", 2]|2025-06-01 08:00:00|two\nlines");
}

#[test]
fn inspect_shows_what_a_file_is_and_fails_only_if_it_cannot_be_read() {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("customers.csv"), customers()).expect("the folder is writable");
    let shown = downspout(folder.path(), &["inspect", "customers.csv"]);
    assert!(shown.status.success(), "{}", said(&shown));
    for expected in [
        "windows-1252",
        "CR LF",
        "`;`",
        "Umsatz (€)  numeric",
        "read by dd.MM.yyyy",
        "\"N/A\" means no value",
    ] {
        assert!(said(&shown).contains(expected), "`{expected}` is missing:\n{}", said(&shown));
    }
    let both = downspout(folder.path(), &["inspect", "nowhere.csv", "customers.csv", "--json"]);
    assert_eq!(both.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&both.stderr).starts_with("downspout: nowhere.csv: "), "{}", said(&both));
    let reports: serde_json::Value = serde_json::from_slice(&both.stdout).expect("JSON");
    assert_eq!(reports[0]["columns"][3]["type"], "numeric");
}

#[test]
fn new_says_what_to_change_if_files_do_not_belong_together() {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["a_2026-01-01.csv", "b.csv", "c_20260101.csv", "b_rejects.csv"] {
        std::fs::write(folder.path().join(name), "id,name\n1,x\n").expect("the folder is writable");
    }
    for (arguments, says) in [
        (&["new", "p", "a_2026-01-01.csv", "b.csv"][..], "do not both have a date"),
        (&["new", "../p", "b.csv"], "cannot be the name of a pipeline"),
        (&["new", "values", "b.csv"], "cannot be the name of a pipeline"),
        (&["new", "p", "b.csv", "b.csv"], "have the same drop pattern"),
        (&["new", "p", "gone.csv"], "gone.csv: "),
        (
            &["new", "p", "b_rejects.csv", "b.csv"],
            "b_rejects.csv: its table `b_rejects` would have the name of the table for the refused rows of b.csv",
        ),
    ] {
        let failed = downspout(folder.path(), arguments);
        assert_eq!(failed.status.code(), Some(1), "{arguments:?}");
        assert!(said(&failed).contains(says), "{arguments:?}: {}", said(&failed));
    }
    assert!(!folder.path().join("p.json").exists() && !folder.path().join("p").exists());
}

#[test]
fn new_says_what_it_has_guessed() {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, bytes) in [
        ("caf\u{e9}.csv", &b"id,name\n1,caf\xe9\n"[..]),
        ("r 01-02-2026.csv", b"id,name\n1,x\n"),
        ("texts.csv", b"name,sep\na,\\n\nb,;\nc,\\t\n"),
    ] {
        std::fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    }
    let made = |name: &str, file: &str| {
        let made = said(&downspout(folder.path(), &["new", name, file]));
        let read =
            |of: String| std::fs::read_to_string(folder.path().join(of)).expect("new has written the file");
        let sql = read(format!("{name}/tables.sql")).replace("\n-- ", " ");
        (made, sql, read(format!("{name}.json")))
    };
    let (printed, sql, _) = made("letters", "caf\u{e9}.csv");
    for text in [printed, sql] {
        assert!(
            text.contains("he encoding windows-1252 is a guess") && text.contains("`caf\u{e9}` (line 2)"),
            "{text}"
        );
    }
    let (printed, sql, _) = made("days", "r 01-02-2026.csv");
    for text in [printed, sql] {
        assert!(text.contains("is read as dd-MM-yyyy, which is a guess"), "{text}");
    }
    let (_, _, definition) = made("texts", "texts.csv");
    assert!(!definition.contains("myNullValues"), "{definition}");
}

#[test]
fn validate_reads_data_files_by_the_definition() {
    let folder = TempDir::new().expect("a temporary folder");
    let write =
        |name: &str, content: &str| std::fs::write(folder.path().join(name), content).expect("written");
    let definition = |format: &str| {
        format!(
            r##"{{"objects": [{{"id": "Default", "workerGroup": "w", "scheduleType": "ondemand"}},
              {{"id": "Load", "type": "CopyActivity", "input": {{"ref": "File"}}, "output": {{"ref": "Table"}}}},
              {{"id": "File", "type": "S3DataNode", "filePath": "s3://b/in/orders.csv", "dataFormat": {{"ref": "Form"}}}},
              {{"id": "Form", {format}}},
              {{"id": "Table", "type": "SqlDataNode", "table": "t", "database": {{"ref": "Db"}}}},
              {{"id": "Db", "type": "JdbcDatabase", "connectionString": "#{{myUrl}}", "username": "u", "*password": "#{{*myPw}}",
                "jdbcDriverClass": "org.postgresql.Driver"}}],
              "parameters": [{{"id": "myUrl", "type": "String"}}, {{"id": "*myPw", "type": "String"}}]}}"##
        )
    };
    write("plain.json", &definition(r#""type": "CSV", "myHeader": "true""#));
    write(
        "auto.json",
        &definition(r##""type": "CSV", "myHeader": "true", "myDialect": "auto", "myCommentPrefix": "#""##),
    );
    write("orders.csv", "# exported\nid;name\n1;ale\n2\n3;bun;more\n4;dip\n");
    let read = |definition: &str| {
        downspout(folder.path(), &["validate", definition, "--with", "File=orders.csv", "--set", "myUrl=x"])
    };
    let auto = read("auto.json");
    assert_eq!(auto.status.code(), Some(0), "{}", said(&auto));
    for part in [
        "orders.csv as File: 2 records can be read, 2 refused, 1 left out; columns: id, name\n",
        "separator",
        "  warning: line 4: a load refuses the record: 1 column instead of 2",
        "  warning: line 5: a load refuses the record: 3 columns instead of 2",
    ] {
        assert!(said(&auto).contains(part), "`{part}` is missing: {}", said(&auto));
    }
    let plain = read("plain.json");
    assert!(
        said(&plain).contains("the only column is named `# exported`")
            || said(&plain).contains("columns: # exported")
    );
    write("orders.csv", "id,name\n1,\"ale\n");
    let open = read("plain.json");
    assert_eq!(open.status.code(), Some(1), "{}", said(&open));
    assert!(said(&open).contains("orders.csv as File: error: "), "{}", said(&open));
    let json = downspout(folder.path(), &["validate", "plain.json", "--json", "--with", "orders.csv"]);
    assert!(said(&json).contains(r#""code": "UNREADABLE_FILE""#), "{}", said(&json));
}
