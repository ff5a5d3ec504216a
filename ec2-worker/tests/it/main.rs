//! The worker with a real PostgreSQL, with S3, and with pipeline services.

mod circles;
mod corpus;
mod declared_columns;
mod dialects;
mod doubles;
mod dry_runs;
mod encodings;
mod exports;
mod faulty_s3;
mod foreign;
mod foreign_programs;
mod foreign_tables;
mod fuzzed;
mod gzip;
mod insert_queries;
mod joined_bytes;
mod joined_files;
mod json_literals;
mod killed;
mod killed_loads;
mod late_keys;
mod left_out;
mod loading;
mod objects;
mod on_update;
mod outages;
mod own_types;
mod packed_copies;
mod proxy;
mod queries;
mod random_tables;
mod random_texts;
mod refusal_cost;
mod refusals;
mod rejects_names;
mod remedies;
mod replacing;
mod retries;
mod rounding;
mod rules;
mod scripts;
mod secrets;
mod settings;
mod shop;
mod stack;
mod staging;
mod tables;
mod taken_over;
mod together;
mod together_one_table;
mod types;
mod value_rules;
mod values;
mod workbooks;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use definition::kind::field::{Limit, LoadMode, OnColumns};
use e2e::postgres::NativePostgres;
use ec2_worker::database::{self, Pool};
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::load::{self, Load};
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::transform::RowsOf;
use ec2_worker::etl::value_rules::ValueRules;
use ec2_worker::failure::Failure;
use ec2_worker::ledger::WorkKey;
use ec2_worker::node::SqlNode;
use ec2_worker::progress::Progress;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// A PostgreSQL, a folder for files, and a client for queries.
struct World {
    postgres: NativePostgres,
    folder: TempDir,
    client: Client,
    pool: Pool,
}

impl World {
    async fn new(schema: &str) -> Self {
        let postgres = NativePostgres::start();
        let client = connect(&postgres.url()).await;
        client.batch_execute(schema).await.expect("the test's tables");
        Self { postgres, folder: TempDir::new().expect("a folder"), client, pool: Pool::default() }
    }

    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let path = self.folder.path().join(format!("{}.csv", NUMBER.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&path, content).expect("written");
        path
    }

    fn load(&self, table: &str, file: &Path) -> Load {
        Load {
            key: WorkKey { pipeline: "df-1".into(), instance: file.display().to_string(), generation: 0 },
            target: database::parse(&self.postgres.url(), None, None, None, &[]).expect("a URL"),
            schema: None,
            table: table.to_owned(),
            create: None,
            insert: None,
            sources: vec![Source { origin: Origin::File(file.to_owned()), gzip: false }],
            dialect: Dialect { header: true, ..Dialect::default() },
            rows_of: RowsOf::File,
            declared: Vec::new(),
            rules: ValueRules::default(),
            mode: LoadMode::Append,
            on_columns: OnColumns::Strict,
            cascade: false,
            together: None,
            expect: load::Expectations::default(),
            limit: Limit::Count(0),
            quarantine: None,
            scratch: self.folder.path().to_owned(),
            patience: Duration::from_secs(20),
        }
    }

    fn node(&self, table: &str, target: database::DatabaseTarget) -> SqlNode {
        let (schema, select, insert, create) = (None, None, None, None);
        SqlNode {
            id: "Node".to_owned(),
            target,
            schema,
            table: table.to_owned(),
            select,
            insert,
            create,
            expect: Vec::new(),
            expect_warn: Vec::new(),
        }
    }

    async fn run(&self, load: &Load) -> Result<String, Failure> {
        let progress = Progress::default();
        load::load(load, &self.pool, &progress).await.map(|()| told(&progress))
    }

    /// Returns the rows of a query, with `|` between columns and a blank between rows.
    async fn rows(&self, query: &str) -> String {
        self.texts(query).await.join(" ")
    }

    /// Returns the rows of a query, each with `|` between its columns.
    async fn texts(&self, query: &str) -> Vec<String> {
        let messages = self.client.simple_query(query).await.expect("a legal query");
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|index| row.get(index).unwrap_or("NULL"));
                Some(columns.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        });
        rows.collect()
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a session");
    tokio::spawn(connection);
    client
}

/// Returns the fields that a load reports, in a fixed order.
fn told(progress: &Progress) -> String {
    let fields = progress.fields();
    let keys = ["rowsLoaded", "rowsRejected", "note", "rejectReasons"];
    let mut told = Vec::new();
    for wanted in keys {
        let values = fields.iter().filter(|(key, _)| key == wanted);
        told.extend(values.map(|(key, value)| format!("{key}={value}")));
    }
    told.join(", ")
}
