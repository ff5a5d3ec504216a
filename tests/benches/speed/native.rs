//! The native PostgreSQL of the benchmarks of loads, its clients `psql` and `ec2-worker`, and works in turns.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::postgres::{self, NativePostgres};
use e2e::samples::Samples;

use crate::{Figure, median};

/// The size of a row of the orders file, to choose the number of rows.
const BYTES_OF_AN_ORDER: u64 = 43;
/// The size of the loaded file in megabytes, unless `DOWNSPOUT_BENCH_MB` gives another.
const MEGABYTES: u64 = 1024;
/// Counts and sums. They show whether a table is equal to the table that a rival has filled.
pub(crate) const SUMS: &str = "count(*), sum(order_id), sum(quantity), sum(total_price::numeric(14, 2)), \
                               sum(order_date::date - date '2025-01-01'), sum(length(customer_id)), sum(length(product_id))";

/// A PostgreSQL with the tables of the orders pipeline, and the programs that load it.
pub(crate) struct Native {
    postgres: NativePostgres,
    worker: PathBuf,
    folder: PathBuf,
}

/// The time and memory that a piece of work has used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// The time on the clock.
    pub(crate) seconds: f64,
    /// The time of the processor, without that of the server.
    pub(crate) cpu: f64,
    /// The largest size in memory.
    pub(crate) megabytes: f64,
}

/// The size of the loaded file in megabytes.
pub(crate) fn megabytes() -> Result<u64> {
    Ok(std::env::var("DOWNSPOUT_BENCH_MB").map_or(Ok(MEGABYTES), |text| text.parse())?)
}

impl Native {
    pub(crate) fn start(target: &Path) -> Result<Self> {
        let postgres = NativePostgres::start();
        let folder = target.join("bench");
        fs::create_dir_all(&folder)?;
        let native = Self { postgres, worker: target.join("release/ec2-worker"), folder };
        let tables = fs::read_to_string(e2e::definitions::shipped_folder().join("orders/tables.sql"))?;
        native.psql(&["-c", &tables])?;
        Ok(native)
    }

    pub(crate) fn url(&self) -> String {
        self.postgres.url()
    }

    /// Returns the path of a file of these benchmarks, which the next run may find.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs `psql`, and returns its output.
    pub(crate) fn psql(&self, arguments: &[&str]) -> Result<String> {
        let bin = postgres::programs().context("psql is missing: run tests/setup")?;
        let output = Command::new(bin.join("psql"))
            .arg(self.url())
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "psql {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Empties a table, and makes the server write all changed pages to the disk.
    pub(crate) fn empty(&self, table: &str) -> Result<()> {
        self.psql(&["-c", &format!("TRUNCATE {table}"), "-c", "CHECKPOINT"]).map(drop)
    }

    /// Returns the [`SUMS`] of a table.
    pub(crate) fn sums(&self, table: &str) -> Result<String> {
        self.psql(&["-c", &format!("SELECT {SUMS} FROM {table}")])
    }

    /// Loads a file with `psql \copy`, and returns the seconds.
    pub(crate) fn copy(&self, file: &Path, table: &str) -> Result<f64> {
        let copy = format!("\\copy {table} from '{}' with (format csv, header)", file.display());
        let start = Instant::now();
        self.psql(&["-c", &copy])?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Loads a file with the worker.
    pub(crate) fn load(&self, file: &Path, table: &str, options: &[&str]) -> Result<Usage> {
        let start = Instant::now();
        let mut child = Command::new(&self.worker)
            .args(["load", "--database-url", &self.url(), "--table", table])
            .args(options)
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                format!("starting {}: cargo build --release --bin ec2-worker", self.worker.display())
            })?;
        let (mut cpu, mut megabytes) = (0.0_f64, 0.0_f64);
        let status = loop {
            megabytes = megabytes.max(high_water_mb(&child).unwrap_or(0.0));
            cpu = cpu.max(cpu_seconds(&child).unwrap_or(0.0));
            match child.try_wait()? {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        ensure!(status.success(), "the worker's load of {} ended with {status}", file.display());
        Ok(Usage { seconds: start.elapsed().as_secs_f64(), cpu, megabytes })
    }

    /// Writes the orders file of this size, unless an earlier run has written it.
    pub(crate) fn orders(&self, megabytes: u64) -> Result<PathBuf> {
        self.file(&format!("orders-{megabytes}mb.csv"), |out| {
            Ok(Samples::small(1, megabytes * 1024 * 1024 / BYTES_OF_AN_ORDER).write_orders(out)?)
        })
    }

    /// Writes a file with `write`, unless an earlier run has written it.
    pub(crate) fn file(
        &self,
        name: &str,
        write: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(name);
        if !path.exists() {
            let unfinished = self.path(&format!("{name}.unfinished"));
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&unfinished)?);
            write(&mut out)?;
            out.flush()?;
            fs::rename(unfinished, &path)?;
        }
        Ok(path)
    }
}

pub(crate) fn high_water_mb(child: &Child) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn cpu_seconds(child: &Child) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id())).ok()?;
    // The name of the program, in parentheses, may contain blanks. The 14th and the 15th field are the times.
    let times = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    Some(times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0)
}

/// The results of two works that were done in turns.
pub(crate) struct Turns {
    /// The median seconds of our work.
    pub(crate) own: f64,
    /// The median seconds of the rival.
    pub(crate) rival: f64,
    /// The median of the ratios of the pairs.
    pub(crate) ratio: f64,
}

impl Turns {
    /// Does two works in turns: a pair that warms the caches up, and `rounds` pairs that count. A work returns its seconds.
    pub(crate) fn of(
        rounds: usize,
        what: &str,
        mut own: impl FnMut() -> Result<f64>,
        mut rival: impl FnMut() -> Result<f64>,
    ) -> Result<Self> {
        let (mut owns, mut rivals, mut ratios) = (vec![], vec![], vec![]);
        for round in 0..=rounds {
            let theirs = rival()?;
            let ours = own()?;
            println!("{what}: {ours:.2} s, the rival {theirs:.2} s: {:.2}", ours / theirs);
            if round > 0 || rounds == 0 {
                owns.push(ours);
                rivals.push(theirs);
                ratios.push(ours / theirs);
            }
        }
        Ok(Self { own: median(&mut owns), rival: median(&mut rivals), ratio: median(&mut ratios) })
    }

    /// Returns the figure of our work in milliseconds, with the ratio.
    pub(crate) fn figure(&self, name: &'static str, rival: &'static str) -> Figure {
        Figure { name, value: self.own * 1_000.0, unit: "ms", rival: Some(rival), ratio: Some(self.ratio) }
    }
}
