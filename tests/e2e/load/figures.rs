//! How long calls took, and how much memory the server has.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use e2e::process::Process;

use super::Load;

/// How often the memory is read in a long story, and the number of times in a short one.
const PERIOD: Duration = Duration::from_secs(30);
const FEWEST_SAMPLES: u32 = 9;
/// How much the memory may grow from the middle of the story to its end: caches and the pieces that an allocator keeps.
const GROWTH_TENTHS: u64 = 11;
const GROWTH_KIB: u64 = 16 * 1024;
/// The percentiles that are printed, in tenths of a percent.
const PERMILLES: [usize; 4] = [500, 900, 990, 999];

/// The time that each call took, by operation.
#[derive(Default)]
pub(super) struct Figures(Mutex<BTreeMap<&'static str, Vec<Duration>>>);

impl Figures {
    pub(super) fn note(&self, operation: &'static str, took: Duration) {
        let mut figures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        figures.entry(operation).or_default().push(took);
    }

    /// Awaits a call and notes how long it took.
    pub(super) async fn time<T>(&self, operation: &'static str, call: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let answer = call.await;
        self.note(operation, begun.elapsed());
        answer
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "{:24}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10} ms",
            "", "calls", "50%", "90%", "99%", "99.9%", "most"
        )?;
        for (operation, times) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let mut times = times.clone();
            times.sort_unstable();
            write!(out, "{operation:24}{:>9}", times.len())?;
            let at = |permille: usize| times[(times.len() * permille / 1_000).min(times.len() - 1)];
            for time in PERMILLES.map(at).iter().chain(times.last()) {
                write!(out, "{:>10.1}", time.as_secs_f64() * 1_000.0)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The memory of the server in KiB, at regular times.
pub(super) struct Memory(Vec<u64>);

impl Memory {
    /// Whether the last third of the story needed no more than the third before it. The first third fills pools and caches.
    pub(super) fn is_flat(&self) -> bool {
        let third = self.0.len() / 3;
        let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
        let (middle, last) = (most(&self.0[third..2 * third]), most(&self.0[2 * third..]));
        last <= middle * GROWTH_TENTHS / 10 + GROWTH_KIB
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib: Vec<_> = self.0.iter().map(|kib| format!("{}", kib / 1024)).collect();
        write!(out, "memory of the server in MiB: {}", mib.join(" "))
    }
}

/// Reads the memory of the server until `end`. A long story prints it along with the figures so far.
pub(super) async fn watch(load: &Load, server: &mut Process, end: Instant) -> Memory {
    let length = end.saturating_duration_since(Instant::now());
    let period = PERIOD.min(length / FEWEST_SAMPLES);
    let mut pace = tokio::time::interval(period);
    let mut samples = Vec::new();
    while Instant::now() < end {
        pace.tick().await;
        server.must_run();
        let id = server.id().expect("the server runs");
        let status =
            std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux tells of its processes");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        samples.push(kib);
        if period == PERIOD {
            println!(
                "{} MiB after {:?}\n{}",
                kib / 1024,
                length.saturating_sub(end - Instant::now()),
                load.figures
            );
        }
    }
    Memory(samples)
}
