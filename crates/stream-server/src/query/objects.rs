//! Finds and reads the raw and quarantine objects of a stream.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use aws_sdk_s3::Client;
use flate2::bufread::MultiGzDecoder;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use stream::Stream;
use stream::objects::{Objects, Origin, S3Object};
use tempfile::NamedTempFile;

use super::QueryError;
use crate::deliver::reason;
use stream::objects::Homes;

/// The form of the time in the names of objects.
const TIME: &str = "%Y-%m-%d-%H-%M-%S";
/// The length of a text of that form.
const TIME_LENGTH: usize = "2026-01-31-23-59-59".len();

/// The objects of a stream that hold records to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Raw,
    Quarantine,
}

impl Kind {
    /// Returns the end of the names of such objects.
    fn end(self) -> &'static str {
        match self {
            Self::Raw => "-raw.json.gz",
            Self::Quarantine => "-quarantine.json.gz",
        }
    }

    fn of(self, objects: Objects) -> Option<S3Object> {
        match self {
            Self::Raw => objects.raw,
            Self::Quarantine => Some(objects.quarantine),
        }
    }
}

/// An object that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: S3Object,
    /// The time in the name: that of the oldest record, to the second.
    pub(super) time: Timestamp,
}

/// Lists the objects of a stream in the order of their times. `None` if the stream has no such objects.
pub(super) async fn list(
    s3: &Client,
    homes: &Homes,
    stream: &Stream,
    kind: Kind,
) -> Result<Option<Vec<Found>>, QueryError> {
    let Some(start) = common_start(homes, stream, kind) else { return Ok(None) };
    let mut found = Vec::new();
    let request = s3.list_objects_v2().bucket(&start.bucket).prefix(&start.key);
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            QueryError::S3(format!(
                "the objects of s3://{}/{} could not be listed: {}",
                start.bucket,
                start.key,
                reason(&error)
            ))
        })?;
        for key in page.contents().iter().filter_map(|object| object.key()) {
            if let Some(time) = time_in(key, stream, kind) {
                let place = S3Object { bucket: start.bucket.clone(), key: key.to_owned() };
                found.push(Found { place, time });
            }
        }
    }
    found.sort_by(|one, other| (one.time, &one.place.key).cmp(&(other.time, &other.place.key)));
    Ok(Some(found))
}

/// Returns the bucket of the objects, and the text with which all their keys begin: that which keys of very different
/// times have in common.
fn common_start(homes: &Homes, stream: &Stream, kind: Kind) -> Option<S3Object> {
    let key_at = |second: i64| {
        let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        kind.of(Objects::of(stream, homes, Origin::Cut { stream_id: "", number: 0 }, 0, time))
    };
    // 1971-02-03 04:05:06, 2048-12-29 17:58:47 and 2100-10-10 20:30:31 differ in the first digit of every part but the year's
    // century, and the third differs there.
    let S3Object { bucket, mut key } = key_at(34_401_906)?;
    for other in [2_492_963_927, 4_126_883_431].into_iter().filter_map(key_at) {
        let common = key.bytes().zip(other.key.bytes()).take_while(|(one, other)| one == other).count();
        key.truncate((0..=common).rev().find(|length| key.is_char_boundary(*length)).unwrap_or_default());
    }
    Some(S3Object { bucket, key })
}

/// Returns the time in the name of an object; `None` if the key is not that of an object of the stream.
fn time_in(key: &str, stream: &Stream, kind: Kind) -> Option<Timestamp> {
    let rest = key.strip_suffix(kind.end())?;
    let start = format!("{}-", stream.name);
    // The prefix, or the name of the stream itself, may look like the beginning of the name.
    rest.match_indices(&start)
        .filter_map(|(at, _)| time_after(&rest[at + start.len()..], &stream.time_zone))
        .last()
}

/// Reads `VERSION-yyyy-MM-dd-HH-mm-ss-` at the beginning of a text.
fn time_after(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let (version, rest) = text.split_once('-')?;
    version.parse::<u32>().ok()?;
    let (time, rest) = rest.split_at_checked(TIME_LENGTH)?;
    rest.strip_prefix('-')?;
    let time = DateTime::strptime(TIME, time).ok()?;
    Some(zone.to_ambiguous_zoned(time).compatible().ok()?.timestamp())
}

/// Returns whether an object may hold records of a time span: its oldest record is in the span, to the second.
pub(super) fn is_within(found: &Found, from: Timestamp, to: Timestamp) -> bool {
    found.time + SignedDuration::from_secs(1) > from && found.time < to
}

/// Copies an object into a file of the folder.
pub(super) async fn fetch(s3: &Client, place: &S3Object, folder: &Path) -> Result<NamedTempFile, QueryError> {
    let S3Object { bucket, key } = place;
    let failed = |reason: String| QueryError::S3(format!("s3://{bucket}/{key} could not be read: {reason}"));
    let object = s3.get_object().bucket(bucket).key(key).send().await;
    let mut body = object.map_err(|error| failed(reason(&error)))?.body;
    let mut file = NamedTempFile::new_in(folder)?;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| failed(crate::log::chain(&error)))?;
        file.write_all(&bytes)?;
    }
    Ok(file)
}

/// Calls `each` with every line of an object that was fetched. Blocks on the disk.
pub(super) fn each_line(
    file: &NamedTempFile,
    place: &S3Object,
    mut each: impl FnMut(&[u8]) -> Result<(), LineError>,
) -> Result<(), QueryError> {
    let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::new(File::open(file.path())?)));
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        number += 1;
        let unreadable = |reason: String| QueryError::Object {
            bucket: place.bucket.clone(),
            key: place.key.clone(),
            line: number,
            reason,
        };
        if lines.read_until(b'\n', &mut line).map_err(|error| unreadable(error.to_string()))? == 0 {
            return Ok(());
        }
        match each(&line) {
            Ok(()) => {}
            Err(LineError::Line(error)) => return Err(unreadable(error.to_string())),
            Err(LineError::Spool(error)) => return Err(error.into()),
        }
    }
}

/// Why a line cannot be used.
pub(super) enum LineError {
    Line(stream::encode::LineError),
    Spool(std::io::Error),
}

#[cfg(test)]
mod tests {
    use stream::StreamName;
    use stream::file::diagnose;

    use super::*;

    fn stream(name: &str, text: &str) -> Stream {
        let diagnosis = diagnose(&StreamName::new(name).unwrap(), text, &|_| Err("none".to_owned()));
        diagnosis.stream.unwrap_or_else(|| panic!("{:?}", diagnosis.findings))
    }

    fn homes() -> Homes {
        Homes { drop: "drop".to_owned(), raw: "raw".to_owned() }
    }

    #[test]
    fn the_time_of_an_object_is_read_from_its_name() {
        let time: Timestamp = "2026-07-01T23:04:05Z".parse().unwrap();
        let texts = [
            "{}",
            r#"{"timeZone": "Asia/Tokyo", "prefix": "1-2-!{timestamp:HH}", "raw": "s3://raw/1-7-!{timestamp:ss}-"}"#,
        ];
        for (name, text) in ["1", "raw", "user-events"].into_iter().zip(texts.into_iter().cycle()) {
            let stream = stream(name, text);
            for kind in [Kind::Raw, Kind::Quarantine] {
                let origin = Origin::Cut { stream_id: "f00d", number: 17 };
                let place = kind.of(Objects::of(&stream, &homes(), origin, 3, time)).unwrap();
                assert_eq!(time_in(&place.key, &stream, kind), Some(time), "{place:?}");
                let start = common_start(&homes(), &stream, kind).unwrap();
                assert!(place.key.starts_with(&start.key) && place.bucket == start.bucket, "{start:?}");
            }
        }
        assert_eq!(time_in("streams/x/readme.json.gz", &stream("x", "{}"), Kind::Raw), None);
    }

    #[test]
    fn only_the_text_before_the_first_time_is_listed() {
        let start = |text| common_start(&homes(), &stream("test", text), Kind::Raw).map(|start| start.key);
        assert_eq!(start("{}").as_deref(), Some("streams/test/"));
        assert_eq!(start(r#"{"raw": "s3://raw/a/!{timestamp:yyyy}/"}"#).as_deref(), Some("a/"));
        assert_eq!(start(r#"{"raw": false}"#), None);
    }
}
