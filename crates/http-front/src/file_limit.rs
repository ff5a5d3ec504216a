//! The limit of the system on the number of files and connections that the process has open.

use std::io;

/// The number of files to ask for. Commands inherit the limit, and some close every possible file when they start, which
/// takes long with millions.
const WANTED_FILES: u64 = 65_536;

/// Raises the limit as far as the system lets this process, to 65,536 files at most, and returns the limit.
///
/// # Errors
///
/// If the system refuses to read or to change the limit.
pub fn raise_file_limit() -> io::Result<u64> {
    rlimit::increase_nofile_limit(WANTED_FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_once_and_for_all() {
        let raised = raise_file_limit().expect("the system has a limit");
        assert!(raised >= 256, "{raised}");
        assert_eq!(raise_file_limit().ok(), Some(raised));
    }
}
