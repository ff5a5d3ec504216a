//! The rate at which waiting sets run: many sets of one file are dropped at once, and each of them gets a run of its own.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::{definitions::Definitions, program::Up};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::{Figure, PROGRAM};

/// A run that loads one file and sends no mail.
const DEFINITION: &str = r##"{"objects": [
    {"id": "Default", "scheduleType": "ondemand", "failureAndRerunMode": "CASCADE", "role": "r", "resourceRole": "r",
     "pipelineLogUri": "s3://downspout-logs/notes", "workerGroup": "downspout", "maximumRetries": "0",
     "myDropFile": "notes/{number}/note.csv"},
    {"id": "Warehouse", "type": "JdbcDatabase", "connectionString": "#{myDatabaseUrl}",
     "jdbcDriverClass": "org.postgresql.Driver", "username": "#{myDatabaseUsername}",
     "*password": "#{*myDatabasePassword}"},
    {"id": "File", "type": "S3DataNode", "filePath": "s3://downspout-drop/notes/#{myNumber}/note.csv"},
    {"id": "Table", "type": "SqlDataNode", "database": {"ref": "Warehouse"}, "table": "notes",
     "createTableSql": "CREATE TABLE notes (number text, note text)"},
    {"id": "Load", "type": "CopyActivity", "input": {"ref": "File"}, "output": {"ref": "Table"}}
  ], "parameters": [{"id": "myNumber", "type": "String"}, {"id": "myDatabaseUrl", "type": "String"},
    {"id": "myDatabaseUsername", "type": "String"}, {"id": "*myDatabasePassword", "type": "String"}]}"##;

/// The number of sets, unless `DOWNSPOUT_BENCH_SETS` gives another.
const SETS: usize = 300;
const DROPPED_AT_ONCE: usize = 16;
const LIMIT: Duration = Duration::from_secs(3_600);

/// Drops the sets, and measures the time until the last of them has run.
pub(crate) async fn figures() -> Result<Vec<Figure>> {
    let sets = std::env::var("DOWNSPOUT_BENCH_SETS").map_or(Ok(SETS), |text| text.parse())?;
    let definitions = Definitions::uncapped();
    definitions.write("notes.json", DEFINITION);
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let started = Instant::now();
    let drops = (0..sets).map(|number| {
        let up = &up;
        async move {
            let body = format!("{number:05},a note\n").into_bytes();
            up.put(&format!("notes/{number:05}/note.csv"), body).await;
            anyhow::Ok(())
        }
    });
    stream::iter(drops).buffer_unordered(DROPPED_AT_ONCE).try_collect::<()>().await?;
    let dropped = started.elapsed();
    let mut shown = Instant::now();
    loop {
        let database = up.database().await;
        let counted = database.query_one("SELECT count(*), count(DISTINCT number) FROM notes", &[]).await;
        // The first run creates the table.
        let (rows, numbers): (i64, i64) = counted.map_or((0, 0), |row| (row.get(0), row.get(1)));
        drop(database);
        ensure!(rows == numbers, "a set ran twice: {rows} rows of {numbers} sets");
        if usize::try_from(rows)? == sets {
            break;
        }
        if shown.elapsed() > Duration::from_secs(30) {
            println!("{rows} of {sets} sets after {:.0} s", started.elapsed().as_secs_f64());
            shown = Instant::now();
        }
        ensure!(started.elapsed() < LIMIT, "{rows} of {sets} sets have run: {}", up.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{sets} sets: dropped in {:.1} s, run in {seconds:.1} s", dropped.as_secs_f64());
    Ok(vec![Figure::new("queued_run", seconds * 1_000.0 / sets as f64, "ms")])
}
