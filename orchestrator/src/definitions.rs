//! The definitions beside the ledger, read again only when their ETag changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use definition::diagnosis::{self, Finding, OutsideValues};
use definition::trigger::Trigger;
use definition::{Definition, ParameterValue, file};
use futures::future;

use crate::ports::{Depth, Listed, Storage};

/// The file of values that stands beside the definitions and is none.
const VALUES: &str = "values";
/// Problems told in one notice.
const MAX_PROBLEMS: usize = 20;

/// Where the definitions are: a bucket and a prefix that is empty or ends in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub bucket: String,
    pub prefix: String,
}

impl Home {
    /// Reads `s3://bucket` or `s3://bucket/prefix`.
    pub(crate) fn parse(uri: &str) -> anyhow::Result<Self> {
        let rest = uri.strip_prefix("s3://").filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
        let rest = rest
            .with_context(|| format!("`{uri}` is no place in S3; write s3://bucket or s3://bucket/prefix"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { bucket: bucket.to_owned(), prefix })
    }

    /// Returns the key of `name` under the prefix.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The file's name without `.json`.
    pub name: String,
    pub etag: String,
    pub content: Content,
}

/// What a file turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Definition(Watched),
    Values(Vec<ParameterValue>),
    /// It cannot be used: why, with line and column where they are known.
    Broken(String),
}

/// A definition that can be run.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub definition: Definition,
    /// None: drops never start it.
    pub trigger: Option<Trigger>,
}

/// All files at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    pub files: Vec<Arc<Loaded>>,
}

impl Definitions {
    /// Returns the definitions that drops start, with their triggers.
    pub(crate) fn triggered(&self) -> impl Iterator<Item = (&Arc<Loaded>, &Watched, &Trigger)> {
        self.files.iter().filter_map(|file| match &file.content {
            Content::Definition(watched) => Some((file, watched, watched.trigger.as_ref()?)),
            Content::Values(_) | Content::Broken(_) => None,
        })
    }

    /// Returns the files that cannot be used, with the reason.
    pub(crate) fn broken(&self) -> impl Iterator<Item = (&Loaded, &str)> {
        self.files.iter().filter_map(|file| match &file.content {
            Content::Broken(why) => Some((file.as_ref(), why.as_str())),
            Content::Definition(_) | Content::Values(_) => None,
        })
    }

    /// Returns the values that hold in place of each definition's own; the error is why they cannot be read.
    pub(crate) fn values(&self) -> Result<&[ParameterValue], &str> {
        let Some(file) = self.files.iter().find(|file| file.name == VALUES) else { return Ok(&[]) };
        match &file.content {
            Content::Values(values) => Ok(values),
            Content::Broken(why) => Err(why),
            Content::Definition(_) => Ok(&[]),
        }
    }
}

/// Remembers files by key and ETag while the process is warm.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    files: Mutex<HashMap<String, Arc<Loaded>>>,
}

impl Cache {
    /// Lists the definitions and reads those that changed: one call when none did.
    pub(crate) async fn load(&self, storage: &impl Storage, home: &Home) -> anyhow::Result<Definitions> {
        let listing =
            storage.list(&home.bucket, &home.prefix, Depth::Level).await.context("listing definitions")?;
        let named = listing.iter().filter_map(|listed| Some((name_of(home, &listed.key)?, listed)));
        let files =
            future::try_join_all(named.map(|(name, listed)| self.file(storage, home, name, listed))).await?;
        let files: Vec<_> = files.into_iter().flatten().collect();
        let kept = files.iter().map(|file| (file.name.clone(), Arc::clone(file))).collect();
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(Definitions { files })
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
        // Deleted since the listing: as if it had not been there.
        Ok(stored.map(|stored| {
            let content = read(name, &stored.body);
            Arc::new(Loaded { name: name.to_owned(), etag: stored.etag, content })
        }))
    }
}

/// `<name>.json` directly under the prefix.
fn name_of<'a>(home: &Home, key: &'a str) -> Option<&'a str> {
    let name = key.strip_prefix(home.prefix.as_str())?.strip_suffix(".json")?;
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

fn read(name: &str, body: &[u8]) -> Content {
    let content = match file::decode(body) {
        Ok(text) if name == VALUES => {
            file::parse_values(text).map(Content::Values).map_err(|error| error.to_string())
        }
        Ok(text) => read_definition(text).map(Content::Definition),
        Err(error) => Err(error.to_string()),
    };
    content.unwrap_or_else(Content::Broken)
}

fn read_definition(text: &str) -> Result<Watched, String> {
    let diagnosis = diagnosis::diagnose(text, OutsideValues::default());
    let problems: Vec<&Finding> = diagnosis.errors().collect();
    if problems.is_empty() {
        return Ok(Watched { definition: diagnosis.definition, trigger: diagnosis.trigger });
    }
    let told = problems.iter().take(MAX_PROBLEMS).map(|problem| told(problem));
    let more = problems.len().saturating_sub(MAX_PROBLEMS);
    let more = (more > 0).then(|| format!("and {more} more"));
    Err(told.chain(more).collect::<Vec<_>>().join("\n"))
}

fn told(problem: &Finding) -> String {
    let place = problem.span.map(|span| format!("{}: ", span.at)).unwrap_or_default();
    let object = problem.object.as_ref().map(|object| format!("object `{object}`"));
    let field = problem.field.as_ref().map(|field| format!("field `{field}`"));
    let about: Vec<_> = object.into_iter().chain(field).collect();
    let about = if about.is_empty() { String::new() } else { format!("{}: ", about.join(", ")) };
    format!("{place}{about}{}", problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_a_bucket_with_or_without_a_prefix() {
        let home = |uri| Home::parse(uri).map(|home| home.key("orders.json")).ok();
        assert_eq!(home("s3://definitions"), Some("orders.json".to_owned()));
        assert_eq!(home("s3://definitions/a/b/"), Some("a/b/orders.json".to_owned()));
        assert_eq!(home("definitions"), None);
        assert_eq!(home("s3://"), None);
    }

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
            Content::Broken(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(broken("{\n  oops").starts_with("line 2, column 3"), "{}", broken("{\n  oops"));
        let trigger = broken("{\"objects\": [\n {\"id\": \"Default\",\n  \"myDropFile\": \"{day\"}]}");
        assert!(trigger.starts_with("line 3, column"), "{trigger}");
        assert!(trigger.contains("object `Default`, field `myDropFile`"), "{trigger}");
    }
}
