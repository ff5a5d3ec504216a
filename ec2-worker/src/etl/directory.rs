//! Chooses the files of a directory that have rows. Programs such as Hadoop and Spark write other files beside them.

use crate::storage::{ObjectRef, S3Uri};

/// The largest number of names in a note.
const SHOWN: usize = 3;

/// Splits the objects of a directory into those to load, in the order of their names, and the names of the others.
///
/// An object is not loaded if its name, or the name of a folder below the directory, begins with `_` or `.`: `_SUCCESS`,
/// `_committed_1`, `.part-00000.crc`, `_temporary/0/part-00000`.
#[must_use]
pub fn data_files(directory: &S3Uri, objects: Vec<ObjectRef>) -> (Vec<ObjectRef>, Vec<String>) {
    let prefix = format!("{}/", directory.key.trim_end_matches('/'));
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for object in objects {
        let inside = object.at.key.strip_prefix(prefix.trim_start_matches('/')).unwrap_or(&object.at.key);
        if inside.split('/').any(|name| name.starts_with(['_', '.'])) {
            others.push(inside.to_owned());
        } else {
            files.push(object);
        }
    }
    files.sort_by(|a, b| a.at.key.cmp(&b.at.key));
    others.sort_unstable();
    (files, others)
}

/// Returns a remark about files that are not loaded.
#[must_use]
pub fn remark(others: &[String]) -> Option<String> {
    if others.is_empty() {
        return None;
    }
    let names = others.iter().take(SHOWN).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = others.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!(
        "not loaded, because the name of the file or of its folder begins with _ or .: {names}{more}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_and_hidden_files_are_not_loaded_and_the_others_come_in_order() {
        let at = |key: &str| S3Uri { bucket: "b".to_owned(), key: key.to_owned() };
        let keys = [
            "_in/part-2.csv",
            "_in/_SUCCESS",
            "_in/part-10.csv",
            "_in/.part-2.csv.crc",
            "_in/day=1/part_1.csv",
            "_in/_temporary/0/part-3.csv",
            "_in/_committed_77",
        ];
        for directory in ["_in", "_in/"] {
            let objects = keys.map(|key| ObjectRef { at: at(key), etag: None, size: 0 }).to_vec();
            let (files, others) = data_files(&at(directory), objects);
            let files: Vec<_> = files.iter().map(|file| file.at.key.as_str()).collect();
            assert_eq!(files, ["_in/day=1/part_1.csv", "_in/part-10.csv", "_in/part-2.csv"]);
            assert_eq!(others, [".part-2.csv.crc", "_SUCCESS", "_committed_77", "_temporary/0/part-3.csv"]);
            let note = remark(&others).expect("there are others");
            assert!(note.ends_with("`_SUCCESS`, `_committed_77` and 1 more"), "{note}");
        }
        let (files, _) = data_files(&at(""), vec![ObjectRef { at: at("a.csv"), etag: None, size: 0 }]);
        assert_eq!((files.len(), remark(&[])), (1, None));
    }
}
