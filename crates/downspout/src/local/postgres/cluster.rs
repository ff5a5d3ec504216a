//! The folder of the database. A crash never leaves half of a new database, and a lost database is never replaced.
//!
//! Only the process of the server opens the folder: see [`super::cluster_server`].
//!
//! `DATA_DIR/cluster` is the root of the embedded server. The folder is built under another name and renamed when it is
//! complete. So a process that is killed at any moment leaves either no cluster or a complete cluster. The cluster
//! depends on no other folder. By default, the embedded server would put a new cluster on top of a template in the
//! user's cache, and copy each file when it changes. A kill can interrupt such a copy, and an emptied cache breaks the
//! cluster.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use pglite_oxide::{DataDirArchiveFormat, Pglite};

use super::leftover_files;

/// The reason why the folder of the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterError {
    /// Another process uses the folder.
    #[error("the database in {} is in use by another process: stop that process first", .0.display())]
    InUse(PathBuf),
    /// The database was created earlier and is missing.
    #[error(
        "the database in {} was created earlier and is missing: restore the folder, or delete {} to start with an empty database",
        .cluster.display(), .data_dir.display()
    )]
    Lost {
        /// The folder of the missing database.
        cluster: PathBuf,
        /// The data directory, which shows that the database existed.
        data_dir: PathBuf,
    },
    /// A file that every cluster has is missing.
    #[error(
        "the database in {} is damaged: {missing} is missing; restore it from a copy, or delete {} to start with an empty database",
        .cluster.display(), .data_dir.display()
    )]
    Damaged {
        /// The folder of the database.
        cluster: PathBuf,
        /// The first missing file.
        missing: &'static str,
        /// The folder that must be deleted to start with an empty database.
        data_dir: PathBuf,
    },
    /// The file system refused an operation.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The embedded server could not create a cluster.
    #[error("cannot create the database in {}: {message}", .path.display())]
    Create {
        /// The data directory.
        path: PathBuf,
        /// The message of the embedded server.
        message: String,
    },
}

/// The files in [`DATA`] that every complete cluster has.
const ESSENTIAL: [&str; 3] = ["PG_VERSION", "global/pg_control", "pg_wal"];

/// The root of the embedded server, within the data directory.
const ROOT: &str = "cluster";

/// The folder of PostgreSQL's data within the root of the embedded server.
const DATA: &str = "tmp/pglite/base";

/// How long to wait for a process that has the folder. The server of a killed process ends a moment after that process.
const LOCK_WAIT: Duration = Duration::from_secs(3);

/// The folder in which the embedded server creates a cluster. The cluster is then copied to its place.
const TEMPLATE: &str = "cluster.template";

/// The folder in which the copy is made.
const UNFINISHED: &str = "cluster.new";

/// An opened data directory, which stays locked while this value exists.
#[derive(Debug)]
pub(super) struct Cluster {
    root: PathBuf,
    _lock: File,
}

impl Cluster {
    /// Opens `data_dir`, and creates the cluster if there has never been one. Blocks.
    pub(super) fn open(data_dir: &Path) -> Result<Self, ClusterError> {
        // Only this user may read the folder: the files contain the data that the password protects.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
        made.map_err(io_error("create", data_dir))?;
        let lock = lock(data_dir)?;
        let root = data_dir.join(ROOT);
        let created = data_dir.join("created");
        remove_leftovers(data_dir)?;
        match (root.is_dir(), created.exists()) {
            (false, true) => {
                return Err(ClusterError::Lost { cluster: root, data_dir: data_dir.to_owned() });
            }
            (false, false) => create(data_dir, &root)?,
            (true, _) => check(data_dir, &root)?,
        }
        let data = data_of(data_dir);
        leftover_files::remove_spilled(&data).map_err(io_error("remove the temporary files in", &data))?;
        if !created.exists() {
            fs::write(&created, "The database beside this file was created by downspout.\n")
                .map_err(io_error("write", &created))?;
        }
        Ok(Self { root, _lock: lock })
    }

    /// Returns the root of the embedded server.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

/// Returns the folder of PostgreSQL's data for the database in `data_dir`.
pub(super) fn data_of(data_dir: &Path) -> PathBuf {
    data_dir.join(ROOT).join(DATA)
}

fn lock(data_dir: &Path) -> Result<File, ClusterError> {
    let path = data_dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    let deadline = Instant::now() + LOCK_WAIT;
    // The operating system releases the lock when the process ends in any way.
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => return Err(ClusterError::InUse(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
    }
}

fn check(data_dir: &Path, root: &Path) -> Result<(), ClusterError> {
    let base = root.join(DATA);
    match ESSENTIAL.into_iter().find(|file| !base.join(file).exists()) {
        None => Ok(()),
        Some(missing) => {
            Err(ClusterError::Damaged { cluster: root.to_owned(), missing, data_dir: data_dir.to_owned() })
        }
    }
}

/// Removes the folders that a process left when it was killed while it created the cluster.
fn remove_leftovers(data_dir: &Path) -> Result<(), ClusterError> {
    for leftover in [data_dir.join(TEMPLATE), data_dir.join(UNFINISHED)] {
        if leftover.exists() {
            fs::remove_dir_all(&leftover).map_err(io_error("remove", &leftover))?;
        }
    }
    Ok(())
}

/// Builds the cluster in another folder, and then renames that folder.
fn create(data_dir: &Path, root: &Path) -> Result<(), ClusterError> {
    let unfinished = data_dir.join(UNFINISHED);
    build(&data_dir.join(TEMPLATE), &unfinished)
        .map_err(|error| ClusterError::Create { path: data_dir.to_owned(), message: format!("{error:#}") })?;
    fs::rename(&unfinished, root).map_err(io_error("rename", &unfinished))?;
    remove_leftovers(data_dir)
}

fn build(template: &Path, unfinished: &Path) -> anyhow::Result<()> {
    let mut database = Pglite::builder().path(template).open()?;
    let archive = database.dump_data_dir_with_format(DataDirArchiveFormat::Tar)?;
    database.close()?;
    drop(database);
    Pglite::builder().path(unfinished).load_data_dir_archive(archive).open()?.close()
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::Io { doing, path, source }
}
