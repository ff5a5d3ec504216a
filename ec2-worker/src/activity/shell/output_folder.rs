//! Uploads the files that a command wrote to the staging folder of an output.
//!
//! A command may leave anything there: an unpacked archive with symbolic links to other files of the machine, a pipe from
//! which a reader would wait for ever, a name that is not a key. Only regular files are uploaded. Anything else fails the
//! attempt before the first upload, and the message names it.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt as _;
use walkdir::{DirEntry, WalkDir};

use crate::activity::TaskContext;
use crate::failure::Failure;
use crate::node::S3Node;
use crate::panics;
use crate::regular_file;
use crate::storage::{S3Uri, Upload};

/// The length of the longest key in S3, in bytes.
const LONGEST_KEY: usize = 1024;
/// The largest number of files that a message names.
const MOST_NAMED: usize = 5;
/// The number of bytes that are read at a time.
const PIECE: usize = 256 * 1024;

/// A regular file below the folder.
struct OutputFile {
    path: PathBuf,
    /// The path below the folder, which becomes the end of the key.
    name: String,
    seen: Version,
}

/// Shows whether a file changes: its length, and the time of its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    length: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), changed: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// Uploads the files in `folder` to the output `node`, which is the output with the number `number`.
///
/// # Errors
///
/// If something in the folder cannot be uploaded, or changes during the upload.
pub(super) async fn send(
    context: &TaskContext<'_>,
    node: &S3Node,
    number: usize,
    folder: &Path,
) -> Result<(), Failure> {
    let (root, at) = (folder.to_owned(), node.at.clone());
    let listed = tokio::task::spawn_blocking(move || files(&root, &at)).await;
    let listed = listed.map_err(|error| panics::of_thread("listing an output folder", error))?;
    let place = format!("output `{}`, folder ${{OUTPUT{number}_STAGING_DIR}}", node.id);
    let files = listed.map_err(|complaints| {
        let named = complaints.iter().take(MOST_NAMED).cloned().collect::<Vec<_>>().join("; ");
        let more = match complaints.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        refused(format!("{place}: nothing was uploaded: {named}{more}"))
    })?;
    if !node.directory {
        return match files.first() {
            None => Ok(()),
            Some(OutputFile { name, .. }) => Err(refused(format!(
                "{place}: the command wrote `{name}`, which is not uploaded, because the node has a `filePath`; give \
                 it a `directoryPath`"
            ))),
        };
    }
    for file in &files {
        send_file(context, file, &node.at.child(&file.name))
            .await?
            .map_err(|reason| refused(format!("{place}: `{}` {reason}", file.name)))?;
    }
    if files.is_empty() {
        context.progress.log(&format!("{place}: the command left no files"));
    }
    context.progress.set("writtenTo", &node.at);
    Ok(())
}

/// Uploads the standard output or standard error of a command.
///
/// # Errors
///
/// If the file cannot be read, or S3 refuses it.
pub(super) async fn send_log(context: &TaskContext<'_>, path: &Path, at: &S3Uri) -> Result<(), Failure> {
    let scratch = |error: io::Error| Failure::scratch("reading the output of the command", &error);
    let (file, metadata) = regular_file::open(path).map_err(scratch)?;
    // A process that the command left behind may still write: the log ends where it ends now.
    let file = tokio::fs::File::from_std(file).take(metadata.len());
    upload(context, file, at).await?.map_err(scratch)?;
    context.progress.log(&format!("wrote {at}"));
    Ok(())
}

fn refused(message: String) -> Failure {
    Failure::new("ActivityFailed:Output", message)
}

/// Uploads a file. Returns the reason if the file is not as it was when the command ended; S3 then has no object.
async fn send_file(
    context: &TaskContext<'_>,
    file: &OutputFile,
    at: &S3Uri,
) -> Result<Result<(), String>, Failure> {
    const CHANGED: &str =
        "changed after the command had ended; let the command wait for the processes that it starts";
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => CHANGED.to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    let (open, metadata) = match regular_file::open(&file.path) {
        Ok(open) => open,
        Err(error) => return Ok(Err(unreadable(error))),
    };
    if Version::of(&metadata) != file.seen {
        return Ok(Err(CHANGED.to_owned()));
    }
    let mut open = tokio::fs::File::from_std(open);
    let mut parts = Upload::new(context.tools.storage.clone(), at.clone());
    // One byte more shows whether the file grows, and a file that always grows ends.
    let bytes = match copy((&mut open).take(file.seen.length + 1), &mut parts).await? {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Err(unreadable(error))),
    };
    let after = match open.metadata().await {
        Ok(metadata) => Version::of(&metadata),
        Err(error) => return Ok(Err(unreadable(error))),
    };
    if bytes != file.seen.length || after != file.seen {
        return Ok(Err(CHANGED.to_owned()));
    }
    parts.finish().await?;
    context.progress.log(&format!("wrote {at}"));
    Ok(Ok(()))
}

async fn upload(
    context: &TaskContext<'_>,
    file: impl tokio::io::AsyncRead + Unpin,
    at: &S3Uri,
) -> Result<io::Result<()>, Failure> {
    let mut parts = Upload::new(context.tools.storage.clone(), at.clone());
    if let Err(error) = copy(file, &mut parts).await? {
        return Ok(Err(error));
    }
    parts.finish().await.map(Ok)
}

/// Writes a file to an upload. Returns the number of bytes.
async fn copy(
    mut file: impl tokio::io::AsyncRead + Unpin,
    parts: &mut Upload,
) -> Result<io::Result<u64>, Failure> {
    let mut buffer = vec![0; PIECE];
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer).await {
            Ok(0) => return Ok(Ok(bytes)),
            Ok(count) => {
                bytes += count as u64;
                parts.write(&buffer[..count]).await?;
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Returns the files below `root`, sorted by name, or the reason why the folder cannot be uploaded to `at`.
fn files(root: &Path, at: &S3Uri) -> Result<Vec<OutputFile>, Vec<String>> {
    let (mut files, mut complaints) = (Vec::new(), Vec::new());
    for entry in WalkDir::new(root).follow_links(false).follow_root_links(false).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                complaints.push(unlistable(root, &error));
                continue;
            }
        };
        if entry.depth() > 0 && entry.file_type().is_dir() {
            continue;
        }
        match file(root, at, &entry) {
            Ok(found) => files.extend(found),
            Err(complaint) => complaints.push(complaint),
        }
    }
    if complaints.is_empty() { Ok(files) } else { Err(complaints) }
}

/// Returns the file at an entry, or `None` for the folder itself. Returns a complaint if the entry cannot be uploaded.
fn file(root: &Path, at: &S3Uri, entry: &DirEntry) -> Result<Option<OutputFile>, String> {
    let shown = shown(root, entry.path());
    if let Some(what) = other_than_file(entry) {
        return Err(format!("{shown} is {what}"));
    }
    if entry.depth() == 0 {
        return Ok(None);
    }
    let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
    let Some(name) = relative.to_str() else {
        return Err(format!("the name {shown} is not UTF-8: rename the file"));
    };
    if name.contains('\r') {
        return Err(format!(
            "the name {shown} has a carriage return (CR): look for CR in what the command takes the name from"
        ));
    }
    // XML, in which S3 lists its keys, has no such characters.
    if name.contains(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(format!("the name {shown} has a control character: rename the file"));
    }
    let key = at.child(name).key;
    if key.len() > LONGEST_KEY {
        return Err(format!("the key of {shown} has {} bytes, and S3 takes {LONGEST_KEY}", key.len()));
    }
    let metadata = entry.metadata().map_err(|error| unlistable(root, &error))?;
    let seen = Version::of(&metadata);
    Ok(Some(OutputFile { path: entry.path().to_owned(), name: name.to_owned(), seen }))
}

/// Returns what the entry is, with a remedy, if it is neither a regular file nor the folder itself.
fn other_than_file(entry: &DirEntry) -> Option<&'static str> {
    let kind = entry.file_type();
    Some(if kind.is_symlink() {
        "a symbolic link, which is not followed: copy its target (cp -L), or remove it"
    } else if kind.is_fifo() {
        "a named pipe (FIFO): remove it"
    } else if kind.is_socket() {
        "a socket: remove it"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device: remove it"
    } else if entry.depth() == 0 && !kind.is_dir() {
        "not a folder any more"
    } else {
        return None;
    })
}

fn unlistable(root: &Path, error: &walkdir::Error) -> String {
    let path = error.path().unwrap_or(root);
    let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
    format!("{} cannot be read: {reason}", shown(root, path))
}

/// Returns the path below the folder, with escapes for characters that cannot be seen.
fn shown(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    if relative.as_os_str().is_empty() {
        return "the folder itself".to_owned();
    }
    let escaped: String = relative
        .as_os_str()
        .as_encoded_bytes()
        .utf8_chunks()
        .flat_map(|chunk| {
            let bytes = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
            std::iter::once(visible(chunk.valid())).chain(bytes)
        })
        .collect();
    format!("`{escaped}`")
}

fn visible(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn uri() -> S3Uri {
        S3Uri::parse("s3://b/out").expect("a URI")
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn complaints(folder: &Path) -> Vec<String> {
        files(folder, &uri()).err().unwrap_or_default()
    }

    #[test]
    fn regular_files_are_listed_with_their_folders() {
        let folder = folder();
        std::fs::create_dir_all(folder.path().join("b/ c")).expect("made");
        std::fs::create_dir(folder.path().join("empty")).expect("made");
        for name in ["b/ c/%ü+.csv", "a", ".hidden", "b\\x"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        let found = files(folder.path(), &uri()).expect("only files");
        let names: Vec<_> = found.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [".hidden", "a", "b/ c/%ü+.csv", "b\\x"]);
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        symlink("/etc/passwd", path("file-link")).expect("made");
        symlink("/etc", path("folder-link")).expect("made");
        symlink("nowhere", path("lost-link")).expect("made");
        std::os::unix::net::UnixListener::bind(path("socket")).expect("made");
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().expect("runs").success());
        let said = complaints(folder.path());
        let link = "is a symbolic link, which is not followed: copy its target (cp -L), or remove it";
        assert_eq!(
            said,
            [
                format!("`file-link` {link}"),
                format!("`folder-link` {link}"),
                format!("`lost-link` {link}"),
                "`pipe` is a named pipe (FIFO): remove it".to_owned(),
                "`socket` is a socket: remove it".to_owned(),
            ]
        );
    }

    #[test]
    fn a_name_that_is_no_key_is_refused() {
        let folder = folder();
        for name in [&b"a.csv\r"[..], b"b\xff", b"c\nd", b"e\x01"] {
            std::fs::write(folder.path().join(OsStr::from_bytes(name)), "x").expect("written");
        }
        let deep: PathBuf = std::iter::repeat_n("x".repeat(200), 6).collect();
        std::fs::create_dir_all(folder.path().join(&deep)).expect("made");
        std::fs::write(folder.path().join(&deep).join("z"), "x").expect("written");
        let said = complaints(folder.path());
        assert_eq!(said.len(), 5, "{said:?}");
        assert!(said[0].starts_with("the name `a.csv\\r` has a carriage return (CR)"), "{said:?}");
        assert_eq!(said[1], "the name `b\\xff` is not UTF-8: rename the file");
        assert_eq!(said[2], "the name `c\\nd` has a control character: rename the file");
        assert_eq!(said[3], "the name `e\\u{1}` has a control character: rename the file");
        assert!(said[4].ends_with("has 1211 bytes, and S3 takes 1024"), "{said:?}");
    }

    #[test]
    fn a_folder_that_is_gone_or_replaced_is_refused() {
        let folder = folder();
        let out = folder.path().join("out");
        assert!(complaints(&out)[0].starts_with("the folder itself cannot be read: "));
        symlink("/etc", &out).expect("made");
        assert!(complaints(&out)[0].starts_with("the folder itself is a symbolic link"));
        std::fs::remove_file(&out).expect("removed");
        std::fs::write(&out, "x").expect("written");
        assert_eq!(complaints(&out), ["the folder itself is not a folder any more"]);
    }
}
