//! Removes the files that an interrupted statement leaves in the cluster.
//!
//! A server that is killed leaves files of three sorts. Sorts and joins spill to temporary files, and temporary tables have
//! files of their own: PostgreSQL removes both when its postmaster starts (`RemovePgTempFiles` in `fd.c`), but the embedded
//! server has no postmaster. The files of a table that a transaction created, and that was not committed, stay for ever also
//! in PostgreSQL; no table of the catalogue owns them.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

/// The folder of temporary files, within the folder of databases.
const TEMPORARY: &str = "pgsql_tmp";

/// Removes temporary files and the files of temporary tables from PostgreSQL's data in `data`. No server may be running.
///
/// # Errors
///
/// If the file system refuses to list a folder or to remove a file.
pub(super) fn remove_spilled(data: &Path) -> io::Result<()> {
    for database in fs::read_dir(data.join("base"))? {
        let database = database?;
        if !database.file_type()?.is_dir() {
            continue;
        }
        let everything = database.file_name() == TEMPORARY;
        for file in fs::read_dir(database.path())? {
            let file = file?;
            if everything && file.file_type()?.is_dir() {
                fs::remove_dir_all(file.path())?;
            } else if everything || file.file_name().to_str().is_some_and(is_temporary_table) {
                fs::remove_file(file.path())?;
            }
        }
    }
    Ok(())
}

/// Empties the files of tables and indexes in `folder` whose number is not in `owned`. The caller makes sure that no statement
/// runs, and that the server has recovered.
///
/// The first file of each number stays, with a length of zero: PostgreSQL then gives the number to no other table, as it does
/// with the files of a dropped table (`mdunlink` in `md.c`).
///
/// # Errors
///
/// If the file system refuses to list the folder or to change a file.
pub(super) fn empty_unowned(folder: &Path, owned: &HashSet<u32>) -> io::Result<u64> {
    let mut freed = 0;
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let Some(number) = name.to_str().and_then(number_of) else { continue };
        let length = file.metadata()?.len();
        if owned.contains(&number) || length == 0 {
            continue;
        }
        OpenOptions::new().write(true).open(file.path())?.set_len(0)?;
        freed += length;
    }
    Ok(freed)
}

/// Returns whether `name` is a file of a temporary table, as `t3_16384` or `t3_16384_fsm.1`.
fn is_temporary_table(name: &str) -> bool {
    let Some((backend, rest)) = name.strip_prefix('t').and_then(|rest| rest.split_once('_')) else {
        return false;
    };
    !backend.is_empty() && backend.bytes().all(|byte| byte.is_ascii_digit()) && number_of(rest).is_some()
}

/// Returns the number in the file name of a table or an index, as `16384`, `16384_vm` or `16384.1`.
fn number_of(name: &str) -> Option<u32> {
    let (name, segment) = name.split_once('.').unwrap_or((name, "0"));
    segment.parse::<u32>().ok()?;
    let (number, fork) = name.split_once('_').unwrap_or((name, "vm"));
    matches!(fork, "vm" | "fsm" | "init").then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_tables_are_distinguished_from_other_files() {
        for (name, number) in [("16384", Some(16384)), ("16384.1", Some(16384)), ("2619_fsm", Some(2619))] {
            assert_eq!(number_of(name), number, "{name}");
        }
        for name in ["PG_VERSION", "pg_filenode.map", "pg_internal.init", "16384_x", "t3_16384", ""] {
            assert_eq!(number_of(name), None, "{name}");
        }
        assert!(is_temporary_table("t3_16384") && is_temporary_table("t12_16384_fsm.1"));
        assert!(!is_temporary_table("16384") && !is_temporary_table("t_1") && !is_temporary_table("t3_x"));
    }

    #[test]
    fn only_files_that_nothing_owns_are_emptied() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["1", "2", "2.1", "2_fsm", "PG_VERSION"] {
            fs::write(folder.path().join(name), "rows").expect("writes");
        }
        let freed = empty_unowned(folder.path(), &HashSet::from([1])).expect("empties");
        assert_eq!(freed, 12);
        let length = |name: &str| fs::metadata(folder.path().join(name)).expect("still there").len();
        assert_eq!(["1", "2", "2.1", "2_fsm", "PG_VERSION"].map(length), [4, 0, 0, 0, 4]);
    }

    #[test]
    fn spilled_files_go_and_tables_stay() {
        let data = tempfile::tempdir().expect("a temporary folder");
        let (spilled, database) = (data.path().join("base/pgsql_tmp"), data.path().join("base/5"));
        fs::create_dir_all(spilled.join("pgsql_tmp1.fileset")).expect("creates");
        fs::create_dir_all(&database).expect("creates");
        for file in [spilled.join("pgsql_tmp1.0"), spilled.join("pgsql_tmp1.fileset/0.0")] {
            fs::write(file, "sorted").expect("writes");
        }
        for name in ["16384", "t3_16390", "PG_VERSION"] {
            fs::write(database.join(name), "rows").expect("writes");
        }
        remove_spilled(data.path()).expect("removes");
        let mut left: Vec<_> =
            fs::read_dir(&database).expect("lists").map(|file| file.expect("a file").file_name()).collect();
        left.sort();
        assert_eq!(left, ["16384", "PG_VERSION"]);
        assert_eq!(fs::read_dir(&spilled).expect("stays").count(), 0);
    }
}
