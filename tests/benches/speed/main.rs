//! Benchmarks: from a drop to its mail, attempts, definitions, sizes, and loads and exports beside `psql \copy` and others.
//!
//! The program prints a table and writes `target/bench.json`. A figure with a rival is measured in turns with the rival, so
//! that the ratio stays true when the speed of the machine drifts. Every load is compared with what the rival has loaded:
//! the number of rows, and sums of their columns. `DOWNSPOUT_BENCH_MB` sets the size of the loaded file in megabytes (1024 by
//! default); the other parts use fractions of it.
//!
//! `cargo bench --bench speed -- attempts scale` measures only these parts. The parts are `drops`, `queue`
//! (many sets of one file that wait for each other; `DOWNSPOUT_BENCH_SETS` sets their number), `attempts`, `scale`,
//! `definitions`, `load`, `rivals` (other programs that load), `refused` (loads with bad rows), `reading` (cutting and
//! checking, without a database), `dialects`, `export`, `small` (a thousand small files), `embedded` (the PostgreSQL of the
//! stack), `endpoints` (Data Pipeline and S3 beside moto), `pgbench` (through the front) and `streams` (puts beside kinesalite and moto, delivery beside Python). The part `memory`, a load of 10 GB, runs only if it is named.

mod attempts;
mod caller;
mod definitions;
mod dialects;
mod endpoints;
mod load;
mod native;
mod queue;
mod reading;
mod scale;
mod stack;
mod streams;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use e2e::{definitions::Definitions, program::Up, samples::Samples};
use serde::Serialize;

const PROGRAM: &str = env!("CARGO_BIN_EXE_downspout-under-test");
const WARM_DROPS: usize = 3;
const DROPS: usize = 15;
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
    let named = |part: &str| arguments.iter().any(|argument| argument == part);
    let wanted = |part: &str| arguments.is_empty() || named(part);
    let mut figures = Vec::new();
    if wanted("drops") {
        figures.extend([runtime.block_on(drop_to_mail())?, runtime.block_on(kill_to_work())?]);
    }
    if wanted("queue") {
        figures.extend(runtime.block_on(queue::figures())?);
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
        figures.extend(load::figures(target)?);
    }
    if wanted("rivals") {
        figures.extend(load::rivals(target)?);
    }
    if wanted("refused") {
        figures.extend(load::refused(target)?);
    }
    if wanted("reading") {
        figures.extend(reading::figures(target)?);
    }
    if wanted("dialects") {
        figures.extend(dialects::figures(target, &runtime)?);
    }
    if wanted("export") {
        figures.push(stack::export(target, &runtime)?);
    }
    if wanted("small") {
        figures.push(stack::small_files(target, &runtime)?);
    }
    if wanted("embedded") {
        figures.push(stack::embedded(target, &runtime)?);
    }
    if wanted("endpoints") {
        figures.extend(endpoints::figures(target, &runtime)?);
    }
    if wanted("pgbench") {
        figures.push(endpoints::pgbench(&runtime)?);
    }
    if wanted("streams") {
        figures.extend(streams::figures(target, &runtime)?);
    }
    if named("memory") {
        figures.extend(load::memory(target)?);
    }
    print(&figures);
    let json = target.join("bench.json");
    fs::write(&json, serde_json::to_string_pretty(&figures)?).context("writing bench.json")?;
    println!("\n{}", json.display());
    Ok(())
}

fn print(figures: &[Figure]) {
    println!("\n{:<28} {:>12} {:<6} {:>7}  rival", "figure", "value", "unit", "ratio");
    for Figure { name, value, unit, rival, ratio } in figures {
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!("{name:<28} {value:>12.1} {unit:<6} {ratio:>7}  {}", rival.unwrap_or_default());
    }
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

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
