//! The files that hold the contents of objects: blobs.
//!
//! A file has its final name from the beginning. It belongs to an object as soon as the index names it, and never changes from
//! then on, so it is read without locks. A file that the index does not name is removed when its [`NewBlob`] is dropped or,
//! after a crash, at the next start. A file whose object is deleted while it is read stays until its last reader is done.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::StoreError;

/// The name of a blob's file.
pub(super) type BlobId = String;

/// The number of bytes that are read at once: large enough that the system call costs little, and small enough to stay in the
/// cache of the processor until the bytes are sent.
pub(super) const CHUNK: usize = 256 << 10;

/// How many read buffers are kept for later readers.
const SPARE_BUFFERS: usize = 64;

/// The directory of the blobs.
pub(super) struct Blobs {
    root: PathBuf,
    pins: Mutex<HashMap<BlobId, PinState>>,
    spare: Arc<Mutex<Vec<Box<[u8]>>>>,
}

/// The readers of one blob.
#[derive(Default)]
struct PinState {
    readers: usize,
    /// Whether the file is removed after its last reader, because no object uses it any more.
    is_doomed: bool,
}

impl Blobs {
    /// Opens the directory, and creates it if it is missing.
    pub(super) fn open(root: PathBuf) -> Result<Self, StoreError> {
        fs::create_dir_all(&root).map_err(|source| StoreError::io(&root, source))?;
        Ok(Self { root, pins: Mutex::default(), spare: Arc::default() })
    }

    /// Returns the directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Removes every file that is not in `alive`, the files that the index names. Returns the number of
    /// removed files.
    pub(super) fn sweep(&self, alive: &HashSet<BlobId>) -> Result<usize, StoreError> {
        let failed = |source| StoreError::io(&self.root, source);
        let mut swept = 0;
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if !name.to_str().is_some_and(|name| alive.contains(name)) {
                fs::remove_file(self.root.join(name)).map_err(failed)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Creates a new file.
    pub(super) fn create(self: &Arc<Self>) -> Result<(NewBlob, File), StoreError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let path = self.root.join(&id);
        let file = File::create_new(&path).map_err(|source| StoreError::io(&path, source))?;
        Ok((NewBlob { id, blobs: Some(Arc::clone(self)) }, file))
    }

    /// Makes the names of new files durable.
    pub(super) fn sync_names(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.root).and_then(|directory| directory.sync_all());
        synced.map_err(|source| StoreError::io(&self.root, source))
    }

    /// Opens a blob for reading.
    pub(super) fn read(&self, id: &str) -> Result<File, StoreError> {
        let path = self.root.join(id);
        File::open(&path).map_err(|source| StoreError::io(path, source))
    }

    /// Keeps `ids` on the disk until the pin is dropped, even if they are removed before.
    pub(super) fn pin(self: &Arc<Self>, ids: Vec<BlobId>) -> ReadPin {
        let mut pins = self.pins();
        for id in &ids {
            pins.entry(id.clone()).or_default().readers += 1;
        }
        drop(pins);
        ReadPin { ids, blobs: Arc::clone(self) }
    }

    /// Removes a blob that no object uses any more: now, or when its last reader is done.
    pub(super) fn remove(&self, id: BlobId) {
        match self.pins().get_mut(&id) {
            Some(state) => state.is_doomed = true,
            None => self.unlink(&id),
        }
    }

    fn unlink(&self, id: &str) {
        // A file that cannot be removed only uses space, until the next start removes it.
        if let Err(error) = fs::remove_file(self.root.join(id)) {
            tracing::warn!(blob.id = id, %error, "a file that is no longer needed could not be removed");
        }
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<BlobId, PinState>> {
        // The map is consistent after every statement, so a panic elsewhere does not damage it.
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a read buffer of [`CHUNK`] bytes.
    pub(super) fn buffer(&self) -> Buffer {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = spare.unwrap_or_else(|| vec![0; CHUNK].into_boxed_slice());
        Buffer { bytes, filled: 0, spare: Arc::clone(&self.spare) }
    }
}

/// A new blob that no object uses yet. Dropping it removes the file.
pub(super) struct NewBlob {
    id: BlobId,
    blobs: Option<Arc<Blobs>>,
}

impl NewBlob {
    /// Returns the name of the file.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Keeps the file, because the index names it now.
    pub(super) fn keep(mut self) {
        self.blobs = None;
    }
}

impl Drop for NewBlob {
    fn drop(&mut self) {
        if let Some(blobs) = self.blobs.take() {
            blobs.unlink(&self.id);
        }
    }
}

/// Keeps blobs on the disk while they are read.
pub(super) struct ReadPin {
    ids: Vec<BlobId>,
    blobs: Arc<Blobs>,
}

impl ReadPin {
    /// Returns the directory of the blobs.
    pub(super) fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }
}

impl Drop for ReadPin {
    fn drop(&mut self) {
        let mut pins = self.blobs.pins();
        let mut doomed = Vec::new();
        for id in &self.ids {
            let Some(state) = pins.get_mut(id) else { continue };
            state.readers -= 1;
            if state.readers == 0 && pins.remove(id).is_some_and(|state| state.is_doomed) {
                doomed.push(id);
            }
        }
        drop(pins);
        doomed.into_iter().for_each(|id| self.blobs.unlink(id));
    }
}

/// A read buffer, which is kept for the next reader after its bytes are sent.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
    spare: Arc<Mutex<Vec<Box<[u8]>>>>,
}

impl Buffer {
    /// Returns `length` bytes to fill, or the whole buffer if `length` is greater.
    pub(super) fn room(&mut self, length: usize) -> &mut [u8] {
        self.filled = length.min(self.bytes.len());
        &mut self.bytes[..self.filled]
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BUFFERS {
            spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn blobs() -> (tempfile::TempDir, Arc<Blobs>) {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::open(directory.path().join("blobs")).unwrap());
        (directory, blobs)
    }

    fn count(blobs: &Blobs) -> usize {
        fs::read_dir(blobs.root()).unwrap().count()
    }

    #[test]
    fn a_content_that_nobody_kept_goes_away() {
        let (_directory, blobs) = blobs();
        let (blob, mut file) = blobs.create().unwrap();
        file.write_all(b"half").unwrap();
        assert_eq!(count(&blobs), 1);
        drop(blob);
        assert_eq!(count(&blobs), 0);
    }

    #[test]
    fn a_removed_content_stays_until_its_last_reader_is_done() {
        let (_directory, blobs) = blobs();
        let (blob, _file) = blobs.create().unwrap();
        let id = blob.id().to_owned();
        blob.keep();
        let pins = [blobs.pin(vec![id.clone()]), blobs.pin(vec![id.clone()])];
        blobs.remove(id);
        let [first, second] = pins;
        drop(first);
        assert_eq!(count(&blobs), 1);
        drop(second);
        assert_eq!(count(&blobs), 0);
    }

    #[test]
    fn a_sweep_leaves_what_the_index_has() {
        let (_directory, blobs) = blobs();
        let (kept, _file) = blobs.create().unwrap();
        let (orphan, _file) = blobs.create().unwrap();
        let alive = HashSet::from([kept.id().to_owned()]);
        kept.keep();
        orphan.keep();
        assert_eq!(blobs.sweep(&alive).unwrap(), 1);
        assert_eq!(count(&blobs), 1);
    }
}
