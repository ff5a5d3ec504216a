//! What this worker can do, as far as objects tell: asked for a task that is read, and by whoever wants to know before
//! there is one.
//!
//! Where a definition is judged, a text may hold expressions that mean something in a run only. They are passed over: the
//! task will tell.

use definition::expression;
use definition::kind::Kind;
use definition::{ObjectId, PipelineObject};

use super::read::component;
use crate::database;
use crate::etl::dialect;

/// What this worker does, one for each type that it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Shell,
    Copy,
    Sql,
    ShellPrecondition,
    Exists,
}

/// A data node that this worker reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    S3,
    Sql,
}

/// Why this worker cannot do something: what of which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hindrance {
    /// The object of the definition.
    pub object: ObjectId,
    /// Its field.
    pub field: &'static str,
    /// What is wrong with it, as the rest of a sentence: `is PigActivity; …`.
    pub what: String,
}

impl Hindrance {
    fn new(object: &PipelineObject, field: &'static str, what: impl Into<String>) -> Self {
        Self { object: component(object).into(), field, what: what.into() }
    }
}

/// Returns what keeps this worker from the activity or precondition `work`, which guards `guarded`, of the objects that
/// `find` finds; their fields are evaluated as far as that is known.
#[must_use]
pub fn hindrances<'a>(
    work: &'a PipelineObject,
    guarded: Option<&'a PipelineObject>,
    find: impl Fn(&ObjectId) -> Option<&'a PipelineObject>,
) -> Vec<Hindrance> {
    let doing = match doing(work) {
        Ok(doing) => doing,
        Err(hindrance) => return vec![hindrance],
    };
    // What refers to nothing is for validation to tell.
    let referred = |key: &'static str| work.references(key).filter_map(&find);
    match doing {
        // Nodes that it does not stage are dependencies only.
        Doing::Shell | Doing::ShellPrecondition => Vec::new(),
        Doing::Copy => {
            let ends: Vec<_> =
                ["input", "output"].into_iter().filter_map(|key| referred(key).next()).collect();
            let nodes = ends.iter().filter_map(|node| reached(node, &find).err());
            nodes.chain(format_of_table(&ends, &find)).collect()
        }
        Doing::Sql => {
            let made = referred("output").filter(|node| node.string("createTableSql").is_some());
            let databases = made.filter_map(|node| database_of(node, &find).transpose());
            let databases = databases.chain(referred("database").next().map(Ok));
            databases.filter_map(|database| database.and_then(spoken_to).err()).collect()
        }
        Doing::Exists => guarded.and_then(|node| reached(node, &find).err()).into_iter().collect(),
    }
}

/// Returns what the object is to this worker.
pub(super) fn doing(object: &PipelineObject) -> Result<Doing, Hindrance> {
    match Kind::of(object) {
        Some(Kind::ShellCommandActivity) => Ok(Doing::Shell),
        Some(Kind::CopyActivity) => Ok(Doing::Copy),
        Some(Kind::SqlActivity) => Ok(Doing::Sql),
        Some(Kind::ShellCommandPrecondition) => Ok(Doing::ShellPrecondition),
        Some(Kind::Exists) => Ok(Doing::Exists),
        _ => {
            let what = match object.type_name() {
                Some(other) => format!(
                    "is {other}; ec2-worker does ShellCommandActivity, CopyActivity, SqlActivity, \
                     ShellCommandPrecondition and Exists"
                ),
                None => "is missing".to_owned(),
            };
            Err(Hindrance::new(object, "type", what))
        }
    }
}

/// Returns what the data node is to this worker.
pub(super) fn place(node: &PipelineObject) -> Result<Place, Hindrance> {
    match Kind::of(node) {
        Some(Kind::S3DataNode) => Ok(Place::S3),
        Some(Kind::SqlDataNode | Kind::MySqlDataNode | Kind::RedshiftDataNode) => Ok(Place::Sql),
        _ => {
            let other = node.type_name().unwrap_or("nothing");
            let what = format!("is {other}; ec2-worker reads and writes S3DataNode and SqlDataNode");
            Err(Hindrance::new(node, "type", what))
        }
    }
}

/// Returns the object that says where the node's database is; `None` if it is not among the objects.
pub(super) fn database_of<'a>(
    node: &'a PipelineObject,
    find: impl Fn(&ObjectId) -> Option<&'a PipelineObject>,
) -> Result<Option<&'a PipelineObject>, Hindrance> {
    match node.reference("database") {
        Some(id) => Ok(find(id)),
        // The older form: the connection stands on the node itself.
        None if node.string("connectionString").is_some() => Ok(Some(node)),
        None => Err(Hindrance::new(node, "database", "is missing")),
    }
}

/// Returns the URL by which this worker connects.
pub(super) fn url(database: &PipelineObject) -> Result<&str, Hindrance> {
    const BY_URL: &str = "ec2-worker connects by URL, as jdbc:postgresql://host:5432/database";
    if let Some(url) = database.string("connectionString") {
        return Ok(url);
    }
    Err(match Kind::of(database) {
        Some(Kind::RdsDatabase) => {
            let what = format!("is RdsDatabase, which names no address; {BY_URL}: write a JdbcDatabase");
            Hindrance::new(database, "type", what)
        }
        Some(Kind::RedshiftDatabase) if database.string("clusterId").is_some() => {
            let what = format!("names a cluster; {BY_URL}: write a `connectionString`");
            Hindrance::new(database, "clusterId", what)
        }
        _ => Hindrance::new(database, "connectionString", format!("is missing; {BY_URL}")),
    })
}

fn reached<'a>(
    node: &'a PipelineObject,
    find: impl Fn(&ObjectId) -> Option<&'a PipelineObject>,
) -> Result<(), Hindrance> {
    match place(node)? {
        Place::S3 => Ok(()),
        Place::Sql => database_of(node, find)?.map_or(Ok(()), spoken_to),
    }
}

fn spoken_to(database: &PipelineObject) -> Result<(), Hindrance> {
    let refused = |what| Hindrance::new(database, "connectionString", what);
    database::speaks(url(database)?).map_err(refused)
}

/// Between S3 and a table, the file's format is read or written; from S3 to S3 the bytes may just be copied.
fn format_of_table<'a>(
    ends: &[&'a PipelineObject],
    find: impl Fn(&ObjectId) -> Option<&'a PipelineObject>,
) -> Option<Hindrance> {
    let file = match ends {
        [file, table] if place(file) == Ok(Place::S3) && place(table) == Ok(Place::Sql) => file,
        [table, file] if place(file) == Ok(Place::S3) && place(table) == Ok(Place::Sql) => file,
        _ => return None,
    };
    let format = find(file.reference("dataFormat")?)?;
    let kind = format.type_name().filter(|kind| !expression::is_in(kind))?;
    dialect::reads(kind).err().map(|what| Hindrance::new(format, "type", what))
}

#[cfg(test)]
mod tests {
    use definition::file;

    use super::*;

    /// What keeps this worker from the object `Work`.
    fn hindered(objects: &str) -> Vec<String> {
        let definition = file::parse(&format!(r#"{{"objects": [{objects}]}}"#)).expect("a definition");
        let work = definition.object("Work").expect("the work");
        let guarded = definition.object("Guarded");
        let found = hindrances(work, guarded, |id| definition.object(id.as_str()));
        found.iter().map(|it| format!("{} {} {}", it.object, it.field, it.what)).collect()
    }

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
    fn what_this_worker_does_is_known_to_all() {
        for kind in Kind::ALL {
            let object = PipelineObject {
                id: "Work".into(),
                name: "Work".to_owned(),
                fields: vec![definition::Field::string("type", kind.name())],
            };
            assert_eq!(doing(&object).is_ok(), kind.is_done_by_ec2_worker(), "{}", kind.name());
        }
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
    fn a_database_without_a_url_or_with_one_of_another_kind_is_none() {
        let sql = |database: &str| {
            let work = r#"{"id": "Work", "type": "SqlActivity", "database": {"ref": "Db"}}"#;
            hindered(&format!(r#"{work}, {{"id": "Db", {database}}}"#)).join("\n")
        };
        let by_instance = sql(r#""type": "RdsDatabase", "rdsInstanceId": "i""#);
        assert!(by_instance.starts_with("Db type is RdsDatabase"), "{by_instance}");
        let by_cluster = sql(r#""type": "RedshiftDatabase", "clusterId": "c""#);
        assert!(by_cluster.starts_with("Db clusterId names a cluster"), "{by_cluster}");
        let oracle = sql(r#""type": "JdbcDatabase", "connectionString": "jdbc:oracle:thin:@//h:1521/s""#);
        assert!(oracle.starts_with("Db connectionString is for `oracle`"), "{oracle}");
        for spoken in [
            r#""type": "RedshiftDatabase", "connectionString": "jdbc:redshift://h:5439/d""#,
            r##""type": "JdbcDatabase", "connectionString": "#{*myUrl}""##,
            r##""type": "JdbcDatabase", "connectionString": "jdbc:postgresql://#{*myHost}/d""##,
        ] {
            assert_eq!(sql(spoken), "");
        }
        let known = sql(r##""type": "JdbcDatabase", "connectionString": "jdbc:mysql://#{*myHost}/d""##);
        assert!(known.starts_with("Db connectionString is for `mysql`"), "{known}");
    }

    #[test]
    fn a_shell_command_takes_any_node_as_a_dependency_and_exists_looks_at_what_it_can() {
        let shell = r#"{"id": "Work", "type": "ShellCommandActivity", "input": {"ref": "Table"}}"#;
        let table = r#"{"id": "Table", "type": "DynamoDBDataNode"}"#;
        assert_eq!(hindered(&format!("{shell}, {table}")), Vec::<String>::new());
        let exists = r#"{"id": "Work", "type": "Exists"}, {"id": "Guarded", "type": "DynamoDBDataNode"}"#;
        let [said] = hindered(exists).try_into().expect("one hindrance");
        assert!(said.starts_with("Guarded type is DynamoDBDataNode"), "{said}");
        let [said] = hindered(r#"{"id": "Work", "type": "PigActivity"}"#).try_into().expect("one hindrance");
        assert!(said.starts_with("Work type is PigActivity; ec2-worker does"), "{said}");
    }
}
