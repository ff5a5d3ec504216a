//! The scratch folder: a folder for each worker below it, and a folder for each attempt below that.
//!
//! A worker that ends deletes its folder. A worker that is killed cannot, so the next worker with the same scratch folder
//! deletes what it left. A worker holds a lock on a file in its folder while it lives, and the system frees the lock when
//! the process ends for any reason. So the folder of a living worker is never deleted.

use std::fs::{self, DirEntry, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::regular_file;

/// The beginning of the names of the workers' folders.
const PREFIX: &str = "worker-";
/// The beginning of the names of folders that are being deleted.
const DELETED: &str = "deleted-";
/// The file in the folder of a worker that the worker keeps locked.
const LIVES: &str = ".lives";
/// The file in the scratch folder that a worker locks while it deletes folders and makes its own. Without this lock, a
/// worker could mistake a new folder, whose file is not locked yet, for the folder of a killed worker.
const STARTS: &str = ".starts";

/// The folder of one worker. It is deleted when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: TempDir,
    /// Dropped after the folder, so that no other worker deletes the folder at the same time.
    _lives: File,
}

impl Scratch {
    /// Deletes the folders of killed workers in `root`, and makes a folder for this worker. May wait for another worker that
    /// does the same.
    ///
    /// # Errors
    ///
    /// If the folder or a file in it cannot be made.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        let made = || -> anyhow::Result<Self> {
            fs::create_dir_all(root)?;
            let _starts = delete_left_behind(root)?;
            let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?;
            let lives = lock_file(&folder.path().join(LIVES)).context(LIVES)?;
            // Without locks on this disk, no other worker can lock the file either, so none deletes the folder.
            let _ = lives.try_lock();
            Ok(Self { folder, _lives: lives })
        };
        made().with_context(|| format!("creating the scratch folder {}", root.display()))
    }

    /// Makes an empty folder for an attempt, which is deleted when dropped.
    pub(crate) fn for_attempt(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("task-").tempdir_in(self.folder.path())
    }
}

/// Deletes the folders of killed workers in the scratch folder `root`. Returns the locked file, without which no worker makes
/// a folder there.
///
/// # Errors
///
/// If the file cannot be made.
pub(crate) fn delete_left_behind(root: &Path) -> anyhow::Result<File> {
    let starts = lock_file(&root.join(STARTS)).context(STARTS)?;
    // Some network disks have no locks. There, it is unknown whether a worker still runs, so nothing is deleted.
    match starts.lock() {
        Ok(()) => delete_folders(root),
        Err(error) => tracing::warn!(%error, "folders of killed workers stay: the disk has no locks"),
    }
    Ok(starts)
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Deletes the folders of workers that do not live. The caller holds the lock of the scratch folder.
fn delete_folders(root: &Path) {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(%error, "the scratch folder cannot be searched for folders of killed workers");
            return;
        }
    };
    for entry in entries.filter_map(Result::ok) {
        let Some(folder) = of_killed_worker(&entry) else { continue };
        match delete(&folder) {
            Ok(()) => tracing::info!(folder = %folder.display(), "deleted what a killed worker left"),
            // A process that the worker started may still end. The next start tries again.
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "what a killed worker left stays for now");
            }
        }
    }
}

/// Returns the path of an entry that is the folder of a worker that does not live, under the name that it has while it is
/// deleted. No worker looks for a lock in a folder of that name.
fn of_killed_worker(entry: &DirEntry) -> Option<PathBuf> {
    let (path, name) = (entry.path(), entry.file_name());
    let name = name.to_str()?;
    if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
        return None;
    }
    if name.starts_with(DELETED) {
        return Some(path);
    }
    if !name.starts_with(PREFIX) {
        return None;
    }
    let Ok((lives, _)) = regular_file::open(&path.join(LIVES)) else {
        // A worker that was killed before it made the file left an empty folder. Only an empty folder can be removed so.
        let _ = fs::remove_dir(&path);
        return None;
    };
    match lives.try_lock() {
        Ok(()) => {
            let deleted = path.with_file_name(format!("{DELETED}{name}"));
            fs::rename(&path, &deleted).is_ok().then_some(deleted)
        }
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(error)) => {
            tracing::warn!(folder = %path.display(), %error, "nobody knows whether its worker lives");
            None
        }
    }
}

/// Deletes a folder, also if a command took away the permission to delete its files.
fn delete(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let folders = walkdir::WalkDir::new(folder).follow_root_links(false).into_iter();
            for entry in folders.filter_map(Result::ok).filter(|entry| entry.file_type().is_dir()) {
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o700))?;
            }
            fs::remove_dir_all(folder)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn workers(root: &Path) -> usize {
        let entries = fs::read_dir(root).expect("the folder is there").filter_map(Result::ok);
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)).count()
    }

    /// Leaves the folder of a worker as its death leaves it.
    fn kill(scratch: Scratch) -> PathBuf {
        let Scratch { folder, _lives } = scratch;
        folder.keep()
    }

    #[test]
    fn the_folder_of_a_killed_worker_is_deleted_at_the_next_start() {
        let root = root();
        let first = Scratch::open(root.path()).expect("made");
        let left = first.for_attempt().expect("made").keep();
        fs::write(left.join("spool"), "rows").expect("written");
        let left = kill(first);
        assert!(left.exists());
        let _second = Scratch::open(root.path()).expect("made");
        assert!(!left.exists());
        assert_eq!(workers(root.path()), 1);
    }

    #[test]
    fn the_folder_of_a_living_worker_stays() {
        let root = root();
        let first = Scratch::open(root.path()).expect("made");
        let attempt = first.for_attempt().expect("made");
        let second = Scratch::open(root.path()).expect("made");
        assert!(attempt.path().exists());
        drop((attempt, first, second));
        assert_eq!(workers(root.path()), 0);
    }

    #[test]
    fn what_is_no_folder_of_a_worker_stays() {
        let (root, elsewhere) = (root(), root());
        fs::create_dir(root.path().join("task-1")).expect("made");
        fs::write(root.path().join("worker-notes.txt"), "mine").expect("written");
        fs::write(elsewhere.path().join("file"), "mine").expect("written");
        std::os::unix::fs::symlink(elsewhere.path(), root.path().join("worker-link")).expect("made");
        let _worker = Scratch::open(root.path()).expect("made");
        assert!(root.path().join("task-1").exists() && root.path().join("worker-notes.txt").exists());
        assert!(elsewhere.path().join("file").exists());
    }

    #[test]
    fn a_deletion_that_was_interrupted_is_finished() {
        let root = root();
        let folder = root.path().join("deleted-worker-1/task-1");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("x"), "x").expect("written");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).expect("set");
        let _worker = Scratch::open(root.path()).expect("made");
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_with_files_but_without_a_lock_stays() {
        let root = root();
        fs::create_dir_all(root.path().join("worker-1/task-1")).expect("made");
        let _worker = Scratch::open(root.path()).expect("made");
        assert!(root.path().join("worker-1/task-1").exists());
    }

    #[test]
    fn a_folder_without_its_file_is_left_by_a_worker_that_died_at_its_start() {
        let root = root();
        fs::create_dir(root.path().join("worker-1")).expect("made");
        let _worker = Scratch::open(root.path()).expect("made");
        assert!(!root.path().join("worker-1").exists());
    }

    #[test]
    fn workers_that_start_at_the_same_time_do_not_delete_each_other() {
        let root = root();
        let started: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..16).map(|_| scope.spawn(|| Scratch::open(root.path()).expect("made"))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(workers(root.path()), 16);
        assert!(started.iter().all(|scratch| scratch.for_attempt().is_ok()));
    }
}
