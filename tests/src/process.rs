//! A program that a story kills and starts again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// So much of what a program said last is told of a story that failed.
const TAIL_LINES: usize = 60;

/// A program of which one process runs at a time; killed when dropped.
pub struct Process {
    /// What the story calls it.
    pub name: String,
    command: Command,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts `command`, whose output goes to `NAME.log` in `folder`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, folder: &Path, mut command: Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        command.current_dir(folder).stdin(Stdio::null());
        let mut process = Self { name: name.to_owned(), command, log, child: None };
        process.start_again();
        process
    }

    /// Kills the process as `kill -9` does.
    ///
    /// # Panics
    /// When it has ended by itself: with what it said last.
    pub fn kill(&mut self) {
        self.must_run();
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_else(|error| panic!("killing {}: {error}", self.name));
            child.wait().unwrap_or_else(|error| panic!("the end of {}: {error}", self.name));
        }
    }

    /// Starts the program anew, as it was started first.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_again(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        self.command.stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let child = self.command.spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("starting {}: {error}", self.name)));
    }

    /// Checks that the process did not end unless it was killed.
    ///
    /// # Panics
    /// When it did: with what it said last.
    pub fn must_run(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Ok(Some(status)) = child.try_wait() {
            panic!("{} ended with {status}:\n{}", self.name, self.last_words());
        }
    }

    /// Returns the end of what all processes of this program said.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
