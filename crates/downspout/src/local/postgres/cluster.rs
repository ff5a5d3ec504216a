//! The database's folder: made whole or not at all, and never made anew over a lost one.
//!
//! `DATA_DIR/cluster` is the embedded server's root. It is built beside, under another name, and renamed when it
//! is whole, so that a process killed at any moment leaves either no cluster or a whole one. It stands alone: the
//! embedded server would by default lay a new cluster over a template in the user's cache folder and copy files
//! up as they change, which a kill can cut in two and an emptied cache can break.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use pglite_oxide::{DataDirArchiveFormat, Pglite};

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Another process has it open.
    #[error("the database in {} is in use by another process; stop that one first", .0.display())]
    InUse(PathBuf),
    /// It was there once.
    #[error(
        "the database in {} is gone, though it was created earlier; put the folder back, or delete {} to begin with an empty database",
        .cluster.display(), .data_dir.display()
    )]
    Lost {
        /// Where it was.
        cluster: PathBuf,
        /// The folder that remembers it.
        data_dir: PathBuf,
    },
    /// Files that every cluster has are missing.
    #[error(
        "the database in {} is damaged: {missing} is missing; put it back from a copy, or delete {} to begin with an empty database",
        .cluster.display(), .data_dir.display()
    )]
    Damaged {
        /// Where it is.
        cluster: PathBuf,
        /// The first file that was missed.
        missing: &'static str,
        /// The folder to delete.
        data_dir: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {doing} {}", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The embedded server could not make a new cluster.
    #[error("cannot create the database in {}: {message}", .path.display())]
    Create {
        /// Where.
        path: PathBuf,
        /// The embedded server's words.
        message: String,
    },
}

/// What is under `tmp/pglite/base` of the embedded server's root in every whole cluster.
const ESSENTIAL: [&str; 3] = ["PG_VERSION", "global/pg_control", "pg_wal"];

/// Where the embedded server makes a cluster of its own kind, to be copied from.
const TEMPLATE: &str = "cluster.template";

/// Where the copy is made.
const UNFINISHED: &str = "cluster.new";

/// An opened data directory; locked as long as it lives.
#[derive(Debug)]
pub(super) struct Cluster {
    root: PathBuf,
    _lock: File,
}

impl Cluster {
    /// Opens `data_dir`, creating the cluster if there has never been one. Blocks.
    pub(super) fn open(data_dir: &Path) -> Result<Self, ClusterError> {
        // For this user alone: the files hold what the password protects.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
        made.map_err(io_error("create", data_dir))?;
        let lock = lock(data_dir)?;
        let root = data_dir.join("cluster");
        let created = data_dir.join("created");
        remove_leftovers(data_dir)?;
        match (root.is_dir(), created.exists()) {
            (false, true) => {
                return Err(ClusterError::Lost { cluster: root, data_dir: data_dir.to_owned() });
            }
            (false, false) => create(data_dir, &root)?,
            (true, _) => check(data_dir, &root)?,
        }
        if !created.exists() {
            fs::write(&created, "The database beside this file was created by downspout.\n")
                .map_err(io_error("write", &created))?;
        }
        Ok(Self { root, _lock: lock })
    }

    /// Returns the embedded server's root.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }
}

fn lock(data_dir: &Path) -> Result<File, ClusterError> {
    let path = data_dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io_error("open", &path))?;
    // The system drops the lock with the process, however that ends.
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ClusterError::InUse(data_dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

fn check(data_dir: &Path, root: &Path) -> Result<(), ClusterError> {
    let base = root.join("tmp/pglite/base");
    match ESSENTIAL.into_iter().find(|file| !base.join(file).exists()) {
        None => Ok(()),
        Some(missing) => {
            Err(ClusterError::Damaged { cluster: root.to_owned(), missing, data_dir: data_dir.to_owned() })
        }
    }
}

/// What a process that was killed while it created the cluster has left.
fn remove_leftovers(data_dir: &Path) -> Result<(), ClusterError> {
    for leftover in [data_dir.join(TEMPLATE), data_dir.join(UNFINISHED)] {
        if leftover.exists() {
            fs::remove_dir_all(&leftover).map_err(io_error("remove", &leftover))?;
        }
    }
    Ok(())
}

/// Builds the cluster beside its place and moves it there.
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
