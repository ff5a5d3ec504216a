//! Notices: the mails about sets that cannot start as they should, and about definitions that cannot be used.
//!
//! The id of a notice depends on its cause alone, so that a retry does not send the same notice twice.

use jiff::Timestamp;

use crate::digest::digest;
use crate::ledger::Head;
use crate::ports::Notice;
use crate::set_name::SetName;

/// The length of the longest subject that SNS accepts, in characters.
const MAX_SUBJECT: usize = 100;

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
    notice(&["broken definition", name, etag, why], &subject, message)
}

/// Says that the cap of the day puts a set off.
pub(crate) fn deferral(name: &SetName, until: Timestamp, cap: u32) -> Notice {
    let SetName { definition, id } = name;
    let subject = format!("{definition} {id}: put off until {until}, the day's cap is reached");
    let message = format!(
        "All files of {definition} ({id}) are there, but {definition} has started {cap} run(s) today, and \
         `myMaxRunsPerDay` allows no more.\n\nThe set starts by itself from {until} on. What to do if that is too late: \
         raise `myMaxRunsPerDay` in {definition}.json.\n",
    );
    notice(&["deferred", definition, id, &until.to_string()], &subject, message)
}

/// Says which files a set still needs. `first` is the time at which its first file arrived.
pub(crate) fn missing_files(name: &SetName, bucket: &str, first: Timestamp, missing: &[String]) -> Notice {
    let SetName { definition, id } = name;
    let subject = format!("{definition} {id}: {} file(s) still missing", missing.len());
    let files = listed(bucket, missing.iter().map(String::as_str));
    let message = format!(
        "{definition} ({id}) has waited for these files since {first}:\n\n{files}\nWhat to do: drop them. The run \
         starts as soon as the set is complete.\n",
    );
    notice(&["incomplete", definition, id, &first.to_string()], &subject, message)
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
    let files = listed(bucket, keys);
    let what_to_do = if *is_final {
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
    notice(&cause, &format!("{definition} {id}: could not start ({step})"), message)
}

fn listed<'a>(bucket: &str, keys: impl Iterator<Item = &'a str>) -> String {
    keys.map(|key| format!("  s3://{bucket}/{key}\n")).collect()
}

/// Returns the notice for `cause`, whose digest becomes the id. `cause` must not contain anything that differs from try
/// to try.
fn notice(cause: &[&str], subject: &str, message: String) -> Notice {
    Notice { id: digest(cause)[..32].to_owned(), subject: ascii(subject), message }
}

/// Returns `subject` as SNS accepts it: every character that is not printable ASCII becomes `?`, and a subject that is
/// too long is cut.
fn ascii(subject: &str) -> String {
    let printable = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    let line: String = subject.chars().map(printable).collect();
    match line.get(..MAX_SUBJECT - 3) {
        Some(beginning) if line.len() > MAX_SUBJECT => format!("{beginning}..."),
        Some(_) | None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_short_and_ascii() {
        let notice = notice(&["x"], &"ä\n".repeat(80), String::new());
        assert!(notice.subject.len() == 100 && notice.subject.is_ascii() && !notice.subject.contains('\n'));
    }

    #[test]
    fn an_id_depends_on_every_part_of_the_cause() {
        let id = |cause: &[&str]| notice(cause, "", String::new()).id;
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        assert_ne!(id(&["a", "b"]), id(&["ab", ""]));
    }
}
