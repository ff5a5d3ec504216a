//! Makes every file of a stack private to the user: mails contain rows, and the blobs of S3 are the user's own files.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use crate::local::process_host::COMMAND_UMASK;

/// Starts a program with the mode bits that new files lack (`umask`) set to those of everybody but the user. The environment
/// tells the program which bits new files lacked before.
const START: &str =
    r#"DOWNSPOUT_COMMAND_UMASK=$(umask) && export DOWNSPOUT_COMMAND_UMASK && umask 077 && exec "$0" "$@""#;

/// Returns the mode bits that new files of the caller lack, after files of this process have become private.
///
/// The standard library cannot set these bits for a process. So the first call replaces this process by the same program with
/// the same arguments, which a shell starts with other bits; the process id stays. The caller must not have begun anything.
///
/// # Errors
///
/// If the shell cannot be started, or if the environment variable is not a mode.
pub(super) fn ensure() -> anyhow::Result<u32> {
    if let Ok(before) = std::env::var(COMMAND_UMASK) {
        return read(&before).with_context(|| format!("{COMMAND_UMASK}={before}: write a mode such as 0022"));
    }
    let program = std::env::current_exe().context("finding this program")?;
    let mut shell = Command::new("/bin/sh");
    let failed = shell.arg("-c").arg(START).arg(program).args(std::env::args_os().skip(1)).exec();
    Err(failed).context("starting /bin/sh, which makes new files private")
}

/// Reads mode bits as a shell prints them: in octal digits.
pub(super) fn read(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_octal_digits() {
        assert_eq!((read("0022"), read("27"), read("0777")), (Some(0o22), Some(0o27), Some(0o777)));
        assert_eq!((read("0089"), read("1000"), read("u=rwx")), (None, None, None));
    }
}
