//! Cutting a file into records and checking its bytes, on one core, beside other readers of CSV.

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::input::Input;
use ec2_worker::etl::position::Position;
use ec2_worker::etl::records::Records;
use tokio::sync::mpsc;

use crate::load::python;
use crate::native::{Native, megabytes};
use crate::{Figure, median};

const ROUNDS: usize = 3;
const PIECE: usize = 256 * 1024;
const NAMES: [&str; 6] =
    ["Amelia Brown", "Noah Müller", "Zofia Kowalska", "Liam O'Neill", "Mia Rossi", "Jun Watanabe"];
const CITIES: [&str; 5] = ["Hamburg", "Saint-Denis", "Springfield", "Kraków", "Newcastle upon Tyne"];

/// Measures the reading of plain columns, and of the orders file, which has short fields and some quotes.
pub(crate) fn figures(target: &Path) -> Result<Vec<Figure>> {
    let native = Native::start(target)?;
    let megabytes = megabytes()?.div_ceil(4);
    let plain = native.file(&format!("plain-{megabytes}mb.csv"), |out| {
        writeln!(out, "id,name,city,day,amount,remark")?;
        let mut written = 0;
        for id in 0_u64.. {
            let (name, city) = (NAMES[id as usize % NAMES.len()], CITIES[id as usize * 7 % CITIES.len()]);
            let (day, cents) = (id % 28 + 1, id * 7919 % 1_000_000);
            let row = format!(
                "{id},{name},{city},2025-03-{day:02},{}.{:02},left at the door of number {day}",
                cents / 100,
                cents % 100
            );
            writeln!(out, "{row}")?;
            written += row.len() as u64;
            if written >= megabytes * 1024 * 1024 {
                break;
            }
        }
        Ok(())
    })?;
    let mut figures =
        of_file(&plain, ["reading_plain", "plain_with_csv", "plain_with_duckdb", "plain_with_polars"])?;
    let names = ["reading_orders", "orders_with_csv", "orders_with_duckdb", "orders_with_polars"];
    figures.extend(of_file(&native.orders(megabytes)?, names)?);
    Ok(figures)
}

/// Measures our reader and the others in turns, each [`ROUNDS`] times.
fn of_file(file: &Path, names: [&'static str; 4]) -> Result<Vec<Figure>> {
    let bytes = Bytes::from(std::fs::read(file)?);
    let megabytes = bytes.len() as f64 / 1e6;
    let rivals = ["the csv crate", "DuckDB, 1 thread", "polars, 1 thread"];
    let mut seconds: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        let own = with_records(&bytes)?;
        seconds[0].push(own.0);
        let csv = with_csv(&bytes)?;
        seconds[1].push(csv.0);
        ensure!(own.1 == csv.1, "we read {} bytes, the csv crate {}", own.1, csv.1);
        for (index, name) in [(2, "duckdb"), (3, "polars")] {
            let Some(theirs) = with_python(name, file)? else { continue };
            ensure!(own.1 == theirs.1, "we read {} bytes, {name} {}", own.1, theirs.1);
            seconds[index].push(theirs.0);
        }
    }
    let own = median(&mut seconds[0]);
    println!("{}: {own:.3} s for {megabytes:.0} MB", file.display());
    let mut figures = vec![Figure::new(names[0], megabytes / own, "MB/s")];
    for (index, times) in seconds.iter_mut().enumerate().skip(1).filter(|(_, times)| !times.is_empty()) {
        let theirs = median(times);
        let (rival, ratio) = (Some(rivals[index - 1]), Some(own / theirs));
        figures.push(Figure { name: names[index], value: megabytes / theirs, unit: "MB/s", rival, ratio });
    }
    Ok(figures)
}

/// Returns an input of these bytes, which a thread hands on without copying them.
fn input(bytes: &Bytes) -> Input {
    let (sender, receiver) = mpsc::channel(8);
    let mut rest = bytes.clone();
    std::thread::spawn(move || {
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(PIECE));
            if sender.blocking_send(Ok(piece)).is_err() {
                return;
            }
        }
        // An empty piece is the end of the file.
        drop(sender.blocking_send(Ok(Bytes::new())));
    });
    Input::plain("the file".to_owned(), receiver)
}

/// Returns the seconds, and the length of all fields without those of the header.
fn with_records(bytes: &Bytes) -> Result<(f64, u64)> {
    let start = Instant::now();
    let dialect = Dialect { header: true, ..Dialect::default() };
    let problem = |failure| anyhow::anyhow!("{failure}");
    let scratch = std::env::temp_dir();
    let records =
        Records::begin(input(bytes), "the file".to_owned(), dialect, Position::START, None, &scratch);
    let mut records = records.map_err(problem)?;
    records.read().map_err(problem)?;
    let (mut length, mut text) = (0, Vec::new());
    while let Some(record) = records.read().map_err(problem)? {
        ensure!(!record.is_too_long && !records.needs_check(), "a record is refused");
        for span in records.splitter().fields() {
            length += (span.end - span.start) as u64;
            if span.escaped {
                records.splitter().unescape(records.window(), *span, &mut text);
                length -= (span.end - span.start - text.len()) as u64;
            }
        }
    }
    Ok((start.elapsed().as_secs_f64(), length))
}

/// Reads with the csv crate, and checks that the texts are UTF-8, as [`Records`] does.
fn with_csv(bytes: &Bytes) -> Result<(f64, u64)> {
    let start = Instant::now();
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(PIECE).from_reader(&bytes[..]);
    let mut record = csv::StringRecord::new();
    let mut length = 0;
    while reader.read_record(&mut record)? {
        length += record.iter().map(|text| text.len() as u64).sum::<u64>();
    }
    Ok((start.elapsed().as_secs_f64(), length))
}

fn with_python(name: &str, file: &Path) -> Result<Option<(f64, u64)>> {
    let Some(mut command) = python("reading.py") else {
        println!("{name} is missing: run `tests/setup rivals`");
        return Ok(None);
    };
    let output = command.arg(name).arg(file).output()?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (seconds, length) = text.trim().split_once(' ').with_context(|| format!("{name} printed {text}"))?;
    Ok(Some((seconds.parse()?, length.parse()?)))
}
