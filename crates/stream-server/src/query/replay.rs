//! Runs today's definition over records that are in S3: over all of a time span, or over the refused ones.
//!
//! An object is replayed as a whole, and the name of the result follows from the object and the version of the definition.
//! So a second replay finds everything in place.
//!
//! Refused records need more care: a record that a first replay brought to the data must not come there again by a second
//! replay with a later version. So a replay that brings records of a quarantine object to the data first claims the object for
//! its version, by an object beside it that is put once. Later replays of the same object use that version again, and so change
//! nothing. The records that are refused again go to a quarantine object of their own, which a later replay claims in its turn. An
//! object whose records are all refused again stays as it is.

use std::path::PathBuf;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};
use stream::encode::{read_quarantined, read_raw};
use stream::objects::{Objects, Origin, S3Object};
use tempfile::NamedTempFile;

use super::objects::{self, Found, Kind, LineError};
use super::{QueryError, Span};
use crate::answers::Replayed;
use crate::deliver::{Dock, Made, Outcome, Put, Sorter, put, reason, status};
use crate::live::{LiveStream, Version};

/// The end of the key of a claim, which lies beside the quarantine object.
const CLAIM: &str = ".replayed";

/// The claim of a quarantine object by a replay.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claim {
    /// The id of the log that has the version.
    stream_id: String,
    version: u64,
}

/// Replays the objects of a time span, or the refused records in it. Returns what was done.
pub(crate) async fn replay(
    dock: &Dock,
    stream: &Arc<LiveStream>,
    span: Span,
    is_quarantined: bool,
) -> Result<Replayed, QueryError> {
    let version = stream.version().map_err(|refused| QueryError::Undefined(refused.to_string()))?;
    let kind = if is_quarantined { Kind::Quarantine } else { Kind::Raw };
    let found = objects::list(&dock.s3, &dock.homes, &version.stream, kind).await?;
    let found = found.ok_or_else(|| QueryError::NoRaw(stream.name.to_string()))?;
    let mut replayed = Replayed::default();
    for found in found.iter().filter(|found| objects::is_within(found, span.from, span.to)) {
        match kind {
            Kind::Raw => {
                let made = make(dock, &version, found, kind).await?;
                count(&made, &mut replayed);
                put_all(dock, stream, &version, found, kind, &made, &mut replayed).await?;
            }
            Kind::Quarantine => refused(dock, stream, &version, found, &mut replayed).await?,
        }
    }
    Ok(replayed)
}

/// Replays the refused records of one object.
async fn refused(
    dock: &Dock,
    stream: &Arc<LiveStream>,
    version: &Arc<Version>,
    found: &Found,
    replayed: &mut Replayed,
) -> Result<(), QueryError> {
    let kind = Kind::Quarantine;
    let is_new = !is_replayed(&dock.s3, &found.place).await?;
    if is_new {
        let made = make(dock, version, found, kind).await?;
        if made.counts.lines == 0 {
            count(&made, replayed);
            return Ok(());
        }
    }
    // An object that was claimed for a version of another log was replayed there.
    let Some(version) = claim(dock, stream, version, &found.place).await? else { return Ok(()) };
    let made = make(dock, &version, found, kind).await?;
    // The records of an object that an earlier replay has claimed were counted then.
    if is_new {
        count(&made, replayed);
    }
    put_all(dock, stream, &version, found, kind, &made, replayed).await
}

fn count(made: &Made, replayed: &mut Replayed) {
    replayed.objects_read += 1;
    replayed.records += made.counts.opened;
    replayed.lines += made.counts.lines;
    replayed.refused += made.counts.quarantined;
}

/// Makes what comes out of one object.
async fn make(dock: &Dock, version: &Arc<Version>, found: &Found, kind: Kind) -> Result<Made, QueryError> {
    let file = objects::fetch(&dock.s3, &found.place, &dock.spool).await?;
    let work = Work { version: Arc::clone(version), found: found.clone(), kind, folder: dock.spool.clone() };
    let made = tokio::task::spawn_blocking(move || work.make(&file)).await;
    made.map_err(|_| QueryError::Stopping)?
}

/// Puts what came out of one object.
async fn put_all(
    dock: &Dock,
    stream: &LiveStream,
    version: &Version,
    found: &Found,
    kind: Kind,
    made: &Made,
    replayed: &mut Replayed,
) -> Result<(), QueryError> {
    let number = u32::try_from(version.number).unwrap_or(u32::MAX);
    let S3Object { bucket, key } = &found.place;
    let objects =
        Objects::of(&version.stream, &dock.homes, Origin::Replay { bucket, key }, number, found.time);
    let identity = format!("{}/replay/{bucket}/{key}/{number}", stream.log.header().id);
    // The records that are still refused come first: when the event of the data fires, they lie there.
    if let (Some(content), Kind::Quarantine) = (&made.quarantine, kind) {
        let place = &objects.quarantine;
        put(&dock.s3, &Put { place, content, identity: &identity }).await.map_err(s3)?;
    }
    if let Some(content) = &made.data {
        let place = &objects.data;
        match put(&dock.s3, &Put { place, content, identity: &identity }).await.map_err(s3)? {
            Outcome::New => replayed.objects.push(format!("s3://{}/{}", place.bucket, place.key)),
            Outcome::WasThere => replayed.already_there += 1,
        }
    }
    Ok(())
}

fn s3(error: crate::deliver::PutError) -> QueryError {
    QueryError::S3(error.to_string())
}

/// Makes the objects of a replay on a thread that may block.
struct Work {
    version: Arc<Version>,
    found: Found,
    kind: Kind,
    folder: PathBuf,
}

impl Work {
    fn make(self, file: &NamedTempFile) -> Result<Made, QueryError> {
        let Self { version, found, kind, folder } = self;
        let number = u32::try_from(version.number).unwrap_or(u32::MAX);
        // The time in quarantine lines follows from the object, so that a repeated replay gives the same bytes.
        let mut sorter = Sorter::new(&version.stream, number, found.time);
        objects::each_line(file, &found.place, |line| {
            let record = match kind {
                Kind::Raw => read_raw(line).map_err(LineError::Line)?,
                Kind::Quarantine => read_quarantined(line).map_err(LineError::Line)?.record,
            };
            sorter.sort(record.as_record(), &folder).map_err(LineError::Spool)
        })?;
        Ok(sorter.finish(None, &folder)?)
    }
}

/// Claims a quarantine object for the version in force. Returns the version that the object is claimed for; `None` if the
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
        serde_json::from_slice(&bytes).map_err(|_| failed("it is no claim of a replay".to_owned()))?;
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
