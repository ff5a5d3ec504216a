//! Work of the worker's library with S3 and the embedded PostgreSQL of a stack: exports, a thousand small files, and a load.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use definition::kind::field::{Limit, LoadMode, OnColumns};
use e2e::program::Up;
use e2e::samples::Samples;
use ec2_worker::database::{self, Pool};
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::load::{self, Expectations, Load};
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::transform::RowsOf;
use ec2_worker::etl::unload::{self, Unload};
use ec2_worker::etl::value_rules::ValueRules;
use ec2_worker::ledger::WorkKey;
use ec2_worker::node::SqlNode;
use ec2_worker::progress::Progress;
use ec2_worker::storage::{S3Uri, Storage};

use crate::native::{Native, Turns, megabytes};
use crate::{Figure, PROGRAM};

const TABLE: &str = "staging.orders";
/// The rows of the export, if the loaded file has its usual size.
const EXPORTED: u64 = 10_000_000;
/// The number of small files, and the rows of each, which make about a kilobyte.
const FILES: usize = 1_000;
const ROWS_OF_A_FILE: u64 = 23;
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns a load of `sources` into `table` that is new work.
pub(crate) fn new_load(url: &str, table: &str, sources: Vec<Source>, dialect: Dialect) -> Result<Load> {
    let problem = |what| anyhow::anyhow!("the URL of the database {what}");
    let now = jiff::Timestamp::now().as_nanosecond();
    Ok(Load {
        key: WorkKey { pipeline: "bench".to_owned(), instance: format!("load-{now}"), generation: 0 },
        target: database::parse(url, None, None, None, &[]).map_err(problem)?,
        schema: None,
        table: table.to_owned(),
        create: None,
        insert: None,
        sources,
        dialect,
        rows_of: RowsOf::File,
        declared: Vec::new(),
        rules: ValueRules::default(),
        mode: LoadMode::Append,
        on_columns: OnColumns::Strict,
        cascade: false,
        together: None,
        expect: Expectations::default(),
        limit: Limit::Count(0),
        quarantine: None,
        scratch: std::env::temp_dir(),
        patience: PATIENCE,
    })
}

/// Loads, and returns the seconds.
pub(crate) async fn seconds_of(load: &Load, pool: &Pool) -> Result<f64> {
    let start = Instant::now();
    let done = load::load(load, pool, &Progress::default()).await;
    done.map_err(|failure| anyhow::anyhow!("{}: {failure}", failure.id))?;
    Ok(start.elapsed().as_secs_f64())
}

pub(crate) fn with_header() -> Dialect {
    Dialect { header: true, ..Dialect::default() }
}

/// Measures an export of a query to S3, in turns with `psql \copy … to stdout`.
pub(crate) fn export(target: &Path, runtime: &tokio::runtime::Runtime) -> Result<Figure> {
    let native = Native::start(target)?;
    let up = runtime.block_on(Up::start(PROGRAM, &[]));
    let rows = EXPORTED * megabytes()? / 1024;
    let fill = format!(
        "INSERT INTO {TABLE} SELECT id, 'C-' || id % 1200, date '2025-01-01' + (id % 365)::integer, 'P' || id % 24, \
         (id % 24800) / 100.0, id % 6 + 1, (id % 24800) / 100.0 * (id % 6 + 1) FROM generate_series(1, {rows}) AS id"
    );
    native.psql(&["-c", &fill, "-c", &format!("VACUUM ANALYZE {TABLE}")])?;
    let query = format!("SELECT * FROM {TABLE}");
    let node = SqlNode {
        id: "Orders".to_owned(),
        target: new_load(&native.url(), TABLE, Vec::new(), with_header())?.target,
        schema: None,
        table: String::new(),
        select: Some(query.clone()),
        insert: None,
        create: None,
        expect: Vec::new(),
        expect_warn: Vec::new(),
    };
    let bucket = up.endpoints.buckets.results.clone();
    let (storage, pool) = (Storage::new(up.s3()), Pool::default());
    let at = S3Uri { bucket: bucket.clone(), key: "orders.csv".to_owned() };
    let unload = Unload::new(&node, &with_header());
    let path = native.path("exported.csv");
    let own = || {
        let start = Instant::now();
        let progress = Progress::default();
        let written = unload::to_object(&pool, &unload, &storage, &at, false, PATIENCE, &progress);
        runtime.block_on(written).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let seconds = start.elapsed().as_secs_f64();
        let object =
            runtime.block_on(storage.pin(&at, None)).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let theirs = path.metadata()?.len();
        ensure!(object.size == theirs, "the export has {} bytes, that of psql {theirs}", object.size);
        Ok(seconds)
    };
    let copy = format!("\\copy ({query}) to stdout with (format csv, header)");
    let rival = || {
        let start = Instant::now();
        let bin = e2e::postgres::programs().context("psql is missing: run tests/setup")?;
        let status = Command::new(bin.join("psql"))
            .arg(native.url())
            .args(["-X", "-q", "-c", &copy])
            .stdout(Stdio::from(File::create(&path)?))
            .status()?;
        ensure!(status.success(), "psql ended with {status}");
        Ok(start.elapsed().as_secs_f64())
    };
    let turns = Turns::of(2, "export", own, rival)?;
    Ok(turns.figure("export_to_s3", "psql \\copy to stdout"))
}

/// Measures the load of a thousand objects of a kilobyte, in turns with one `psql` that copies as many files.
pub(crate) fn small_files(target: &Path, runtime: &tokio::runtime::Runtime) -> Result<Figure> {
    let native = Native::start(target)?;
    let up = runtime.block_on(Up::start(PROGRAM, &[]));
    let (storage, pool) = (Storage::new(up.s3()), Pool::default());
    let folder = S3Uri { bucket: up.endpoints.buckets.results.clone(), key: "small".to_owned() };
    let mut script = String::new();
    for number in 0..FILES {
        let path = native.file(&format!("small-{number}.csv"), |out| {
            Ok(Samples::small(number as u64, ROWS_OF_A_FILE).write_orders(out)?)
        })?;
        let at = folder.child(&format!("{number}.csv"));
        let put = storage.put(&at, std::fs::read(&path)?);
        runtime.block_on(put).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        script += &format!("\\copy {TABLE} from '{}' with (format csv, header)\n", path.display());
    }
    let script_path = native.path("small.sql");
    std::fs::write(&script_path, script)?;
    let listed = runtime.block_on(storage.list(&folder));
    let listed = listed.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let rows = (FILES as u64 * ROWS_OF_A_FILE).to_string();
    let counted = || native.psql(&["-c", &format!("SELECT count(*) FROM {TABLE}")]);
    let own = || {
        native.psql(&["-c", &format!("TRUNCATE {TABLE}; DROP SCHEMA IF EXISTS downspout CASCADE")])?;
        let source = |object| Source { origin: Origin::Object(storage.clone(), object), gzip: false };
        let sources = listed.iter().cloned().map(source).collect();
        let load = new_load(&native.url(), TABLE, sources, with_header())?;
        let seconds = runtime.block_on(seconds_of(&load, &pool))?;
        ensure!(counted()? == rows, "the load has not {rows} rows");
        Ok(seconds)
    };
    let rival = || {
        native.empty(TABLE)?;
        let start = Instant::now();
        native.psql(&["-f", &script_path.display().to_string()])?;
        let seconds = start.elapsed().as_secs_f64();
        ensure!(counted()? == rows, "psql has not {rows} rows");
        Ok(seconds)
    };
    let turns = Turns::of(3, "a thousand small files", own, rival)?;
    let (value, rival) = (turns.own * 1_000.0 / FILES as f64, Some("one psql, local files"));
    Ok(Figure { name: "small_file", value, unit: "ms", rival, ratio: Some(turns.ratio) })
}

/// Measures a load into the embedded PostgreSQL of a stack, in turns with a load into a native one.
pub(crate) fn embedded(target: &Path, runtime: &tokio::runtime::Runtime) -> Result<Figure> {
    let native = Native::start(target)?;
    let up = runtime.block_on(Up::start(PROGRAM, &[]));
    let file = native.orders(megabytes()?)?;
    let url = up.endpoints.postgres.clone();
    let client = runtime.block_on(up.database());
    let tables = std::fs::read_to_string(e2e::definitions::shipped_folder().join("orders/tables.sql"))?;
    runtime.block_on(client.batch_execute(&tables))?;
    let source = Source { origin: Origin::File(file.clone()), gzip: false };
    let pool = Pool::default();
    let own = || {
        runtime.block_on(client.batch_execute(&format!("TRUNCATE {TABLE}; CHECKPOINT")))?;
        let load = new_load(&url, TABLE, vec![source.clone()], with_header())?;
        let seconds = runtime.block_on(seconds_of(&load, &pool))?;
        let sums = format!("SELECT concat_ws('|', {}) FROM {TABLE}", crate::native::SUMS);
        let found: String = runtime.block_on(client.query_one(&sums, &[]))?.get(0);
        let theirs = native.sums(TABLE)?;
        ensure!(found == theirs, "the embedded PostgreSQL has {found}, the native one {theirs}");
        Ok(seconds)
    };
    let rival = || {
        native.empty(TABLE)?;
        let load = new_load(&native.url(), TABLE, vec![source.clone()], with_header())?;
        runtime.block_on(seconds_of(&load, &pool))
    };
    let turns = Turns::of(1, "load into the embedded PostgreSQL", own, rival)?;
    Ok(turns.figure("embedded_load", "load into a native PostgreSQL"))
}
