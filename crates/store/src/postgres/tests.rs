use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::{Event, PipelineId, RunnerId};
use futures::FutureExt as _;
use native_postgres::NativePostgres;
use tokio_postgres::Client;

use super::*;
use crate::conformance::{Site, conformance};

conformance!(Schema::fresh());

/// A schema of the PostgreSQL that the tests share.
struct Schema(PostgresLocation);

impl Schema {
    fn fresh() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(location(&format!("{}?schema=test_{number}", NativePostgres::shared().url())))
    }

    async fn store(&self) -> PostgresStore {
        PostgresStore::open(&self.0).await.unwrap()
    }

    /// A session without a store, in the same schema.
    async fn client(&self) -> Client {
        let client = self.0.database.connect().await.unwrap();
        client.batch_execute(&format!("SET search_path TO {}", self.0.quoted_schema())).await.unwrap();
        client
    }
}

impl Site for Schema {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store().await)
    }
}

fn location(url: &str) -> PostgresLocation {
    PostgresLocation::parse(url).unwrap()
}

fn pipeline(id: &str) -> Pipeline {
    Pipeline::new(PipelineId::from(id), id, "token", Timestamp::UNIX_EPOCH)
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Waits until a session of a store waits for a lock on a row of `table`, in the schema of `client`.
async fn until_a_session_waits(client: &Client, table: &str) {
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid) \
         WHERE wait_event_type = 'Lock' AND relation = '{table}'::regclass AND application_name = 'downspout'"
    );
    for _ in 0..1000 {
        if count(client, &waiting).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no session waits for a lock on {table}");
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_in_clear_words() {
    let schema = Schema::fresh();
    drop(schema.store().await);
    let later = "INSERT INTO migrations (version, name) VALUES (99, 'later')";
    schema.client().await.batch_execute(later).await.unwrap();
    let error = PostgresStore::open(&schema.0).await.err().unwrap();
    assert!(matches!(error, StoreError::Newer { found: 99, .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains("schema version 99") && error.contains("newer program"), "{error}");
}

#[tokio::test]
async fn stores_that_start_at_once_bring_the_schema_up_to_date_once() {
    let schema = Schema::fresh();
    let stores = futures::future::join_all((0..8).map(|_| schema.store())).await;
    assert_eq!(stores.len(), 8);
    assert_eq!(count(&schema.client().await, "SELECT count(*) - max(version) FROM migrations").await, 0);
}

#[tokio::test]
async fn rows_of_an_older_program_are_read_and_their_definitions_are_kept_once() {
    let schema = Schema::fresh();
    let client = schema.client().await;
    let make = format!("CREATE SCHEMA {}", schema.0.quoted_schema());
    client.batch_execute(&make).await.unwrap();
    let noting = "CREATE TABLE migrations (version bigint PRIMARY KEY, name text COLLATE \"C\" NOT NULL);
        INSERT INTO migrations VALUES (1, 'first'), (2, 'next runs')";
    client.batch_execute(noting).await.unwrap();
    for (_, sql) in &migrate::MIGRATIONS[..2] {
        client.batch_execute(sql).await.unwrap();
    }
    let (pipeline, body) = crate::conformance::old_pipeline();
    let (id, key) = (pipeline.id.as_str(), write::creation_key(&pipeline));
    let insert = "INSERT INTO pipelines (id, name, creation_key, body) VALUES ($1, $2, $3, $4)";
    client.execute(insert, &[&id, &pipeline.name, &key, &body]).await.unwrap();
    for old in crate::conformance::old_runs() {
        let (header, run) = (old.run.header(), old.run.header().id.as_str());
        let (revision, is_open) = (i64::try_from(header.revision).unwrap(), header.ended.is_none());
        let insert = "INSERT INTO runs VALUES ($1, $2, $3, $4, $5)";
        client.execute(insert, &[&id, &run, &revision, &is_open, &old.header]).await.unwrap();
        let insert = "INSERT INTO run_definitions VALUES ($1, $2, $3)";
        client.execute(insert, &[&id, &run, &old.definition]).await.unwrap();
        let insert = "INSERT INTO instances (pipeline_id, run_id, sequence, id, component_id, status, \
                      scheduled_at, depends_on, body) VALUES ($1, $2, $3, $4, '', '', 0, $5, $6)";
        for (sequence, (instance, depends_on, body)) in (0_i64..).zip(&old.instances) {
            client.execute(insert, &[&id, &run, &sequence, instance, depends_on, body]).await.unwrap();
        }
        let insert = "INSERT INTO attempts (pipeline_id, run_id, sequence, number, id, component_id, \
                      instance_id, status, scheduled_at, body) VALUES ($1, $2, 0, 1, $3, '', '', '', 0, $4)";
        client.execute(insert, &[&id, &run, &old.attempt.0, &old.attempt.1]).await.unwrap();
    }
    let store = schema.store().await;
    crate::conformance::must_hold_old_runs(&store).await;
    let (run, step) = crate::conformance::third_run();
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    assert_eq!(count(&client, "SELECT count(*) FROM definition_bodies").await, 1);
}

#[tokio::test]
async fn an_expired_run_leaves_no_row_and_no_unused_definition() {
    let schema = Schema::fresh();
    crate::conformance::one_of_two_expired(&schema.store().await).await;
    let client = schema.client().await;
    for (table, rows) in crate::conformance::ROWS_OF_ONE_RUN {
        assert_eq!(count(&client, &format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
}

#[tokio::test]
async fn a_user_who_may_not_create_schemas_uses_an_existing_schema() {
    let schema = Schema::fresh();
    let client = schema.client().await;
    let name = schema.0.quoted_schema();
    let make = format!("CREATE ROLE modest LOGIN; CREATE SCHEMA {name} AUTHORIZATION modest");
    client.batch_execute(&make).await.unwrap();
    let url = NativePostgres::shared().url().replace("postgres@", "modest@");
    let modest = location(&format!("{url}?schema={}", schema.0.schema));
    drop(PostgresStore::open(&modest).await.unwrap());
    let store = PostgresStore::open(&modest).await.unwrap();
    store.create_pipeline(pipeline("df-1")).await.unwrap();
}

#[tokio::test]
async fn tables_stand_in_a_schema_of_their_own_and_sort_by_bytes() {
    let location = location(&NativePostgres::shared().url());
    let store = PostgresStore::open(&location).await.unwrap();
    store.create_pipeline(pipeline("df-1")).await.unwrap();
    let client = store.sessions.take().await.unwrap();
    assert_eq!(count(&client, "SELECT count(*) FROM downspout_engine.pipelines").await, 1);
    let otherwise = "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'downspout_engine' \
                     AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'";
    assert_eq!(count(&client, otherwise).await, 0);
}

#[tokio::test]
async fn a_commit_is_flushed_whatever_the_default_of_the_user_is() {
    let schema = Schema::fresh();
    let careless = "CREATE ROLE careless LOGIN SUPERUSER; ALTER ROLE careless SET synchronous_commit = off";
    schema.client().await.batch_execute(careless).await.unwrap();
    let url = NativePostgres::shared().url().replace("postgres@", "careless@");
    let store = PostgresStore::open(&location(&format!("{url}?schema={}", schema.0.schema))).await.unwrap();
    let session = store.sessions.take().await.unwrap();
    let row = session.query_one("SHOW synchronous_commit", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "on");
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let client = Schema::fresh().client().await;
    let make = "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'";
    client.batch_execute(make).await.unwrap();
    let url = NativePostgres::shared().url();
    let latin = url.strip_suffix("/postgres").unwrap().to_owned() + "/latin";
    let error = PostgresStore::open(&location(&latin)).await.err().unwrap();
    assert!(
        matches!(&error, StoreError::Encoding { encoding, .. } if encoding == "LATIN1"),
        "{}",
        error.chain()
    );
}

#[tokio::test]
async fn a_password_is_never_shown() {
    let port = native_postgres::free_port();
    let location = location(&format!("postgres://me:geheim@127.0.0.1:{port}/p"));
    let error = PostgresStore::open(&location).await.err().unwrap();
    let error = format!("{} {error:?} {location:?}", error.chain());
    assert!(error.contains(&format!("127.0.0.1:{port}/p")) && !error.contains("geheim"), "{error}");
}

#[tokio::test]
async fn acknowledged_pipelines_outlive_a_crash_and_the_next_call_reconnects() {
    let postgres = NativePostgres::start();
    let store = PostgresStore::open(&location(&postgres.url())).await.unwrap();
    let created = store.create_pipeline(pipeline("df-1")).await.unwrap();
    // Open several sessions, so that the crash kills several.
    futures::future::join_all((0..8).map(|_| store.open_runs())).await;

    postgres.down();
    let error = store.save(Batch::new().pipeline(&created)).await.unwrap_err();
    assert!(matches!(error, StoreError::Connect { .. } | StoreError::Lost { .. }), "{error:?}");
    assert!(error.chain().contains("127.0.0.1"), "{}", error.chain());
    let error = store.pipeline(&created.id).await.unwrap_err();
    assert!(matches!(error, StoreError::Connect { .. }), "{error:?}");

    postgres.up();
    assert_eq!(store.pipeline(&created.id).await.unwrap(), Some(created.clone()));
    store.save(Batch::new().pipeline(&created)).await.unwrap();

    // Idle sessions that the server closes are replaced, and the caller does not notice.
    let session = store.sessions.take().await.unwrap();
    futures::future::join_all((0..8).map(|_| store.open_runs())).await;
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                  WHERE application_name = 'downspout' AND pid <> pg_backend_pid()";
    assert!(count(&session, others).await > 0);
    store.save(Batch::new().pipeline(&created)).await.unwrap();
    let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
                  AND application_name = 'downspout'";
    count(&session, others).await;
    assert_eq!(store.pipeline(&created.id).await.unwrap(), Some(created));
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let schema = Schema::fresh();
    let store = Arc::new(schema.store().await);
    for id in ["df-1", "df-2"] {
        store.create_pipeline(pipeline(id)).await.unwrap();
    }
    let mut client = schema.client().await;
    // The store's session notices the deadlock first, and is undone.
    client.batch_execute("SET deadlock_timeout = '1min'").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("UPDATE pipelines SET name = 'x' WHERE id = 'df-2'", &[]).await.unwrap();
    let changed = |id| Pipeline { description: Some("new".to_owned()), ..pipeline(id) };
    let batch = Batch::new().pipeline(&changed("df-1")).pipeline(&changed("df-2"));
    let saving = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.save(batch).await }
    });
    until_a_session_waits(transaction.client(), "pipelines").await;
    transaction.execute("UPDATE pipelines SET name = 'x' WHERE id = 'df-1'", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    saving.await.unwrap().unwrap();
    for id in ["df-1", "df-2"] {
        assert_eq!(store.pipeline(&PipelineId::from(id)).await.unwrap(), Some(changed(id)));
    }
}

#[tokio::test]
async fn an_aborted_save_is_undone_and_blocks_nobody() {
    let schema = Schema::fresh();
    let store = Arc::new(schema.store().await);
    let (mut run, step) = crate::conformance::fresh_run(&*store, "df-1").await;
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let mut client = schema.client().await;
    let transaction = client.transaction().await.unwrap();
    transaction.execute("UPDATE runs SET is_open = is_open", &[]).await.unwrap();
    let attempt = run.offers().next().unwrap().0.clone();
    let claimed = Event::Claimed { attempt, runner: RunnerId::from("r") };
    let step = run.step(claimed, Timestamp::UNIX_EPOCH).unwrap();
    let batch = Batch::new().step(&run, &step);
    let saving = tokio::spawn({
        let (store, batch) = (Arc::clone(&store), batch.clone());
        async move { store.save(batch).await }
    });
    until_a_session_waits(transaction.client(), "runs").await;
    saving.abort();
    assert!(saving.await.unwrap_err().is_cancelled());
    transaction.commit().await.unwrap();
    // The aborted save was undone, so the same step is not a conflict.
    store.save(batch).await.unwrap();
}

#[tokio::test]
async fn a_deletion_waits_for_a_save_of_a_run_and_deletes_its_rows_too() {
    let schema = Schema::fresh();
    let store = Arc::new(schema.store().await);
    let (run, step) = crate::conformance::fresh_run(&*store, "df-1").await;
    store.save(Batch::new().new_run(&run, &step)).await.unwrap();
    let mut client = schema.client().await;
    // Another server is in the middle of a save: it has locked the run, and has written rows that other sessions do not see yet.
    let transaction = client.transaction().await.unwrap();
    transaction.execute("UPDATE runs SET revision = revision + 1", &[]).await.unwrap();
    let another = "INSERT INTO attempts (pipeline_id, run_id, sequence, number, id, component_id, instance_id, \
                   status, scheduled_at, body) SELECT pipeline_id, run_id, sequence, number + 1, id, \
                   component_id, instance_id, status, scheduled_at, body FROM attempts";
    assert_eq!(transaction.execute(another, &[]).await.unwrap(), 1);
    let deleting = tokio::spawn({
        let (store, id) = (Arc::clone(&store), run.header().pipeline.clone());
        async move { store.delete_pipeline(&id, Timestamp::UNIX_EPOCH).await }
    });
    until_a_session_waits(transaction.client(), "runs").await;
    transaction.commit().await.unwrap();
    assert!(deleting.await.unwrap().unwrap());
    assert_eq!(count(&client, "SELECT count(*) FROM attempts").await, 0);
}

#[test]
fn a_run_of_ten_thousand_instances_is_saved_with_few_statements() {
    let (run, step) = crate::conformance::big_run(10_000);
    let statements = write::save(&Batch::new().new_run(&run, &step)).unwrap();
    assert!(statements.len() < 10, "{} statements", statements.len());
}

#[tokio::test]
async fn a_claimed_notice_is_left_alone_by_other_servers_until_the_claim_is_over() {
    let schema = Schema::fresh();
    let (one, other) = (schema.store().await, schema.store().await);
    let client = schema.client().await;
    client.batch_execute("INSERT INTO notices (id, body) VALUES ('n', '{}')").await.unwrap();
    let id = engine::NoticeId::from("n");
    assert!(one.claim_notice(&id).await.unwrap());
    assert!(!other.claim_notice(&id).await.unwrap());
    client.batch_execute("UPDATE notices SET claimed_until = clock_timestamp()").await.unwrap();
    assert!(other.claim_notice(&id).await.unwrap());
    assert!(!one.claim_notice(&id).await.unwrap());
}

#[tokio::test]
async fn a_group_with_free_attempts_is_announced_to_the_other_servers_only() {
    let schema = Schema::fresh();
    let (one, other) = (schema.store().await, schema.store().await);
    let heard = tokio::spawn(async move { other.hear().await });
    let group = WorkerGroup::from("a group with spaces");
    // Repeat until the other store listens.
    for _ in 0..1000 {
        one.announce(std::slice::from_ref(&group)).await.unwrap();
        if heard.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(heard.is_finished(), "the other server hears nothing");
    assert_eq!(heard.await.unwrap(), group);
    assert!(one.messages.hear().now_or_never().is_none());
}
