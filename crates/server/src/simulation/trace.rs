//! The trace of a simulation, line by line: the same seed gives the same trace, to the last character.

use std::collections::{BTreeMap, VecDeque};

/// The number of lines that a failure prints.
const TAIL: usize = 60;

/// The last lines of one simulation, a digest of all lines, and how often each kind of event occurred.
#[derive(Default)]
pub(super) struct Trace {
    /// Whether each line is printed at once.
    pub(super) prints_trace: bool,
    tail: VecDeque<String>,
    digest: u64,
    lines: u64,
    counts: BTreeMap<String, u64>,
}

impl Trace {
    pub(super) fn line(&mut self, line: String) {
        if self.prints_trace {
            eprintln!("{line}");
        }
        for byte in line.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines += 1;
        self.tail.push_back(line);
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }

    pub(super) fn count(&mut self, what: &str) {
        match self.counts.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.counts.insert(what.to_owned(), 1)),
        }
    }

    /// Returns the number of lines and the digest of all lines, by which two traces can be compared.
    pub(super) fn mark(&self) -> (u64, u64) {
        (self.lines, self.digest)
    }

    pub(super) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    pub(super) fn tail(&self) -> String {
        self.tail.iter().map(|line| format!("  {line}\n")).collect()
    }
}
