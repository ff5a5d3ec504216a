//! Fields to typed values, with an error that names object and field.

use std::collections::HashMap;

use definition::kind::Kind;
use definition::kind::field::{self, Compression, FieldError};
use definition::{FieldValue, PipelineObject};

use super::ability::{self, Doing, Hindrance, Place};
use super::{
    Activity, Copy, Format, Node, Precondition, S3Node, Script, ShellCommand, SqlNode, SqlScript, Task,
};
use crate::database::Target;
use crate::etl::date::Pattern;
use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::storage::S3Uri;

pub(super) struct Reader<'a> {
    pub(super) objects: &'a HashMap<String, PipelineObject>,
    pub(super) attempt: &'a PipelineObject,
}

impl Reader<'_> {
    pub(super) fn task(&self, pipeline: &str) -> Result<Task, Failure> {
        let attempt = self.attempt;
        let instance = text_or_reference(attempt, "@instanceParent").unwrap_or_else(|| attempt.id.as_str());
        let component = text_or_reference(attempt, "@componentParent").unwrap_or(instance);
        let generation = attempt.string("@generation").and_then(|text| text.parse().ok()).unwrap_or(0);
        let key = WorkKey { pipeline: pipeline.to_owned(), instance: instance.to_owned(), generation };
        let logs = self.s3("pipelineLogUri", attempt)?;
        let logs = logs.map(|root| root.child(&format!("{pipeline}/{component}/{instance}")));
        let activity = match ability::doing(attempt)? {
            Doing::Shell => Activity::Shell(Box::new(self.shell()?)),
            Doing::Copy => Activity::Copy(Box::new(self.copy(&key, logs.as_ref())?)),
            Doing::Sql => Activity::Sql(Box::new(self.sql()?)),
            Doing::ShellPrecondition => Activity::Precondition(Box::new(Precondition::Shell(self.shell()?))),
            Doing::Exists => Activity::Precondition(Box::new(Precondition::Exists(self.node("node")?))),
        };
        let attempt_id = attempt.id.as_str().to_owned();
        let logs = logs.map(|folder| folder.child(&attempt_id));
        Ok(Task { key, attempt: attempt_id, component: component.to_owned(), logs, activity })
    }

    fn shell(&self) -> Result<ShellCommand, Failure> {
        let staged = field::STAGE.of(self.attempt).map_err(|error| refused(self.attempt, error))?;
        let nodes = |key: &str| -> Result<Vec<S3Node>, Failure> {
            let mut nodes = Vec::new();
            for object in self.referred(key)? {
                // Other nodes are dependencies only.
                if staged && Kind::of(object) == Some(Kind::S3DataNode) {
                    nodes.push(self.s3_node(object)?);
                }
            }
            Ok(nodes)
        };
        Ok(ShellCommand {
            script: self.script("command")?,
            arguments: self.attempt.strings("scriptArgument").map(str::to_owned).collect(),
            inputs: nodes("input")?,
            outputs: nodes("output")?,
            stdout: self.s3("stdout", self.attempt)?,
            stderr: self.s3("stderr", self.attempt)?,
        })
    }

    fn copy(&self, key: &WorkKey, logs: Option<&S3Uri>) -> Result<Copy, Failure> {
        let attempt = self.attempt;
        let refused = |error| refused(attempt, error);
        let dates = attempt.string("myDateFormat").map(Pattern::new).transpose();
        let dates =
            dates.map_err(|reason| problem(attempt, "myDateFormat", &format!("is unreadable: {reason}")))?;
        let own = self.s3("myRejectsPath", attempt)?;
        let own = own.map(|root| root.child(&format!("{}/{}.rejects.csv", key.pipeline, key.instance)));
        Ok(Copy {
            source: self.node("input")?,
            sink: self.node("output")?,
            mode: field::MY_LOAD_MODE.of(attempt).map_err(refused)?,
            max_rejects: field::MY_MAX_REJECTS.of(attempt).map_err(refused)?,
            quarantine: own.or_else(|| logs.map(|folder| folder.child("rejects.csv"))),
            nulls: attempt.strings("myNullValues").map(str::to_owned).collect(),
            dates,
        })
    }

    fn sql(&self) -> Result<SqlScript, Failure> {
        let attempt = self.attempt;
        let database = self.referred("database")?;
        let database = database.first().ok_or_else(|| problem(attempt, "database", "is missing"))?;
        let mut output = None;
        for object in self.referred("output")? {
            // Only a node that can be made matters here.
            if object.string("createTableSql").is_some() {
                output = Some(self.sql_node(object)?);
            }
        }
        Ok(SqlScript {
            target: target(database)?,
            script: self.script("script")?,
            arguments: attempt.strings("scriptArgument").map(str::to_owned).collect(),
            output,
            queue: attempt.string("queue").map(str::to_owned),
        })
    }

    fn script(&self, inline: &str) -> Result<Script, Failure> {
        if let Some(text) = self.attempt.string(inline) {
            return Ok(Script::Inline(text.to_owned()));
        }
        let missing = || problem(self.attempt, inline, "is missing; give it, or `scriptUri`");
        self.s3("scriptUri", self.attempt)?.map(Script::At).ok_or_else(missing)
    }

    fn node(&self, key: &str) -> Result<Node, Failure> {
        let objects = self.referred(key)?;
        let object = objects.first().ok_or_else(|| problem(self.attempt, key, "is missing"))?;
        match ability::place(object)? {
            Place::S3 => self.s3_node(object).map(|node| Node::S3(Box::new(node))),
            Place::Sql => self.sql_node(object).map(|node| Node::Sql(Box::new(node))),
        }
    }

    fn s3_node(&self, object: &PipelineObject) -> Result<S3Node, Failure> {
        let file = self.s3("filePath", object)?;
        let directory = file.is_none();
        let at = match file {
            Some(at) => at,
            None => self
                .s3("directoryPath", object)?
                .ok_or_else(|| problem(object, "filePath", "is missing; give it, or `directoryPath`"))?,
        };
        let compression = field::COMPRESSION.of(object).map_err(|error| refused(object, error))?;
        let format = match object.reference("dataFormat") {
            Some(id) => Some(format(self.object(object, "dataFormat", id.as_str())?)?),
            None => None,
        };
        let etag = object.string("myETag").map(str::to_owned);
        let gzip = compression == Compression::Gzip;
        Ok(S3Node { id: object.id.to_string(), at, directory, gzip, etag, format })
    }

    fn sql_node(&self, object: &PipelineObject) -> Result<SqlNode, Failure> {
        let table = object.string("table").or_else(|| object.string("tableName"));
        let table = table.ok_or_else(|| problem(object, "table", "is missing"))?;
        let database = ability::database_of(object, |id| self.objects.get(id.as_str()))?;
        let named = || object.reference("database").map(ToString::to_string).unwrap_or_default();
        let database = database.ok_or_else(|| not_held(object, "database", &named()))?;
        let own = |key: &str| object.string(key).map(str::to_owned);
        Ok(SqlNode {
            id: object.id.to_string(),
            target: target(database)?,
            schema: own("schemaName"),
            table: table.to_owned(),
            select: own("selectQuery"),
            insert: own("insertQuery"),
            create: own("createTableSql"),
        })
    }

    fn referred(&self, key: &str) -> Result<Vec<&PipelineObject>, Failure> {
        self.attempt.references(key).map(|id| self.object(self.attempt, key, id.as_str())).collect()
    }

    fn object(&self, from: &PipelineObject, key: &str, id: &str) -> Result<&PipelineObject, Failure> {
        self.objects.get(id).ok_or_else(|| not_held(from, key, id))
    }

    fn s3(&self, key: &str, object: &PipelineObject) -> Result<Option<S3Uri>, Failure> {
        let Some(text) = object.string(key) else { return Ok(None) };
        let unreadable = || problem(object, key, &format!("is `{text}`; give a URI as s3://bucket/key"));
        S3Uri::parse(text).map(Some).ok_or_else(unreadable)
    }
}

fn format(object: &PipelineObject) -> Result<Format, Failure> {
    let own = |key: &str| object.string(key).map(str::to_owned);
    let columns = object.strings("column").filter_map(|column| column.split_whitespace().next());
    Ok(Format {
        id: object.id.to_string(),
        kind: own("type").unwrap_or_default(),
        column_separator: own("columnSeparator"),
        record_separator: own("recordSeparator"),
        escape_char: own("escapeChar"),
        header: field::MY_HEADER.of(object).map_err(|error| refused(object, error))?,
        columns: columns.map(str::to_owned).collect(),
    })
}

fn target(object: &PipelineObject) -> Result<Target, Failure> {
    let url = ability::url(object)?;
    let properties: Vec<String> = object.strings("jdbcProperties").map(str::to_owned).collect();
    let password = object.string("*password").or_else(|| object.string("password"));
    let user = object.string("username").filter(|user| !user.is_empty());
    Target::parse(url, user, password, object.string("databaseName"), &properties)
        .map_err(|what| problem(object, "connectionString", &what))
}

fn text_or_reference<'a>(object: &'a PipelineObject, key: &'a str) -> Option<&'a str> {
    object.values(key).next().map(|value| match value {
        FieldValue::String(text) => text.as_str(),
        FieldValue::Ref(id) => id.as_str(),
    })
}

fn not_held(from: &PipelineObject, key: &str, id: &str) -> Failure {
    problem(from, key, &format!("refers to `{id}`, which the task does not hold"))
}

impl From<Hindrance> for Failure {
    fn from(Hindrance { object, field, what }: Hindrance) -> Self {
        Self::bad_input("Definition", format!("object `{object}`, field `{field}` {what}"))
    }
}

fn problem(object: &PipelineObject, field: &str, what: &str) -> Failure {
    let id = component(object);
    Failure::bad_input("Definition", format!("object `{id}`, field `{field}` {what}"))
}

fn refused(object: &PipelineObject, error: FieldError) -> Failure {
    let error = FieldError { object: component(object).into(), ..error };
    Failure::bad_input("Definition", error.to_string())
}

/// People know the definition's object, not the attempt of an instance of it.
pub(super) fn component(object: &PipelineObject) -> &str {
    text_or_reference(object, "@componentParent").unwrap_or_else(|| object.id.as_str())
}

#[cfg(test)]
mod tests {
    use definition::Field;
    use definition::kind::field::{Limit, LoadMode};

    use super::*;

    fn object(id: &str, kind: &str, fields: &[(&str, &str)]) -> PipelineObject {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value));
        let fields = std::iter::once(Field::string("type", kind)).chain(fields).collect();
        PipelineObject { id: id.into(), name: id.to_owned(), fields }
    }

    fn copy(fields: &[(&str, &str)]) -> Result<Task, Failure> {
        let mut attempt = object("@Load_Attempt=1", "CopyActivity", fields);
        let references = [("input", "In"), ("output", "Out"), ("@componentParent", "Load")];
        attempt.fields.extend(references.map(|(key, target)| Field::reference(key, target)));
        let at = |id| object(id, "S3DataNode", &[("filePath", "s3://b/orders.csv"), ("compression", "GZIP")]);
        let objects = ["In", "Out"].map(|id| (id.to_owned(), at(id)));
        Reader { objects: &HashMap::from(objects), attempt: &attempt }.task("df-1")
    }

    #[test]
    fn words_count_in_any_case_and_defaults_are_those_of_the_tables() {
        for (fields, mode, limit) in [
            (&[][..], LoadMode::Append, Limit::Count(0)),
            (&[("myLoadMode", "Upsert"), ("myMaxRejects", "1 %")], LoadMode::Upsert, Limit::Percent(1.0)),
        ] {
            let Activity::Copy(copy) = copy(fields).expect("legal").activity else { panic!("a copy") };
            assert_eq!((copy.mode, copy.max_rejects), (mode, limit));
            assert!(matches!(copy.source, Node::S3(node) if node.gzip));
        }
    }

    #[test]
    fn a_field_is_refused_on_the_component_in_the_words_of_validation() {
        let failure = copy(&[("myLoadMode", "merge")]).expect_err("no such mode");
        assert_eq!(failure.id, "BadInput:Definition");
        assert_eq!(
            failure.message,
            "object `Load`, field `myLoadMode`: 'myLoadMode' value must be 'append' or 'replace' or 'upsert'. Found \
             'merge'"
        );
    }
}
