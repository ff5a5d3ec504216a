//! Rules for the sources: no modules import each other in a circle, no file is too long, and `docs/iam.md` names the calls to AWS.

mod iam;
mod modules;

use std::{
    fs,
    path::{Path, PathBuf},
};

use modules::Modules;

/// The longest source file, in lines, tests included.
const LONGEST_FILE: usize = 500;
/// The crates whose modules must not import each other in a circle, as folders of the workspace.
const CRATES: &[&str] = &[
    "crates/definition",
    "crates/downspout",
    "crates/ec2-host",
    "crates/engine",
    "crates/http-front",
    "crates/postgres-connect",
    "crates/server",
    "crates/sigv4",
    "crates/sqlite-writer",
    "crates/store",
    "crates/stream-server",
    "crates/stream",
    "ec2-worker",
    "orchestrator",
];

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in CRATES {
        let modules = Modules::read(&workspace().join(folder).join("src/lib.rs"));
        found.extend(modules.circles().into_iter().map(|circle| format!("{folder}: {circle}")));
    }
    assert!(found.is_empty(), "circles of imports among siblings:\n{}", found.join("\n"));
}

#[test]
fn no_source_file_is_too_long() {
    let mut files = Vec::new();
    for folder in ["crates", "ec2-worker", "orchestrator", "tests"] {
        collect(&workspace().join(folder), &mut files);
    }
    assert!(files.len() > 100, "the sources were not found: {files:?}");
    let lines = |file: &Path| fs::read_to_string(file).expect("a source file is readable").lines().count();
    let long: Vec<_> = files.iter().filter(|file| lines(file) > LONGEST_FILE).collect();
    assert!(long.is_empty(), "over {LONGEST_FILE} lines; split by purpose: {long:?}");
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace is readable") {
        let path = entry.expect("an entry of the workspace is readable").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
