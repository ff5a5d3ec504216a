//! The state of a stream, as listings show it.

use jiff::{SignedDuration, Timestamp};

use crate::answers::StreamSummary;
use crate::live::{Acceptance, LiveStream};
use crate::log::{Origin, Totals};
use crate::streams::age;

/// Returns the state of a stream.
pub(crate) async fn of(stream: &LiveStream, now: Timestamp) -> StreamSummary {
    let totals = stream.log.totals();
    let state = match stream.acceptance().await {
        Acceptance::Active => "ACTIVE",
        Acceptance::FileGone => "FILE_GONE",
        Acceptance::Ending => "DELETING",
    };
    let origin = if stream.is_of_file() { Origin::File } else { stream.log.header().origin };
    let waiting = totals.waiting();
    StreamSummary {
        name: stream.name.to_string(),
        state: state.to_owned(),
        origin: origin.word().to_owned(),
        version: stream.version().map_or(0, |version| version.number),
        records_per_second: stream.records_per_second(now),
        accepted_records: totals.accepted.records,
        waiting_records: waiting.records,
        waiting_bytes: waiting.bytes,
        oldest: totals.oldest(),
        delivered: totals.counts.delivered,
        delivered_lines: totals.counts.lines,
        quarantined: totals.counts.quarantined,
        left_out: totals.counts.left_out,
        cuts: totals.cuts,
        hot_key: stream.hot_key(now),
        why: why(stream, &totals, now),
    }
}

/// Returns one sentence about the most important fact.
fn why(stream: &LiveStream, totals: &Totals, now: Timestamp) -> Option<String> {
    if let Some(trouble) = stream.trouble() {
        let pause = age(now, trouble.next_try).as_secs_f64();
        let (tries, why) = (trouble.tries, trouble.why);
        return Some(format!("{why}; tried {tries} times, next try in {pause:.0} s"));
    }
    if let Some(problem) = stream.file_problem() {
        let is_usable = stream.version().is_ok();
        let effect = if is_usable { "the version before stays in force" } else { "nothing is accepted" };
        return Some(format!("the stream's file has an error, and {effect}: {problem}"));
    }
    if let Some(cut) = &totals.open_cut {
        return Some(format!("cut {} with {} records is being delivered", cut.number, cut.amount.records));
    }
    let buffering = stream.version().ok()?.stream.buffering;
    let left = (buffering.interval - age(totals.oldest_uncut?, now)).max(SignedDuration::ZERO);
    let (records, megabytes, left) = (totals.waiting().records, buffering.bytes >> 20, left.as_secs());
    let who = if records == 1 { "1 record waits" } else { &format!("{records} records wait") };
    Some(format!("{who} for more: delivery comes at {megabytes} MB, or in {left} s"))
}
