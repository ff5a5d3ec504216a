//! Opens files that a command could have replaced.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a regular file to read it. A link is not followed, and a pipe is not waited for.
pub(crate) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_or_a_link_in_place_of_a_file_is_not_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "x").expect("written");
        assert!(open(&path("file")).is_ok());
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().expect("it starts");
        assert!(made.success());
        assert!(open(&path("pipe")).is_err());
        std::os::unix::fs::symlink(path("file"), path("link")).expect("made");
        assert!(open(&path("link")).is_err());
        assert!(open(folder.path()).is_err());
    }
}
