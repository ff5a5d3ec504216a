//! Loads with `append` of files that were loaded before.

use e2e::{definitions::Definitions, program::Up, until::until};

use crate::PROGRAM;

/// A pipeline that clears a day of a table, and loads the file of that day again.
const PIPELINE: &str = r##"{"objects": [
  {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "workerGroup": "#{myWorkerGroup}",
   "role": "r", "resourceRole": "r", "pipelineLogUri": "s3://#{myLogsBucket}/days", "maximumRetries": "0",
   "onSuccess": {"ref": "Done"}, "onFail": {"ref": "Lost"}, "myDropFile": "days/{day}/day.csv"},
  {"id": "Csv", "type": "CSV", "myHeader": "true"},
  {"id": "File", "type": "S3DataNode", "filePath": "s3://#{myDropBucket}/days/#{myDay}/day.csv", "dataFormat": {"ref": "Csv"}},
  {"id": "Db", "type": "JdbcDatabase", "connectionString": "#{myDatabaseUrl}", "jdbcDriverClass": "org.postgresql.Driver",
   "username": "#{myDatabaseUsername}", "*password": "#{*myDatabasePassword}"},
  {"id": "Clear", "type": "SqlActivity", "database": {"ref": "Db"},
   "script": "CREATE TABLE IF NOT EXISTS public.days (day date, v text); DELETE FROM public.days WHERE day = '#{myDay}'"},
  {"id": "Table", "type": "SqlDataNode", "database": {"ref": "Db"}, "schemaName": "public", "table": "days"},
  {"id": "LoadDay", "type": "CopyActivity", "input": {"ref": "File"}, "output": {"ref": "Table"}, "dependsOn": {"ref": "Clear"}},
  {"id": "Done", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "role": "r", "subject": "done #{myDay}", "message": "#{node.notes}", "myOncePerRun": "true"},
  {"id": "Lost", "type": "SnsAlarm", "topicArn": "#{myNotifyTopicArn}", "role": "r", "subject": "FAILED #{myDay}",
   "message": "#{node.errorMessage}", "myOncePerRun": "true"}
 ],
 "parameters": [{"id": "myWorkerGroup"}, {"id": "myLogsBucket"}, {"id": "myDropBucket"}, {"id": "myDay"}, {"id": "myDatabaseUrl"},
  {"id": "myDatabaseUsername"}, {"id": "*myDatabasePassword"}, {"id": "myNotifyTopicArn"}]}"##;

/// Changes the definition of a running stack.
async fn define(up: &Up, subject: &str) {
    let text = PIPELINE.replace("done #{myDay}", &format!("{subject} #{{myDay}}"));
    let put = up.s3().put_object().bucket("downspout-definitions").key("days.json");
    put.body(text.into_bytes().into()).send().await.expect("put");
}

async fn rows(up: &Up) -> String {
    let query = "SELECT coalesce(string_agg(v, ' ' ORDER BY v), '') FROM public.days";
    up.database().await.query_one(query, &[]).await.expect("a table").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mail_tells_of_a_file_that_append_leaves_out_and_of_an_earlier_version() {
    let definitions = Definitions::uncapped();
    definitions.write("days.json", PIPELINE);
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    for day in ["2026-01-01", "2026-01-02", "2026-01-03"] {
        up.put(&format!("days/{day}/day.csv"), format!("day,v\n{day},A{day}\n").into_bytes()).await;
        up.mail_of(&format!("done {day}")).await;
    }
    define(&up, "again").await;
    let _ = up.downspout(&["rerun", "days", "day=2026-01-03"]);
    let mail = up.mail_of("again 2026-01-03").await;
    for says in [
        "is in public.days already (df-",
        "not appended again. If its rows were deleted since, they are missing",
    ] {
        assert!(mail.body.contains(says), "{says}: {}", mail.body);
    }
    up.put("days/2026-01-02/day.csv", b"day,v\n2026-01-02,B\n".to_vec()).await;
    let mail = up.mail_of("again 2026-01-02").await;
    assert!(mail.body.contains("an earlier version of s3://"), "{}", mail.body);
    assert_eq!(rows(&up).await, "A2026-01-01 B");
}

/// A pipeline that empties a table before it loads a folder.
fn emptied() -> String {
    let text =
        PIPELINE.replace("days/{day}/day.csv", "all/{day}/part-*").replace(r#""days/#{myDay}""#, r#""all""#);
    let text = text.replace(
        r##""filePath": "s3://#{myDropBucket}/days/#{myDay}/day.csv""##,
        r##""directoryPath": "s3://#{myDropBucket}/all/#{myDay}/""##,
    );
    let text = text.replace(
        r#""onSuccess": {"ref": "Done"}"#,
        r#""onSuccess": {"ref": "Done"}, "myDropMarker": "all/{day}/_SUCCESS""#,
    );
    text.replace("DELETE FROM public.days WHERE day = '#{myDay}'", "TRUNCATE public.days")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_files_are_loaded_again_into_a_table_that_was_emptied() {
    let definitions = Definitions::uncapped();
    definitions.write("all.json", &emptied());
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let part = |name: &str, v: &str| (format!("all/2026-01-02/{name}"), format!("day,v\n2026-01-02,{v}\n"));
    for (key, text) in [part("part-0", "a"), part("part-1", "b"), part("part-2", "c")] {
        up.put(&key, text.into_bytes()).await;
    }
    up.put("all/2026-01-02/_SUCCESS", Vec::new()).await;
    up.mail_of("done 2026-01-02").await;
    let (key, text) = part("part-0", "corrected");
    up.put(&key, text.into_bytes()).await;
    up.put("all/2026-01-02/_SUCCESS", Vec::new()).await;
    until("the second run", async || {
        let rows = rows(&up).await;
        if rows == "b c corrected" { Ok(()) } else { Err(format!("{rows}\n{}", up.log())) }
    })
    .await;
}
