//! Notices: the mails about sets that cannot start as they should, and about definitions that cannot be used.
//!
//! The id of a notice depends on its cause alone, so that a retry does not send the same notice twice.

use definition::trigger::{NearMiss, Trigger};
use definition::{harmless, subject};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Decision;
use crate::digest::digest;
use crate::ledger::{Content, DroppedFile, Head};
use crate::ports::{About, Notice, Outcome};
use crate::set_name::SetName;

/// The length of the longest text of a notice in bytes. SNS accepts 256 KiB, and the attributes need a part of them.
const MAX_MESSAGE: usize = 250 * 1024;

/// A start that failed, as its notice describes it.
pub(crate) struct FailedStart<'a> {
    /// The step that failed, such as `creating the pipeline`.
    pub step: &'a str,
    pub error: &'a anyhow::Error,
    /// Whether a retry without a change would fail again.
    pub is_final: bool,
}

/// Says that a definition cannot be used. The cause consists of the file's ETag and the reason.
pub(crate) fn broken_definition(name: &str, uri: &str, etag: &str, why: &str) -> Notice {
    let subject = format!("{name}.json cannot be used: {}", why.lines().next().unwrap_or_default());
    let message = format!(
        "{name}.json cannot be used.\n\n{why}\n\nWhere: {uri}\nWhat to do: correct the file and upload it again. Files \
         that are dropped until then are not lost: their runs start afterwards.\n",
    );
    let about = about(name, Outcome::BrokenDefinition, None);
    notice(&["broken definition", name, etag, why], about, &subject, message)
}

/// Says that a key looks as if it were meant for a definition and matches none of its patterns. The cause is the
/// definition and the day on which the key landed.
pub(crate) fn near_miss(
    definition: &str,
    bucket: &str,
    key: &str,
    near: &NearMiss,
    landed: Timestamp,
) -> Notice {
    let NearMiss { pattern, why } = near;
    let day = landed.to_zoned(TimeZone::UTC).date().to_string();
    let name = key.rsplit('/').next().unwrap_or(key);
    let subject = format!("{definition}: {name} matches no pattern");
    let message = format!(
        "A file was dropped that looks as if it were meant for {definition}, and it matches no pattern. No run takes \
         it.\n\nFile: s3://{bucket}/{}\nNearest pattern: {pattern}\nDifference: {why}\n\nWhat to do: drop the file again \
         under a key that matches, or change `myDropFile` in {definition}.json. Further such files of {day} give no mail; \
         `downspout drop` and the log name each.\n",
        key.escape_debug(),
    );
    notice(&["near miss", definition, &day], about(definition, Outcome::Unmatched, None), &subject, message)
}

/// Says that several files match a pattern where `myMatch` allows one. The cause is the set with these files.
pub(crate) fn too_many_files(name: &SetName, bucket: &str, files: &[DroppedFile]) -> Notice {
    let SetName { definition, id } = name;
    let subject = format!("{definition} {id}: {} files match where one is allowed", files.len());
    let list = listed(bucket, files.iter().map(|file| file.key.as_str()));
    let message = format!(
        "{definition} ({id}) does not start, because these files match one pattern, and `myMatch` is `one`:\n\n{list}\nWhat \
         to do: delete all but one of them, and the next sweep starts the set; or set `myMatch` to `newest` or `all` in \
         {definition}.json.\n",
    );
    let mut cause = vec!["too many files", definition, id];
    cause.extend(files.iter().flat_map(|file| [file.key.as_str(), file.etag.as_str()]));
    notice(&cause, about(definition, Outcome::TooManyFiles, None), &subject, message)
}

/// Says that a definition was removed while these sets of it waited for their turn.
pub(crate) fn removed(definition: &str, waiting: &[String]) -> Notice {
    let subject = format!("{definition} was removed: {} waiting set(s) will not start", waiting.len());
    let list: String = waiting.iter().map(|id| format!("  {definition}/{id}\n")).collect();
    let message = format!(
        "The definition {definition} was removed; these sets waited for their turn, and will not start:\n\n{list}\nWhat to \
         do if that was not intended: upload {definition}.json again. The sets start then.\n",
    );
    let mut cause = vec!["removed definition", definition];
    cause.extend(waiting.iter().map(String::as_str));
    notice(&cause, about(definition, Outcome::RemovedDefinition, None), &subject, message)
}

/// Says that a definition got other patterns, in the version `etag` of its file, while these sets of it waited for their turn.
pub(crate) fn other_patterns(definition: &str, etag: &str, waiting: &[String]) -> Notice {
    let subject = format!("{definition} has other patterns: {} waiting set(s) will not start", waiting.len());
    let list: String = waiting.iter().map(|id| format!("  {definition}/{id}\n")).collect();
    let message = format!(
        "The patterns of {definition} were changed, and take the files of these sets no more. The sets waited for their turn, and will \
         not start:\n\n{list}\nWhat to do if that was not intended: write the earlier patterns into {definition}.json again, and the sets \
         start; or drop the files again under keys that the new patterns take.\n",
    );
    let mut cause = vec!["other patterns", definition, etag];
    cause.extend(waiting.iter().map(String::as_str));
    notice(&cause, about(definition, Outcome::RemovedDefinition, None), &subject, message)
}

/// Says that the cap of the day puts a set with this content off.
pub(crate) fn deferral(
    name: &SetName,
    trigger: &Trigger,
    content: &Content,
    until: Timestamp,
    cap: u32,
) -> Notice {
    let SetName { definition, id } = name;
    let shown = trigger.shown(until);
    let subject = format!("{definition} {id}: put off until {shown}, the day's cap is reached");
    let message = format!(
        "All files of {definition} ({id}) are there, but {definition} has started {cap} run(s) today, and \
         `myMaxRunsPerDay` allows no more.\n\nThe set starts by itself from {shown} on. What to do if that is too late: \
         raise `myMaxRunsPerDay` in {definition}.json.\n",
    );
    let about = about(definition, Outcome::Deferred, Some(&content.run_key));
    notice(&["deferred", definition, id, &until.to_string()], about, &subject, message)
}

/// Says which files a set still needs, by the decision about the set. `first` is the time at which its first file arrived.
pub(crate) fn missing_files(
    name: &SetName,
    trigger: &Trigger,
    bucket: &str,
    first: Timestamp,
    decision: &Decision,
) -> Notice {
    let SetName { definition, id } = name;
    let Decision { missing, reason, .. } = decision;
    let reason = harmless::of_line(reason);
    let subject = format!("{definition} {id}: {} file(s) still missing", missing.len());
    let by = trigger.wanted_by().map(|by| format!("; they should have been there by {by}"));
    let by = by.unwrap_or_default();
    let since = trigger.shown(first);
    let files = listed(bucket, missing.iter().map(String::as_str));
    let message = format!(
        "{definition} ({id}) has waited for these files since {since}{by}:\n\n{files}\nWhy: {reason}.\nWhat to do: drop \
         them. The run starts as soon as the set is complete.\n",
    );
    let about = about(definition, Outcome::Incomplete, None);
    notice(&["incomplete", definition, id, &first.to_string()], about, &subject, message)
}

/// Says that the run of a set could not start. `definition_uri` is the location of the definition's file.
pub(crate) fn not_started(
    name: &SetName,
    bucket: &str,
    head: Option<&Head>,
    definition_uri: &str,
    failed: &FailedStart<'_>,
) -> Notice {
    let SetName { definition, id } = name;
    let FailedStart { step, error, is_final } = failed;
    let run = head.map(Head::unique_id).unwrap_or_default();
    let keys = head.iter().flat_map(|head| head.files.iter().map(|file| file.key.as_str()));
    let files = listed(bucket, keys.clone());
    let what_to_do = if *is_final && keys.into_iter().any(|key| key.contains(char::is_control)) {
        format!(
            "drop the files again under keys without control characters; if the error stays, correct {definition}.json"
        )
    } else if *is_final {
        format!("correct {definition}.json, then drop all the files again")
    } else {
        "nothing yet: the orchestrator tries again. If the problem stays, check that the pipeline service is up and that \
         the orchestrator has permission to use it"
            .to_owned()
    };
    let message = format!(
        "The run of {definition} ({id}) could not start.\n\nWhat went wrong while {step}:\n{error:#}\n\nDefinition: \
         {definition_uri}\nFiles:\n{files}\nWhat to do: {what_to_do}.\n",
    );
    // The text of a passing failure differs from try to try, so the step alone is its cause.
    let detail = if *is_final { format!("{error:#}") } else { String::new() };
    let cause = ["not started", definition, id, &run, step, &detail];
    let about = about(definition, Outcome::NotStarted, head.map(|head| head.run_key.as_str()));
    notice(&cause, about, &format!("{definition} {id}: could not start ({step})"), message)
}

fn listed<'a>(bucket: &str, keys: impl Iterator<Item = &'a str>) -> String {
    keys.map(|key| format!("  s3://{bucket}/{}\n", harmless::of_line(key))).collect()
}

fn about(definition: &str, outcome: Outcome, run_key: Option<&str>) -> About {
    About { definition: definition.to_owned(), outcome, run_key: run_key.map(str::to_owned) }
}

/// Returns the notice for `cause`, whose digest becomes the id. `cause` must not contain anything that differs from try
/// to try.
fn notice(cause: &[&str], about: About, subject: &str, message: String) -> Notice {
    let subject = subject::of(subject).and_then(|line| subject::of(&harmless::of_line(&line)));
    let subject = subject.unwrap_or_else(|| about.outcome.as_str().to_owned());
    let message = limited(harmless::of_text(&message));
    Notice { id: digest(cause)[..32].to_owned(), subject, message, about }
}

/// Cuts a text that SNS would refuse for its length, and says so at its end.
fn limited(mut message: String) -> String {
    if message.len() > MAX_MESSAGE {
        message.truncate(message.floor_char_boundary(MAX_MESSAGE));
        message.push_str("...\n\nThe text is longer than a notice may be; the rest was left out.\n");
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cause: &[&str], subject: &str, message: &str) -> Notice {
        notice(cause, about("orders", Outcome::Incomplete, None), subject, message.to_owned())
    }

    #[test]
    fn a_subject_is_one_line_that_sns_accepts() {
        assert_eq!(of(&["x"], "Köln\n2026\u{7}", "").subject, "Köln 2026");
        assert_eq!(of(&["x"], &"ä".repeat(300), "").subject.chars().count(), 100);
        assert_eq!(of(&["x"], "\n", "").subject, "incomplete");
        assert_eq!(of(&["x"], "a\u{202e}vsc.CSV", "").subject, "a\\u{202e}vsc.CSV");
    }

    #[test]
    fn a_text_is_cut_at_a_character_before_sns_refuses_it() {
        let message = of(&["x"], "s", &"ä".repeat(200_000)).message;
        assert!(message.len() < 256 * 1024 - 2048 && message.contains("ä...\n\nThe text is longer"));
        assert_eq!(of(&["x"], "s", "short\n").message, "short\n");
    }

    #[test]
    fn a_key_cannot_steer_the_reader_of_a_notice_and_has_to_change_itself() {
        let name = SetName { definition: "ctl".to_owned(), id: "x=1".to_owned() };
        let key = "in/a\u{1b}[2J\n\u{202e}.csv".to_owned();
        let modified = Timestamp::UNIX_EPOCH;
        let file = DroppedFile { key: key.clone(), etag: "1".to_owned(), modified, is_spare: false };
        let claim = crate::ledger::Claim {
            holder: "h".to_owned(),
            now: modified,
            lease: std::time::Duration::from_secs(60),
            slot: None,
        };
        let ledger = crate::ledger::Ledger::default().claimed(&Content::new(&name, vec![file]), &claim);
        let error = anyhow::anyhow!("refused: {key}");
        let failed = FailedStart { step: "creating the pipeline", error: &error, is_final: true };
        let message = not_started(&name, "drop", ledger.head.as_ref(), "s3://d/ctl.json", &failed).message;
        assert!(message.contains("  s3://drop/in/a\\u{1b}[2J\\n\\u{202e}.csv\n"), "{message}");
        assert!(!message.contains(['\u{1b}', '\u{202e}']), "{message}");
        let advice = "drop the files again under keys without control characters; if the error stays, correct ctl.json";
        assert!(message.contains(advice), "{message}");
    }

    #[test]
    fn an_id_depends_on_every_part_of_the_cause() {
        let id = |cause: &[&str]| of(cause, "", "").id;
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        assert_ne!(id(&["a", "b"]), id(&["ab", ""]));
    }
}
