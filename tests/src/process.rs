//! Programs that a story kills and starts again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The number of lines of a program's output that a failed story shows.
const TAIL_LINES: usize = 60;

/// A program with at most one running process. Dropping the value kills the process.
pub struct Process {
    /// The name of the program in the story.
    pub name: String,
    command: Command,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Starts `command`, whose output goes to `NAME.log` in `folder`.
    ///
    /// # Panics
    /// If the program cannot be started.
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
    /// If the process has ended by itself. The message shows its last output.
    pub fn kill(&mut self) {
        self.must_run();
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap_or_else(|error| panic!("killing {}: {error}", self.name));
            child.wait().unwrap_or_else(|error| panic!("the end of {}: {error}", self.name));
        }
    }

    /// Starts the program again with the same command.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn start_again(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).expect("a log file");
        self.command.stdout(log.try_clone().expect("a second handle of the log")).stderr(log);
        let child = self.command.spawn();
        self.child = Some(child.unwrap_or_else(|error| panic!("starting {}: {error}", self.name)));
    }

    /// Returns the id of the process, unless it was killed.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Checks that the process runs, if it was not killed.
    ///
    /// # Panics
    /// If the process has ended by itself. The message shows its last output.
    pub fn must_run(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Ok(Some(status)) = child.try_wait() {
            panic!("{} ended with {status}:\n{}", self.name, self.last_output());
        }
    }

    /// Returns the end of the output of all processes of this program.
    #[must_use]
    pub fn last_output(&self) -> String {
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
