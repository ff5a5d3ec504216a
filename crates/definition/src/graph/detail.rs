//! Short descriptions of objects, in one line each.

use crate::{
    PipelineObject,
    kind::{
        Group, Kind,
        field::{PERIOD, START_AT, SchedulePeriod, StartAt},
    },
};

/// The maximum length of a description, in characters. More text does not help in a picture, nor in a tooltip.
const LONGEST: usize = 240;

/// Returns the description of `object`, if it has one.
pub(super) fn of(object: &PipelineObject, kind: Kind) -> Option<String> {
    let text = match kind.group() {
        Group::Schedule => schedule(object),
        Group::DataNode => data(object),
        Group::Resource => {
            joined(object, &["releaseLabel", "amiVersion", "instanceType", "coreInstanceType"])
        }
        Group::Action => first(object, &["subject", "topicArn"]),
        Group::Activity => activity(object, kind),
        Group::Precondition => first(object, &["s3Key", "s3Prefix", "tableName", "command", "scriptUri"]),
        Group::Database | Group::DataFormat | Group::Utility => None,
    };
    // The name describes an object that has no other description, unless the name only repeats the id. The console of
    // AWS generates ids, so the name may be the only text from the user.
    let text = text.or_else(|| (object.id != *object.name).then(|| object.name.clone()));
    text.map(|text| one_line(&text)).filter(|text| !text.is_empty())
}

fn activity(object: &PipelineObject, kind: Kind) -> Option<String> {
    match kind {
        Kind::RedshiftCopyActivity => first(object, &["insertMode"]),
        Kind::HiveCopyActivity => first(object, &["filterSql"]),
        _ => first(object, &["command", "scriptUri", "script", "hiveScript", "step", "jarUri"]),
    }
}

fn data(object: &PipelineObject) -> Option<String> {
    let table = first(object, &["table", "tableName"]);
    match (object.string("schemaName"), table) {
        (Some(schema), Some(table)) => Some(format!("{schema}.{table}")),
        (None, Some(table)) => Some(table),
        (_, None) => first(object, &["filePath", "directoryPath"]),
    }
}

fn schedule(object: &PipelineObject) -> Option<String> {
    let period = object.string("period")?;
    if PERIOD.parse(period) == Ok(SchedulePeriod::OnDemand) {
        return Some("on demand".to_owned());
    }
    let start = first(object, &["startDateTime", "startAt"]).map(|start| match START_AT.parse(&start) {
        Ok(StartAt::FirstActivation) => " from activation on".to_owned(),
        Ok(StartAt::OnDemandActivation) | Err(_) => format!(" from {start}"),
    });
    Some(format!("every {period}{}", start.unwrap_or_default()))
}

fn first(object: &PipelineObject, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| object.string(key)).map(str::to_owned)
}

fn joined(object: &PipelineObject, keys: &[&str]) -> Option<String> {
    let texts: Vec<_> = keys.iter().filter_map(|key| object.string(key)).collect();
    (!texts.is_empty()).then(|| texts.join(" · "))
}

/// Returns `text` on one line, cut after [`LONGEST`] characters. Control characters are replaced, because pictures
/// cannot show them.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.replace(char::is_control, "\u{fffd}");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Field;

    fn detail(kind: Kind, fields: &[(&str, &str)]) -> Option<String> {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value)).collect();
        of(&PipelineObject { id: "A".into(), name: "A".to_owned(), fields }, kind)
    }

    #[test]
    fn a_table_is_named_with_its_schema() {
        let fields = [("schemaName", "staging"), ("table", "orders"), ("*password", "hush")];
        assert_eq!(detail(Kind::SqlDataNode, &fields).as_deref(), Some("staging.orders"));
    }

    #[test]
    fn a_command_is_put_on_one_line() {
        let fields = [("command", "set -e\n  run\u{7}")];
        assert_eq!(detail(Kind::ShellCommandActivity, &fields).as_deref(), Some("set -e run\u{fffd}"));
    }

    #[test]
    fn a_schedule_says_how_often_and_from_when() {
        let fields = [("period", "1 day"), ("startAt", "FIRST_ACTIVATION_DATE_TIME")];
        assert_eq!(detail(Kind::Schedule, &fields).as_deref(), Some("every 1 day from activation on"));
        assert_eq!(detail(Kind::Schedule, &[("period", " OnDemand_Period")]).as_deref(), Some("on demand"));
    }

    #[test]
    fn a_name_replaces_a_missing_description() {
        let object =
            PipelineObject { id: "ActivityId_1".into(), name: "Copy".to_owned(), fields: Vec::new() };
        assert_eq!(of(&object, Kind::CopyActivity).as_deref(), Some("Copy"));
        assert_eq!(detail(Kind::CopyActivity, &[]), None);
    }
}
