//! Refused rows with a way back, and dry runs: a person exports the rows, mends them and loads them once.

use std::path::Path;
use std::process::Output;

use e2e::{definitions::Definitions, postgres::NativePostgres, program::Up, samples::Samples};

use crate::PROGRAM;

/// A pipeline that loads one file into a table, on the database of the stack.
const PIPELINE: &str = r##"{"objects": [
  {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "#{myWorkerGroup}",
   "role": "r", "resourceRole": "r", "pipelineLogUri": "s3://#{myLogsBucket}/stock", "maximumRetries": "0", "onSuccess": {"ref": "Done"}, "onFail": {"ref": "Lost"},
   "myDropFile": "stock/{day}/stock.csv"},
  {"id": "Csv", "type": "CSV", "myHeader": "true", "myDateFormat": "dd.MM.yyyy"},
  {"id": "File", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/stock/#{myDay}/stock.csv", "dataFormat": {"ref": "Csv"}},
  {"id": "Db", "type": "JdbcDatabase", "connectionString": "#{myDatabaseUrl}", "jdbcDriverClass": "org.postgresql.Driver",
   "username": "#{myDatabaseUsername}", "*password": "#{*myDatabasePassword}"},
  {"id": "Table", "type": "SqlDataNode", "database": {"ref": "Db"}, "schemaName": "public", "table": "stock",
   "createTableSql": "CREATE TABLE public.stock (id int PRIMARY KEY, made date, name text)"},
  {"id": "LoadStock", "type": "CopyActivity", "input": {"ref": "File"}, "output": {"ref": "Table"}, "myLoadMode": "upsert", "myMaxRejects": "5"},
  {"id": "Done", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "role": "r", "subject": "done #{myDay}", "message": "m", "myOncePerRun": "true"},
  {"id": "Lost", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "role": "r", "subject": "FAILED #{myDay}", "message": "m", "myOncePerRun": "true"}
 ],
 "parameters": [{"id": "myWorkerGroup"}, {"id": "myLogsBucket"}, {"id": "myDropBucket"}, {"id": "myDay"}, {"id": "myDatabaseUrl"},
  {"id": "myDatabaseUsername"}, {"id": "*myDatabasePassword"}, {"id": "myNotifyTopicArn"}]}"##;
const FILE: &str = "id,name,made\n1,ale,01.02.2026\nx,\"bun, big\",02.02.2026\n3,cod,2.2.26x\n4,dip,04.02.2026\n5,elk,31.02.2026\n";

/// The password of the database, which accepts any.
const SECRET: &str = "hush-4711";

struct Story {
    up: Up,
    _definitions: Definitions,
    folder: tempfile::TempDir,
    // The database ends after the stack.
    _postgres: NativePostgres,
}

impl Story {
    async fn start() -> Self {
        let postgres = NativePostgres::start();
        let definitions = Definitions::shipped();
        definitions.write("stock.json", PIPELINE);
        let url = postgres.url().replacen('@', &format!(":{SECRET}@"), 1);
        let up = Up::start(PROGRAM, &["--definitions", definitions.path(), "--database-url", &url]).await;
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("stock.json"), PIPELINE).expect("written");
        Self { up, _definitions: definitions, folder, _postgres: postgres }
    }

    async fn drop_file(&self, day: &str, content: &str) -> String {
        self.up.put(&format!("stock/{day}/stock.csv"), content.as_bytes().to_vec()).await;
        self.up.mail_of(day).await;
        let runs = self.json(&["runs", "stock", "--json"]);
        let of_day = |run: &&serde_json::Value| run["name"].as_str().is_some_and(|name| name.contains(day));
        let run = runs.as_array().expect("a list").iter().find(of_day).expect("the run");
        run["pipeline_id"].as_str().expect("an id").to_owned()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.up.downspout(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).expect("written");
        self.at(name)
    }

    async fn rows(&self, query: &str) -> String {
        let query = format!("SELECT coalesce(string_agg(q::text, ' '), '') FROM ({query}) q");
        self.up.database().await.query_one(&query, &[]).await.expect("a legal query").get(0)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rows_are_exported_mended_and_loaded_once() {
    let story = Story::start().await;
    let up = &story.up;
    let run = story.drop_file("2026-02-01", FILE).await;
    let list = said(&up.downspout(&["rejects", "list"]));
    assert!(list.contains(&run) && list.contains("LoadStock") && list.contains("public.stock"), "{list}");
    assert!(list.contains("stock.csv: 3 refused") && list.contains("quarantine: s3://"), "{list}");
    assert!(list.contains("1 x \"…\" is not"), "the values are left out of reasons: {list}");
    let listed = story.json(&["rejects", "list", "--run", &run, "--json"]);
    assert_eq!(listed[0]["files"][0]["refused"], 3, "{listed}");
    let by_table = said(&up.downspout(&["rejects", "list", "--table", "public.stock"]));
    assert!(by_table.contains(&run) && by_table.contains("3 refused"), "{by_table}");
    let shown = said(&up.downspout(&["rejects", "show", "--run", &run]));
    assert!(shown.contains("line 3, column id") && shown.contains("x,\"bun, big\",02.02.2026"), "{shown}");

    let mend = story.at("mend.csv");
    let exported = up.downspout(&["rejects", "export", &mend, "--run", &run, "--activity", "LoadStock"]);
    assert!(exported.status.success(), "{exported:?}");
    let text = std::fs::read_to_string(&mend).expect("the export");
    let in_s3 = "s3://downspout-results/mend.csv";
    let export = |place: &str| up.downspout(&["rejects", "export", place, "--run", &run]);
    assert!(export(in_s3).status.success());
    for place in [in_s3, &mend] {
        let refused = export(place);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(said(&refused).contains("mend.csv exists: give another name, or --force to replace it"));
    }
    assert!(up.downspout(&["rejects", "export", in_s3, "--run", &run, "--force"]).status.success());
    let mended = text.replace("x,\"\"bun", "2,\"\"bun").replace("3,cod,2.2.26x", "3,cod,03.02.2026");
    assert_ne!(text, mended);
    std::fs::write(&mend, &mended).expect("written");
    let retry = ["rejects", "retry", &mend, "--run", &run, "--activity", "LoadStock"];
    let retried = up.downspout(&retry);
    assert_eq!(retried.status.code(), Some(1), "a row is refused again: {retried:?}");
    let told = said(&retried);
    assert!(told.contains("2 rows loaded into public.stock") && told.contains("1 refused again"), "{told}");
    assert!(told.contains("line 6, column made"), "{told}");
    let rows = "SELECT id, name, made FROM public.stock ORDER BY id";
    let loaded = "(1,ale,2026-02-01) (2,\"bun, big\",2026-02-02) (3,cod,2026-02-03) (4,dip,2026-02-04)";
    assert_eq!(story.rows(rows).await, loaded);

    let again = up.downspout(&retry);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("was loaded by a retry at"), "{}", said(&again));
    assert_eq!(story.rows(rows).await, loaded);
    let open = said(&up.downspout(&["rejects", "export", "-", "--run", &run]));
    assert!(open.lines().count() == 2 && open.contains("5,elk,31.02.2026"), "{open}");
    let retries = "SELECT instance_id FROM downspout.ledger WHERE instance_id LIKE '%/retry-%'";
    assert!(story.rows(retries).await.contains("LoadStock"));
    for text in [list, shown, told, open] {
        assert!(!text.contains(SECRET), "a password is shown: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_the_use_of_rejects_say_what_to_do() {
    let story = Story::start().await;
    let up = &story.up;
    let nothing = up.downspout(&["rejects", "list"]);
    assert_eq!((nothing.status.code(), said(&nothing).trim()), (Some(0), "there are no refused rows"));
    let which = up.downspout(&["rejects", "export", "-"]);
    assert!(said(&which).contains("--run ID or --table SCHEMA.TABLE"), "{which:?}");
    let failed = story.drop_file("2026-02-01", &format!("id,name,made\n{}", "x,y,z\n".repeat(9))).await;
    let list = said(&up.downspout(&["rejects", "list", "--run", &failed]));
    assert!(
        list.contains("ended as FAILED, so none of its rows are in") && list.contains("rejects.csv"),
        "{list}"
    );
    let file = story.write("m.csv", "file,line,byte_offset,raw_line\ns3://b/k,2,1,x\n");
    let retry = |run: &str, activity: &str| {
        said(&up.downspout(&["rejects", "retry", &file, "--run", run, "--activity", activity]))
    };
    assert!(retry(&failed, "LoadStock").contains("mend the file itself, and use `downspout rerun"));
    assert!(retry(&failed, "Load").contains("has no activity Load; its loads are: LoadStock"));
    assert!(retry("df-0", "LoadStock").contains("there is no pipeline df-0"));
    let run = story.drop_file("2026-02-02", FILE).await;
    assert!(retry(&run, "LoadStock").contains("is not among the refused rows of public.stock"));
    let bad = story.write("bad.csv", "a,b\n1,2\n");
    let told = said(&up.downspout(&["rejects", "retry", &bad, "--run", &run, "--activity", "LoadStock"]));
    assert!(told.contains("bad.csv, line 1: there is no column `file`"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_a_file_would_do_and_changes_nothing() {
    let story = Story::start().await;
    let up = &story.up;
    let (definition, file) = (story.at("stock.json"), story.write("stock.csv", FILE));
    let first = up.downspout(&["dry-run", &definition, "--with", &file]);
    let told = said(&first);
    assert!(first.status.success(), "{told}");
    assert!(
        told.contains("would add 2, change 0, remove 0") && told.contains("would create the table"),
        "{told}"
    );
    assert!(told.contains("+ id=1, made=2026-02-01, name=ale") && told.contains("3 refused"), "{told}");
    assert!(told.contains("stock.csv, line 3, column id"), "{told}");
    assert!(told.contains("Nothing was changed"), "{told}");
    assert_eq!(story.rows("SELECT relname FROM pg_class WHERE relname LIKE 'stock%'").await, "");

    story.drop_file("2026-02-01", FILE).await;
    let changed = story.write("new.csv", "id,name,made\n1,ale,01.02.2026\n4,dap,04.02.2026\n7,eel,\n");
    let with = format!("File={changed}");
    let told = story.json(&["dry-run", &definition, "--with", &with, "--json"]);
    let changes = &told[0]["result"]["changes"];
    assert_eq!(
        (&changes["added"], &changes["changed"], &changes["unchanged"]),
        (&1.into(), &1.into(), &1.into()),
        "{told}"
    );
    let told = said(&up.downspout(&["dry-run", &definition, "--with", &changed]));
    assert!(told.contains("~ id=4: name dip -> dap"), "{told}");
    assert_eq!(story.rows("SELECT count(*) FROM public.stock").await, "(2)");

    let bad = story.write("bad.csv", "id,nome\n1,a\n");
    let failed = up.downspout(&["dry-run", &definition, "--with", &bad]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert!(
        said(&failed).contains("would fail: BadInput:Header") && said(&failed).contains("`nome`"),
        "{failed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_needs_no_stack() {
    let postgres = NativePostgres::start();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).display().to_string()
    };
    let (definition, file) = (write("stock.json", PIPELINE), write("stock.csv", FILE));
    let run = |settings: &[&str], at: &Path| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["dry-run", &definition, "--with", &file]).current_dir(at).env_remove("PGPASSWORD");
        settings.iter().for_each(|setting| {
            command.args(["--set", setting]);
        });
        command.output().expect("starting downspout")
    };
    let lacks = run(&[], folder.path());
    assert_eq!(lacks.status.code(), Some(1));
    assert!(said(&lacks).contains("--set"), "{lacks:?}");
    let url = format!("myDatabaseUrl={}", postgres.url());
    let done = run(&[&url, "myDatabaseUsername=", "*myDatabasePassword=x"], folder.path());
    assert!(done.status.success() && said(&done).contains("would add 2"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_finds_an_instance_of_rds_by_the_given_address() {
    let postgres = NativePostgres::start();
    let folder = tempfile::tempdir().expect("a folder");
    let jdbc = r##""JdbcDatabase", "connectionString": "#{myDatabaseUrl}", "jdbcDriverClass": "org.postgresql.Driver","##;
    let on_rds =
        PIPELINE.replace(jdbc, r#""RdsDatabase", "rdsInstanceId": "shop-db", "databaseName": "postgres","#);
    assert_ne!(on_rds, PIPELINE);
    std::fs::write(folder.path().join("stock.json"), on_rds).expect("written");
    std::fs::write(folder.path().join("stock.csv"), FILE).expect("written");
    let run = |more: &[&str]| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args([
            "dry-run",
            "stock.json",
            "--with",
            "stock.csv",
            "--set",
            "myDatabaseUsername=postgres",
        ]);
        command.args(["--set", "*myDatabasePassword=x"]).args(more).current_dir(folder.path());
        command.output().expect("starting downspout")
    };
    let unknown = run(&[]);
    assert!(unknown.status.code() == Some(1) && said(&unknown).contains("--rds-instance"), "{unknown:?}");
    let told = run(&["--rds-instance", &format!("shop-db=127.0.0.1:{}", postgres.port())]);
    assert!(told.status.success() && said(&told).contains("would add 2"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_the_stack_takes_retries_and_dry_runs_too() {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let samples = Samples { seed: 5, orders: 1_000, with_bad_rows: true };
    up.drop_set("2026-03-01", &samples).await;
    up.mail_of("2026-03-01").await;
    let [orders, ..] = up.staging_rows().await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let shown = up.downspout(&["rejects", "show", "--table", "staging.orders", "--json"]);
    let rows: serde_json::Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    let first = &rows[0];
    let mended = format!(
        "file,line,byte_offset,raw_line\n{},{},{},\"900001,C-0001,2025-01-01,P01,1.00,1,1.00\"\n",
        first["file"].as_str().expect("a file"),
        first["line"],
        first["byte_offset"]
    );
    std::fs::write(at("m.csv"), mended).expect("written");
    let run = first["pipeline_id"].as_str().expect("a run").to_owned();
    let retried =
        up.downspout(&["rejects", "retry", &at("m.csv"), "--run", &run, "--activity", "LoadOrders"]);
    assert!(retried.status.success(), "{retried:?}");
    assert_eq!(up.staging_rows().await[0], orders + 1);
    let all = at("all.csv");
    assert!(up.downspout(&["rejects", "export", &all, "--run", &run]).status.success());
    let told = said(&up.downspout(&["rejects", "retry", &all, "--run", &run, "--activity", "LoadOrders"]));
    let expected =
        "this row is one of LoadReviews, not of LoadOrders: retry its rows with `--activity LoadReviews`";
    assert!(told.contains(expected), "{told}");

    let [(_, bytes), ..] = Samples::small(6, 50).files();
    std::fs::write(at("orders.csv"), bytes).expect("written");
    let definition = format!("{}/orders.json", definitions.path());
    let tried = up.downspout(&["dry-run", &definition, "--with", &at("orders.csv")]);
    let told = said(&tried);
    assert!(
        tried.status.success() && told.contains("LoadOrders: ") && told.contains("Nothing was changed"),
        "{told}"
    );
    assert!(told.contains("LoadReviews was not tried: --with ReviewsCsv=FILE"), "{told}");
    assert_eq!(up.staging_rows().await[0], orders + 1);
}
