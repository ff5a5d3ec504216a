//! Finds and reads the raw and quarantine objects of a stream, by every definition that was in force.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use aws_sdk_s3::Client;
use flate2::bufread::MultiGzDecoder;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use stream::Stream;
use stream::encode::{StoredRecord, read_quarantined, read_raw};
use stream::objects::{Homes, Objects, Origin, S3Object};
use tempfile::NamedTempFile;

use super::{QueryError, Span};
use crate::deliver::{reason, status};

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

    /// Reads a line of such an object.
    pub(super) fn read(self, line: &[u8]) -> Result<StoredRecord, stream::encode::LineError> {
        match self {
            Self::Raw => read_raw(line),
            Self::Quarantine => Ok(read_quarantined(line)?.record),
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
    /// The time in the name: that of the oldest record, to the second, in the time zone of the definition that named the object.
    time: DateTime,
    /// The earliest and the latest moment that the time may mean.
    moments: (Timestamp, Timestamp),
}

impl Found {
    /// Returns the moment that the time in the name means to a definition. So the names that the definition gives follow from
    /// the name of the object, whatever definition is in force.
    pub(super) fn time(&self, stream: &Stream) -> Timestamp {
        moment(self.time, &stream.time_zone).unwrap_or(self.moments.0)
    }
}

/// Whether an object holds records of a time span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Yes,
    No,
    /// Only the records of the object can show that.
    Perhaps,
}

/// Lists the objects of a stream in the order of their times. `definitions` are those that may have named objects.
pub(super) async fn list(
    s3: &Client,
    homes: &Homes,
    definitions: &[Stream],
    kind: Kind,
) -> Result<Vec<Found>, QueryError> {
    let mut found: Vec<Found> = Vec::new();
    let mut starts: Vec<S3Object> = Vec::new();
    for (index, stream) in definitions.iter().enumerate() {
        let Some(start) = common_start(homes, stream, kind) else { continue };
        if starts.contains(&start) {
            continue;
        }
        for key in keys(s3, &start, index > 0).await? {
            let place = S3Object { bucket: start.bucket.clone(), key };
            let is_new = found.iter().all(|found| found.place != place);
            if let Some((time, moments)) = times_in(&place, homes, definitions, kind).filter(|_| is_new) {
                found.push(Found { place, time, moments });
            }
        }
        starts.push(start);
    }
    found.sort_by(|one, other| (one.moments, &one.place.key).cmp(&(other.moments, &other.place.key)));
    Ok(found)
}

/// Lists the keys that begin with a text. If `is_former`, the bucket may be gone.
async fn keys(s3: &Client, start: &S3Object, is_former: bool) -> Result<Vec<String>, QueryError> {
    let mut keys = Vec::new();
    let request = s3.list_objects_v2().bucket(&start.bucket).prefix(&start.key);
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = match page {
            Err(error) if is_former && status(&error) == Some(404) => return Ok(Vec::new()),
            page => page.map_err(|error| {
                QueryError::S3(format!(
                    "the objects of s3://{}/{} could not be listed: {}",
                    start.bucket,
                    start.key,
                    reason(&error)
                ))
            })?,
        };
        keys.extend(page.contents().iter().filter_map(|object| object.key()).map(str::to_owned));
    }
    Ok(keys)
}

/// Returns the bucket of the objects, and the text with which all their keys begin: that which keys of very different
/// times have in common. `None` if the definition keeps no such objects.
pub(super) fn common_start(homes: &Homes, stream: &Stream, kind: Kind) -> Option<S3Object> {
    let key_at = |second: i64| {
        let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        kind.of(Objects::of(stream, homes, Origin::Cut { mark: "", number: 0 }, 0, time))
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

/// Returns the time in the name of an object, and the moments that it may mean; `None` if no definition gives such a name.
fn times_in(
    place: &S3Object,
    homes: &Homes,
    definitions: &[Stream],
    kind: Kind,
) -> Option<(DateTime, (Timestamp, Timestamp))> {
    let mut found: Option<(DateTime, (Timestamp, Timestamp))> = None;
    for stream in definitions {
        let Some(time) = time_in(place, homes, stream, kind) else { continue };
        let ambiguous = || stream.time_zone.to_ambiguous_zoned(time);
        let (earlier, later) =
            (ambiguous().earlier().ok()?.timestamp(), ambiguous().later().ok()?.timestamp());
        let moments = (earlier.min(later), earlier.max(later));
        found = match found {
            None => Some((time, moments)),
            Some((time, (first, last))) => Some((time, (first.min(moments.0), last.max(moments.1)))),
        };
    }
    found
}

/// Returns the time in the name of an object; `None` if the definition does not give objects such a name.
fn time_in(place: &S3Object, homes: &Homes, stream: &Stream, kind: Kind) -> Option<DateTime> {
    let rest = place.key.strip_suffix(kind.end())?;
    let start = format!("{}-", stream.name);
    let prefix = match kind {
        Kind::Raw => &stream.raw.as_ref()?.prefix,
        Kind::Quarantine => &stream.quarantine.prefix,
    };
    if common_start(homes, stream, kind)?.bucket != place.bucket {
        return None;
    }
    rest.match_indices(&start).find_map(|(at, _)| {
        let time = time_after(&rest[at + start.len()..])?;
        // Other streams, whose names end as this one's, may have the same place: the prefix tells them apart.
        let own = prefix.at(moment(time, &stream.time_zone)?, &stream.time_zone);
        (own == rest[..at]).then_some(time)
    })
}

fn moment(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    Some(zone.to_ambiguous_zoned(time).compatible().ok()?.timestamp())
}

/// Reads `VERSION-yyyy-MM-dd-HH-mm-ss-` at the beginning of a text.
fn time_after(text: &str) -> Option<DateTime> {
    let (version, rest) = text.split_once('-')?;
    version.parse::<u32>().ok()?;
    let (time, rest) = rest.split_at_checked(TIME_LENGTH)?;
    rest.strip_prefix('-')?;
    DateTime::strptime(TIME, time).ok()
}

/// Returns the objects of a list that may hold records of a time span. `found` is in the order of the times.
///
/// An object may hold the records from the time in its name up to the time of the next object. So the last object before
/// the span may hold records of it.
pub(super) fn of_span(found: Vec<Found>, span: Span) -> Vec<(Found, Within)> {
    // The time in a name is cut to the second.
    let last =
        |found: &Found| found.moments.1.checked_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
    let before = found.iter().filter(|found| last(found) <= span.from).map(|found| found.time).next_back();
    let within = |found: &Found| match found.moments {
        (first, _) if first >= span.to => Within::No,
        _ if last(found) <= span.from && Some(found.time) != before => Within::No,
        (first, latest) if first >= span.from && latest < span.to => Within::Yes,
        _ => Within::Perhaps,
    };
    let all = found.into_iter().map(|found| (within(&found), found));
    all.filter(|(within, _)| *within != Within::No).map(|(within, found)| (found, within)).collect()
}

/// Returns whether an object that was fetched has a record of a time span. Blocks on the disk.
pub(super) fn has_record_of(
    file: &NamedTempFile,
    found: &Found,
    kind: Kind,
    span: Span,
) -> Result<bool, QueryError> {
    let mut has_one = false;
    each_line(file, &found.place, |line| {
        let arrival = kind.read(line).map_err(LineError::Line)?.arrival;
        has_one |= span.from <= arrival && arrival < span.to;
        Ok(())
    })?;
    Ok(has_one)
}

/// Copies an object into a file of the folder.
pub(super) async fn fetch(s3: &Client, place: &S3Object, folder: &Path) -> Result<NamedTempFile, QueryError> {
    let S3Object { bucket, key } = place;
    let failed = |reason: String| QueryError::S3(format!("s3://{bucket}/{key} could not be read: {reason}"));
    let object = s3.get_object().bucket(bucket).key(key).send().await;
    let mut body = object.map_err(|error| failed(reason(&error)))?.body;
    let mut file = NamedTempFile::new_in(folder)?;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| failed(http_front::with_causes(&error)))?;
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

/// The reason why a line cannot be used.
pub(super) enum LineError {
    Line(stream::encode::LineError),
    Spool(std::io::Error),
}

#[cfg(test)]
mod tests {
    use stream::StreamName;
    use stream::file::diagnose;

    use super::Within::{Perhaps, Yes};
    use super::*;

    fn stream(name: &str, text: &str) -> Stream {
        let diagnosis = diagnose(&StreamName::new(name).unwrap(), text, &|_| Err("none".to_owned()));
        diagnosis.stream.unwrap_or_else(|| panic!("{:?}", diagnosis.findings))
    }

    fn homes() -> Homes {
        Homes { drop: "drop".to_owned(), raw: "raw".to_owned() }
    }

    fn raw_object(stream: &Stream, time: &str) -> S3Object {
        let origin = Origin::Cut { mark: "f00d", number: 17 };
        Objects::of(stream, &homes(), origin, 3, time.parse().unwrap()).raw.unwrap()
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
                let origin = Origin::Cut { mark: "f00d", number: 17 };
                let place = kind.of(Objects::of(&stream, &homes(), origin, 3, time)).unwrap();
                let found = time_in(&place, &homes(), &stream, kind);
                assert_eq!(found.and_then(|time| moment(time, &stream.time_zone)), Some(time), "{place:?}");
                let start = common_start(&homes(), &stream, kind).unwrap();
                assert!(place.key.starts_with(&start.key) && place.bucket == start.bucket, "{start:?}");
            }
        }
        let readme = S3Object { bucket: "raw".to_owned(), key: "streams/x/readme-raw.json.gz".to_owned() };
        assert_eq!(time_in(&readme, &homes(), &stream("x", "{}"), Kind::Raw), None);
    }

    #[test]
    fn objects_of_another_stream_in_the_same_place_are_left_out() {
        let text = r#"{"raw": "s3://raw/all/!{timestamp:HH}/"}"#;
        let names = ["a", "x-a", "a-1", "1"];
        let all: Vec<_> = names.iter().map(|name| stream(name, text)).collect();
        for (own, name) in all.iter().zip(names) {
            let place = raw_object(own, "2026-07-01T23:04:05Z");
            let finders: Vec<_> =
                all.iter().filter(|other| time_in(&place, &homes(), other, Kind::Raw).is_some()).collect();
            assert_eq!(finders.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), [name], "{place:?}");
        }
    }

    #[test]
    fn a_time_that_has_several_meanings_has_all_of_them() {
        let (lisbon, utc) = (stream("x", r#"{"timeZone": "Europe/Lisbon"}"#), stream("x", "{}"));
        // 01:30 comes twice in the night in which the summer ends.
        let place = raw_object(&lisbon, "2026-10-25T01:30:00Z");
        assert_eq!(place, raw_object(&lisbon, "2026-10-25T00:30:00Z"));
        let times = |definitions: &[Stream]| times_in(&place, &homes(), definitions, Kind::Raw).unwrap().1;
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let both = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
        assert_eq!(times(&[lisbon, utc]), both);
        // In summer, the zone alone makes the difference.
        let definitions = [stream("x", "{}"), stream("x", r#"{"timeZone": "Asia/Tokyo"}"#)];
        let place = raw_object(&definitions[0], "2026-07-01T23:04:05Z");
        let (first, last) = times_in(&place, &homes(), &definitions, Kind::Raw).unwrap().1;
        assert_eq!((first, last), (at("2026-07-01T14:04:05Z"), at("2026-07-01T23:04:05Z")));
    }

    #[test]
    fn the_last_object_before_a_span_may_hold_records_of_the_span() {
        let stream = stream("x", "{}");
        let found = ["09:00:00", "10:00:00", "10:00:00", "11:00:00.7", "12:00:00", "13:00:00"].map(|time| {
            let place = raw_object(&stream, &format!("2026-07-01T{time}Z"));
            let (time, moments) =
                times_in(&place, &homes(), std::slice::from_ref(&stream), Kind::Raw).unwrap();
            Found { place, time, moments }
        });
        let within = |from: &str, to: &str| -> Vec<(i8, Within)> {
            let at = |time: &str| format!("2026-07-01T{time}Z").parse().unwrap();
            let found = of_span(found.to_vec(), Span { from: at(from), to: at(to) });
            found.into_iter().map(|(found, within)| (found.time.hour(), within)).collect()
        };
        assert_eq!(within("10:30:00", "12:00:00"), [(10, Perhaps), (10, Perhaps), (11, Yes)]);
        assert_eq!(
            within("11:00:00.5", "12:00:01"),
            [(10, Perhaps), (10, Perhaps), (11, Perhaps), (12, Yes)]
        );
        assert_eq!(within("08:00:00", "09:30:00"), [(9, Yes)]);
        assert_eq!(within("14:00:00", "15:00:00"), [(13, Perhaps)]);
    }

    #[test]
    fn only_the_text_before_the_first_time_is_listed() {
        let start = |text| common_start(&homes(), &stream("test", text), Kind::Raw).map(|start| start.key);
        assert_eq!(start("{}").as_deref(), Some("streams/test/"));
        assert_eq!(start(r#"{"raw": "s3://raw/a/!{timestamp:yyyy}/"}"#).as_deref(), Some("a/"));
        assert_eq!(start(r#"{"raw": false}"#), None);
    }
}
