//! Decides when a notice says that a stream cannot deliver, and when a notice says that the stream works again.
//!
//! One notice comes when a delivery has failed for some minutes without a success, and one when it works again. The caller
//! publishes the notices and keeps a list of them, so that a restart repeats no notice.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::live::LiveStream;
use crate::streams::{Streams, age};

/// How long a delivery fails before a notice is due. Shorter troubles of S3 pass by themselves.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// The troubles whose notices were published, by the name of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedTroubles(BTreeMap<String, ReportedTrouble>);

/// A trouble whose notice was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportedTrouble {
    /// The id of the stream's log, which another stream of the same name does not have.
    stream_id: String,
    since: Timestamp,
    /// The records that the stream had delivered. When there are more, the delivery works again.
    settled_records: u64,
}

impl ReportedTroubles {
    /// Notes that a notice was published.
    pub fn note(&mut self, notice: &DeliveryNotice) {
        match notice {
            DeliveryNotice::Failing(Failing { name, reported, .. }) => {
                self.0.insert(name.clone(), reported.clone());
            }
            DeliveryNotice::Again(Again { name, .. }) => drop(self.0.remove(name)),
        }
    }
}

/// A notice about the deliveries of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryNotice {
    /// A stream cannot deliver.
    Failing(Failing),
    /// A stream that was reported as failing delivers again.
    Again(Again),
}

/// A stream that cannot deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The name of the stream.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// The place of the files, as `s3://bucket/prefix`; empty if that is not known.
    pub place: String,
    /// The failure, in words.
    pub why: String,
    /// The advice to a person.
    pub remedy: &'static str,
    /// The records that wait.
    pub waiting_records: u64,
    /// The bytes of their data.
    pub waiting_bytes: u64,
    reported: ReportedTrouble,
}

/// A stream that delivers again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// The name of the stream.
    pub name: String,
    /// Since when it could not deliver.
    pub since: Timestamp,
    /// The records that wait; `None` if the stream has ended, after it had delivered all of them.
    pub waiting_records: Option<u64>,
}

/// Returns the notices that are due.
pub(crate) fn due(streams: &Streams, reported: &ReportedTroubles, now: Timestamp) -> Vec<DeliveryNotice> {
    let mut due = Vec::new();
    let all = streams.all();
    for stream in &all {
        let name = stream.name.as_str();
        let reported = reported.0.get(name).filter(|reported| reported.stream_id == stream.log.header().id);
        let notice = match reported {
            None => failing(stream, now).map(DeliveryNotice::Failing),
            Some(reported) => again(stream, reported).map(DeliveryNotice::Again),
        };
        due.extend(notice);
    }
    let is_there = |id: &str| all.iter().any(|stream| stream.log.header().id == id);
    for (name, ReportedTrouble { since, .. }) in reported
        .0
        .iter()
        .filter(|(name, reported)| !is_there(&reported.stream_id) && !streams.is_unusable(name))
    {
        due.push(DeliveryNotice::Again(Again { name: name.clone(), since: *since, waiting_records: None }));
    }
    due
}

fn failing(stream: &LiveStream, now: Timestamp) -> Option<Failing> {
    let trouble = stream.trouble().filter(|trouble| age(trouble.since, now) >= PATIENCE)?;
    let totals = stream.log.totals();
    let waiting = totals.waiting();
    Some(Failing {
        name: stream.name.to_string(),
        since: trouble.since,
        place: trouble.folder,
        why: trouble.why,
        remedy: trouble.remedy,
        waiting_records: waiting.records,
        waiting_bytes: waiting.bytes,
        reported: ReportedTrouble {
            stream_id: stream.log.header().id.clone(),
            since: trouble.since,
            settled_records: totals.settled.records,
        },
    })
}

fn again(stream: &LiveStream, reported: &ReportedTrouble) -> Option<Again> {
    let totals = stream.log.totals();
    let waiting = totals.waiting().records;
    // Directly after a start there is no trouble yet, also if S3 is still away.
    let has_delivered = totals.settled.records > reported.settled_records || waiting == 0;
    let is_well = has_delivered && stream.trouble().is_none();
    is_well.then(|| Again {
        name: stream.name.to_string(),
        since: reported.since,
        waiting_records: Some(waiting),
    })
}
