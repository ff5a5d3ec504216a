//! The names of the objects of a cut.
//!
//! The names follow from the cut alone, so that a cut that is delivered a second time has the same names. The form is
//! Firehose's, `<prefix><stream>-<version>-yyyy-MM-dd-HH-mm-ss-<number>-<mark>`: the number and the mark of the cut stand in
//! place of Firehose's random text.

use jiff::Timestamp;
use md5::{Digest as _, Md5};

use crate::Stream;
use crate::file::Compression;
use crate::prefix::Place;

/// The buckets of streams whose files name none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Homes {
    /// The drop bucket.
    pub drop: String,
    /// The bucket of the records as they came, such as `downspout-raw`.
    pub raw: String,
}

/// The bucket and the key of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct S3Object {
    /// The bucket.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// The source of the records of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A cut of the log.
    Cut {
        /// The mark of the cut: random text, which differs between streams of the same name.
        mark: &'a str,
        /// The number of the cut.
        number: u64,
    },
    /// A raw or quarantine object that is replayed.
    Replay {
        /// The bucket of the object.
        bucket: &'a str,
        /// The key of the object.
        key: &'a str,
    },
}

impl Origin<'_> {
    /// Returns the end of the names of objects. It differs between origins.
    fn suffix(&self) -> String {
        match self {
            Self::Cut { mark, number } => format!("{number}-{mark}"),
            Self::Replay { bucket, key } => {
                format!("replay-{}", hex::encode(Md5::digest(format!("{bucket}/{key}").as_bytes())))
            }
        }
    }
}

/// The names of the objects with the records of a cut. An object without records is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objects {
    /// The lines.
    pub data: S3Object,
    /// The records as they came, with gzip. `None` if the stream keeps none.
    pub raw: Option<S3Object>,
    /// The refused records, with gzip.
    pub quarantine: S3Object,
}

impl Objects {
    /// Names the objects.
    ///
    /// `version` is the version of the stream, and `oldest` is when the oldest of the records arrived: Firehose takes the
    /// time in prefix and name from it.
    #[must_use]
    pub fn of(stream: &Stream, homes: &Homes, origin: Origin<'_>, version: u32, oldest: Timestamp) -> Self {
        let zone = &stream.time_zone;
        let time = zone.to_datetime(oldest).strftime("%Y-%m-%d-%H-%M-%S");
        let base = format!("{}-{version}-{time}-{}", stream.name, origin.suffix());
        // Names differ by more than the prefix, because a file may give all objects the same one.
        let object = |place: &Place, home: &String, end: &str| {
            let key = format!("{}{base}{end}", place.prefix.at(oldest, zone));
            S3Object { bucket: place.bucket.as_ref().unwrap_or(home).clone(), key }
        };
        let data_end = match stream.compression {
            Compression::Uncompressed => ".json",
            Compression::Gzip => ".json.gz",
        };
        let data = object(&stream.data, &homes.drop, data_end);
        let quarantine = object(&stream.quarantine, &data.bucket, "-quarantine.json.gz");
        let raw = stream.raw.as_ref().map(|raw| object(raw, &homes.raw, "-raw.json.gz"));
        Self { data, raw, quarantine }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::tests::stream;

    fn objects(text: &str, origin: Origin<'_>) -> Objects {
        let homes = Homes { drop: "drop".to_owned(), raw: "raw".to_owned() };
        Objects::of(&stream(text), &homes, origin, 3, "2026-07-01T23:04:05.999Z".parse().unwrap())
    }

    const CUT: Origin<'_> = Origin::Cut { mark: "f00d", number: 17 };

    #[test]
    fn a_stream_without_a_word_has_its_objects_in_its_own_folders() {
        let Objects { data, raw, quarantine } = objects("{}", CUT);
        let name = "test-3-2026-07-01-23-04-05-17-f00d";
        assert_eq!(
            (data.bucket, data.key),
            ("drop".into(), format!("streams/test/2026/07/01/23/{name}.json"))
        );
        let raw = raw.unwrap();
        assert_eq!(
            (raw.bucket, raw.key),
            ("raw".into(), format!("streams/test/2026/07/01/23/{name}-raw.json.gz"))
        );
        let key = format!("quarantine/test/processing-failed/2026/07/01/23/{name}-quarantine.json.gz");
        assert_eq!((quarantine.bucket, quarantine.key), ("drop".into(), key));
    }

    #[test]
    fn a_file_says_where_its_objects_go() {
        let text = r#"{"bucket": "there", "prefix": "p/!{timestamp:dd}-", "timeZone": "Asia/Tokyo",
            "compressionFormat": "GZIP", "raw": false, "quarantine": "s3://other/q/"}"#;
        let Objects { data, raw, quarantine } = objects(text, CUT);
        assert_eq!(
            (data.bucket.as_str(), data.key.as_str()),
            ("there", "p/02-test-3-2026-07-02-08-04-05-17-f00d.json.gz")
        );
        assert_eq!(raw, None);
        assert_eq!(quarantine.bucket, "other");
        assert!(quarantine.key.starts_with("q/processing-failed/2026/07/02/08/test-3-"));
        let quarantine = objects(r#"{"bucket": "there", "raw": "s3://mine"}"#, CUT);
        assert_eq!(quarantine.quarantine.bucket, "there");
        assert_eq!(
            quarantine.raw.unwrap().key,
            "2026/07/01/23/test-3-2026-07-01-23-04-05-17-f00d-raw.json.gz"
        );
    }

    #[test]
    fn objects_of_different_origins_have_different_names() {
        let replay = |key| objects("{}", Origin::Replay { bucket: "raw", key }).data.key;
        let cut = |number, mark| objects("{}", Origin::Cut { mark, number }).data.key;
        let names = [replay("a"), replay("b"), cut(1, "x"), cut(2, "x"), cut(1, "y")];
        assert!(names.iter().enumerate().all(|(at, name)| !names[..at].contains(name)));
        assert_eq!(replay("a"), replay("a"));
    }
}
