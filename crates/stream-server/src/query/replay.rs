//! Runs today's definition over records that are in S3: over all of a time span, or over the refused ones.
//!
//! An object is replayed as a whole, and the name of the result follows from the object and the version of the definition.
//! So a second replay finds everything in place. An object that holds a record of the time span is replayed with all its records:
//! a part of it would have the name of the whole.
//!
//! Refused records need more care: a record that a first replay brought to the data must not come there again by a second
//! replay with a later version. So a replay that brings records of a quarantine object to the data first claims the object for
//! its version, by an object beside it that is put once. Later replays of the same object use that version again, and so change
//! nothing. The records that are refused again go to a quarantine object of their own, which a later replay claims in its turn. An
//! object whose records are all refused again stays as it is.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};
use stream::Stream;
use stream::objects::{Objects, Origin, S3Object};
use tempfile::NamedTempFile;

use super::objects::{self, Found, Kind, LineError, Within};
use super::{QueryError, Span};
use crate::answers::Replayed;
use crate::deliver::{Dock, Made, Outcome, Put, Sorter, put, reason, status};
use crate::live::{LiveStream, Version};

/// The end of the key of a claim. The claim lies beside the quarantine object.
const CLAIM: &str = ".replayed";

/// The claim of a quarantine object by a replay.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    /// The id of the log that has the version.
    stream_id: String,
    version: u64,
}

/// Replays the objects with records of a time span, or the refused records in them. Returns the results.
pub(crate) async fn replay(
    dock: &Dock,
    stream: &Arc<LiveStream>,
    span: Span,
    is_quarantined: bool,
) -> Result<Replayed, QueryError> {
    let Span { from, to } = span;
    if from >= to {
        return Err(QueryError::Span { from, to });
    }
    let version = stream.version().map_err(|refused| QueryError::Undefined(refused.to_string()))?;
    let kind = if is_quarantined { Kind::Quarantine } else { Kind::Raw };
    if objects::common_start(&dock.homes, &version.stream, kind).is_none() {
        return Err(QueryError::NoRaw(stream.name.to_string()));
    }
    let definitions = definitions(stream).await?;
    let found = objects::list(&dock.s3, &dock.homes, &definitions, kind).await?;
    let mut replay = Replay { dock, stream, kind, replayed: Replayed::default() };
    for (found, within) in objects::of_span(found, span) {
        let file = objects::fetch(&dock.s3, &found.place, &dock.spool).await?;
        let file = Arc::new(file);
        if within == Within::Perhaps && !replay.has_record_of(&file, &found, span).await? {
            continue;
        }
        replay.object(&version, &found, &file).await?;
    }
    Ok(replay.replayed)
}

/// Returns the definitions that may have named objects of a stream: first that in force, and then those before it that put
/// objects to other places or name them in another time zone.
pub(super) async fn definitions(stream: &LiveStream) -> Result<Vec<Stream>, QueryError> {
    let mut definitions: Vec<Stream> = Vec::new();
    for (number, source) in stream.log.versions().await? {
        // A definition that cannot be read any more named objects that nobody can find.
        let Ok(found) = stream.parse(number, &source) else { continue };
        let is_new = definitions.iter().all(|other| {
            let own = &found.stream;
            (&other.raw, &other.quarantine, &other.data.bucket, &other.time_zone)
                != (&own.raw, &own.quarantine, &own.data.bucket, &own.time_zone)
        });
        if is_new {
            definitions.push(found.stream);
        }
    }
    Ok(definitions)
}

/// A replay under way.
struct Replay<'r> {
    dock: &'r Dock,
    stream: &'r Arc<LiveStream>,
    kind: Kind,
    replayed: Replayed,
}

impl Replay<'_> {
    async fn has_record_of(
        &self,
        file: &Arc<NamedTempFile>,
        found: &Found,
        span: Span,
    ) -> Result<bool, QueryError> {
        let (file, found, kind) = (Arc::clone(file), found.clone(), self.kind);
        let looked = tokio::task::spawn_blocking(move || objects::has_record_of(&file, &found, kind, span));
        looked.await.map_err(|_| QueryError::Stopping)?
    }

    /// Replays one object.
    async fn object(
        &mut self,
        version: &Arc<Version>,
        found: &Found,
        file: &Arc<NamedTempFile>,
    ) -> Result<(), QueryError> {
        if self.kind == Kind::Raw {
            let made = self.make(version, found, file).await?;
            self.count(&made);
            return self.put(version, found, &made).await.map(drop);
        }
        let is_new = !is_replayed(&self.dock.s3, &found.place).await?;
        if is_new {
            let made = self.make(version, found, file).await?;
            if made.counts.lines == 0 {
                self.count(&made);
                return Ok(());
            }
        }
        // An object that was claimed for a version of another log was replayed there.
        let Some(version) = claim(self.dock, self.stream, version, &found.place).await? else {
            return Ok(());
        };
        let made = self.make(&version, found, file).await?;
        let outcome = self.put(&version, found, &made).await?;
        // The counts of an earlier replay do not belong to this one.
        if is_new || outcome == Some(Outcome::New) {
            self.count(&made);
        }
        Ok(())
    }

    fn count(&mut self, made: &Made) {
        self.replayed.objects_read += 1;
        self.replayed.records += made.counts.opened;
        self.replayed.refused += made.counts.quarantined;
    }

    /// Makes the new objects from the records of one object.
    async fn make(
        &self,
        version: &Arc<Version>,
        found: &Found,
        file: &Arc<NamedTempFile>,
    ) -> Result<Made, QueryError> {
        let (version, found, file) = (Arc::clone(version), found.clone(), Arc::clone(file));
        let (kind, folder) = (self.kind, self.dock.spool.clone());
        let made = tokio::task::spawn_blocking(move || {
            let number = u32::try_from(version.number).unwrap_or(u32::MAX);
            // The time in quarantine lines follows from the object, so that a repeated replay gives the same bytes.
            let mut sorter = Sorter::new(&version.stream, number, found.time(&version.stream));
            objects::each_line(&file, &found.place, |line| {
                let record = kind.read(line).map_err(LineError::Line)?;
                sorter.sort(record.as_record(), &folder).map_err(LineError::Spool)
            })?;
            Ok(sorter.finish(None, &folder)?)
        });
        made.await.map_err(|_| QueryError::Stopping)?
    }

    /// Puts the objects that one source object gives. Returns whether its data object is new, or `None` if it has no data object.
    async fn put(
        &mut self,
        version: &Version,
        found: &Found,
        made: &Made,
    ) -> Result<Option<Outcome>, QueryError> {
        let number = u32::try_from(version.number).unwrap_or(u32::MAX);
        let S3Object { bucket, key } = &found.place;
        let (origin, time) = (Origin::Replay { bucket, key }, found.time(&version.stream));
        let objects = Objects::of(&version.stream, &self.dock.homes, origin, number, time);
        let identity = format!("{}/replay/{bucket}/{key}/{number}", self.stream.log.header().id);
        // The records that are still refused come first: when the event of the data fires, they lie there.
        if let (Some(content), Kind::Quarantine) = (&made.quarantine, self.kind) {
            let target = &objects.quarantine;
            put(&self.dock.s3, &Put { target, content, identity: &identity }).await.map_err(s3)?;
        }
        let Some(content) = &made.data else { return Ok(None) };
        let target = &objects.data;
        let outcome = put(&self.dock.s3, &Put { target, content, identity: &identity }).await.map_err(s3)?;
        match outcome {
            Outcome::New => {
                self.replayed.lines += made.counts.lines;
                self.replayed.objects.push(format!("s3://{}/{}", target.bucket, target.key));
            }
            Outcome::WasThere => {
                self.replayed.already_there += 1;
                self.replayed.lines_already_there += made.counts.lines;
            }
        }
        Ok(Some(outcome))
    }
}

fn s3(error: crate::deliver::PutError) -> QueryError {
    QueryError::S3(error.to_string())
}

/// Claims a quarantine object for the version in force. Returns the version in the claim of the object; `None` if the
/// claim is of another log.
async fn claim(
    dock: &Dock,
    stream: &Arc<LiveStream>,
    version: &Arc<Version>,
    place: &S3Object,
) -> Result<Option<Arc<Version>>, QueryError> {
    let key = format!("{}{CLAIM}", place.key);
    let stream_id = &stream.log.header().id;
    let claim = Claim { stream_id: stream_id.clone(), version: version.number };
    let text = serde_json::to_vec(&claim).map_err(|error| QueryError::S3(error.to_string()))?;
    let failed = |reason: String| QueryError::S3(format!("the object s3://{}/{key}: {reason}", place.bucket));
    let request = dock.s3.put_object().bucket(&place.bucket).key(&key).if_none_match("*");
    let put = request.content_type("application/json").body(ByteStream::from(text)).send().await;
    match put {
        Ok(_) => return Ok(Some(Arc::clone(version))),
        Err(error) if status(&error) == Some(412) => {}
        Err(error) => return Err(failed(reason(&error))),
    }
    let got = dock.s3.get_object().bucket(&place.bucket).key(&key).send().await;
    let body = got.map_err(|error| failed(reason(&error)))?.body.collect().await;
    let bytes = body.map_err(|error| failed(error.to_string()))?.into_bytes();
    let claim: Claim =
        serde_json::from_slice(&bytes).map_err(|_| failed("it is not a claim of a replay".to_owned()))?;
    if claim.stream_id != *stream_id {
        return Ok(None);
    }
    if claim.version == version.number {
        return Ok(Some(Arc::clone(version)));
    }
    let source = stream.log.version(claim.version).await?;
    let version = stream.parse(claim.version, &source).map_err(QueryError::Undefined)?;
    Ok(Some(Arc::new(version)))
}

/// Returns whether a replay has claimed a quarantine object.
pub(super) async fn is_replayed(s3: &Client, place: &S3Object) -> Result<bool, QueryError> {
    let key = format!("{}{CLAIM}", place.key);
    match s3.head_object().bucket(&place.bucket).key(&key).send().await {
        Ok(_) => Ok(true),
        Err(error) if status(&error) == Some(404) => Ok(false),
        Err(error) => Err(QueryError::S3(format!(
            "s3://{}/{key} could not be looked for: {}",
            place.bucket,
            reason(&error)
        ))),
    }
}
