//! The properties of the fuzzer hold for the fixtures and the seeds. So the targets of the fuzzer always compile.

#[path = "../fuzz/properties/mod.rs"]
mod properties;

use std::path::Path;

use properties::{expressions, file_form};

/// Returns the contents of the files of a folder of this crate.
fn contents(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("a folder");
    let files = entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_file());
    files.map(|path| std::fs::read(path).expect("readable")).collect()
}

#[test]
fn definition_files_are_read_written_and_drawn_without_a_panic() {
    let fixtures = contents("tests/fixtures");
    assert!(!fixtures.is_empty());
    for bytes in fixtures {
        file_form::check(&bytes);
        for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(2)] {
            file_form::check(&bytes[..cut]);
        }
    }
}

#[test]
fn texts_of_fields_are_evaluated_without_a_panic() {
    let seeds = contents("fuzz/seeds/expressions");
    assert!(!seeds.is_empty());
    for bytes in seeds {
        expressions::check(&String::from_utf8_lossy(&bytes));
    }
}
