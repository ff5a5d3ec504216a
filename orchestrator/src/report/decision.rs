//! Decisions about keys and sets: the answer of a handler, also shown to people who ask.

use definition::trigger::{Captures, NearMiss, Trigger};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::{DroppedFile, HeadState, Ledger};
use crate::set_name::SetName;

/// The decision about a key or a set, for one definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The definition's name; empty if the key belongs to no definition.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub definition: String,
    /// The set's name within the definition, `day=2026-11-20`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// The key in the event. Decisions of a sweep have no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The decision in one word.
    #[serde(rename = "decision")]
    pub verdict: Verdict,
    /// The pipeline that was started now or earlier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_id: Option<String>,
    /// The state of the set's newest run in the ledger: `activated`, `finished`, `failed`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The keys of the files that are missing, or that must be dropped again because they are not newer than those of
    /// the last run. The answer to an event may name some of the missing files only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// The reason, in one sentence for people.
    pub reason: String,
}

/// A decision in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A pipeline was activated for the set.
    Started,
    /// The same content has a run already, or another handler is starting one.
    Duplicate,
    /// Files of the set are missing, or are not newer than those of its last run.
    Incomplete,
    /// The day's cap is reached. The set runs on another day.
    Deferred,
    /// An earlier run of the same set is at work, or more changes may follow. This content runs next.
    Next,
    /// A run of another set of the definition is at work. This set runs after it.
    #[serde(rename = "behind")]
    QueuedBehind,
    /// A person has paused the definition. This set runs after the definition is resumed.
    Paused,
    /// The key matches no pattern.
    Unmatched,
    /// The key cannot start a run.
    Ignored,
    /// The set could not be started. A notice says why.
    Failed,
    /// The set is whole and would start now. Only the answer to a question about a key contains this word.
    Ready,
}

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// The decisions about the sets that needed something.
    pub decisions: Vec<Decision>,
    /// The number of runs whose outcome was written into the ledger.
    pub ended: usize,
    /// The sets that an error stopped, one sentence each.
    pub failures: Vec<String>,
    /// The number of sets that never ran and whose files were dropped before their definition was uploaded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub older: usize,
    /// The command that runs the last of these sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_rerun: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A key that cannot start a run, or a record without a key.
pub(crate) fn ignored(key: Option<String>, reason: &str) -> Decision {
    Decision {
        definition: String::new(),
        set: None,
        key,
        verdict: Verdict::Ignored,
        pipeline_id: None,
        state: None,
        missing: Vec::new(),
        reason: reason.to_owned(),
    }
}

/// A key that matches no pattern.
pub(crate) fn unmatched(key: &str) -> Decision {
    let reason = "the key matches no `myDropFile` pattern of any definition";
    Decision { verdict: Verdict::Unmatched, ..ignored(Some(key.to_owned()), reason) }
}

/// Returns the end of a reason about a key without a match. `broken` has the definitions that cannot be used, each with the reason;
/// the key may have been meant for one of them.
pub(crate) fn unusable(broken: &[(&str, &str)]) -> String {
    match broken {
        [] => String::new(),
        [(name, why)] => {
            format!("; {name}.json cannot be used: {}", why.lines().next().unwrap_or_default())
        }
        _ => format!("; {} definitions cannot be used: `downspout validate`", broken.len()),
    }
}

/// Returns the end of a reason about a key without a match. The text names the definition that the user probably meant.
pub(crate) fn nearest(definition: &str, near: &NearMiss) -> String {
    format!("; the nearest is `{}` of {definition}: {}", near.pattern, near.why)
}

/// A set in which several files match a pattern that allows one.
pub(crate) fn too_many(name: &SetName, files: &[DroppedFile]) -> Decision {
    let keys: Vec<_> = files.iter().map(|file| file.key.as_str()).collect();
    let reason = format!("several files match where `myMatch` allows one: {}", keys.join(", "));
    of_set(name, Verdict::Failed, reason)
}

/// A set that needs more files.
pub(crate) fn incomplete(name: &SetName, trigger: &Trigger, missing: Vec<String>) -> Decision {
    let reason = "these files have not arrived yet, or are empty";
    let marker = trigger.marker.as_ref().map(|_| "; the marker has to come after all other files");
    let reason = format!("{reason}{}", marker.unwrap_or_default());
    Decision { missing, ..of_set(name, Verdict::Incomplete, reason) }
}

/// A set whose marker is older than a file of the data.
pub(crate) fn overtaken(name: &SetName, marker: String, newer: &str) -> Decision {
    let short = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let reason = format!("`{}` is older than `{}`; drop it again", short(&marker), short(newer));
    Decision { missing: vec![marker], ..of_set(name, Verdict::Incomplete, reason) }
}

/// A set that starts nothing, because all of its files were dropped before the definition was uploaded.
pub(crate) fn older(name: &SetName, captures: &Captures) -> Decision {
    let reason = format!(
        "dropped before the definition was uploaded; `{}` runs it, or set `myBackfill`",
        rerun_command(&name.definition, captures)
    );
    of_set(name, Verdict::Ignored, reason)
}

/// Returns the command that runs a set by hand.
pub(crate) fn rerun_command(definition: &str, captures: &Captures) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.=+@,:/".contains(letter);
    let quoted = |text: String| match text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    };
    let values = captures.iter().map(|(name, value)| format!(" {}", quoted(format!("{name}={value}"))));
    format!("downspout rerun {}{}", quoted(definition.to_owned()), values.collect::<String>())
}

/// A set that starts nothing, because some of its files are not newer than those of its last run.
pub(crate) fn not_newer(name: &SetName, old: Vec<String>) -> Decision {
    let reason = "these files are not newer than those of the last run";
    Decision { missing: old, ..of_set(name, Verdict::Incomplete, reason) }
}

/// A set that starts nothing, because its content has a run.
pub(crate) fn duplicate(name: &SetName, reason: &str, ledger: &Ledger) -> Decision {
    with_head(of_set(name, Verdict::Duplicate, reason), ledger)
}

/// A set over the day's cap.
pub(crate) fn deferred(
    name: &SetName,
    captures: &Captures,
    trigger: &Trigger,
    until: Timestamp,
    ledger: &Ledger,
) -> Decision {
    let reason = format!(
        "the cap of the day is reached; the set can start from {} on, or at once with `{}`",
        trigger.shown(until),
        forced_rerun_command(&name.definition, captures)
    );
    with_head(of_set(name, Verdict::Deferred, reason), ledger)
}

/// Returns the command that runs a set by hand although the day's cap is reached.
fn forced_rerun_command(definition: &str, captures: &Captures) -> String {
    format!("{} --force", rerun_command(definition, captures))
}

/// Content that runs after the set's own run.
pub(crate) fn next(name: &SetName, ledger: &Ledger) -> Decision {
    let mut decision =
        of_set(name, Verdict::Next, "an earlier run of this set comes first; these files are next");
    decision.pipeline_id = ledger.head.as_ref().and_then(|head| head.pipeline_id.clone());
    decision
}

/// A set that runs after another set of its definition, whose run may have a pipeline.
pub(crate) fn queued_behind(name: &SetName, other: &SetName, pipeline_id: Option<&str>) -> Decision {
    let id = pipeline_id.map(|id| format!(" ({id})")).unwrap_or_default();
    of_set(
        name,
        Verdict::QueuedBehind,
        format!("the run of {other}{id} is at work; this set starts after it"),
    )
}

/// A set that could not be started.
pub(crate) fn failed(name: &SetName, error: &anyhow::Error) -> Decision {
    of_set(name, Verdict::Failed, format!("{error:#}"))
}

/// A set that waits until its definition is resumed.
pub(crate) fn paused(name: &SetName, since: Timestamp) -> Decision {
    let definition = &name.definition;
    let reason = format!(
        "{definition} is paused since {since:.0}; `downspout resume {definition}` lets the set start"
    );
    of_set(name, Verdict::Paused, reason)
}

/// A set that would start now.
pub(crate) fn ready(name: &SetName) -> Decision {
    of_set(name, Verdict::Ready, "the set is whole and about to start")
}

/// A set whose pipeline was activated.
pub(crate) fn started(name: &SetName, reason: &str, ledger: &Ledger) -> Decision {
    with_head(of_set(name, Verdict::Started, reason), ledger)
}

fn of_set(name: &SetName, verdict: Verdict, reason: impl Into<String>) -> Decision {
    Decision {
        definition: name.definition.clone(),
        set: Some(name.id.clone()),
        key: None,
        verdict,
        pipeline_id: None,
        state: None,
        missing: Vec::new(),
        reason: reason.into(),
    }
}

/// Adds the facts about the ledger's head: its pipeline, its state, and why it failed.
fn with_head(mut decision: Decision, ledger: &Ledger) -> Decision {
    let Some(head) = &ledger.head else { return decision };
    decision.pipeline_id.clone_from(&head.pipeline_id);
    decision.state = Some(head.state.as_str().to_owned());
    if let (HeadState::Failed, Some(error)) = (head.state, &head.error) {
        decision.reason.push_str(&format!(" ({error})"));
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_runs_a_set_can_be_pasted_into_a_shell() {
        let captures = |value: &str| [("day".to_owned(), value.to_owned())].into_iter().collect::<Captures>();
        assert_eq!(rerun_command("pre", &captures("d1")), "downspout rerun pre day=d1");
        assert_eq!(rerun_command("pre", &captures("a b'c")), r"downspout rerun pre 'day=a b'\''c'");
        assert_eq!(rerun_command("pre", &Captures::default()), "downspout rerun pre");
        assert_eq!(forced_rerun_command("pre", &captures("d1")), "downspout rerun pre day=d1 --force");
    }

    #[test]
    fn one_definition_that_cannot_be_used_is_named_and_many_are_counted() {
        assert_eq!(unusable(&[]), "");
        assert_eq!(unusable(&[("a", "why\nmore")]), "; a.json cannot be used: why");
        assert_eq!(
            unusable(&[("a", "x"), ("b", "y")]),
            "; 2 definitions cannot be used: `downspout validate`"
        );
    }

    #[test]
    fn the_words_of_decisions_stay_what_callers_know() {
        let words = [
            (Verdict::Started, "started"),
            (Verdict::Duplicate, "duplicate"),
            (Verdict::Incomplete, "incomplete"),
            (Verdict::Deferred, "deferred"),
            (Verdict::Next, "next"),
            (Verdict::QueuedBehind, "behind"),
            (Verdict::Paused, "paused"),
            (Verdict::Unmatched, "unmatched"),
            (Verdict::Ignored, "ignored"),
            (Verdict::Failed, "failed"),
            (Verdict::Ready, "ready"),
        ];
        for (verdict, word) in words {
            assert_eq!(serde_json::to_value(verdict).unwrap(), word);
        }
    }
}
