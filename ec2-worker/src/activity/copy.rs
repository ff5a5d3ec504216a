//! `CopyActivity`: copies data from S3 or PostgreSQL to S3 or PostgreSQL.

use std::path::Path;
use std::time::Duration;

use definition::PipelineObject;
use definition::expression;
use definition::kind::field::{self, Limit, LoadMode, OnColumns, Publish};

use super::{Activity, TaskContext, TaskOutcome};
use crate::etl::dialect::{self, Dialect, RecordEnd};
use crate::etl::directory;
use crate::etl::input::Packing;
use crate::etl::load::{self, Expectations, Load};
use crate::etl::next_tables;
use crate::etl::source::{Origin, Source};
use crate::etl::transform::RowsOf;
use crate::etl::unload::{self, Unload};
use crate::etl::value_rules::ValueRules;
use crate::failure::Failure;
use crate::hindrance::{Find, Foreseen, Hindrance};
use crate::ledger::WorkKey;
use crate::node::{self, Node, NodeKind, S3Node, SqlNode};
use crate::reader::{Reader, refused};
use crate::storage::S3Uri;

mod names;
mod objects;
mod output;

use names::Names;
use output::WrittenNulls;

/// A `CopyActivity`.
#[derive(Clone, Debug)]
pub(super) struct CopyActivity {
    /// `input`.
    source: Node,
    /// `output`.
    sink: Node,
    /// `myLoadMode`.
    mode: LoadMode,
    /// `myOnColumns`.
    on_columns: OnColumns,
    /// `myCascade`.
    cascade: bool,
    /// The id of the run, if `myPublish` is `together`.
    together: Option<String>,
    /// `myMaxRejects`.
    max_rejects: Limit,
    /// The object for the refused rows.
    quarantine: Option<S3Uri>,
    /// `myNullValues`.
    nulls: Vec<String>,
    /// How the texts of the input become values.
    rules: ValueRules,
    /// The texts that mean NULL in the output.
    written_nulls: WrittenNulls,
}

impl Activity for CopyActivity {
    const TYPE: &'static str = "CopyActivity";

    fn read(reader: &Reader<'_>) -> Result<Self, Failure> {
        let (attempt, key) = (reader.attempt(), reader.key());
        let refused = |error| refused(attempt, error);
        let format = format_of(&reader.referred("input")?, &|id| reader.find(id.as_str()));
        let written = format_of(&reader.referred("output")?, &|id| reader.find(id.as_str()));
        let publish = field::MY_PUBLISH.of(attempt).map_err(refused)?;
        let own = reader.s3("myRejectsPath", attempt)?;
        let own = own.map(|root| root.child(&format!("{}/{}.rejects.csv", key.pipeline, key.instance)));
        let beside_logs = || reader.log_folder().map(|folder| folder.child("rejects.csv"));
        Ok(Self {
            source: Node::read(reader, "input")?,
            sink: Node::read(reader, "output")?,
            mode: field::MY_LOAD_MODE.of(attempt).map_err(refused)?,
            on_columns: field::MY_ON_COLUMNS.of(attempt).map_err(refused)?,
            cascade: field::MY_CASCADE.of(attempt).map_err(refused)?,
            together: (publish == Publish::Together).then(|| reader.run()),
            max_rejects: field::MY_MAX_REJECTS.of(attempt).map_err(refused)?,
            quarantine: own.or_else(beside_logs),
            nulls: ValueRules::nulls(attempt, format),
            rules: ValueRules::read(attempt, format)?,
            written_nulls: WrittenNulls::read(written)?,
        })
    }

    fn hindrances(foreseen: &Foreseen<'_>) -> Vec<Hindrance> {
        let ends: Vec<_> =
            ["input", "output"].into_iter().filter_map(|key| foreseen.referred(key).next()).collect();
        let nodes = ends.iter().filter_map(|end| node::check(end, foreseen.find).err());
        let inputs: Vec<_> = foreseen.referred("input").collect();
        let rules = ValueRules::read(foreseen.work, format_of(&inputs, foreseen.find)).err();
        nodes
            .chain(format_of_table(&ends, foreseen.find))
            .chain(rules)
            .chain(unknown_encoding(&ends, foreseen.find))
            .chain(unwritten(&ends, foreseen.find))
            .collect()
    }

    async fn run(&self, context: &TaskContext<'_>) -> Result<TaskOutcome, Failure> {
        let failure = match (copied(context, self).await, &self.together) {
            (Ok(()), _) => return Ok(TaskOutcome::Finished),
            (Err(failure), None) => return Err(failure),
            (Err(failure), Some(run)) => (failure, run),
        };
        let ((Node::Sql(table), _) | (_, Node::Sql(table))) = (&self.sink, &self.source) else {
            return Err(failure.0);
        };
        Err(next_tables::explained(&context.tools.pool, &table.target, failure.1, failure.0).await)
    }
}

impl CopyActivity {
    /// Returns the rows of `from`. If the run publishes its tables together, they are those of its next tables.
    fn unload(&self, from: &SqlNode, dialect: &Dialect) -> Unload {
        let unload = Unload::new(from, dialect);
        self.together.iter().fold(unload, |unload, run| unload.of_run(run))
    }

    /// Returns the load into `to`, still without its files.
    fn load(
        &self,
        key: &WorkKey,
        to: &SqlNode,
        (dialect, rules): (Dialect, ValueRules),
        declared: Vec<String>,
        scratch: &Path,
    ) -> Load {
        Load {
            key: key.clone(),
            target: to.target.clone(),
            schema: to.schema.clone(),
            table: to.table.clone(),
            create: to.create.clone(),
            insert: to.insert.clone(),
            sources: Vec::new(),
            dialect,
            rows_of: RowsOf::File,
            declared,
            rules,
            mode: self.mode,
            on_columns: self.on_columns,
            cascade: self.cascade,
            together: self.together.clone(),
            expect: Expectations { must: to.expect.clone(), warn: to.expect_warn.clone() },
            limit: self.max_rejects,
            quarantine: None,
            scratch: scratch.to_owned(),
            patience: Duration::ZERO,
        }
    }
}

/// Reads a `CopyActivity` as a load without files and without a quarantine, and the node of its files. Returns `None` if
/// the activity does not copy from S3 to a table.
pub(super) fn table_load(reader: &Reader<'_>, scratch: &Path) -> Result<Option<(S3Node, Load)>, Failure> {
    let copy = CopyActivity::read(reader)?;
    let (Node::S3(from), Node::Sql(to)) = (&copy.source, &copy.sink) else { return Ok(None) };
    let dialect = Dialect::of(from.format.as_ref(), &copy.nulls)?;
    let declared = from.format.as_ref().map(|format| format.columns.clone()).unwrap_or_default();
    let load = copy.load(reader.key(), to, (dialect, copy.rules.clone()), declared, scratch);
    Ok(Some((S3Node::clone(from), load)))
}

/// Returns a hindrance if `ends` are a file and a table, and the worker cannot read or write the format of the file.
///
/// A copy from file to file needs no format, because the worker can copy the bytes.
fn format_of_table<'a>(ends: &[&'a PipelineObject], find: &Find<'a>) -> Option<Hindrance> {
    let [first, second] = ends else { return None };
    let file = match (NodeKind::of(first).ok()?, NodeKind::of(second).ok()?) {
        (NodeKind::S3, NodeKind::Sql) => first,
        (NodeKind::Sql, NodeKind::S3) => second,
        _ => return None,
    };
    let format = find(file.reference("dataFormat")?)?;
    let kind = format.type_name().filter(|kind| !expression::is_in(kind))?;
    dialect::reads(kind).err().map(|what| Hindrance::new(format, "type", what))
}

/// Returns a hindrance if the data format of the input or the output names an encoding that does not exist.
fn unknown_encoding<'a>(ends: &[&'a PipelineObject], find: &Find<'a>) -> Option<Hindrance> {
    let formats = ends.iter().filter_map(|end| find(end.reference("dataFormat")?));
    let mut unknown = formats.filter_map(|format| {
        let label = format.string("myEncoding").filter(|label| !expression::is_in(label))?;
        dialect::encoding(label).err().map(|what| Hindrance::new(format, "myEncoding", what))
    });
    unknown.next()
}

/// Returns a hindrance if the output is a file, and the worker cannot write its data format.
fn unwritten<'a>(ends: &[&'a PipelineObject], find: &Find<'a>) -> Option<Hindrance> {
    let [from, to] = ends else { return None };
    let format_of = |node: &'a PipelineObject| find(node.reference("dataFormat")?);
    match (NodeKind::of(from).ok()?, NodeKind::of(to).ok()?) {
        (NodeKind::Sql, NodeKind::S3) => output::hindrance(format_of(to)?),
        // A copy without another data format copies the bytes.
        (NodeKind::S3, NodeKind::S3)
            if format_of(from).map(|it| &it.id) != format_of(to).map(|it| &it.id) =>
        {
            output::form_hindrance(format_of(to)?)
        }
        _ => None,
    }
}

/// Returns the data format of the first of `nodes`, if it has one.
fn format_of<'a>(nodes: &[&'a PipelineObject], find: &Find<'a>) -> Option<&'a PipelineObject> {
    find(nodes.first()?.reference("dataFormat")?)
}

async fn copied(context: &TaskContext<'_>, copy: &CopyActivity) -> Result<(), Failure> {
    match (&copy.source, &copy.sink) {
        (Node::S3(from), Node::Sql(to)) => {
            let sources = sources(context, from).await?;
            if sources.is_empty() && from.manifest.is_some() {
                context.progress.note("nothing was loaded: the optional file was not dropped");
                return Ok(());
            }
            let dialect = Dialect::of(from.format.as_ref(), &copy.nulls)?;
            let declared = from.format.as_ref().map(|format| format.columns.clone()).unwrap_or_default();
            let load = copy.load(context.key, to, (dialect, copy.rules.clone()), declared, &context.folder);
            fill(context, copy, Load { sources, ..load }).await
        }
        (Node::Sql(from), Node::S3(to)) => empty(context, copy, from, to).await,
        (Node::S3(from), Node::S3(to)) => objects::run(context, copy, from, to).await,
        (Node::Sql(from), Node::Sql(to)) => {
            // The rows go through a file, because both nodes may be in one database that gives one session at a time.
            // The header has the names of the columns, because two tables may have the same columns in another order.
            let dialect = Dialect { header: true, ..rows_between() };
            let rows_of = if from.select.is_some() { RowsOf::Query } else { RowsOf::Table };
            let path = context.folder.join("rows.csv");
            let out = copy.unload(from, &dialect).for_table();
            unload::to_file(
                &context.tools.pool,
                &out,
                &path,
                context.tools.database_patience,
                context.progress,
            )
            .await?;
            let source = Source { origin: Origin::Rows(path, name_of_rows(from)), gzip: false };
            // The database wrote the file, so the rules for the files of other programs do not apply.
            let load =
                copy.load(context.key, to, (dialect, ValueRules::default()), Vec::new(), &context.folder);
            fill(context, copy, Load { rows_of, sources: vec![source], ..load }).await
        }
    }
}

/// Returns the name of the rows of a node for messages.
fn name_of_rows(from: &SqlNode) -> String {
    match (&from.select, &from.schema) {
        (Some(_), _) => format!("`selectQuery` of `{}`", from.id),
        (None, Some(schema)) => format!("table {schema}.{}", from.table),
        (None, None) => format!("table {}", from.table),
    }
}

/// Returns the dialect of the file between two databases. The dialect can represent all rows.
fn rows_between() -> Dialect {
    Dialect {
        record_end: RecordEnd::Bytes(b"\n".to_vec()),
        skip_blank: false,
        longest_record: usize::MAX,
        ..Dialect::default()
    }
}

async fn sources(context: &TaskContext<'_>, node: &S3Node) -> Result<Vec<Source>, Failure> {
    let mut objects = context.objects_of(node).await?;
    if node.directory {
        let (files, others) = directory::data_files(&node.at, objects);
        if let Some(remark) = directory::remark(&others) {
            context.progress.note(&remark);
            if files.is_empty() {
                let message =
                    format!("object `{}`: there is nothing to load under {}; {remark}", node.id, node.at);
                return Err(Failure::bad_input("NoFiles", message));
            }
        }
        objects = files;
    }
    let storage = &context.tools.storage;
    let source = |object| Source { origin: Origin::Object(storage.clone(), object), gzip: node.gzip };
    Ok(objects.into_iter().map(source).collect())
}

async fn fill(context: &TaskContext<'_>, copy: &CopyActivity, mut load: Load) -> Result<(), Failure> {
    load.quarantine = copy.quarantine.clone().map(|at| (context.tools.storage.clone(), at));
    load.patience = context.tools.database_patience;
    load::load(&load, &context.tools.pool, context.progress).await
}

async fn empty(
    context: &TaskContext<'_>,
    copy: &CopyActivity,
    from: &SqlNode,
    to: &S3Node,
) -> Result<(), Failure> {
    let dialect = copy.written_nulls.dialect(to.format.as_ref())?;
    let at = if to.directory {
        let ending = if to.gzip { "part-00000.csv.gz" } else { "part-00000.csv" };
        to.at.child(ending)
    } else {
        to.at.clone()
    };
    let mut names = Names::default();
    names.add(to, &at, to.gzip.then_some(Packing::Gzip));
    names.add_note(context.progress);
    let columns = to.format.as_ref().map(|format| format.columns.as_slice()).unwrap_or_default();
    let out = copy.unload(from, &dialect).in_order(columns);
    let patience = context.tools.database_patience;
    unload::to_object(
        &context.tools.pool,
        &out,
        &context.tools.storage,
        &at,
        to.gzip,
        patience,
        context.progress,
    )
    .await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use definition::Field;

    use super::super::tests::hindered;
    use super::*;

    fn copy(input: &str, output: &str) -> Vec<String> {
        let (input, output) =
            (input.replacen('{', r#"{"id": "In", "#, 1), output.replacen('{', r#"{"id": "Out", "#, 1));
        hindered(&format!(
            r#"{{"id": "Work", "type": "CopyActivity", "input": {{"ref": "In"}}, "output": {{"ref": "Out"}}}}, {input},
               {output}, {{"id": "Mysql", "type": "JdbcDatabase", "connectionString": "jdbc:mysql://h/d"}},
               {{"id": "Pg", "type": "JdbcDatabase", "connectionString": "jdbc:postgresql://h/d"}},
               {{"id": "Odd", "type": "RegEx"}}"#
        ))
    }

    #[test]
    fn each_end_of_a_copy_is_judged_by_its_node_its_database_and_its_format() {
        const FILE: &str = r#"{"type": "S3DataNode", "filePath": "s3://b/k"}"#;
        const TABLE: &str = r#"{"type": "SqlDataNode", "database": {"ref": "Pg"}}"#;
        assert_eq!(copy(FILE, TABLE), Vec::<String>::new());
        let other = r#"{"type": "DynamoDBDataNode"}"#;
        let old = r#"{"type": "MySqlDataNode", "connectionString": "jdbc:mysql://h/d"}"#;
        let both = [
            "In type is DynamoDBDataNode; ec2-worker reads and writes S3DataNode and SqlDataNode",
            "Out connectionString is for `mysql`; ec2-worker speaks PostgreSQL only",
        ];
        assert_eq!(copy(other, old), both);
        let by_reference = copy(r#"{"type": "SqlDataNode", "database": {"ref": "Mysql"}}"#, FILE);
        assert_eq!(
            by_reference,
            ["Mysql connectionString is for `mysql`; ec2-worker speaks PostgreSQL only"]
        );
        let odd = r#"{"type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Odd"}}"#;
        let format = "Odd type is RegEx; CopyActivity reads and writes CSV, TSV and Custom";
        assert_eq!(copy(odd, TABLE), [format]);
        assert_eq!(copy(TABLE, odd), [format]);
        assert_eq!(copy(odd, FILE), Vec::<String>::new(), "its bytes are just copied");
    }

    #[test]
    fn a_data_format_that_cannot_be_written_is_reported_before_the_run() {
        const TABLE: &str = r#"{"type": "SqlDataNode", "database": {"ref": "Pg"}}"#;
        const FILE: &str = r#"{"type": "S3DataNode", "filePath": "s3://b/i"}"#;
        let out = |fields: &str| {
            let node = r#"{"type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Form"}}"#;
            format!(r#"{node}, {{"id": "Form", "type": "CSV", {fields}}}"#)
        };
        let json = out(r#""myDialect": "json""#);
        let unwritten =
            "Form myDialect is json, which is for files to read; ec2-worker writes CSV, TSV and Custom";
        assert_eq!(copy(TABLE, &json), [unwritten]);
        assert_eq!(copy(FILE, &json), [unwritten]);
        assert_eq!(copy(&json, TABLE), Vec::<String>::new());
        let decimal = out(r#""myDecimal": ",""#);
        assert_eq!(
            copy(TABLE, &decimal),
            [
                "Form myDecimal gives another meaning to the output, because an export writes numbers with a decimal point; \
                 give the output a data format without it"
            ]
        );
        assert_eq!(copy(FILE, &decimal), Vec::<String>::new(), "texts are copied as they are");
    }

    fn object(id: &str, kind: &str, fields: &[(&str, &str)]) -> PipelineObject {
        let fields = fields.iter().map(|(key, value)| Field::string(*key, *value));
        let fields = std::iter::once(Field::string("type", kind)).chain(fields).collect();
        PipelineObject { id: id.into(), name: id.to_owned(), fields }
    }

    fn read(fields: &[(&str, &str)]) -> Result<CopyActivity, Failure> {
        let mut attempt = object("@Load_Attempt=1", "CopyActivity", fields);
        let references = [("input", "In"), ("output", "Out"), ("@componentParent", "Load")];
        attempt.fields.extend(references.map(|(key, target)| Field::reference(key, target)));
        let at = |id| object(id, "S3DataNode", &[("filePath", "s3://b/orders.csv"), ("compression", "GZIP")]);
        let objects = ["In", "Out"].map(|id| (id.to_owned(), at(id)));
        CopyActivity::read(&Reader::new(&HashMap::from(objects), &attempt, "df-1")?)
    }

    #[test]
    fn words_count_in_any_case_and_defaults_are_those_of_the_tables() {
        for (fields, mode, limit) in [
            (&[][..], LoadMode::Append, Limit::Count(0)),
            (&[("myLoadMode", "Upsert"), ("myMaxRejects", "1 %")], LoadMode::Upsert, Limit::Percent(1.0)),
        ] {
            let copy = read(fields).expect("legal");
            assert_eq!((copy.mode, copy.max_rejects), (mode, limit));
            assert!(matches!(copy.source, Node::S3(node) if node.gzip));
        }
    }

    #[test]
    fn the_rules_of_values_are_those_of_the_activity_or_else_of_the_data_format() {
        let format = |fields: &str| {
            let node = r#"{"type": "S3DataNode", "filePath": "s3://b/k", "dataFormat": {"ref": "Form"}}"#;
            let table = r#"{"type": "SqlDataNode", "database": {"ref": "Pg"}}"#;
            copy(node, &format!(r#"{table}, {{"id": "Form", "type": "CSV", {fields}}}"#))
        };
        assert_eq!(
            format(r#""myDateFormat": ["dd/MM/yyyy", "d.M.yy"], "myDecimal": ",""#),
            Vec::<String>::new()
        );
        assert_eq!(
            format(r#""myDecimal": ",", "myGrouping": ",""#),
            ["Form myGrouping is `,`, as is the decimal character; give another `myDecimal`"]
        );
        assert_eq!(format(r#""myTrue": "X", "myFalse": "x""#), ["Form myFalse is `x`, as is `myTrue`"]);
        assert_eq!(
            format(r#""myColumn": "born""#),
            ["Form myColumn is `born`; give a column and a pattern, as order_date dd/MM/yyyy"]
        );
        let activity = object("A", "CopyActivity", &[("myDecimal", ","), ("myDateFormat", "d.M.yy")]);
        let form = object(
            "F",
            "CSV",
            &[("myDecimal", ";"), ("myGrouping", " "), ("myQuotedNulls", "true"), ("myNullValues", "NA")],
        );
        let rules = ValueRules::read(&activity, Some(&form)).expect("legal");
        let numbers = rules.numbers.expect("declared");
        assert_eq!((numbers.decimal, numbers.grouping, rules.quoted_nulls), (',', Some(' '), true));
        assert_eq!(
            (rules.dates.len(), ValueRules::nulls(&activity, Some(&form))),
            (1, vec!["NA".to_owned()])
        );
    }

    #[test]
    fn a_field_is_refused_on_the_component_in_the_words_of_validation() {
        let failure = read(&[("myLoadMode", "merge")]).expect_err("no such mode");
        assert_eq!(failure.id, "BadInput:Definition");
        assert_eq!(
            failure.message,
            "object `Load`, field `myLoadMode`: 'myLoadMode' value must be 'append' or 'replace' or 'upsert'. Found \
             'merge'"
        );
    }
}
