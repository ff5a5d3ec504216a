//! Refused rows that a person has mended go into the table once.

use std::path::PathBuf;

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::etl::dialect::{Dialect, Form};
use ec2_worker::etl::load::Load;
use ec2_worker::etl::load::retry::{Mended, Retried, Retry, retry};
use ec2_worker::etl::number_form::NumberForm;
use ec2_worker::etl::rejected::RefusedRow;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::failure::Failure;
use ec2_worker::ledger::WorkKey;
use ec2_worker::storage::{S3Uri, Storage};

use super::World;
use super::stack::{BUCKET, Stack};

/// A load whose files are in S3.
struct Case {
    world: World,
    stack: Stack,
    load: Load,
}

impl Case {
    /// Loads `files` into the table `t`, and lets any number of rows be refused.
    async fn new(schema: &str, mode: LoadMode, files: &[(&str, &str)], dialect: Dialect) -> Self {
        let mut case = Self::without_files(schema).await;
        (case.load.mode, case.load.dialect) = (mode, dialect);
        case.load_files("df-1", files).await;
        case
    }

    async fn without_files(schema: &str) -> Self {
        let (world, stack) = (World::new(schema).await, Stack::without_worker().await);
        let load = Load { limit: Limit::Percent(100.0), ..world.load("t", &PathBuf::new()) };
        Self { load, world, stack }
    }

    fn storage(&self) -> Storage {
        Storage::new(self.stack.clients.s3.clone())
    }

    async fn load_files(&mut self, pipeline: &str, files: &[(&str, &str)]) {
        let files: Vec<_> = files.iter().map(|(key, text)| (*key, text.as_bytes())).collect();
        self.load_bytes(pipeline, &files).await;
    }

    async fn load_bytes(&mut self, pipeline: &str, files: &[(&str, &[u8])]) {
        let mut sources = Vec::new();
        for (key, content) in files {
            self.stack.put(key, content.to_vec()).await;
            let at = S3Uri { bucket: BUCKET.to_owned(), key: (*key).to_owned() };
            let object = self.storage().pin(&at, None).await.expect("it is there");
            sources.push(Source { origin: Origin::Object(self.storage(), object), gzip: false });
        }
        let key = WorkKey { pipeline: pipeline.to_owned(), instance: "@Load_1".to_owned(), generation: 0 };
        let load = Load { key, sources, ..self.load.clone() };
        self.world.run(&load).await.expect("loaded");
        if pipeline == "df-1" {
            self.load = load;
        }
    }

    async fn retry(&self, mended: &[Mended]) -> Result<Retried, Failure> {
        let storage = self.storage();
        retry(&Retry { load: &self.load, storage: &storage, over_newer: false }, mended, &self.world.pool)
            .await
    }

    /// Returns the refused rows in order, with their texts replaced by these texts.
    async fn mended(&self, texts: &[&str]) -> Vec<Mended> {
        let query =
            "SELECT file, line, byte_offset FROM t_rejects WHERE pipeline_id = 'df-1' ORDER BY file, line";
        let rows = self.world.client.query(query, &[]).await.expect("the rejects");
        let row = |(index, (row, text)): (usize, (&tokio_postgres::Row, &&str))| Mended {
            row: RefusedRow {
                pipeline_id: "df-1".to_owned(),
                file: row.get(0),
                line: row.get(1),
                byte_offset: row.get(2),
                column_name: None,
                reason: String::new(),
                raw_line: (*text).to_owned(),
                loaded_at: String::new(),
                retried_at: None,
            },
            place: format!("m.csv, line {}", index + 2),
        };
        rows.iter().zip(texts).enumerate().map(row).collect()
    }

    async fn rejects(&self) -> String {
        let query = "SELECT line, coalesce(nullif(column_name, ''), '-'), retried_at IS NOT NULL, raw_line FROM t_rejects \
                     ORDER BY file, line";
        self.world.rows(query).await
    }
}

fn headed() -> Dialect {
    Dialect { header: true, ..Dialect::default() }
}

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, born date, name text)";
const FILE: (&str, &str) =
    ("a.csv", "name,id,born\nann,1,2026-01-01\nbob,x,2026-01-02\n\"c\nc\",3,never\ndan,4,2026-01-04\n");

#[tokio::test]
async fn mended_rows_are_loaded_once_and_rows_refused_again_stay_with_their_new_reason() {
    let case = Case::new(TABLE, LoadMode::Append, &[FILE], headed()).await;
    assert_eq!(case.world.rows("SELECT count(*) FROM t").await, "2");
    let mended = case.mended(&["bob,2,2026-01-02", "\"c\nc\",three,2026-01-03"]).await;
    let retried = case.retry(&mended).await.expect("one row fits");
    assert_eq!((retried.loaded, retried.refused.len()), (1, 1));
    assert!(retried.refused[0].reason.contains("\"three\""), "{:?}", retried.refused);
    assert_eq!(case.world.rows("SELECT id, born, name FROM t WHERE id = 2").await, "2|2026-01-02|bob");
    assert_eq!(case.rejects().await, "3|id|t|bob,x,2026-01-02 4|id|f|\"c\nc\",three,2026-01-03");
    let ledger = "SELECT instance_id FROM downspout.ledger ORDER BY done_at";
    assert_eq!(case.world.rows(ledger).await, "@Load_1 @Load_1/retry-1");

    let again = case.retry(&mended).await.expect_err("a row was loaded").message;
    assert!(again.contains("m.csv, line 2: line 3 of s3://files/a.csv was loaded by a retry at"), "{again}");
    assert_eq!(case.world.rows("SELECT count(*) FROM t").await, "3");

    let rest = case.mended(&["", "\"c\nc\",3,2026-01-03"]).await.split_off(1);
    assert_eq!(case.retry(&rest).await.expect("the other row fits").loaded, 1);
    assert_eq!(case.world.rows("SELECT name FROM t WHERE id = 3").await, "c\nc");
    assert_eq!(case.world.rows(ledger).await, "@Load_1 @Load_1/retry-1 @Load_1/retry-2");
}

#[tokio::test]
async fn if_every_row_is_refused_again_only_the_reasons_change() {
    let case = Case::new(TABLE, LoadMode::Append, &[FILE], headed()).await;
    let mended = case.mended(&["bob,1,2026-01-02", "cay,3,later"]).await;
    let retried = case.retry(&mended).await.expect("no failure");
    assert_eq!((retried.loaded, retried.refused.len()), (0, 2));
    assert!(
        retried.refused[0].reason.contains("t_pkey"),
        "the database refuses a key that exists: {retried:?}"
    );
    assert_eq!(case.rejects().await, "3|-|f|bob,1,2026-01-02 4|born|f|cay,3,later");
    assert_eq!(case.world.rows("SELECT count(*) FROM downspout.ledger").await, "1");
}

#[tokio::test]
async fn a_text_that_is_not_one_record_stops_the_retry() {
    let case = Case::new(TABLE, LoadMode::Append, &[FILE], headed()).await;
    for (text, says) in [
        ("\"bob,2,2026-01-02", "m.csv, line 2: in raw_line a quote opens and is never closed"),
        ("bob,2,2026-01-02\neve,5,2026-01-05", "m.csv, line 2: raw_line is not one record"),
        ("", "m.csv, line 2: raw_line is empty"),
        (",,", "s3://files/a.csv: 1 mended row without a value"),
    ] {
        let mended = case.mended(&[text, "cay,3,2026-01-03"]).await;
        let message = case.retry(&mended).await.expect_err("not one record").message;
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(case.world.rows("SELECT count(*) FROM t").await, "2");
}

#[tokio::test]
async fn mended_rows_without_a_value_are_told_as_such() {
    let case = Case::new(TABLE, LoadMode::Append, &[FILE], headed()).await;
    for texts in [[",,", ",,"], ["bob,2,2026-01-02", ",,"]] {
        let message = case.retry(&case.mended(&texts).await).await.expect_err("no values").message;
        assert!(message.contains("without a value; write the values into raw_line, or remove"), "{message}");
        assert!(!message.contains("header"), "{message}");
    }
}

#[tokio::test]
async fn a_row_that_was_not_refused_or_comes_twice_stops_the_retry() {
    let case = Case::new(TABLE, LoadMode::Append, &[FILE], headed()).await;
    let mut mended = case.mended(&["bob,2,2026-01-02"]).await;
    mended.extend(mended.clone());
    let message = case.retry(&mended).await.expect_err("twice").message;
    assert!(message.contains("is in m.csv, line 2 already"), "{message}");
    mended.truncate(1);
    mended[0].row.byte_offset += 1;
    let message = case.retry(&mended).await.expect_err("unknown").message;
    assert!(message.contains("is not among the refused rows of public.t in run df-1"), "{message}");
}

#[tokio::test]
async fn rows_of_several_files_are_read_in_the_dialects_of_their_files() {
    let files = [("d/1.csv", "id;name\n1;a\nx;b\n"), ("d/2.csv", "id,name\n3,c\ny,\"d;d\"\n")];
    let mut dialect = headed();
    dialect.detects = true;
    let case = Case::new("CREATE TABLE t (id int, name text)", LoadMode::Append, &files, dialect).await;
    let mended = case.mended(&["2;b,b", "4,\"d;d\""]).await;
    assert_eq!(case.retry(&mended).await.expect("both fit").loaded, 2);
    assert_eq!(case.world.rows("SELECT id, name FROM t ORDER BY id").await, "1|a 2|b,b 3|c 4|d;d");
}

#[tokio::test]
async fn mended_rows_load_without_a_header_and_through_an_insert_query() {
    let mut case = Case::new(
        "CREATE TABLE t (id int, name text)",
        LoadMode::Append,
        &[("a.csv", "1,a\nx,b\n")],
        Dialect::default(),
    )
    .await;
    case.load.insert = Some("INSERT INTO t VALUES (?, upper(?))".to_owned());
    let mended = case.mended(&["2,b"]).await;
    assert_eq!(case.retry(&mended).await.expect("it fits").loaded, 1);
    assert_eq!(case.world.rows("SELECT id, name FROM t ORDER BY id").await, "1|a 2|B");
}

/// A load whose notes have more than the ETag of the file: with columns, or with a statement.
#[tokio::test]
async fn the_original_file_is_found_for_each_shape_of_a_load() {
    let columns = || vec!["id".to_owned(), "name".to_owned()];
    for (mode, declared, insert, is_headed) in [
        (LoadMode::Append, columns(), None, false),
        (LoadMode::Append, columns(), None, true),
        (LoadMode::Replace, columns(), None, false),
        (LoadMode::Upsert, columns(), None, false),
        (LoadMode::Append, Vec::new(), Some("INSERT INTO t VALUES (?::int, upper(?))"), true),
        (LoadMode::Replace, columns(), Some("INSERT INTO t VALUES (?::int, upper(?))"), false),
    ] {
        let mut case = Case::without_files("CREATE TABLE t (id int PRIMARY KEY, name text)").await;
        let insert = insert.map(str::to_owned);
        let what = format!("{mode:?} {declared:?} {insert:?} {is_headed}");
        let dialect = Dialect { header: is_headed, ..Dialect::default() };
        let name = if insert.is_some() { "upper(name)" } else { "name" };
        case.load = Load { mode, declared, insert, dialect, ..case.load };
        let header = if is_headed { "id,name\n" } else { "" };
        case.load_files("df-1", &[("a.csv", &format!("{header}1,a\nx,b\n"))]).await;
        let retried = case.retry(&case.mended(&["2,b"]).await).await;
        assert_eq!(retried.unwrap_or_else(|failure| panic!("{what}: {failure}")).loaded, 1, "{what}");
        let wrong = format!("SELECT count(*), count(*) FILTER (WHERE name <> {name}) FROM t");
        assert_eq!(case.world.rows(&wrong).await, "2|0", "{what}");
    }
    let mut case = Case::without_files("CREATE TABLE t (id int, code text, amount numeric)").await;
    case.load.dialect = Dialect { form: Form::Workbook, sheet: Some("1".to_owned()), ..headed() };
    case.load.rules.numbers = Some(NumberForm { decimal: ',', grouping: Some('.'), ..NumberForm::default() });
    case.load_bytes("df-1", &[("a.xlsx", include_bytes!("../corpus/refused_cells.xlsx"))]).await;
    let mended = case.mended(&["1,007,\"1.234\""]).await;
    assert_eq!(case.retry(&mended).await.expect("the sheet is read again").loaded, 1);
}

#[tokio::test]
async fn another_version_of_the_original_file_is_refused_for_each_shape_of_a_load() {
    for declared in [Vec::new(), vec!["id".to_owned(), "name".to_owned()]] {
        let mut case = Case::without_files("CREATE TABLE t (id int, name text)").await;
        case.load = Load { declared, ..case.load };
        case.load_files("df-1", &[("a.csv", "id,name\n1,a\nx,b\n")]).await;
        case.stack.put("a.csv", "name,id\na,1\n").await;
        let message = case.retry(&case.mended(&["2,b"]).await).await.expect_err("another file").message;
        assert!(message.contains("is no longer the version that started this run"), "{message}");
    }
}

#[tokio::test]
async fn retry_of_a_replace_load_adds_rows_unless_a_later_run_replaced_the_table() {
    let mut case = Case::new(TABLE, LoadMode::Replace, &[FILE], headed()).await;
    let mended = case.mended(&["bob,2,2026-01-02", "cay,3,2026-01-03"]).await;
    assert_eq!(case.retry(&mended[..1]).await.expect("added").loaded, 1);
    assert_eq!(case.world.rows("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t").await, "1 2 4");
    case.load_files("df-2", &[("b.csv", "name,id,born\nzoe,9,2026-02-01\n")]).await;
    let message = case.retry(&mended[1..]).await.expect_err("replaced").message;
    assert!(message.contains("were replaced by run df-2 since"), "{message}");
    assert_eq!(case.world.rows("SELECT id FROM t").await, "9");
}

#[tokio::test]
async fn an_upsert_retry_replaces_rows_of_a_later_run_only_with_over_newer() {
    let mut case = Case::new(TABLE, LoadMode::Upsert, &[FILE], headed()).await;
    let mended = case.mended(&["bob,4,2026-01-02"]).await;
    case.load_files("df-2", &[("b.csv", "name,id,born\nnew,4,2026-02-01\n")]).await;
    let message = case.retry(&mended).await.expect_err("a later load").message;
    assert!(
        message.contains("run df-2 has loaded public.t after run df-1") && message.contains("--over-newer"),
        "{message}"
    );
    assert_eq!(case.world.rows("SELECT name FROM t WHERE id = 4").await, "new");
    let storage = case.storage();
    let asked = Retry { load: &case.load, storage: &storage, over_newer: true };
    retry(&asked, &mended, &case.world.pool).await.expect("asked for");
    assert_eq!(case.world.rows("SELECT name FROM t WHERE id = 4").await, "bob");
}

#[tokio::test]
async fn an_upsert_retry_replaces_a_later_row_of_the_file_only_with_over_newer() {
    let schema = format!("{TABLE}; INSERT INTO t VALUES (2, '2025-01-01', 'old'), (4, '2025-01-01', 'old')");
    let file = ("a.csv", "name,id,born\nfour,x,2026-01-01\ntwo,y,2026-01-02\nlast,4,2026-01-04\n");
    let case = Case::new(&schema, LoadMode::Upsert, &[file], headed()).await;
    let mended = case.mended(&["four,4,2026-01-01", "two,2,2026-01-02"]).await;
    let message = case.retry(&mended).await.expect_err("the last row with a key stays").message;
    assert!(
        message.contains("a row with the key 4 since run df-1") && message.contains("--over-newer"),
        "{message}"
    );
    assert_eq!(case.world.rows("SELECT id, name FROM t ORDER BY id").await, "2|old 4|last");
    assert_eq!(case.retry(&mended[1..]).await.expect("an old row is replaced").loaded, 1);
    assert_eq!(case.world.rows("SELECT id, name FROM t ORDER BY id").await, "2|two 4|last");
    let storage = case.storage();
    let asked = Retry { load: &case.load, storage: &storage, over_newer: true };
    retry(&asked, &mended[..1], &case.world.pool).await.expect("asked for");
    assert_eq!(case.world.rows("SELECT id, name FROM t ORDER BY id").await, "2|two 4|four");
}

#[tokio::test]
async fn the_texts_of_a_workbook_stay_texts_in_a_mended_row() {
    let (world, stack) = (
        World::new("CREATE TABLE t (id int, code text, amount numeric)").await,
        Stack::without_worker().await,
    );
    let mut load = world.load("t", &PathBuf::new());
    load.limit = Limit::Percent(100.0);
    load.dialect.form = Form::Workbook;
    load.rules.numbers = Some(NumberForm { decimal: ',', grouping: Some('.'), ..NumberForm::default() });
    let mut case = Case { world, stack, load };
    case.load_bytes("df-1", &[("a.xlsx", include_bytes!("../corpus/refused_cells.xlsx"))]).await;
    assert_eq!(
        case.world.rows("SELECT raw_line FROM t_rejects ORDER BY line").await,
        r#""x",007,"1.234" "z",009,"5""#
    );
    let message = case.retry(&case.mended(&["1,007,\"1.234\"", "3,009,1.234"]).await).await;
    let message = message.expect_err("a number of two meanings").message;
    assert!(message.contains("m.csv, line 3: raw_line has 1.234, which"), "{message}");
    let mended = case.mended(&["1,007,\"1.234\"", "3,009,\"1.234\""]).await;
    assert_eq!(case.retry(&mended).await.expect("loaded").loaded, 2);
    assert_eq!(case.world.rows("SELECT * FROM t ORDER BY id").await, "1|007|1234 2|008|1.5 3|009|1234");
}

#[tokio::test]
async fn two_retries_of_one_row_at_once_load_it_once() {
    let case =
        Case::new("CREATE TABLE t (id int, born date, name text)", LoadMode::Append, &[FILE], headed()).await;
    let mended = case.mended(&["bob,2,2026-01-02"]).await;
    let (one, two) = tokio::join!(case.retry(&mended), case.retry(&mended));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
    assert_eq!(case.world.rows("SELECT count(*) FROM t WHERE id = 2").await, "1");
}

#[tokio::test]
async fn a_deleted_source_file_is_reported() {
    let case = Case::new(TABLE, LoadMode::Append, &[FILE], headed()).await;
    case.stack.clients.s3.delete_object().bucket(BUCKET).key("a.csv").send().await.expect("deleted");
    let mended = case.mended(&["bob,2,2026-01-02"]).await;
    let message = case.retry(&mended).await.expect_err("the header is gone").message;
    assert!(message.contains("the header and the dialect of s3://files/a.csv are needed"), "{message}");
}

#[tokio::test]
async fn a_truncated_record_is_not_loaded() {
    let long = format!("id,name\n1,a\n2,{}\n", "b".repeat(3_000_000));
    let dialect = Dialect { longest_record: 100_000, ..headed() };
    let case =
        Case::new("CREATE TABLE t (id int, name text)", LoadMode::Append, &[("a.csv", &long)], dialect).await;
    let kept = case.world.rows("SELECT raw_line FROM t_rejects").await;
    let mended = case.mended(&[&kept]).await;
    let message = case.retry(&mended).await.expect_err("cut").message;
    assert!(message.contains("only the beginning of a long record"), "{message}");
    let whole = case.mended(&["2,short"]).await;
    assert_eq!(case.retry(&whole).await.expect("it fits").loaded, 1);
}

#[tokio::test]
async fn bytes_that_could_not_be_read_are_not_loaded_as_a_replacement_character() {
    let case = Case::new(
        "CREATE TABLE t (id int, name text)",
        LoadMode::Append,
        &[("a.csv", "id,name\n1,a\nx,b\n")],
        headed(),
    )
    .await;
    let mended = case.mended(&["2,caf\u{fffd}"]).await;
    assert!(case.retry(&mended).await.expect_err("unread bytes").message.contains("U+FFFD"));
}

#[tokio::test]
async fn rows_of_a_run_that_has_not_put_its_tables_in_place_are_not_retried() {
    let (world, stack) = (World::new("CREATE TABLE t (id int)").await, Stack::without_worker().await);
    let load = Load { together: Some("df-1_2026".to_owned()), ..world.load("t", &PathBuf::new()) };
    let mut case = Case { load: Load { limit: Limit::Percent(100.0), ..load }, world, stack };
    case.load_files("df-1", &[("a.csv", "id\n1\nx\n")]).await;
    assert_eq!(case.world.rows("SELECT * FROM t").await, "");
    let mended = case.mended(&["2"]).await;
    let failure = case.retry(&mended).await.expect_err("the run is not at its end");
    assert!(failure.message.contains("run df-1 has not put its rows into public.t"), "{failure}");
    assert_eq!(case.world.rows("SELECT * FROM t").await, "");
}

#[tokio::test]
async fn a_mended_object_of_json_is_read_as_an_object() {
    let json = Dialect { form: Form::Json, ..headed() };
    let file =
        "{\"id\": 1, \"name\": \"x\", \"span\": null}\n{\"id\": 2}\n{\"id\": 3}\n{\"id\": 4}\n{\"id\": 5}\n";
    let create = "CREATE TABLE t (id int, name text DEFAULT 'D', span int4range)";
    let case = Case::new(create, LoadMode::Append, &[("a.json", file)], json).await;
    assert_eq!(case.world.rows("SELECT * FROM t").await, "1|x|NULL");
    let wrong = case
        .mended(&[
            "{\"id\": 2}",
            "{\"id\": 3, \"nam\": \"y\"}",
            "{\"id\": 4",
            "{\"id\": 5, \"name\": \"\", \"span\": [1,5]}",
        ])
        .await;
    let failure = case.retry(&wrong).await.expect_err("no record").message;
    for says in [
        "line 2: raw_line lacks the key `name`",
        "line 3: raw_line has the key `nam`, which the file lacks; it has id, name, span",
        "line 4: raw_line is not an object of JSON",
        "line 5: the value of `span` is an array of JSON, and no range",
    ] {
        assert!(failure.contains(says), "{failure}");
    }
    let mended = [
        "{\"id\": 2, \"name\": \"a \\\"b\\\", c\", \"span\": \"[1,5]\"}",
        "{\"name\": null, \"id\": 3, \"span\": null}",
        "4,\"as CSV\",",
        "5,,",
    ];
    assert_eq!(case.retry(&case.mended(&mended).await).await.expect("loaded").loaded, 4);
    assert_eq!(
        case.world.rows("SELECT * FROM t ORDER BY id").await,
        "1|x|NULL 2|a \"b\", c|[1,6) 3|NULL|NULL 4|as CSV|NULL 5|NULL|NULL"
    );
}

#[tokio::test]
async fn a_retry_counts_only_rows_that_the_table_has_afterwards() {
    let trigger = format!(
        "{TABLE}; CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS \
         $$BEGIN IF NEW.name = 'skip' THEN RETURN NULL; END IF; RETURN NEW; END$$; \
         CREATE TRIGGER pass BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pass()"
    );
    let case = Case::new(&trigger, LoadMode::Append, &[FILE], headed()).await;
    let mended = case.mended(&["skip,2,2026-01-02", "c,3,2026-01-03"]).await;
    let retried = case.retry(&mended).await.expect("one row stays");
    assert_eq!((retried.loaded, retried.refused.len()), (1, 0));
    assert!(
        retried.notes.iter().any(|note| note.contains("1 row was left out by a trigger")),
        "{:?}",
        retried.notes
    );
    assert_eq!(case.world.rows("SELECT id FROM t ORDER BY id").await, "1 3 4");
    // A row that a trigger has taken is done, too.
    let case = Case::new(&trigger, LoadMode::Append, &[FILE], headed()).await;
    let mended = case.mended(&["skip,2,2026-01-02"]).await;
    let retried = case.retry(&mended).await.expect("the trigger takes the row");
    assert_eq!((retried.loaded, retried.refused.len()), (0, 0));
    assert!(case.rejects().await.starts_with("3|id|t|"), "{}", case.rejects().await);
}
