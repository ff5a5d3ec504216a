//! Random tables of every type, in random dialects, encodings and packings, that another program has written: a load
//! stores their values, and the file of an export is read back as the same table.
//!
//! There are 60 tables, or as many as `DOWNSPOUT_SOAK_TABLES` says. A message names the seed, and
//! `DOWNSPOUT_TABLE_SEED` tries one seed alone.

mod plans;
pub(crate) mod values;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use ec2_worker::etl::load::Load;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::World;
use super::exports::{exported_as, load_back_as};
use plans::Plan;
use values::{BINARY, CREATE, TYPES, pick, value};

/// A table, and the file that it is in.
struct Random {
    seed: u64,
    plan: Plan,
    /// The types of the columns. The first column is the number of the row.
    types: Vec<&'static str>,
    rows: Vec<Vec<Option<String>>>,
    /// The order of the columns in the file.
    order: Vec<usize>,
    /// Whether an insertQuery loads it.
    inserts: bool,
    path: PathBuf,
}

/// The number of the variable `name`, or the default.
pub(crate) fn count(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |count| count.parse().expect("a number"))
}

impl Random {
    fn new(seed: u64, folder: &Path) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let plan = Plan::random(random, seed);
        let known = if random.random() { &TYPES[..BINARY] } else { TYPES };
        let more = (0..random.random_range(0..7)).map(|_| pick(known, random));
        // Every type has its turn.
        let own = TYPES[seed as usize % TYPES.len()];
        let types: Vec<&str> = ["int4", own].into_iter().chain(more).collect();
        let count = pick(&[1, 3, 12], random);
        let rows = (0..count).map(|number| {
            let value = |(column, of): (usize, &&'static str)| match column {
                0 => Some(number.to_string()),
                _ if random.random_ratio(1, 6) => None,
                _ => plan.fitting(value(random, of, plan.letters)),
            };
            types.iter().enumerate().map(value).collect()
        });
        let rows = rows.collect();
        let mut order: Vec<usize> = (0..types.len()).collect();
        let inserts = random.random_ratio(1, 4);
        if plan.is_mixed && !inserts {
            let by = random.random_range(0..order.len());
            order.rotate_left(by);
        }
        Self { seed, plan, types, rows, order, inserts, path: folder.join(format!("{seed}.dat")) }
    }

    fn name(column: usize) -> String {
        ["id", "a b", "c,\"2\"", "C3", "größe", "x;|y", "c6", "c7", "c8"][column].replace("größe", "c#4")
    }

    fn quoted(column: usize) -> String {
        format!("\"{}\"", Self::name(column).replace('"', "\"\""))
    }

    /// Returns the statements that make the tables and fill `t`.
    fn create(&self) -> String {
        let columns =
            self.types.iter().enumerate().map(|(index, of)| format!("{} {of}", Self::quoted(index)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let literal = |text: &Option<String>| match text {
            Some(text) => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            None => "NULL".to_owned(),
        };
        let row = |row: &Vec<Option<String>>| {
            format!("({})", row.iter().map(literal).collect::<Vec<_>>().join(", "))
        };
        let rows = self.rows.iter().map(row).collect::<Vec<_>>().join(", ");
        format!(
            "DROP TABLE IF EXISTS t, ours, back; CREATE TABLE t ({columns}); CREATE TABLE ours (LIKE t); \
             CREATE TABLE back (LIKE t); INSERT INTO t VALUES {rows}"
        )
    }

    /// Returns the job for the program that writes the file.
    fn job(&self) -> serde_json::Value {
        let ordered = |row: &Vec<Option<String>>| {
            self.order.iter().map(|index| row[*index].clone()).collect::<Vec<_>>()
        };
        let mut job = self.plan.job.clone();
        job["path"] = self.path.to_str().into();
        job["names"] = self.order.iter().map(|index| Self::name(*index)).collect();
        job["rows"] = serde_json::to_value(self.rows.iter().map(ordered).collect::<Vec<_>>()).expect("JSON");
        job
    }

    fn load(&self, world: &World) -> Load {
        let mut load = world.load("ours", &self.path);
        load.dialect = self.plan.dialect.clone();
        load.sources[0].gzip = self.plan.gzip;
        if self.inserts {
            let marks = vec!["?"; self.types.len()].join(", ");
            load.insert = Some(format!("INSERT INTO ours VALUES ({marks})"));
        }
        load
    }

    /// Returns names for `column` of the data format of an export: none, or all of them in another order.
    fn declared(&self) -> Vec<String> {
        let mut names: Vec<String> = match self.seed % 2 {
            0 => Vec::new(),
            _ => (0..self.types.len()).map(Self::name).collect(),
        };
        let by = (self.seed as usize / 2) % names.len().max(1);
        names.rotate_left(by);
        names
    }

    fn shown(&self) -> String {
        format!(
            "seed {}, types {:?}, insert {}, {:?}, {}",
            self.seed, self.types, self.inserts, self.plan.dialect, self.plan.job
        )
    }
}

impl Plan {
    /// Returns a text as the file can hold it; `None` for a text that it cannot tell from NULL.
    fn fitting(&self, text: String) -> Option<String> {
        let text = if self.lacks_line_feeds { text.replace('\n', "n") } else { text };
        Some(text).filter(|text| !(self.lacks_empty && text.is_empty()))
    }
}

/// Returns the tables of some seeds, after another program has written their files.
fn tables(seeds: Range<u64>, folder: &Path) -> Vec<Random> {
    let tables: Vec<Random> = seeds.map(|seed| Random::new(seed, folder)).collect();
    let jobs: Vec<_> = tables.iter().map(Random::job).collect();
    let list = folder.join("jobs.json");
    std::fs::write(&list, serde_json::to_vec(&jobs).expect("JSON")).expect("written");
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join("../target/venv/bin/python");
    let status = Command::new(&python).arg(tests.join("tests/it/write_tables.py")).arg(list).status();
    let status = status.unwrap_or_else(|error| panic!("{}: {error}; run tests/setup", python.display()));
    assert!(status.success(), "write_tables.py");
    tables
}

/// Returns the rows of a table as the server shows them.
async fn shown(world: &World, table: &str) -> Vec<String> {
    let query = format!("SELECT x::text COLLATE \"C\" FROM {table} x ORDER BY 1");
    let rows = world.client.query(&query, &[]).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

/// Returns what is wrong with a load of the table, and with an export that is loaded again.
async fn wrong(world: &World, table: &Random) -> Option<String> {
    if let Err(error) = world.client.batch_execute(&table.create()).await {
        return Some(format!("the server refuses the values: {error:?}"));
    }
    let expected = shown(world, "t").await;
    match world.run(&table.load(world)).await {
        Err(failure) => return Some(failure.to_string()),
        Ok(told) if !told.starts_with(&format!("rowsLoaded={}, rowsRejected=0", table.rows.len())) => {
            return Some(told);
        }
        Ok(_) => {}
    }
    let found = shown(world, "ours").await;
    if found != expected {
        return Some(format!("loaded {found:?}, and not {expected:?}"));
    }
    let dialect = table.plan.of_export(&mut StdRng::seed_from_u64(table.seed));
    let declared = table.declared();
    let file = match exported_as(world, None, &dialect, &declared).await {
        Ok((file, _)) => file,
        Err(failure) => return Some(format!("not exported as {dialect:?}: {failure}")),
    };
    if let Err(failure) = load_back_as(world, &file, &dialect, &declared).await {
        return Some(format!("not read back as {dialect:?}: {failure}"));
    }
    let found = shown(world, "back").await;
    (found != expected).then(|| format!("read back {found:?}, and not {expected:?}, as {dialect:?}"))
}

#[tokio::test]
async fn a_random_table_is_loaded_exported_and_loaded_again_without_a_change() {
    let world = World::new(CREATE).await;
    let seeds = match count("DOWNSPOUT_TABLE_SEED", u64::MAX) {
        u64::MAX => 0..count("DOWNSPOUT_SOAK_TABLES", 60),
        seed => seed..seed + 1,
    };
    let mut all = Vec::new();
    for table in tables(seeds, world.folder.path()) {
        if let Some(problem) = wrong(&world, &table).await {
            all.push(format!("{problem}\n    {}", table.shown()));
        }
    }
    assert!(all.is_empty(), "{} tables:\n{}", all.len(), all.join("\n"));
}
