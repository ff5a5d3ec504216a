//! Copies of the shipped definitions, which a story may change.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary folder for `--definitions`.
pub struct Definitions {
    folder: TempDir,
}

impl Definitions {
    /// Copies the shipped definitions, and removes the limit of one run a day from the orders pipeline.
    ///
    /// # Panics
    /// If the copy fails.
    #[must_use]
    pub fn uncapped() -> Self {
        let definitions = Self::shipped();
        definitions.edit(|_, default| {
            default.remove("myMaxRunsPerDay");
        });
        definitions
    }

    /// Copies the shipped definitions as they are, without their samples.
    ///
    /// # Panics
    /// If the copy fails.
    #[must_use]
    pub fn shipped() -> Self {
        let folder = TempDir::with_prefix("downspout-definitions-").expect("a temporary folder");
        copy(&shipped_folder(), folder.path());
        Self { folder }
    }

    /// Changes `orders.json`: `edit` gets the objects of the file except `Default`, and the fields of `Default`.
    ///
    /// # Panics
    /// If the file is not a definition.
    pub fn edit(&self, edit: impl FnOnce(&mut Vec<Value>, &mut serde_json::Map<String, Value>)) {
        let path = self.folder.path().join("orders.json");
        let text = fs::read_to_string(&path).expect("orders.json");
        let mut document: Value = serde_json::from_str(&text).expect("orders.json is JSON");
        let objects = document["objects"].as_array_mut().expect("objects");
        let mut default = objects.remove(0);
        edit(objects, default.as_object_mut().expect("Default"));
        objects.insert(0, default);
        self.write("orders.json", &serde_json::to_string_pretty(&document).expect("JSON"));
    }

    /// Writes `text` to the file `name`.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("writing a definition");
    }

    /// Returns the folder.
    #[must_use]
    pub fn path(&self) -> &str {
        self.folder.path().to_str().expect("a UTF-8 temporary folder")
    }
}

/// Returns the folder of the shipped definitions.
#[must_use]
pub fn shipped_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipeline-definitions")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder for the copy");
    for entry in fs::read_dir(from).expect("the shipped definitions") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        match path.is_dir() {
            true if name != "samples" => copy(&path, &to.join(name)),
            true => {}
            false => drop(fs::copy(&path, to.join(name)).expect("copying a definition")),
        }
    }
}
