//! The log lines of the orchestrator, in one list.

use anyhow::Error;

use super::{Decision, Verdict};
use crate::set_name::SetName;

/// Logs the decision about a key; `key` is empty if a record had none.
pub(crate) fn decision(decision: &Decision, key: &str) {
    let message = match decision.verdict {
        Verdict::Started => "started a run for the set of a dropped file",
        Verdict::Duplicate => "started nothing: the set of a dropped file has its run already",
        Verdict::Incomplete => "started nothing: the set of a dropped file needs more files",
        Verdict::Deferred => "put off the set of a dropped file to another day",
        Verdict::Next | Verdict::QueuedBehind | Verdict::Paused => {
            "queued the set of a dropped file behind the run at work"
        }
        Verdict::Unmatched => "ignored a dropped file that matches no pattern",
        Verdict::Ignored => "ignored a key",
        Verdict::Failed => "started nothing: the set of a dropped file cannot start",
        Verdict::Ready => "read the state of a dropped file's set",
    };
    tracing::info!(
        s3.key = key,
        definition = decision.definition,
        set = decision.set,
        pipeline.id = decision.pipeline_id,
        missing = (!decision.missing.is_empty()).then(|| decision.missing.join(", ")),
        reason = decision.reason,
        "{message}"
    );
}

/// Logs the error that stopped a message.
pub(crate) fn message_failed(error: &Error) {
    tracing::error!(error = format!("{error:#}"), "could not handle a dropped file");
}

/// Logs that a service is busy, before the pause after which its call is made again.
pub(crate) fn service_busy(error: &impl std::fmt::Display, pause: std::time::Duration) {
    tracing::warn!(
        error = format!("{error:#}"),
        pause_ms = pause.as_millis(),
        "a service is busy: the call is made again after a pause"
    );
}

/// Logs the error that stopped a sweep at a set or a definition.
pub(crate) fn sweep_failed(set: &str, error: &Error) {
    tracing::error!(set, error = format!("{error:#}"), "the sweep could not handle this set");
}

/// Logs that a definition cannot be used, once for each notice about it.
pub(crate) fn broken_definition(definition: &str, etag: &str, why: &str) {
    tracing::warn!(definition, etag, reason = why, "a definition cannot be used");
}

/// Logs that the time of the first sight of a broken definition could not be stored.
pub(crate) fn first_sight_unknown(definition: &str, error: &Error) {
    tracing::error!(
        definition,
        error = format!("{error:#}"),
        "could not store when this definition was first seen"
    );
}

/// Logs that a notice could not be published.
pub(crate) fn notice_unpublished(error: &Error) {
    tracing::error!(error = format!("{error:#}"), "could not publish a notice");
}

/// Logs that a failed start could not be written into the ledger.
pub(crate) fn failure_unrecorded(error: &Error) {
    tracing::warn!(error = format!("{error:#}"), "could not write a failed start into the ledger");
}

/// Logs that a failed start keeps the turn until its lease ends.
pub(crate) fn turn_kept(error: &Error) {
    tracing::warn!(
        error = format!("{error:#}"),
        "could not give back the turn of a failed start: other sets wait until its lease ends"
    );
}

/// Logs that the ledger has no facts about a run.
pub(crate) fn facts_unknown(id: &str, error: &Error) {
    tracing::warn!(
        pipeline.id = id,
        error = format!("{error:#}"),
        "could not read what a run did: its history has no rows"
    );
}

/// Logs that the mark of a set that waits no longer could not be removed.
pub(crate) fn mark_kept(key: &str, error: &Error) {
    tracing::warn!(
        s3.key = key,
        error = format!("{error:#}"),
        "could not remove a set from the queue: a later run removes it"
    );
}

/// Logs that a mark is removed because the definition has no such set any more.
pub(crate) fn mark_without_set(key: &str) {
    tracing::warn!(
        s3.key = key,
        "removed a waiting set from the queue: its definition was changed, and no longer has this set"
    );
}

/// Logs that the object of a turn cannot be read.
pub(crate) fn unreadable_turn(key: &str, error: &serde_json::Error) {
    tracing::error!(s3.key = key, error = %error, "the object of a turn cannot be read: the turn counts as free");
}

/// Logs that a pipeline is deleted because it is stale.
pub(crate) fn deleting_stale(id: &str, name: &str) {
    tracing::info!(pipeline.id = id, pipeline.name = name, "deleting a stale pipeline");
}

/// Logs that stale pipelines could not be removed.
pub(crate) fn stale_kept(name: &SetName, error: &Error) {
    tracing::warn!(
        set = %name,
        error = format!("{error:#}"),
        "could not remove stale pipelines: the next run tries again"
    );
}
