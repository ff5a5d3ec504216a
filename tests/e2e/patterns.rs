//! Drop patterns: names that are not known beforehand, several files as one input, markers, objects that are not ready, and
//! keys that match nothing.

use std::path::PathBuf;

use e2e::{definitions::Definitions, program::Up, until::until};
use tempfile::TempDir;

use crate::PROGRAM;

/// Orders in several parts, whose names end in a time; reviews with the date in another form; returns that do not always
/// come. The run writes the day and the names of the files that it got.
const TIMES: &str = r##"{"objects": [
    {"id": "Default", COMMON, "mySettle": "1 second", "myIgnoreCase": "true", "myCompressed": "true",
     "myDropFile": ["times/{day:yyyyMMdd}/orders_*.csv", "times/{day:yyyyMMdd}/reviews-{day:yyyy-MM-dd}.csv"],
     "myDropFileOptional": "times/{day:yyyyMMdd}/returns.csv"},
    {"id": "Orders", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/times/{day:yyyyMMdd}/orders_*.csv",
     "myMatch": "all"},
    {"id": "Reviews", "type": "S3DataNode",
     "filePath": "s3://#{myDropBucket}/times/{day:yyyyMMdd}/reviews-{day:yyyy-MM-dd}.csv"},
    {"id": "Returns", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/times/{day:yyyyMMdd}/returns.csv"},
    {"id": "Note", "type": "ShellCommandActivity", "stage": "true", "scriptArgument": "#{myDay}",
     "input": [{"ref": "Orders"}, {"ref": "Reviews"}, {"ref": "Returns"}],
     "command": "LS=; for d in \"$INPUT1_STAGING_DIR\" \"$INPUT2_STAGING_DIR\" \"$INPUT3_STAGING_DIR\"; do LS=\"$LS $(cd \"$d\" && echo *)\"; done; echo \"times $1$LS\" >> 'LIST'"}
  ], "parameters": [{"id": "myDay"}, {"id": "myDropBucket"}]}"##;

/// A directory that a marker completes.
const LAKE: &str = r##"{"objects": [
    {"id": "Default", COMMON, "myDropFile": "lake/{day}/part-*", "myDropMarker": "lake/{day}/_SUCCESS"},
    {"id": "Parts", "type": "S3DataNode", "directoryPath": "s3://#{myDropBucket}/lake/#{myDay}/"},
    {"id": "Note", "type": "ShellCommandActivity", "input": {"ref": "Parts"}, "stage": "true",
     "command": "echo lake #{myDay} $(cd \"$INPUT1_STAGING_DIR\" && echo *) >> 'LIST'"}
  ], "parameters": [{"id": "myDay"}, {"id": "myDropBucket"}]}"##;

/// A definition with two files that a mounted bucket puts. With `myAllowEmpty` in place of `MORE`, an empty file counts as whole.
const PLAIN: &str = r##"{"objects": [
    {"id": "Default", COMMON, "myDropFile": ["plain/{day}/a.csv", "plain/{day}/b.csv"] MORE},
    {"id": "Note", "type": "ShellCommandActivity", "command": "echo plain #{myDay} >> 'LIST'"}
  ], "parameters": [{"id": "myDay"}]}"##;

struct Story {
    up: Up,
    list: PathBuf,
    _folder: TempDir,
}

impl Story {
    async fn start(definitions: &[(&str, &str)]) -> Self {
        Self::start_with(&[], definitions).await
    }

    /// Starts `downspout up` with more options.
    async fn start_with(options: &[&str], definitions: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let list = folder.path().join("list");
        let common = r#""scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
            "pipelineLogUri": "s3://downspout-logs/patterns", "workerGroup": "downspout", "maximumRetries": "0""#;
        let shipped = Definitions::uncapped();
        for (name, text) in definitions {
            let text = text.replace("COMMON", common).replace(" MORE", "");
            shipped.write(&format!("{name}.json"), &text.replace("LIST", &list.display().to_string()));
        }
        let up = Up::start(PROGRAM, &[&["--definitions", shipped.path()], options].concat()).await;
        Self { up, list, _folder: folder }
    }

    async fn put(&self, key: &str, text: &str) {
        self.up.put(key, text.as_bytes().to_vec()).await;
    }

    /// Waits until the list has `expected` and no other lines, in any order.
    async fn wrote(&self, expected: &[&str]) {
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        until("the runs", async || {
            let text = std::fs::read_to_string(&self.list).unwrap_or_default();
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            if lines == expected { Ok(()) } else { Err(format!("{lines:#?}\n{}", self.up.log())) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_times_parts_packed_files_and_a_marker_make_one_run_of_each_set() {
    let story = Story::start(&[("times", TIMES), ("lake", LAKE)]).await;
    for (key, text) in [
        ("times/20260105/orders_1015.csv", "2"),
        ("times/20260105/orders_0915.CSV", "1"),
        ("times/20260105/.orders_9.csv", "hidden"),
        ("times/20260105/orders_2.csv.filepart", "half"),
        ("times/20260105/reviews-2026-01-06.csv", "another day"),
        ("times/20260105/Reviews-2026-01-05.csv.gz", "packed"),
    ] {
        story.put(key, text).await;
    }
    let first = "times 2026-01-05 orders_0915.CSV orders_1015.csv Reviews-2026-01-05.csv.gz *";
    story.wrote(&[first]).await;
    for (key, text) in [
        ("times/20260107/returns.csv", "back"),
        ("times/20260107/orders_1.csv", "1"),
        ("times/20260107/reviews-2026-01-07.csv", "good"),
        ("lake/2026-01-05/part-1", "1"),
        ("lake/2026-01-05/part-0", "0"),
        ("lake/2026-01-05/_SUCCESS", ""),
    ] {
        story.put(key, text).await;
    }
    let second = "times 2026-01-07 orders_1.csv reviews-2026-01-07.csv returns.csv";
    story.wrote(&[first, second, "lake 2026-01-05 part-0 part-1"]).await;
    let lists = story.up.downspout(&["ls", "definitions/ledger/lake/_manifests/"]);
    let lists = String::from_utf8(lists.stdout).expect("text");
    assert!(lists.contains(".json"), "the files of a node with myManifest stand in a list: {lists}");
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_objects_start_nothing_and_keys_that_nearly_match_give_one_mail() {
    let hollow = PLAIN.replace("plain", "hollow").replace(" MORE", r#", "myAllowEmpty": "true""#);
    let story = Story::start(&[("plain", PLAIN), ("hollow", &hollow)]).await;
    // One file after the other, each empty first; then all of them empty first.
    for (day, order) in [("2026-03-01", ["a", "a", "b", "b"]), ("2026-03-02", ["a", "b", "a", "b"])] {
        let mut seen = std::collections::HashSet::new();
        for file in order {
            let text = if seen.insert(file) { "" } else { "content" };
            story.put(&format!("plain/{day}/{file}.csv"), text).await;
        }
    }
    for file in ["a", "b"] {
        story.put(&format!("hollow/2026-03-03/{file}.csv"), "").await;
    }
    story.wrote(&["plain 2026-03-01", "plain 2026-03-02", "hollow 2026-03-03"]).await;
    let pwned = story.list.with_extension("pwned");
    for key in [
        format!("plain/x$(touch ${{IFS}}{})/a.csv", pwned.display().to_string().replace('/', "${HOME:0:1}")),
        "plain/2026-03-04/A.csv".to_owned(),
        "plain/2026-03-04/deeper/b.csv".to_owned(),
    ] {
        story.put(&key, "content").await;
    }
    story.put("plain/2026-03-05/a.csv", "content").await;
    story.put("plain/2026-03-05/b.csv", "content").await;
    story.wrote(&["plain 2026-03-01", "plain 2026-03-02", "hollow 2026-03-03", "plain 2026-03-05"]).await;
    let mail = until("one mail of the day", async || {
        let mails = story.up.mails();
        let told: Vec<_> = mails.iter().filter(|mail| mail.body.contains("matches no pattern")).collect();
        match told.as_slice() {
            [one] => Ok((*one).clone()),
            _ => Err(format!("{mails:#?}")),
        }
    })
    .await;
    assert!(mail.body.contains("Nearest pattern: plain/{day}/"), "{mail:#?}");
    assert!(!pwned.exists(), "the key ran as code");
}

/// Loads all parts of a day into one table in place of the old rows, and returns into another.
const LOADS: &str = r##"{"objects": [
  {"id": "Default", COMMON, "onSuccess": {"ref": "Done"}, "onFail": {"ref": "Lost"},
   "myDropFile": ["loads/{day:yyyyMMdd}/part_*.csv", "loads/{day:yyyyMMdd}/single_*.csv"],
   "myDropFileOptional": "loads/{day:yyyyMMdd}/returns.csv"},
  {"id": "Csv", "type": "CSV", "myHeader": "true"},
  {"id": "Db", "type": "JdbcDatabase", "connectionString": "#{myDatabaseUrl}", "jdbcDriverClass": "org.postgresql.Driver",
   "username": "#{myDatabaseUsername}", "*password": "#{*myDatabasePassword}"},
  {"id": "Parts", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/loads/{day:yyyyMMdd}/part_*.csv", "myMatch": "all",
   "dataFormat": {"ref": "Csv"}},
  {"id": "Single", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/loads/{day:yyyyMMdd}/single_*.csv", "myMatch": "one",
   "dataFormat": {"ref": "Csv"}},
  {"id": "Returns", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/loads/{day:yyyyMMdd}/returns.csv",
   "dataFormat": {"ref": "Csv"}},
  {"id": "Table", "type": "SqlDataNode", "database": {"ref": "Db"}, "schemaName": "public", "table": "parts",
   "createTableSql": "CREATE TABLE public.parts (id int)"},
  {"id": "Others", "type": "SqlDataNode", "database": {"ref": "Db"}, "schemaName": "public", "table": "returned",
   "createTableSql": "CREATE TABLE public.returned (id int)"},
  {"id": "LoadParts", "type": "CopyActivity", "input": {"ref": "Parts"}, "output": {"ref": "Table"}, "myLoadMode": "replace"},
  {"id": "LoadSingle", "type": "CopyActivity", "input": {"ref": "Single"}, "output": {"ref": "Table"}, "dependsOn": {"ref": "LoadParts"}},
  {"id": "LoadReturns", "type": "CopyActivity", "input": {"ref": "Returns"}, "output": {"ref": "Others"}, "myLoadMode": "replace"},
  {"id": "Done", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "role": "r", "subject": "done #{myDay}", "message": "m", "myOncePerRun": "true"},
  {"id": "Lost", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "role": "r", "subject": "FAILED #{myDay}", "message": "#{node.firstError}", "myOncePerRun": "true"}
 ],
 "parameters": [{"id": "myDropBucket"}, {"id": "myDay"}, {"id": "myDatabaseUrl"}, {"id": "myDatabaseUsername"},
  {"id": "*myDatabasePassword"}, {"id": "myNotifyTopicArn"}]}"##;

#[tokio::test(flavor = "multi_thread")]
async fn the_patterns_of_a_set_decide_how_many_files_a_load_takes() {
    let story = Story::start(&[("loads", LOADS)]).await;
    let loaded = async |table: &str| {
        let query = format!("SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM public.{table}");
        story.up.database().await.query_one(&query, &[]).await.expect("reading the table").get::<_, String>(0)
    };
    for (name, text) in
        [("returns", "id\n9\n"), ("part_2", "id\n3\n"), ("part_1", "id\n1\n2\n"), ("single_x", "id\n4\n")]
    {
        story.put(&format!("loads/20260105/{name}.csv"), text).await;
    }
    let mail = story.up.mail_of("2026-01-05").await;
    assert_eq!(mail.subject, "done 2026-01-05", "{mail:#?}");
    assert_eq!((loaded("parts").await, loaded("returned").await), ("1,2,3,4".to_owned(), "9".to_owned()));

    for (name, text) in [("part_7", "id\n7\n"), ("single_y", "id\n8\n")] {
        story.put(&format!("loads/20260106/{name}.csv"), text).await;
    }
    let mail = story.up.mail_of("2026-01-06").await;
    assert_eq!(mail.subject, "done 2026-01-06", "{mail:#?}");
    assert_eq!((loaded("parts").await, loaded("returned").await), ("7,8".to_owned(), "9".to_owned()));

    for (name, text) in [("single_a", "id\n1\n"), ("single_b", "id\n2\n"), ("part_1", "id\n3\n")] {
        story.put(&format!("loads/20260107/{name}.csv"), text).await;
    }
    let mail = story.up.mail_of("2026-01-07").await;
    assert_eq!(mail.subject, "loads day=2026-01-07: 2 files match where one is allowed");
    assert!(mail.body.contains("single_a.csv") && mail.body.contains("single_b.csv"), "{mail:#?}");
}

/// A directory with a marker whose name comes first.
const EXPORT: &str = r##"{"objects": [
    {"id": "Default", COMMON, "myDropFile": "incoming/{day}/*.csv", "myDropMarker": "incoming/{day}/END"},
    {"id": "Parts", "type": "S3DataNode", "directoryPath": "s3://#{myDropBucket}/incoming/#{myDay}/"},
    {"id": "Note", "type": "ShellCommandActivity", "input": {"ref": "Parts"}, "stage": "true",
     "command": "echo $(cd \"$INPUT1_STAGING_DIR\" && echo *) >> 'LIST'"}
  ], "parameters": [{"id": "myDay"}, {"id": "myDropBucket"}]}"##;

#[tokio::test(flavor = "multi_thread")]
async fn drop_and_watch_upload_a_marker_after_the_files_of_its_set() {
    let watched = TempDir::new().expect("a temporary folder");
    let folder = watched.path().display().to_string();
    let story = Story::start_with(&["--watch", &folder], &[("export", EXPORT)]).await;
    let dropped = TempDir::new().expect("a temporary folder");
    let files = ["END", "a.csv", "b.csv"].map(|name| dropped.path().join(name).display().to_string());
    for file in &files {
        std::fs::write(file, "x").expect("the folder is writable");
    }
    let [end, a, b] = &files;
    let output = story.up.downspout(&["drop", "--prefix", "incoming/by-hand", "--wait", end, a, b]);
    assert!(output.status.success(), "{output:?}");
    let uploaded = String::from_utf8(output.stdout).expect("text");
    let keys: Vec<&str> =
        uploaded.lines().take(3).map(|line| line.rsplit('/').next().unwrap_or_default()).collect();
    assert_eq!(keys, ["a.csv", "b.csv", "END"], "{uploaded}");
    for name in ["END", "c.csv", "d.csv"] {
        std::fs::write(watched.path().join(name), "x").expect("the folder is writable");
    }
    // The file that grows holds the marker back, and not the other files.
    let growing = watched.path().join("e.csv");
    let mut text = String::new();
    until("the upload of the other files", async || {
        text.push('x');
        std::fs::write(&growing, &text).expect("the folder is writable");
        let log = story.up.log();
        let is_uploaded = |name: &str| {
            log.lines().any(|line| line.contains("uploaded a watched file") && line.contains(name))
        };
        assert!(!is_uploaded("END"), "{log}");
        if log.contains("a marker waits until") && is_uploaded("c.csv") { Ok(()) } else { Err(log.clone()) }
    })
    .await;
    story.wrote(&["a.csv b.csv", "c.csv d.csv e.csv"]).await;
}
