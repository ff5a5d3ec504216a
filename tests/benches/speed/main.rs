//! Benchmarks: from a drop to its mail, attempts, definitions, sizes, and loads and exports beside `psql \copy` and others.
//!
//! The program prints a table and writes `target/bench.json`. A figure with a rival is measured in turns with the rival, so
//! that the ratio stays true when the speed of the machine drifts. Every load is compared with the load of the rival:
//! the number of rows, and sums of their columns. `DOWNSPOUT_BENCH_MB` sets the size of the loaded file in megabytes (1024 by
//! default); the other parts use fractions of it.
//!
//! `cargo bench --bench speed -- attempts scale` measures only these parts. [`PARTS`] lists them.

mod attempts;
mod backlog;
mod caller;
mod definitions;
mod dialects;
mod endpoints;
mod events;
mod load;
mod native;
mod old_keys;
mod queue;
mod reading;
mod round_trips;
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
use tokio::runtime::Runtime;

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

/// A part of the benchmarks.
struct Part {
    name: &'static str,
    /// Whether the part is left out unless an argument names it.
    must_be_named: bool,
    /// Measures. Takes the target folder.
    measure: fn(&Path, &Runtime) -> Result<Vec<Figure>>,
}

const fn part(name: &'static str, measure: fn(&Path, &Runtime) -> Result<Vec<Figure>>) -> Part {
    Part { name, must_be_named: false, measure }
}

const PARTS: &[Part] = &[
    part("drops", |_, runtime| {
        Ok(vec![runtime.block_on(drop_to_mail())?, runtime.block_on(kill_to_work())?])
    }),
    // Many sets of one file that wait for each other. `DOWNSPOUT_BENCH_SETS` sets their number.
    part("queue", |_, runtime| runtime.block_on(queue::figures())),
    // From an event to ActivatePipeline, and a burst of events.
    part("events", |_, runtime| runtime.block_on(events::figures())),
    part("attempts", |_, runtime| runtime.block_on(attempts::figures())),
    part("scale", |_, runtime| runtime.block_on(scale::figures())),
    part("definitions", |_, _| definitions::figures()),
    part("load", |target, _| load::figures(target)),
    // Other programs that load.
    part("rivals", |target, _| load::rivals(target)),
    // Loads with bad rows.
    part("refused", |target, _| load::refused(target)),
    // Cutting and checking, without a database.
    part("reading", |target, _| reading::figures(target)),
    part("dialects", dialects::figures),
    part("export", |target, runtime| Ok(vec![stack::export(target, runtime)?])),
    // A thousand small files.
    part("small", |target, runtime| Ok(vec![stack::small_files(target, runtime)?])),
    // The PostgreSQL of the stack.
    part("embedded", |target, runtime| Ok(vec![stack::embedded(target, runtime)?])),
    // Data Pipeline beside moto, and S3 beside moto and s3s-fs.
    part("endpoints", endpoints::figures),
    // Calls a second over one connection and over many, beside moto; a page of a long list; many waiting polls.
    part("round_trips", round_trips::figures),
    part("pgbench", |_, runtime| Ok(vec![endpoints::pgbench(runtime)?])),
    // Puts beside kinesalite and moto.
    part("streams", streams::figures),
    // The lines of a file of a stream, beside Python.
    part("delivery", |target, _| Ok(vec![streams::delivery(target)?])),
    // Ten million records that wait.
    part("backlog", |_, runtime| backlog::figures(runtime)),
    // Sweeps and events beside a million old keys. `DOWNSPOUT_BENCH_KEYS` sets their number.
    Part {
        name: "old_keys",
        must_be_named: true,
        measure: |_, runtime| runtime.block_on(old_keys::figures()),
    },
    // A load of 10 GB.
    Part { name: "memory", must_be_named: true, measure: |target, _| load::memory(target) },
];

fn main() -> Result<()> {
    let target = Path::new(PROGRAM).parent().and_then(Path::parent).context("the target folder")?;
    let runtime = Runtime::new()?;
    // Cargo adds the argument `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [serve, store] = &arguments[..]
        && serve == scale::SERVE
    {
        return runtime.block_on(scale::serve(Path::new(store)));
    }
    let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
    for argument in &arguments {
        ensure!(
            known.contains(&argument.as_str()),
            "there is no part '{argument}'; the parts are {}",
            known.join(", ")
        );
    }
    let mut figures = Vec::new();
    for part in PARTS {
        let is_named = arguments.iter().any(|argument| argument == part.name);
        if is_named || arguments.is_empty() && !part.must_be_named {
            figures.extend(
                (part.measure)(target, &runtime).with_context(|| format!("the part '{}'", part.name))?,
            );
        }
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
