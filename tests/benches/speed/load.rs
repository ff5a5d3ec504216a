//! Loads of a large file, of files with bad rows, and of a thousand small files, beside `psql \copy` and other programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::native::{Native, Turns, megabytes};
use crate::{Figure, median};

const TABLE: &str = "staging.orders";
const UNIQUE: &str = "staging.unique_orders";
const ROUNDS: usize = 3;
/// The rows that the database refuses, because another row of the file has the same key.
const REFUSED: u64 = 100;

/// Measures how the worker loads a large file, in turns with `psql \copy`.
pub(crate) fn figures(target: &Path) -> Result<Vec<Figure>> {
    let native = Native::start(target)?;
    let file = native.orders(megabytes()?)?;
    let (mut memory, mut cpu, mut sums) = (vec![], vec![], String::new());
    let rival = || {
        native.empty(TABLE)?;
        let seconds = native.copy(&file, TABLE)?;
        Ok(seconds)
    };
    let own = || {
        if sums.is_empty() {
            sums = native.sums(TABLE)?;
        }
        native.empty(TABLE)?;
        let usage = native.load(&file, TABLE, &[])?;
        let found = native.sums(TABLE)?;
        ensure!(found == sums, "the load gave {found}, psql {sums}");
        memory.push(usage.megabytes);
        cpu.push(usage.cpu);
        Ok(usage.seconds)
    };
    let turns = Turns::of(ROUNDS, "load", own, rival)?;
    Ok(vec![
        turns.figure("load_vs_psql_copy", "psql \\copy"),
        Figure::new("psql_copy", turns.rival * 1_000.0, "ms"),
        Figure::new("load_peak_memory", median(&mut memory), "MB"),
        Figure::new("load_cpu", median(&mut cpu), "s"),
    ])
}

/// Loads a file of 10 GB once, or of `DOWNSPOUT_BENCH_MB`, to see its memory. This part must be named to run.
pub(crate) fn memory(target: &Path) -> Result<Vec<Figure>> {
    let native = Native::start(target)?;
    let megabytes = if std::env::var_os("DOWNSPOUT_BENCH_MB").is_some() { megabytes()? } else { 10 * 1024 };
    let usage = native.load(&native.orders(megabytes)?, TABLE, &[])?;
    println!("load of {megabytes} MB: {usage:?}");
    Ok(vec![Figure::new("large_load_peak_memory", usage.megabytes, "MB")])
}

/// Measures loads in which rows are refused: by the worker, and by the database.
pub(crate) fn refused(target: &Path) -> Result<Vec<Figure>> {
    let native = Native::start(target)?;
    let megabytes = megabytes()?.div_ceil(2);
    let clean = native.orders(megabytes)?;
    let bad = native.file(&format!("bad-{megabytes}mb.csv"), |out| {
        let mut in_record = false;
        for (number, line) in BufReader::new(fs::File::open(&clean)?).lines().enumerate() {
            let line = line?;
            let is_bad = number % 100 == 50 && !in_record && !line.contains('"');
            let quotes = line.matches('"').count();
            in_record ^= quotes % 2 == 1;
            writeln!(out, "{}{line}", if is_bad { "x" } else { "" })?;
        }
        Ok(())
    })?;
    let rows: u64 = native_rows(&native, &clean)?;
    let own = || {
        native.empty(TABLE)?;
        let usage = native.load(&bad, TABLE, &["--max-rejects", "2%"])?;
        let kept: u64 = native.psql(&["-c", &format!("SELECT count(*) FROM {TABLE}")])?.parse()?;
        let refused: u64 = native.psql(&["-c", &format!("SELECT count(*) FROM {TABLE}_rejects")])?.parse()?;
        ensure!(
            kept + refused == rows && refused > rows / 200,
            "{kept} rows kept, {refused} refused of {rows}"
        );
        native.psql(&["-c", &format!("TRUNCATE {TABLE}_rejects")])?;
        Ok(usage.seconds)
    };
    let rival = || {
        native.empty(TABLE)?;
        native.copy(&clean, TABLE)
    };
    let bad = Turns::of(2, "load with 1 % bad rows", own, rival)?;
    Ok(vec![
        bad.figure("load_with_bad_rows", "psql \\copy of clean rows"),
        refused_by_the_database(&native, &clean, rows, megabytes)?,
    ])
}

/// Measures a load in which the database refuses [`REFUSED`] rows, because their key is in the table already.
fn refused_by_the_database(native: &Native, clean: &Path, rows: u64, megabytes: u64) -> Result<Figure> {
    let create = format!("CREATE TABLE {UNIQUE} (LIKE {TABLE}, PRIMARY KEY (order_id))");
    native.psql(&["-c", &create])?;
    let file = native.file(&format!("doubled-{megabytes}mb.csv"), |out| {
        let every = rows / REFUSED;
        for (number, line) in BufReader::new(fs::File::open(clean)?).lines().enumerate() {
            let line = line?;
            writeln!(out, "{line}")?;
            let is_record = line.split(',').count() == 7 && !line.contains('"');
            if number as u64 % every == every / 2 && is_record {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    })?;
    let own = || {
        native.empty(UNIQUE)?;
        let usage = native.load(&file, UNIQUE, &["--max-rejects", "1000"])?;
        let kept: u64 = native.psql(&["-c", &format!("SELECT count(*) FROM {UNIQUE}")])?.parse()?;
        let refused: u64 =
            native.psql(&["-c", &format!("SELECT count(*) FROM {UNIQUE}_rejects")])?.parse()?;
        ensure!(kept == rows && refused > REFUSED / 2, "{kept} rows kept of {rows}, {refused} refused");
        native.psql(&["-c", &format!("TRUNCATE {UNIQUE}_rejects")])?;
        Ok(usage.seconds)
    };
    let rival = || {
        native.empty(UNIQUE)?;
        native.copy(clean, UNIQUE)
    };
    let turns = Turns::of(2, "load with rows that the database refuses", own, rival)?;
    Ok(turns.figure("load_with_doubled_keys", "psql \\copy of clean rows"))
}

fn native_rows(native: &Native, file: &Path) -> Result<u64> {
    native.empty(TABLE)?;
    native.copy(file, TABLE)?;
    Ok(native.psql(&["-c", &format!("SELECT count(*) FROM {TABLE}")])?.parse()?)
}

/// Measures the programs that people use in place of the worker, each beside the worker on the same file.
pub(crate) fn rivals(target: &Path) -> Result<Vec<Figure>> {
    let native = Native::start(target)?;
    // Some of them are slow.
    let file = native.orders(megabytes()?.div_ceil(32))?;
    native.copy(&file, TABLE)?;
    let (sums, rows) = (native.sums(TABLE)?, native_rows(&native, &file)? as f64);
    let mut figures = Vec::new();
    for (name, figure, table) in [
        ("psycopg", "rows_with_psycopg", TABLE),
        ("sling", "rows_with_sling", "with_sling.orders"),
        ("pgloader", "rows_with_pgloader", TABLE),
        ("dlt", "rows_with_dlt", "with_dlt.orders"),
        ("pandas", "rows_with_pandas", TABLE),
    ] {
        let Some(mut command) = command(&native, name, &file)? else {
            println!("{name} is missing: run `tests/setup rivals`");
            continue;
        };
        native.empty(TABLE)?;
        let start = Instant::now();
        let output = command.output().with_context(|| format!("starting {name}"))?;
        let theirs = start.elapsed().as_secs_f64();
        ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let found = native.sums(table)?;
        ensure!(found == sums, "{name} gave {found}, psql {sums}");
        native.empty(TABLE)?;
        let ours = native.load(&file, TABLE, &[])?.seconds;
        ensure!(native.sums(TABLE)? == sums, "the load differs from that of psql");
        println!("load beside {name}: {ours:.2} s, the rival {theirs:.2} s: {:.3}", ours / theirs);
        figures.push(Figure {
            name: figure,
            value: rows / theirs,
            unit: "rows/s",
            rival: Some("ec2-worker's time / its time"),
            ratio: Some(ours / theirs),
        });
    }
    Ok(figures)
}

/// Returns the command that loads `file` with a program, or `None` if the program is missing.
fn command(native: &Native, name: &str, file: &Path) -> Result<Option<Command>> {
    if name == "pgloader" {
        if Command::new(name).arg("--version").output().is_err() {
            return Ok(None);
        }
        let url = native.url().replacen("postgres:", "postgresql:", 1);
        let script = native.path("pgloader.load");
        let (file, table) = (file.display(), TABLE);
        let text = format!(
            "LOAD CSV FROM '{file}' INTO {url}?{table} WITH skip header = 1, fields optionally enclosed by '\"', \
             fields escaped by double-quote, fields terminated by ',';"
        );
        fs::write(&script, text)?;
        let mut command = Command::new(name);
        command.arg(script);
        return Ok(Some(command));
    }
    let Some(mut command) = python("loads.py") else { return Ok(None) };
    command.arg(name).arg(native.url()).arg(file);
    Ok(Some(command))
}

/// Returns a command that runs a script of the folder `rivals` with the packages of the rivals, or `None` if they are
/// missing.
pub(crate) fn python(script: &str) -> Option<Command> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program: PathBuf = root.join("../target/rivals-of-loads/bin/python");
    let mut command = Command::new(&program);
    command.arg(root.join("benches/rivals").join(script));
    program.exists().then_some(command)
}
