//! Stages inputs: writes the objects of a node to files of the same names below the node's folder.
//!
//! A key may be any text, and a path may not. A key that cannot be the path of a file below the folder is refused by
//! its name, because a command must not run on a part of its input.

use std::collections::HashSet;
use std::io::{Error, ErrorKind};
use std::path::Path;

use tokio::io::AsyncWriteExt as _;

use crate::activity::TaskContext;
use crate::failure::Failure;
use crate::node::S3Node;
use crate::storage::ObjectRef;

/// The length of the longest name of a file or folder on Linux, in bytes.
const LONGEST_NAME: usize = 255;
/// The largest number of keys that a message names.
const MOST_NAMED: usize = 5;

/// Writes the objects of `node` to files below `folder`.
///
/// # Errors
///
/// If there is no such object, the worker may not read it, or its key cannot be the path of a file.
pub(super) async fn fetch(context: &TaskContext<'_>, node: &S3Node, folder: &Path) -> Result<(), Failure> {
    let objects = context.objects_of(node).await?;
    let paths: Vec<String> = objects.iter().map(|object| relative(node, object)).collect();
    let complaints = complaints(&paths);
    if !complaints.is_empty() {
        return Err(refused(node, &objects, &complaints));
    }
    for (object, path) in objects.iter().zip(&paths) {
        write(context, object, &folder.join(path)).await?;
        context.progress.log(&format!("staged {}", object.uri()));
    }
    Ok(())
}

/// Returns the path of the object's file below the folder: the key without the prefix of the directory.
fn relative(node: &S3Node, object: &ObjectRef) -> String {
    let key = object.at.key.as_str();
    if !node.directory {
        return object.at.file_name().to_owned();
    }
    let prefix = node.at.key.trim_end_matches('/');
    let inside = key.strip_prefix(prefix).unwrap_or(key);
    if prefix.is_empty() { inside } else { inside.strip_prefix('/').unwrap_or(inside) }.to_owned()
}

/// Returns why some paths cannot be files below one folder: the index of each path, and the reason.
fn complaints(paths: &[String]) -> Vec<(usize, String)> {
    let files: HashSet<&str> = paths.iter().map(String::as_str).collect();
    let complaint = |path: &str| {
        let segment = path.split('/').find_map(|name| match name {
            "" => Some("has an empty name before or after a `/`".to_owned()),
            "." | ".." => Some(format!("has the name `{name}` between slashes")),
            name if name.contains('\0') => Some("has a NUL character".to_owned()),
            name if name.len() > LONGEST_NAME => {
                Some(format!("has a name of {} bytes, and a file takes {LONGEST_NAME}", name.len()))
            }
            _ => None,
        });
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        let is_below_file = || {
            let file = parents.clone().find(|parent| files.contains(parent))?;
            Some(format!("needs `{file}` as a folder, which is the file of another object"))
        };
        segment.or_else(is_below_file)
    };
    paths.iter().enumerate().filter_map(|(index, path)| Some((index, complaint(path)?))).collect()
}

fn refused(node: &S3Node, objects: &[ObjectRef], complaints: &[(usize, String)]) -> Failure {
    let named = complaints.iter().take(MOST_NAMED);
    let mut list: Vec<String> = named
        .map(|(index, reason)| format!("the key of {} {reason}", objects[*index].uri().escape_debug()))
        .collect();
    if complaints.len() > MOST_NAMED {
        list.push(format!("{} more", complaints.len() - MOST_NAMED));
    }
    let message = format!(
        "input `{}` cannot be staged, because its keys cannot be files: {}; rename these objects, or leave them out",
        node.id,
        list.join("; ")
    );
    Failure::bad_input("Key", message)
}

async fn write(context: &TaskContext<'_>, object: &ObjectRef, path: &Path) -> Result<(), Failure> {
    let scratch = |error: Error| {
        if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotADirectory) {
            let reason = "its key and the key of another object name the same file on this disk";
            return Failure::bad_input("Key", format!("staging {}: {reason}", object.uri()));
        }
        Failure::scratch(&format!("staging {}", object.uri()), &error)
    };
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(scratch)?;
    }
    let mut file =
        tokio::fs::OpenOptions::new().write(true).create_new(true).open(path).await.map_err(scratch)?;
    let mut body = context.tools.storage.read(object, 0, None).await?;
    while let Some(piece) = body.next().await {
        file.write_all(&piece?).await.map_err(scratch)?;
    }
    file.flush().await.map_err(scratch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::S3Uri;

    fn node(uri: &str, directory: bool) -> S3Node {
        let at = S3Uri::parse(uri).expect("a URI");
        S3Node { id: "In".to_owned(), at, directory, gzip: false, etag: None, manifest: None, format: None }
    }

    #[test]
    fn a_path_is_the_key_below_the_directory() {
        for (directory, key, path) in [
            ("s3://b/in", "in/a b+c%20/ü..x", "a b+c%20/ü..x"),
            ("s3://b/in/", "in/a", "a"),
            ("s3://b/in", "in//a", "/a"),
            ("s3://b", "a/b", "a/b"),
            ("s3://b/", "/a", "/a"),
        ] {
            let object =
                ObjectRef { at: S3Uri { bucket: "b".to_owned(), key: key.to_owned() }, etag: None, size: 0 };
            assert_eq!(relative(&node(directory, true), &object), path, "{directory} {key}");
            let name = key.rsplit('/').next().unwrap_or_default();
            assert_eq!(relative(&node(&format!("s3://b/{key}"), false), &object), name);
        }
    }

    #[test]
    fn only_paths_below_the_folder_are_staged() {
        let said = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            complaints(&paths)
                .into_iter()
                .map(|(index, reason)| format!("{index} {reason}"))
                .collect::<Vec<_>>()
        };
        let long = "ü".repeat(127);
        assert_eq!(
            said(&["a b/c", "A B/c", "..x/.y", "a%2Fb", "a+b", "~", "\\..\\c", "*", "-rf", "a\nb", &long]),
            Vec::<String>::new()
        );
        for path in ["../x", "a/../../x", "a/..", ".", "..", "a/./b"] {
            assert!(said(&[path])[0].starts_with("0 has the name `."), "{path}");
        }
        for path in ["/etc/passwd", "a//b", "", "a/"] {
            assert_eq!(said(&[path]), ["0 has an empty name before or after a `/`"], "{path}");
        }
        assert_eq!(said(&["x", "a\0b"]), ["1 has a NUL character"]);
        let long = "ü".repeat(128);
        assert_eq!(said(&[&long]), ["0 has a name of 256 bytes, and a file takes 255"]);
        assert_eq!(
            said(&["a/b", "a", "a.b"]),
            ["0 needs `a` as a folder, which is the file of another object"]
        );
    }
}
