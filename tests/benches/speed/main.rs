//! Benchmarks: from a drop to its mail, attempts, definitions, sizes, and a load beside `psql \copy`.
//!
//! The program prints a table and writes `target/bench.json`. A figure with a rival is measured in turns with the rival, so
//! that the ratio stays true when the speed of the machine drifts. `DOWNSPOUT_BENCH_MB` sets the size of the loaded file in
//! megabytes (1024 by default). `cargo bench --bench speed -- attempts scale` measures only these parts; the others are
//! `drops`, `definitions` and `load`.

mod attempts;
mod caller;
mod definitions;
mod scale;

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{
    definitions::Definitions,
    postgres::{self, NativePostgres},
    program::Up,
    samples::Samples,
};
use serde::Serialize;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downspout-under-test");
/// The size of a row of the orders file, to choose the number of rows.
const BYTES_OF_AN_ORDER: u64 = 43;
const WARM_DROPS: usize = 3;
const DROPS: usize = 15;
const LOADS: usize = 3;
const KILLS: usize = 9;

#[derive(Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rival: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Figure {
    fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, rival: None, ratio: None }
    }
}

fn main() -> Result<()> {
    let target = Path::new(PROGRAM).parent().and_then(Path::parent).context("the target folder")?;
    let runtime = tokio::runtime::Runtime::new()?;
    // Cargo adds the argument `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [serve, store] = &arguments[..]
        && serve == scale::SERVE
    {
        return runtime.block_on(scale::serve(Path::new(store)));
    }
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    let mut figures = Vec::new();
    if wanted("drops") {
        figures.extend([runtime.block_on(drop_to_mail())?, runtime.block_on(kill_to_work())?]);
    }
    if wanted("attempts") {
        figures.extend(runtime.block_on(attempts::figures())?);
    }
    if wanted("scale") {
        figures.extend(runtime.block_on(scale::figures())?);
    }
    if wanted("definitions") {
        figures.extend(definitions::figures()?);
    }
    if wanted("load") {
        figures.extend(load_beside_psql(target)?);
    }
    println!("\n{:<28} {:>12} {:<6} {:>7}  rival", "figure", "value", "unit", "ratio");
    for Figure { name, value, unit, rival, ratio } in &figures {
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!("{name:<28} {value:>12.1} {unit:<6} {ratio:>7}  {}", rival.unwrap_or_default());
    }
    let json = target.join("bench.json");
    fs::write(&json, serde_json::to_string_pretty(&figures)?).context("writing bench.json")?;
    println!("\n{}", json.display());
    Ok(())
}

/// Measures the time from the end of the last PutObject of the samples to the mail in the outbox, on a warm stack.
async fn drop_to_mail() -> Result<Figure> {
    let definitions = Definitions::uncapped();
    let up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let mut times = Vec::new();
    for round in 0..WARM_DROPS + DROPS {
        let day = format!("2026-01-{:02}", round + 1);
        up.drop_set(&day, &Samples::CHECKED_IN).await;
        let dropped = Instant::now();
        while !up.mails().iter().any(|mail| mail.subject.contains(&day)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
            ensure!(dropped.elapsed() < Duration::from_secs(60), "no mail of {day}: {}", up.log());
        }
        if round >= WARM_DROPS {
            times.push(dropped.elapsed().as_secs_f64() * 1_000.0);
        }
    }
    println!("drop to mail, ms: {times:.0?}");
    Ok(Figure::new("drop_to_mail_median", median(&mut times), "ms"))
}

/// Measures the time from the restart of a stack that was killed in the middle of a run until the run goes on: until a worker
/// begins the first task.
async fn kill_to_work() -> Result<Figure> {
    const BEGINS: &str = "task begins";
    let definitions = Definitions::uncapped();
    let mut up = Up::start(PROGRAM, &["--definitions", definitions.path()]).await;
    let mut times = Vec::new();
    for round in 1..=KILLS {
        let day = format!("2026-02-{round:02}");
        let before = up.log().matches(BEGINS).count();
        up.drop_set(&day, &Samples::CHECKED_IN).await;
        let dropped = Instant::now();
        while up.log().matches(BEGINS).count() < before + 3 {
            ensure!(dropped.elapsed() < Duration::from_secs(60), "no work on {day}: {}", up.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        up.kill();
        let before = up.log().matches(BEGINS).count();
        let restarted = Instant::now();
        up.respawn();
        while up.log().matches(BEGINS).count() == before {
            ensure!(restarted.elapsed() < Duration::from_secs(60), "{day} does not go on: {}", up.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(restarted.elapsed().as_secs_f64() * 1_000.0);
        up.ready().await;
        up.mail_of(&day).await;
    }
    println!("restart after a kill to the run going on, ms: {times:.0?}");
    Ok(Figure::new("restart_to_work_median", median(&mut times), "ms"))
}

/// Measures how the worker loads a large CSV file into a native PostgreSQL, in turns with `psql \copy`.
fn load_beside_psql(target: &Path) -> Result<Vec<Figure>> {
    let megabytes: u64 = std::env::var("DOWNSPOUT_BENCH_MB").map_or(Ok(1024), |text| text.parse())?;
    let file = large_file(&target.join("bench"), megabytes)?;
    let postgres = NativePostgres::start();
    let tables = fs::read_to_string(e2e::definitions::shipped_folder().join("orders/tables.sql"))?;
    psql(&postgres, &["-c", &tables])?;
    let psql_copy = format!("\\copy staging.orders from '{}' with (format csv, header)", file.display());
    let (mut ours, mut theirs, mut ratios, mut memory) = (vec![], vec![], vec![], vec![]);
    for round in 0..=LOADS {
        psql(&postgres, &["-c", "TRUNCATE staging.orders", "-c", "CHECKPOINT"])?;
        let start = Instant::now();
        psql(&postgres, &["-c", &psql_copy])?;
        let rival = start.elapsed().as_secs_f64();
        psql(&postgres, &["-c", "TRUNCATE staging.orders", "-c", "CHECKPOINT"])?;
        let start = Instant::now();
        let peak = worker_load(&target.join("release/ec2-worker"), &postgres, &file)?;
        let own = start.elapsed().as_secs_f64();
        println!("load of {megabytes} MB: ec2-worker {own:.2} s, {peak:.0} MB; psql \\copy {rival:.2} s");
        // The first pair warms the file cache and the server up.
        if round > 0 {
            ours.push(own * 1_000.0);
            theirs.push(rival * 1_000.0);
            ratios.push(own / rival);
            memory.push(peak);
        }
    }
    let rival = Some("psql \\copy");
    Ok(vec![
        Figure {
            name: "load_vs_psql_copy",
            value: median(&mut ours),
            unit: "ms",
            rival,
            ratio: Some(median(&mut ratios)),
        },
        Figure::new("psql_copy", median(&mut theirs), "ms"),
        Figure::new("load_peak_memory", median(&mut memory), "MB"),
    ])
}

/// Loads `file` with the worker, and returns the peak memory of the worker in MB.
fn worker_load(worker: &Path, postgres: &NativePostgres, file: &Path) -> Result<f64> {
    let mut child = Command::new(worker)
        .args(["load", "--database-url", &postgres.url(), "--table", "staging.orders"])
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| {
            format!("starting {}: cargo build --release --package ec2-worker", worker.display())
        })?;
    let mut peak = 0.0_f64;
    let status = loop {
        peak = peak.max(high_water_mb(&child).unwrap_or(0.0));
        match child.try_wait()? {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    ensure!(status.success(), "the worker's load ended with {status}");
    Ok(peak)
}

fn high_water_mb(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn psql(postgres: &NativePostgres, arguments: &[&str]) -> Result<()> {
    let bin = postgres::programs().context("psql is missing: run tests/setup")?;
    let output = Command::new(bin.join("psql"))
        .arg(postgres.url())
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1"])
        .args(arguments)
        .output()?;
    ensure!(output.status.success(), "psql {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Writes the orders file, unless an earlier run has written it.
fn large_file(folder: &Path, megabytes: u64) -> Result<PathBuf> {
    let file = folder.join(format!("orders-{megabytes}mb.csv"));
    if !file.exists() {
        fs::create_dir_all(folder)?;
        let unfinished = file.with_extension("unfinished");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
        Samples::small(1, megabytes * 1024 * 1024 / BYTES_OF_AN_ORDER).write_orders(&mut out)?;
        out.flush()?;
        fs::rename(unfinished, &file)?;
    }
    Ok(file)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
