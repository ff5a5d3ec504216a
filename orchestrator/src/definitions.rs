//! The definition files in their home. A file is read again only when its ETag changes.

mod outputs;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use definition::diagnosis::{self, Finding, OutsideValues};
use definition::trigger::Trigger;
use definition::validate::nearest;
use definition::{Definition, ParameterValue, file};
use futures::future;
use jiff::Timestamp;

use crate::home::Home;
use crate::ports::{Depth, Listed, Storage};

/// The name of the file of values, `values.json`, which is in the same folder as the definitions.
const VALUES: &str = "values";
/// How many problems one notice names.
const MAX_PROBLEMS: usize = 20;

/// A definition file, or the file of values, that was read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The file's name without `.json`.
    pub name: String,
    pub etag: String,
    /// The time at which this file was uploaded.
    pub modified: Timestamp,
    pub kind: FileKind,
}

/// The kind of a file, with the content of the file.
#[derive(Clone, Debug)]
pub(crate) enum FileKind {
    Definition(UsableDefinition),
    Values(Vec<ParameterValue>),
    /// The file cannot be used, for this reason, which names line and column where they are known.
    Broken(String),
}

/// A definition without errors.
#[derive(Clone, Debug)]
pub(crate) struct UsableDefinition {
    pub definition: Definition,
    /// `None` if drops never start the definition.
    pub trigger: Option<Trigger>,
}

/// A definition that drops start, with its file and its trigger.
pub(crate) type Triggered<'a> = (&'a Arc<Loaded>, &'a UsableDefinition, &'a Trigger);

/// All files of the home at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    pub files: Vec<Arc<Loaded>>,
    /// The definitions whose output would be their own drop, by the values of the home, each with the reason.
    refused: BTreeMap<String, String>,
}

impl Definitions {
    /// Returns the definitions that drops start, each with its trigger.
    pub(crate) fn triggered(&self) -> impl Iterator<Item = Triggered<'_>> {
        let files = self.files.iter().filter(|file| !self.refused.contains_key(&file.name));
        files.filter_map(|file| match &file.kind {
            FileKind::Definition(usable) => Some((file, usable, usable.trigger.as_ref()?)),
            FileKind::Values(_) | FileKind::Broken(_) => None,
        })
    }

    /// Returns the files that cannot be used, each with the reason.
    pub(crate) fn broken(&self) -> impl Iterator<Item = (&Loaded, &str)> {
        self.files.iter().filter_map(|file| match &file.kind {
            FileKind::Broken(why) => Some((file.as_ref(), why.as_str())),
            FileKind::Definition(_) => Some((file.as_ref(), self.refused.get(&file.name)?.as_str())),
            FileKind::Values(_) => None,
        })
    }

    /// Says why drops start no definition of this name; `None` if they do.
    pub(crate) fn why_not_triggered(&self, name: &str) -> Option<String> {
        if self.triggered().any(|(file, ..)| file.name == name) {
            return None;
        }
        if let Some((_, why)) = self.broken().find(|(file, _)| file.name == name) {
            let first = why.lines().next().unwrap_or_default();
            return Some(format!("the definition {name} is there, but {name}.json cannot be used: {first}"));
        }
        if name != VALUES && self.files.iter().any(|file| file.name == name) {
            return Some(format!("the definition {name} has no `myDropFile`, so drops do not start it"));
        }
        let names = self.files.iter().map(|file| file.name.as_str()).filter(|name| *name != VALUES);
        let near = nearest(name, names).map(|near| format!(" (did you mean {near}?)"));
        Some(format!("there is no definition {name}{}", near.unwrap_or_default()))
    }

    /// Checks that the values of the home can be read. Without them, no run starts.
    ///
    /// # Errors
    ///
    /// If they cannot be read, with the reason.
    pub(crate) fn check_values(&self) -> anyhow::Result<()> {
        self.values().map(drop).map_err(|why| anyhow::anyhow!("values.json cannot be used: {why}"))
    }

    /// Returns the values that override those of each definition. The error says why they cannot be read.
    pub(crate) fn values(&self) -> Result<&[ParameterValue], &str> {
        let Some(file) = self.files.iter().find(|file| file.name == VALUES) else { return Ok(&[]) };
        match &file.kind {
            FileKind::Values(values) => Ok(values),
            FileKind::Broken(why) => Err(why),
            FileKind::Definition(_) => Ok(&[]),
        }
    }
}

/// The files that this process has read, by name.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    drop_bucket: Option<String>,
    files: Mutex<HashMap<String, Arc<Loaded>>>,
    reviews: Mutex<outputs::Reviews>,
}

impl Cache {
    /// Returns an empty cache for drops into this bucket.
    pub(crate) fn new(drop_bucket: Option<String>) -> Self {
        Self { drop_bucket, ..Self::default() }
    }

    /// Lists the definitions and reads the changed ones. If none has changed, one call is enough.
    pub(crate) async fn load(&self, storage: &impl Storage, home: &Home) -> anyhow::Result<Definitions> {
        let listing =
            storage.list(&home.bucket, &home.prefix, Depth::Level).await.context("listing definitions")?;
        let named = listing.iter().filter_map(|listed| Some((name_of(home, &listed.key)?, listed)));
        let files =
            future::try_join_all(named.map(|(name, listed)| self.file(storage, home, name, listed))).await?;
        let files: Vec<_> = files.into_iter().flatten().collect();
        let kept = files.iter().map(|file| (file.name.clone(), Arc::clone(file))).collect();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        let mut definitions = Definitions { files, refused: BTreeMap::new() };
        if let Some(bucket) = &self.drop_bucket {
            let mut reviews = self.reviews.lock().unwrap_or_else(PoisonError::into_inner);
            definitions.refused = reviews.refused(&definitions, bucket);
        }
        Ok(definitions)
    }

    async fn file(
        &self,
        storage: &impl Storage,
        home: &Home,
        name: &str,
        listed: &Listed,
    ) -> anyhow::Result<Option<Arc<Loaded>>> {
        let known = self.files.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(known) = known.filter(|known| known.etag == listed.etag) {
            return Ok(Some(known));
        }
        let stored = storage
            .get(&home.bucket, &listed.key)
            .await
            .with_context(|| format!("reading {}", listed.key))?;
        // A file that was deleted since the listing is left out.
        Ok(stored.map(|stored| {
            let kind = read(name, &stored.body);
            Arc::new(Loaded { name: name.to_owned(), etag: stored.etag, modified: listed.modified, kind })
        }))
    }
}

/// Returns the name of the file with this key: `<name>.json`, directly under the prefix.
fn name_of<'a>(home: &Home, key: &'a str) -> Option<&'a str> {
    let name = key.strip_prefix(home.prefix.as_str())?.strip_suffix(".json")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

fn read(name: &str, body: &[u8]) -> FileKind {
    let kind = match file::decode(body) {
        Ok(text) if name == VALUES => {
            file::parse_values(text).map(FileKind::Values).map_err(|error| error.to_string())
        }
        Ok(text) => read_definition(text).map(FileKind::Definition),
        Err(error) => Err(error.to_string()),
    };
    kind.unwrap_or_else(FileKind::Broken)
}

fn read_definition(text: &str) -> Result<UsableDefinition, String> {
    let diagnosis = diagnosis::diagnose(text, OutsideValues::default());
    let problems: Vec<&Finding> = diagnosis.errors().collect();
    if problems.is_empty() {
        return Ok(UsableDefinition { definition: diagnosis.definition, trigger: diagnosis.trigger });
    }
    let named = problems.iter().take(MAX_PROBLEMS).map(|problem| described(problem));
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    let more = (more > 0).then(|| format!("and {more} more"));
    Err(named.chain(more).collect::<Vec<_>>().join("\n"))
}

/// Returns one line: position, object and field where they are known, and the message.
fn described(problem: &Finding) -> String {
    let position = problem.span.map(|span| format!("{}: ", span.at)).unwrap_or_default();
    let object = problem.object.as_ref().map(|object| format!("object `{object}`"));
    let field = problem.field.as_ref().map(|field| format!("field `{field}`"));
    let about: Vec<_> = object.into_iter().chain(field).collect();
    let about = if about.is_empty() { String::new() } else { format!("{}: ", about.join(", ")) };
    format!("{position}{about}{}", problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_right_under_the_prefix_are_definitions() {
        let home = Home { bucket: "b".to_owned(), prefix: "p/".to_owned() };
        assert_eq!(name_of(&home, "p/orders.json"), Some("orders"));
        for key in
            ["p/orders/tables.sql", "p/ledger/orders/all.json", "p/.json", "orders.json", "p/orders.txt"]
        {
            assert_eq!(name_of(&home, key), None, "{key}");
        }
    }

    #[test]
    fn a_broken_definition_says_where() {
        let broken = |text: &str| match read("orders", text.as_bytes()) {
            FileKind::Broken(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(broken("{\n  oops").starts_with("line 2, column 3"), "{}", broken("{\n  oops"));
        let trigger = broken("{\"objects\": [\n {\"id\": \"Default\",\n  \"myDropFile\": \"{day\"}]}");
        assert!(trigger.starts_with("line 3, column"), "{trigger}");
        assert!(trigger.contains("object `Default`, field `myDropFile`"), "{trigger}");
    }
}
