//! The data directory: its lock, its format, and files that are replaced as a whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The format that this program writes. A later format has a higher number if older programs would misread the directory.
const FORMAT: u32 = 1;

/// The reason why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process runs a stack on the directory.
    #[error(
        "{path} is in use by {owner}: stop that stack first (Ctrl-C in its terminal), or choose another directory with \
         --data-dir"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The id of the process, and the time of its start.
        owner: String,
    },
    /// The directory exists and holds other things than a stack.
    #[error(
        "{path} is not empty, and no stack has run on it: choose another directory with --data-dir, or an empty one"
    )]
    NotOurs {
        /// The directory.
        path: PathBuf,
    },
    /// A newer version of the program wrote the directory.
    #[error(
        "{path} was written by a newer downspout (format {found}, this one knows {FORMAT}): use that version, or \
         choose another directory with --data-dir"
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// A file of the directory is not valid.
    #[error("{path} is not valid: delete the file, and it will be created again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The error of the parser.
        #[source]
        source: serde_json::Error,
    },
    /// The operating system refused an operation on a file.
    #[error("{doing} {path}")]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// A data directory, which no other process can use while this value exists.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

#[derive(Serialize, Deserialize)]
struct LockOwner {
    pid: u32,
    since: jiff::Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Format {
    format: u32,
    /// Whether every file is private to the user. Earlier versions made files that others of the group could read.
    #[serde(default)]
    is_private: bool,
}

impl DataDir {
    /// Opens and locks the directory, and creates it if it is missing.
    ///
    /// # Errors
    ///
    /// [`DataDirError`] if another process uses the directory, if a newer version of the program wrote it, or if it
    /// cannot be read or written.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        fs::create_dir_all(path).map_err(io_error("creating the data directory", path))?;
        if holds_other_things(path)? {
            return Err(DataDirError::NotOurs { path: path.to_owned() });
        }
        // values.json contains passwords and mails contain rows, so only the owner may read the directory.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(io_error("closing the data directory to others", path))?;
        let path = path.canonicalize().map_err(io_error("finding the data directory", path))?;
        let lock = lock(&path)?;
        let this = Self { path, _lock: lock };
        this.check_format()?;
        Ok(this)
    }

    /// Returns the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file or folder in the directory.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn check_format(&self) -> Result<(), DataDirError> {
        let file = self.join("format.json");
        match read_json::<Format>(&file)? {
            Some(found) if found.format > FORMAT => {
                Err(DataDirError::Newer { path: self.path.clone(), found: found.format })
            }
            Some(Format { is_private: true, .. }) => Ok(()),
            Some(_) | None => {
                close_to_others(&self.path)?;
                write_json(&file, &Format { format: FORMAT, is_private: true })
            }
        }
    }
}

/// Takes the rights of others from every file and folder below `folder`. The owner keeps those that he has. Files may go away
/// meanwhile.
pub(super) fn close_to_others(folder: &Path) -> Result<(), DataDirError> {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Some(entries) = unless_gone(fs::read_dir(&folder), "reading", &folder)? else { continue };
        for entry in entries {
            let path = entry.map_err(io_error("reading", &folder))?.path();
            let Some(metadata) = unless_gone(fs::symlink_metadata(&path), "looking at", &path)? else {
                continue;
            };
            if metadata.is_symlink() {
                continue;
            }
            let mode = metadata.permissions().mode();
            if mode & 0o077 != 0 {
                let private = fs::Permissions::from_mode(mode & 0o700);
                unless_gone(fs::set_permissions(&path, private), "closing to others", &path)?;
            }
            if metadata.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(())
}

fn unless_gone<T>(
    result: io::Result<T>,
    doing: &'static str,
    path: &Path,
) -> Result<Option<T>, DataDirError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error(doing, path)(error)),
    }
}

/// Returns whether the directory holds anything without being a data directory. Its mode must not be changed then.
fn holds_other_things(path: &Path) -> Result<bool, DataDirError> {
    let marks = ["lock", "format.json"];
    if marks.iter().any(|mark| path.join(mark).exists()) {
        return Ok(false);
    }
    let mut entries = fs::read_dir(path).map_err(io_error("reading the data directory", path))?;
    Ok(entries.next().is_some())
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let file = path.join("lock");
    let failed = io_error("locking", &file);
    let mut options = OpenOptions::new();
    let mut lock =
        options.read(true).write(true).create(true).truncate(false).open(&file).map_err(&failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let owner = match read_json::<LockOwner>(&file) {
                Ok(Some(LockOwner { pid, since })) => format!("process {pid} since {since:.0}"),
                _ => "another process".to_owned(),
            };
            return Err(DataDirError::InUse { path: path.to_owned(), owner });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    let owner = LockOwner { pid: std::process::id(), since: jiff::Timestamp::now() };
    lock.set_len(0).map_err(&failed)?;
    lock.write_all(&to_json(&owner)).map_err(&failed)?;
    Ok(lock)
}

/// Reads a JSON file. Returns `None` if the file does not exist.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DataDirError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("reading", path)(error)),
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|source| DataDirError::Malformed { path: path.to_owned(), source })
}

/// Writes a JSON file that only its owner may read. Readers see the old file or the new file, never a part.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), DataDirError> {
    let half = path.with_extension("half");
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&half)?;
        file.write_all(&to_json(value))?;
        file.sync_all()?;
        fs::rename(&half, path)
    };
    write().map_err(io_error("writing", path))
}

fn to_json<T: Serialize>(value: &T) -> Vec<u8> {
    let mut text =
        serde_json::to_vec_pretty(value).expect("our own files are plain maps of text and numbers");
    text.push(b'\n');
    text
}

fn io_error(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> DataDirError + use<> {
    let path = path.to_owned();
    move |source| DataDirError::Io { doing, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_second_process_names_the_user_of_the_directory() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let first = DataDir::open(folder.path()).expect("the folder is free");
        let error = DataDir::open(folder.path()).expect_err("the folder is locked").to_string();
        assert!(error.contains(&format!("process {} since 2", std::process::id())), "{error}");
        drop(first);
        DataDir::open(folder.path()).expect("the folder is free again");
    }

    #[test]
    fn a_folder_of_other_content_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("thesis.txt"), "").expect("the folder is writable");
        let mode = || fs::metadata(folder.path()).expect("the folder").permissions().mode() & 0o777;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        let error = DataDir::open(folder.path()).expect_err("it is not ours").to_string();
        assert!(error.contains("is not empty"), "{error}");
        assert_eq!(mode(), 0o755);
        fs::remove_file(folder.path().join("thesis.txt")).expect("ours");
        DataDir::open(folder.path()).expect("an empty folder");
        assert_eq!(mode(), 0o700);
    }

    #[test]
    fn files_of_an_earlier_version_are_closed_to_others() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = |name: &str| folder.path().join(name);
        let set = |name: &str, mode| {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).expect("ours")
        };
        let mode = |name: &str| fs::metadata(path(name)).expect("it is there").permissions().mode() & 0o777;
        fs::write(path("format.json"), r#"{"format": 1}"#).expect("the folder is writable");
        fs::create_dir(path("outbox")).expect("the folder is writable");
        for (name, mode) in [("outbox/a.eml", 0o644), ("outbox/program", 0o755)] {
            fs::write(path(name), "").expect("the folder is writable");
            set(name, mode);
        }
        set("outbox", 0o755);
        drop(DataDir::open(folder.path()).expect("the folder is free"));
        assert_eq!(
            ["outbox", "outbox/a.eml", "outbox/program", "format.json"].map(mode),
            [0o700, 0o600, 0o700, 0o600]
        );
        set("outbox/a.eml", 0o644);
        drop(DataDir::open(folder.path()).expect("the folder is free"));
        assert_eq!(mode("outbox/a.eml"), 0o644, "the files are looked at once");
    }

    #[test]
    fn a_directory_of_a_newer_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::write(folder.path().join("format.json"), r#"{"format": 7}"#).expect("the folder is writable");
        let error = DataDir::open(folder.path()).expect_err("the format is newer").to_string();
        assert!(error.contains("newer downspout (format 7, this one knows 1)"), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn secrets_are_readable_by_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("credentials.json");
        write_json(&file, &"secret").expect("the folder is writable");
        let mode = fs::metadata(&file).expect("the file is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
