//! Decides which files are uploaded last: the markers. A marker says that all other files of its set are there, so a file that
//! arrived after the marker would make the set wait for the next marker.

use anyhow::Context as _;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use definition::file;
use definition::trigger::Trigger;
use futures::future;

use crate::bucket_listing;
use crate::sdk_error::readable;

/// The triggers with a marker, of all definitions in a bucket.
#[derive(Debug, Default)]
pub(crate) struct Markers(Vec<Trigger>);

impl Markers {
    /// Reads the definitions in `bucket`. A definition with errors has no marker, because it starts no run.
    ///
    /// # Errors
    ///
    /// If the bucket or a definition cannot be read.
    pub(crate) async fn read(s3: &Client, bucket: &str) -> anyhow::Result<Self> {
        let (objects, _) = bucket_listing::level(s3, bucket, "").await?;
        let keys = objects.into_iter().map(|object| object.key).filter(|key| key.ends_with(".json"));
        let triggers = future::try_join_all(keys.map(|key| trigger(s3, bucket, key))).await?;
        Ok(Self(triggers.into_iter().flatten().filter(|trigger| trigger.marker.is_some()).collect()))
    }

    /// Puts the markers behind all other files. Otherwise the order stays. `key` returns the key of a file.
    pub(crate) fn put_last<T>(&self, files: &mut [T], key: impl Fn(&T) -> &str) {
        files.sort_by_cached_key(|file| self.0.iter().any(|trigger| is_marker(trigger, key(file))));
    }

    /// Returns whether `key` is the marker of a set to which `other` belongs as data.
    pub(crate) fn is_marker_of(&self, key: &str, other: &str) -> bool {
        self.0.iter().any(|trigger| {
            let marked = trigger.marker.as_ref().and_then(|marker| marker.captures(key));
            let takes = |captures| trigger.data_patterns().any(|pattern| pattern.takes(other, captures));
            marked.as_ref().is_some_and(takes) && !is_marker(trigger, other)
        })
    }
}

/// Returns the trigger of a definition, or `None` if the file is gone, is no definition, or starts no run.
async fn trigger(s3: &Client, bucket: &str, key: String) -> anyhow::Result<Option<Trigger>> {
    let doing = || format!("reading s3://{bucket}/{key}");
    let object = match s3.get_object().bucket(bucket).key(&key).send().await {
        Ok(object) => object,
        Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
            return Ok(None);
        }
        Err(error) => return Err(readable(error)).with_context(doing),
    };
    let bytes = object.body.collect().await.with_context(doing)?.into_bytes();
    let definition = file::decode(&bytes).and_then(file::parse).ok();
    Ok(definition.and_then(|definition| Trigger::of(&definition).ok().flatten()))
}

fn is_marker(trigger: &Trigger, key: &str) -> bool {
    trigger.marker.as_ref().is_some_and(|marker| marker.captures(key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers() -> Markers {
        let text =
            r#"{"objects": [{"id": "Default", "myDropFile": "in/{day}/*", "myDropMarker": "in/{day}/END"}]}"#;
        Markers(
            Trigger::of(&file::parse(text).expect("a definition")).expect("a trigger").into_iter().collect(),
        )
    }

    #[test]
    fn a_marker_comes_behind_the_files_of_its_set() {
        let markers = markers();
        let mut keys = ["in/1/END", "in/1/b.csv", "in/2/END", "in/1/a.csv"];
        markers.put_last(&mut keys, |key| key);
        assert_eq!(keys, ["in/1/b.csv", "in/1/a.csv", "in/1/END", "in/2/END"]);
    }

    #[test]
    fn a_marker_belongs_to_the_files_with_its_values() {
        let markers = markers();
        assert!(markers.is_marker_of("in/1/END", "in/1/a.csv"));
        for (key, other) in
            [("in/1/END", "in/2/a.csv"), ("in/1/a.csv", "in/1/b.csv"), ("in/1/END", "in/1/END")]
        {
            assert!(!markers.is_marker_of(key, other), "{key} {other}");
        }
    }
}
