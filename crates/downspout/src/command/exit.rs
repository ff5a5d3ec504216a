//! Exit codes, and how an error that ends the program reads.

use std::io;
use std::process::ExitCode;

use super::output;

/// How a command ended, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, and what was followed went well.
    Done = 0,
    /// The run failed, the definition has problems, or the command could not do what it should.
    Failed = 1,
    /// The command line is wrong; clap's own code.
    Usage = 2,
    /// Nothing ran: the set is incomplete, over its cap, or no pattern fits the key.
    NothingRan = 3,
    /// No stack is running on the data directory.
    NoStack = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints why a command failed, with what to do where that is known, and returns its exit code.
#[must_use]
pub fn report(error: &anyhow::Error) -> Exit {
    if causes_io(error, io::ErrorKind::BrokenPipe) {
        // Who read our output (`head`, `less`) has seen enough.
        return Exit::Done;
    }
    output::complain!("downspout: {}", sentence(error));
    if causes_io(error, io::ErrorKind::StorageFull) || is_full_database(error) {
        output::complain!(
            "The disk is full: free some space and start again. What was acknowledged is kept."
        );
    }
    match error.downcast_ref::<super::running_stack::StackError>() {
        Some(_) => Exit::NoStack,
        None => Exit::Failed,
    }
}

/// Returns the chain of causes as one line, without what an outer error repeats of an inner one.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    text
}

fn causes_io(error: &anyhow::Error, kind: io::ErrorKind) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|cause| cause.kind() == kind)
}

fn is_full_database(error: &anyhow::Error) -> bool {
    let is_full = |code: rusqlite::ErrorCode| code == rusqlite::ErrorCode::DiskFull;
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<rusqlite::Error>())
        .any(|cause| cause.sqlite_error_code().is_some_and(is_full))
}
