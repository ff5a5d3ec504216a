//! The exit codes, and the text of an error that ends the program.

use std::io;
use std::process::ExitCode;

use super::output;

/// The result of a command, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did its work, and the run that it followed finished.
    Done = 0,
    /// The run failed, the definition has errors, or the command failed.
    Failed = 1,
    /// The command line is wrong, or `validate` cannot read a file. The argument parser uses the same code.
    Usage = 2,
    /// Nothing ran: the set is incomplete, its cap (`myMaxRunsPerDay`) is reached, no pattern matches the key, or there
    /// is not a failed run to repeat.
    NothingRan = 3,
    /// No stack is running on the data directory.
    NoStack = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Prints why a command failed and, if known, what the user can do. Returns the exit code of the failure.
///
/// If the failure is a closed pipe, prints nothing and returns [`Exit::Done`].
#[must_use]
pub fn report(error: &anyhow::Error) -> Exit {
    if causes_io(error, io::ErrorKind::BrokenPipe) {
        // The reader of the output (`head`, `less`) closed the pipe, because it has read enough.
        return Exit::Done;
    }
    output::complain!("downspout: {}", sentence(error));
    if causes_io(error, io::ErrorKind::StorageFull) || is_full_database(error) {
        output::complain!(
            "The disk is full: free some space, and start again. Everything that was acknowledged is kept."
        );
    }
    match error.downcast_ref::<super::running_stack::StackError>() {
        Some(_) => Exit::NoStack,
        None => Exit::Failed,
    }
}

/// Returns the chain of causes as one line. A cause whose text an outer error already contains is left out.
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
