//! From a set to its content: finds the files of the set in the bucket, and says which are missing.
//!
//! A pattern may match several files, so the content is a choice among them. The choice depends only on the files that
//! are there, so an event and a sweep choose the same.

use std::collections::HashSet;

use anyhow::Context as _;
use definition::trigger::{MatchMode, Need, Pattern, Place};
use futures::future;

use crate::ledger::{Content, DroppedFile};
use crate::ports::{Depth, Listed, Storage};
use crate::sets::Set;

/// The result of a search for the files of a set.
pub(crate) enum Found {
    /// All files are there.
    Whole(Content),
    /// These files are not there, or are empty. A name is a key, or a pattern with a `*` if its key is not known.
    Missing(Vec<String>),
    /// All files are there, but the marker is older than a file of the data: the program that writes the data has begun again, and
    /// its next marker is still to come.
    Overtaken {
        /// The key of the marker.
        marker: String,
        /// The key of the newest file of the data.
        newer: String,
    },
    /// Several files match a pattern, and `myMatch` allows only one.
    TooMany(Vec<DroppedFile>),
}

/// Looks for every file that the set needs.
pub(crate) async fn find(storage: &impl Storage, set: &Set<'_>) -> anyhow::Result<Found> {
    let found = set.trigger.patterns().map(|pattern| matches(storage, set, pattern));
    let found = future::try_join_all(found).await;
    Ok(choose(set, found.with_context(|| format!("listing the files of {}", set.name))?))
}

/// Returns whether a search for the files of the set lists a part of the bucket, and may be left out while the marker is missing: nobody
/// waits for an answer before the marker, unless several matching files are a mistake.
pub(crate) fn may_spare_lists(set: &Set<'_>) -> bool {
    let is_listed = |pattern: &Pattern| matches!(pattern.place(&set.captures), Some(Place::Below { .. }));
    set.trigger.marker.is_some()
        && set.trigger.patterns().any(is_listed)
        && !set.modes().contains(&MatchMode::One)
}

/// Looks only for the files with a known key, after the arrival of the object `key`. Returns `None` if the other files must be listed,
/// too: every known file is there, and the object is not newer than the marker.
pub(crate) async fn find_without_list(
    storage: &impl Storage,
    set: &Set<'_>,
    key: &str,
) -> anyhow::Result<Option<Found>> {
    let known = set.trigger.needs().filter_map(|(pattern, need)| match pattern.place(&set.captures) {
        Some(Place::Key(known)) if need != Need::Optional => Some((known, need)),
        _ => None,
    });
    let known = known.map(|(known, need)| async move {
        let file = storage.find(&set.bucket, known.as_str()).await?;
        anyhow::Ok((known, need, file.filter(|file| counts(set, need, file))))
    });
    let found = future::try_join(future::try_join_all(known), storage.find(&set.bucket, key)).await;
    let (known, arrived) = found.with_context(|| format!("looking for files of {}", set.name))?;
    let missing = known.iter().filter(|(.., file)| file.is_none());
    let missing: Vec<_> = missing.map(|(known, ..)| known.as_str().to_owned()).collect();
    if !missing.is_empty() {
        return Ok(Some(Found::Missing(missing)));
    }
    let marker = known.into_iter().find(|(_, need, _)| *need == Need::Marker).and_then(|(.., file)| file);
    let (Some(marker), Some(arrived)) = (marker, arrived) else { return Ok(None) };
    let is_newer = !is_marker(set, &arrived)
        && counts(set, Need::Required, &arrived)
        && arrived.modified > marker.modified;
    Ok(is_newer.then_some(Found::Overtaken { marker: marker.key, newer: arrived.key }))
}

/// Returns whether an object that matches a pattern is a file of the set. Many programs create an empty object before they write the
/// content.
fn counts(set: &Set<'_>, need: Need, file: &Listed) -> bool {
    need == Need::Marker || file.size > 0 || set.trigger.allow_empty
}

fn is_marker(set: &Set<'_>, file: &Listed) -> bool {
    set.trigger.marker.as_ref().is_some_and(|marker| marker.takes(&file.key, &set.captures))
}

/// Lists the files that match a pattern with the captures of the set.
async fn matches(storage: &impl Storage, set: &Set<'_>, pattern: &Pattern) -> anyhow::Result<Vec<Listed>> {
    match pattern.place(&set.captures) {
        None => Ok(Vec::new()),
        Some(Place::Key(key)) => Ok(storage.find(&set.bucket, key.as_str()).await?.into_iter().collect()),
        Some(Place::Below { prefix, is_level }) => {
            let depth = if is_level { Depth::Level } else { Depth::All };
            let mut listed = storage.list(&set.bucket, &prefix, depth).await?;
            listed.retain(|file| pattern.takes(&file.key, &set.captures));
            Ok(listed)
        }
    }
}

/// Chooses the content of a set. `found` has the matching files of each pattern, in the order of the patterns.
fn choose(set: &Set<'_>, found: Vec<Vec<Listed>>) -> Found {
    let trigger = set.trigger;
    let (mut files, mut missing): (Vec<DroppedFile>, Vec<String>) = (Vec::new(), Vec::new());
    let modes = set.modes();
    for (index, ((pattern, need), mut matching)) in trigger.needs().zip(found).enumerate() {
        matching.retain(|file| counts(set, need, file) && (need == Need::Marker || !is_marker(set, file)));
        matching.sort_by(|one, other| (one.modified, &one.key).cmp(&(other.modified, &other.key)));
        let Some(newest) = matching.pop() else {
            if need != Need::Optional {
                let name = pattern.filled(&set.captures);
                missing.push(name.unwrap_or_else(|| pattern.as_str().to_owned()));
            }
            continue;
        };
        let mode = modes.get(index).copied().unwrap_or(MatchMode::Newest);
        if mode == MatchMode::One && !matching.is_empty() {
            matching.push(newest);
            return Found::TooMany(matching.into_iter().map(|file| dropped_file(file, false)).collect());
        }
        if mode == MatchMode::All {
            // Of two keys that stand for the same file, only the newer one is read.
            let mut taken = HashSet::from([pattern.file_of(&newest.key)]);
            let newest_first = matching.into_iter().rev();
            let others = newest_first.filter(|file| taken.insert(pattern.file_of(&file.key)));
            files.extend(others.map(|file| dropped_file(file, true)));
        }
        files.push(dropped_file(newest, need == Need::Optional));
    }
    if !missing.is_empty() {
        return Found::Missing(missing);
    }
    if let Some((marker, newer)) = overtaken_marker(set, &files) {
        return Found::Overtaken { marker, newer };
    }
    // A file may match several patterns. It need not be newer only if all of them say so.
    files.sort_by(|one, other| (&one.key, one.is_spare).cmp(&(&other.key, other.is_spare)));
    files.dedup_by(|later, earlier| later.key == earlier.key);
    Found::Whole(Content::new(&set.name, files))
}

/// Returns the keys of the marker and of the newest file of the data if this file is newer.
fn overtaken_marker(set: &Set<'_>, files: &[DroppedFile]) -> Option<(String, String)> {
    let marker = set.trigger.marker.as_ref()?;
    let (markers, data): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| marker.takes(&file.key, &set.captures));
    let newest = |files: Vec<&DroppedFile>| {
        files.into_iter().max_by_key(|file| file.modified).map(|file| (file.modified, file.key.clone()))
    };
    let ((marked, marker), (modified, newer)) = newest(markers).zip(newest(data))?;
    (modified > marked).then_some((marker, newer))
}

/// Returns why the run of `content` does not read a file of the set, or `None` if the file is a part of the content.
pub(crate) fn why_unread(set: &Set<'_>, content: &Content, file: &Listed) -> Option<String> {
    let Listed { key, size, .. } = file;
    if content.files.iter().any(|read| read.key == *key) {
        return None;
    }
    if *size == 0 && !set.trigger.allow_empty {
        return Some("not read: the object is empty".to_owned());
    }
    let both = |read: &DroppedFile, are_alike: fn(&Pattern, &str, &str) -> bool| {
        let mut patterns = set.trigger.data_patterns();
        patterns.any(|pattern| {
            let takes = |key: &str| pattern.takes(key, &set.captures);
            takes(key) && takes(&read.key) && are_alike(pattern, key, &read.key)
        })
    };
    let same_file = |pattern: &Pattern, key: &str, read: &str| pattern.file_of(key) == pattern.file_of(read);
    let mut files = content.files.iter();
    let twin = files.clone().find(|read| both(read, same_file));
    let read = twin.or_else(|| files.find(|read| both(read, |_, _, _| true)))?;
    let field = match () {
        () if key.to_lowercase() == read.key.to_lowercase() => "`myIgnoreCase` takes either name",
        () if stem(key) == stem(&read.key) => "`myCompressed` takes either file",
        () => "`myMatch` is `newest`",
    };
    let newer = read.key.rsplit('/').next().unwrap_or_default();
    Some(format!("not read: `{newer}` is newer ({field})"))
}

/// Returns a key in lower case, without the ending of a packed file.
pub(crate) fn stem(key: &str) -> String {
    let lower = key.to_lowercase();
    let packed = [".gz", ".zst"].into_iter().find_map(|end| lower.strip_suffix(end));
    packed.unwrap_or(&lower).to_owned()
}

/// Returns a listed object as a file of a set. `is_spare` says that the file need not be newer than in the last run.
pub(crate) fn dropped_file(listed: Listed, is_spare: bool) -> DroppedFile {
    DroppedFile { key: listed.key, etag: listed.etag, modified: listed.modified, is_spare }
}
