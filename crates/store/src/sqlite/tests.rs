use std::sync::Arc;

use engine::PipelineId;

use super::*;
use crate::conformance;

crate::conformance::conformance!(tempfile::tempdir().unwrap());

impl crate::conformance::Site for tempfile::TempDir {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.path().join("store.sqlite")).unwrap())
    }
}

fn pipeline(id: &str) -> Pipeline {
    Pipeline::new(PipelineId::from(id), id, "token", Timestamp::UNIX_EPOCH)
}

#[tokio::test]
async fn an_acknowledged_pipeline_is_there_after_opening_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    let created = store.create_pipeline(pipeline("df-1")).await.unwrap();
    drop(store);
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.pipeline(&created.id).await.unwrap(), Some(created));
}

#[tokio::test]
async fn a_file_that_a_server_has_is_refused_to_another_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let store = SqliteStore::open_alone(&path).unwrap();
    let error = SqliteStore::open_alone(&path).err().unwrap().to_string();
    assert!(error.contains("another server") && error.contains("store.sqlite"), "{error}");
    #[cfg(unix)]
    {
        let link = folder.path().join("link.sqlite");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(SqliteStore::open_alone(&link), Err(StoreError::InUse { .. })));
        drop(store);
        let by_link = SqliteStore::open_alone(&link).unwrap();
        by_link.create_pipeline(pipeline("df-1")).await.unwrap();
        drop(by_link);
    }
    let store = SqliteStore::open_alone(&path).unwrap();
    assert_eq!(store.list_pipelines(None, 9).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn every_call_is_refused_after_a_flush_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    let flusher = Flusher::start("flush", || Err(std::io::Error::other("a bad disk"))).unwrap();
    let writer = start(Connection::open(&path).unwrap(), Some(flusher)).unwrap();
    let store = SqliteStore { writer, _lock: None };
    assert_eq!(store.list_pipelines(None, 9).await.unwrap().items, []);
    for id in ["df-1", "df-2"] {
        let refused = store.create_pipeline(pipeline(id)).await.unwrap_err().chain();
        assert!(refused.contains("a bad disk") && refused.contains("restart"), "{refused}");
    }
    assert!(store.list_pipelines(None, 9).await.is_err());
    drop(store);
    let kept = SqliteStore::open(&path).unwrap().list_pipelines(None, 9).await.unwrap().items;
    assert!(kept.iter().all(|(id, _)| id.as_str() == "df-1"), "only the call that was at work: {kept:?}");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused_in_clear_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    drop(SqliteStore::open(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.execute("INSERT INTO migrations (version, name) VALUES (99, 'later')", []).unwrap();
    drop(connection);
    let error = SqliteStore::open(&path).err().unwrap().to_string();
    assert!(error.contains("schema version 99") && error.contains("newer program"), "{error}");
}

#[tokio::test]
async fn a_killed_process_leaves_a_whole_data_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("a.sqlite"), folder.path().join("b.sqlite"));
    let store = SqliteStore::open(&path).unwrap();
    for id in ["df-1", "df-2"] {
        store.create_pipeline(pipeline(id)).await.unwrap();
    }
    // A killed process leaves the files as they are while the store is open.
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(folder.path().join("a.sqlite-wal"), folder.path().join("b.sqlite-wal")).unwrap();
    let back = SqliteStore::open(&copy).unwrap();
    assert_eq!(back.list_pipelines(None, 10).await.unwrap().items.len(), 2);
    back.create_pipeline(pipeline("df-3")).await.unwrap();
    drop(back);
    let back = SqliteStore::open(&copy).unwrap();
    assert_eq!(back.list_pipelines(None, 10).await.unwrap().items.len(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let _store = SqliteStore::open(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn many_writers_at_once_are_all_kept_and_a_refused_one_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("store.sqlite")).unwrap());
    let mut tasks = Vec::new();
    for number in 0..200 {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let pipeline = pipeline(&format!("df-{number}"));
            if number % 10 == 0 {
                let refused = store.save(Batch::new().pipeline(&pipeline)).await;
                return matches!(refused, Err(StoreError::NoPipeline(_)));
            }
            store.create_pipeline(pipeline).await.is_ok()
        }));
    }
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(store.list_pipelines(None, 1000).await.unwrap().items.len(), 180);
}

#[tokio::test]
async fn a_call_is_refused_with_the_reason_if_no_transaction_begins() {
    let connection = memory().unwrap();
    connection.execute_batch("BEGIN").unwrap();
    let store = SqliteStore { writer: Writer::inline(connection), _lock: None };
    let refused = store.open_runs().await.unwrap_err();
    assert!(matches!(&refused, StoreError::Commit(reason) if reason.contains("transaction")), "{refused:?}");
    assert_eq!(store.open_runs().await.unwrap(), []);
}

#[tokio::test]
async fn a_full_disk_refuses_the_save_that_does_not_fit_and_keeps_the_others() {
    let store = SqliteStore::in_memory_inline().unwrap();
    store.limit_growth(Some(0)).await.unwrap();
    let mut kept = 0;
    let refused = loop {
        match store.create_pipeline(pipeline(&format!("df-{kept}"))).await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1_000, "the store grows without limit");
    };
    assert!(format!("{refused:?}").contains("full"), "{refused:?}");
    assert_eq!(store.list_pipelines(None, 1_000).await.unwrap().items.len(), kept);
    store.limit_growth(None).await.unwrap();
    store.create_pipeline(pipeline("more")).await.unwrap();
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_kept_whose_caller_got_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("store.sqlite")).unwrap());
    store.limit_growth(Some(16 << 10)).await.unwrap();
    // Large pipelines fill the disk, and small ones wait behind them for the same transaction.
    let create = |number: usize| {
        let (store, mut pipeline) = (Arc::clone(&store), pipeline(&format!("df-{number}")));
        pipeline.description = number.is_multiple_of(5).then(|| "x".repeat(8 << 10));
        tokio::spawn(async move { store.create_pipeline(pipeline).await.map(|kept| kept.id) })
    };
    let tasks: Vec<_> = (0..100).map(create).collect();
    let mut acknowledged = Vec::new();
    for task in tasks {
        acknowledged.extend(task.await.unwrap());
    }
    let kept = store.list_pipelines(None, 1_000).await.unwrap().items;
    let mut kept: Vec<_> = kept.into_iter().map(|(id, _)| id).collect();
    kept.sort_unstable();
    acknowledged.sort_unstable();
    assert!(kept.len() < 100, "the disk was not full");
    assert_eq!(kept, acknowledged);
}

#[tokio::test]
async fn rows_of_an_older_program_are_read_and_their_definitions_are_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let connection = Connection::open(&path).unwrap();
    let noting = "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL);
        INSERT INTO migrations VALUES (1, 'first'), (2, 'next runs')";
    connection.execute_batch(noting).unwrap();
    for (_, sql) in &migrate::MIGRATIONS[..2] {
        connection.execute_batch(sql).unwrap();
    }
    let (pipeline, body) = conformance::old_pipeline();
    let id = pipeline.id.as_str();
    let insert = "INSERT INTO pipelines (id, name, unique_id, body) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(insert, (id, &pipeline.name, &pipeline.unique_id, body)).unwrap();
    for old in conformance::old_runs() {
        let (header, run) = (old.run.header(), old.run.header().id.as_str());
        let insert = "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5)";
        let revision = i64::try_from(header.revision).unwrap();
        connection.execute(insert, (id, run, revision, header.ended.is_none(), old.header)).unwrap();
        let insert = "INSERT INTO run_definitions VALUES (?1, ?2, ?3)";
        connection.execute(insert, (id, run, old.definition)).unwrap();
        let insert = "INSERT INTO instances (pipeline_id, run_id, id, component_id, status, scheduled_at, \
                      depends_on, body) VALUES (?1, ?2, ?3, '', '', 0, ?4, ?5)";
        for (instance, depends_on, body) in old.instances {
            connection.execute(insert, (id, run, instance, depends_on, body)).unwrap();
        }
        let insert = "INSERT INTO attempts (pipeline_id, run_id, id, component_id, instance_id, status, \
                      scheduled_at, body) VALUES (?1, ?2, ?3, '', '', '', 0, ?4)";
        connection.execute(insert, (id, run, old.attempt.0, old.attempt.1)).unwrap();
    }
    drop(connection);
    let store = SqliteStore::open(&path).unwrap();
    conformance::must_hold_old_runs(&store).await;
    let (run, step) = conformance::third_run();
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    drop(store);
    let connection = Connection::open(&path).unwrap();
    let count = "SELECT count(*) FROM definition_bodies";
    assert_eq!(connection.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
}

#[tokio::test]
async fn an_expired_run_leaves_no_row_and_no_unused_definition() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let store = SqliteStore::open(&path).unwrap();
    conformance::one_of_two_expired(&store).await;
    let connection = Connection::open(&path).unwrap();
    for (table, rows) in conformance::ROWS_OF_ONE_RUN {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(connection.query_row(&count, [], |row| row.get(0)), Ok(rows), "{table}");
    }
}

#[tokio::test]
async fn the_last_migration_leaves_its_version() {
    let store = SqliteStore::in_memory().unwrap();
    let version: i64 = store
        .run(|connection| {
            connection
                .query_row("SELECT max(version) FROM migrations", [], |row| row.get(0))
                .map_err(StoreError::doing("reading the schema version"))
        })
        .await
        .unwrap();
    assert_eq!(usize::try_from(version), Ok(migrate::MIGRATIONS.len()));
}
