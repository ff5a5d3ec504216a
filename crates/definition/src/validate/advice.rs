//! Recommendations: definitions that work but can be improved. Some are also warnings of AWS, in other words.

use super::{INVALID, checked_definition::CheckedDefinition, problems::Problems};
use crate::{
    ObjectId, PipelineObject, expression,
    inherit::DEFAULT_ID,
    kind::{Kind, field},
};

const CODE: &str = "RECOMMENDED_FIELD";

pub(super) fn check(checked: &CheckedDefinition<'_>, problems: &mut Problems) {
    let has_work = checked.typed().any(|(_, kind)| kind.is_activity());
    if let Some(default) = checked.object(&ObjectId::from(DEFAULT_ID)).map(|object| object.stated)
        && has_work
        && default.string("failureAndRerunMode").is_none()
    {
        let message = "'failureAndRerunMode' is missing: 'cascade' on the Default object is recommended, so that \
                       a failure reaches the objects that wait";
        problems.warning(&default.id, Some("failureAndRerunMode"), CODE, message);
    }
    let is_many = |retries: u32| retries > field::AWS_MOST_RETRIES;
    for (object, kind) in checked.typed() {
        if kind.is_activity() && object.string("pipelineLogUri").is_none() {
            let message = "'pipelineLogUri' is missing: set it on the Default object to keep the logs";
            problems.warning(object.id(), Some("pipelineLogUri"), CODE, message);
        }
        if kind.is_resource() && object.string("terminateAfter").is_none() {
            let message =
                "'terminateAfter' is missing: without it, a forgotten resource runs and costs money for ever";
            problems.warning(object.id(), Some("terminateAfter"), CODE, message);
        }
        if kind.is_activity() && has_runs_on_and_worker_group(object.stated) {
            let message = "'workerGroup' is ignored, because 'runsOn' is set";
            problems.warning(object.id(), Some("workerGroup"), "IGNORED_FIELD", message);
        }
        if field::MAXIMUM_RETRIES.parse(object.string("maximumRetries").unwrap_or("0")).is_ok_and(is_many) {
            let message = format!(
                "'maximumRetries' is above {}, the most that the documentation of AWS allows",
                field::AWS_MOST_RETRIES
            );
            let owner = &object.owner("maximumRetries").id;
            problems.warning(owner, Some("maximumRetries"), "ABOVE_LIMIT_OF_AWS", message);
        }
        if kind == Kind::SnsAlarm {
            subject_line(object.string("subject"), object.id(), problems);
        }
    }
    if let Some(format) = format_of_aws(checked) {
        let message = "Downspout reads quotes as RFC 4180 says, and a backslash as text; AWS treats quotes as text \
                       and a backslash as an escape: set 'myDialect' to aws to read as AWS, or 'myQuote' to keep the \
                       reading of RFC 4180";
        problems.warning(format, None, "READS_DIFFERENTLY", message);
    }
}

/// Returns the first format (CSV or TSV, used by a load) that has no `my…` field. Such a format may have been written for AWS.
fn format_of_aws<'a>(checked: &CheckedDefinition<'a>) -> Option<&'a ObjectId> {
    let loads = checked.typed().filter(|(_, kind)| *kind == Kind::CopyActivity);
    let files = loads.filter_map(|(load, _)| {
        let is_table =
            |id: &ObjectId| matches!(checked.kind(id), Some(Kind::SqlDataNode | Kind::MySqlDataNode));
        load.reference("output").filter(|id| is_table(id))?;
        checked.object(load.reference("input")?)
    });
    let formats = files.filter_map(|file| checked.object(file.reference("dataFormat")?));
    let mut plain = formats.filter(|format| {
        let kind = format.kind().filter(|kind| matches!(kind, Kind::Csv | Kind::Tsv));
        kind.is_some_and(|kind| kind.my_fields().iter().all(|spec| format.key(spec.key).is_none()))
    });
    plain.next().map(|format| format.id())
}

/// Returns whether the object itself states `runsOn` and `workerGroup`. An object that inherits one of the two
/// or both is common and harmless.
fn has_runs_on_and_worker_group(stated: &PipelineObject) -> bool {
    stated.reference("runsOn").is_some() && stated.string("workerGroup").is_some()
}

/// Warns of a subject that must be shortened, because SNS accepts at most 100 characters in one line.
fn subject_line(subject: Option<&str>, id: &ObjectId, problems: &mut Problems) {
    let Some(text) = subject.filter(|text| !expression::is_in(text)) else { return };
    if text.encode_utf16().count() > 100 || text.contains(char::is_control) {
        let message = "'subject' will be shortened: SNS accepts one line of at most 100 characters";
        problems.warning(id, Some("subject"), INVALID, message);
    }
}
