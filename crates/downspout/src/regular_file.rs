//! Reads files from folders in which anything may lie, such as pipes and sockets.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The reason why a file is left out that is not a regular file.
pub(crate) const NOT_REGULAR: &str = "it is not a regular file";

/// Returns the bytes of a file, or `None` if it is a pipe, a device or anything else that is not a regular file. A link is followed.
///
/// # Errors
///
/// If the file cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // A socket cannot be opened.
    if !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    // If a pipe has come meanwhile, its opening would wait until another program writes into it.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for_and_a_socket_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "x").expect("written");
        std::os::unix::fs::symlink(path("file"), path("link")).expect("made");
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().expect("it starts");
        assert!(made.success());
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("bound");
        let content = || Some(b"x".to_vec());
        for (name, expected) in [("file", content()), ("link", content()), ("pipe", None), ("socket", None)] {
            assert_eq!(read(&path(name)).expect("readable"), expected, "{name}");
        }
    }
}
