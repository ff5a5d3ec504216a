//! Data nodes, as several activities use them: their fields, how the worker reads them from a task, and the reasons why
//! the worker cannot use a node.

use definition::PipelineObject;
use definition::kind::Kind;
use definition::kind::field::{self, Compression, MyDialect};

use crate::database::{self, DatabaseTarget};
use crate::failure::Failure;
use crate::hindrance::{Find, Hindrance};
use crate::reader::{Reader, component, not_in_task, problem, refused};
use crate::script::without_marks;
use crate::storage::S3Uri;

/// A data node.
#[derive(Clone, Debug)]
pub enum Node {
    /// An `S3DataNode`.
    S3(Box<S3Node>),
    /// A `SqlDataNode`, `MySqlDataNode` or `RedshiftDataNode`.
    Sql(Box<SqlNode>),
}

/// An `S3DataNode`.
#[derive(Clone, Debug)]
pub struct S3Node {
    /// The id of the object in the definition.
    pub id: String,
    /// `filePath` or `directoryPath`.
    pub at: S3Uri,
    /// Whether the node has several objects below `at`: a `directoryPath`, or the folder of the files in a list.
    pub directory: bool,
    /// `compression`.
    pub gzip: bool,
    /// `myETag`.
    pub etag: Option<String>,
    /// `myManifest`: the list of the objects that are read, in place of those below `at`.
    pub manifest: Option<S3Uri>,
    /// `dataFormat`.
    pub format: Option<Format>,
}

/// A `SqlDataNode`, `MySqlDataNode` or `RedshiftDataNode`.
#[derive(Clone, Debug)]
pub struct SqlNode {
    /// The id of the object in the definition.
    pub id: String,
    /// The database.
    pub target: DatabaseTarget,
    /// `schemaName`.
    pub schema: Option<String>,
    /// `table`.
    pub table: String,
    /// `selectQuery`.
    pub select: Option<String>,
    /// `insertQuery`.
    pub insert: Option<String>,
    /// `createTableSql`.
    pub create: Option<String>,
    /// `myExpect`.
    pub expect: Vec<String>,
    /// `myExpectWarn`.
    pub expect_warn: Vec<String>,
}

/// A data format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The id of the object in the definition.
    pub id: String,
    /// Its type: CSV, TSV, Custom, ….
    pub kind: String,
    /// `columnSeparator`.
    pub column_separator: Option<String>,
    /// `recordSeparator`.
    pub record_separator: Option<String>,
    /// `escapeChar`, or `myEscapeChar`, which a Custom format has in its place.
    pub escape_char: Option<String>,
    /// `myHeader`.
    pub header: bool,
    /// `myDialect`.
    pub dialect: Option<MyDialect>,
    /// `myQuote`.
    pub quote: Option<String>,
    /// `myCommentPrefix`.
    pub comment: Option<String>,
    /// `mySkipLines`.
    pub skip_lines: u64,
    /// `mySkipFooter`.
    pub skip_footer: usize,
    /// `mySkipBlank`.
    pub skip_blank: bool,
    /// `myEncoding`.
    pub encoding: Option<String>,
    /// `myMaxRecordBytes`.
    pub max_record_bytes: usize,
    /// `mySheet`.
    pub sheet: Option<String>,
    /// `column`: names of columns, each perhaps with a type.
    pub columns: Vec<String>,
}

/// The kinds of data nodes that this worker reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Objects in S3.
    S3,
    /// A table.
    Sql,
}

impl NodeKind {
    /// Returns the kind of a data node.
    ///
    /// # Errors
    ///
    /// If this worker does not use nodes of that type.
    pub fn of(node: &PipelineObject) -> Result<Self, Hindrance> {
        match Kind::of(node) {
            Some(Kind::S3DataNode) => Ok(Self::S3),
            Some(Kind::SqlDataNode | Kind::MySqlDataNode | Kind::RedshiftDataNode) => Ok(Self::Sql),
            _ => {
                let other = node.type_name().unwrap_or("nothing");
                let what = format!("is {other}; ec2-worker reads and writes S3DataNode and SqlDataNode");
                Err(Hindrance::new(node, "type", what))
            }
        }
    }
}

impl Node {
    /// Reads the first node to which the field `key` of the attempt refers.
    ///
    /// # Errors
    ///
    /// If the field refers to no node, or to a node of another type than this worker uses, or if a field of the node
    /// cannot be used. The message names the object and the field.
    pub fn read(reader: &Reader<'_>, key: &str) -> Result<Self, Failure> {
        let nodes = reader.referred(key)?;
        let node = nodes.first().ok_or_else(|| problem(reader.attempt(), key, "is missing"))?;
        match NodeKind::of(node)? {
            NodeKind::S3 => S3Node::read(reader, node).map(|node| Self::S3(Box::new(node))),
            NodeKind::Sql => SqlNode::read(reader, node).map(|node| Self::Sql(Box::new(node))),
        }
    }
}

impl S3Node {
    /// Reads a node.
    ///
    /// # Errors
    ///
    /// If a field cannot be used. The message names the object and the field.
    pub fn read(reader: &Reader<'_>, node: &PipelineObject) -> Result<Self, Failure> {
        let file = reader.s3("filePath", node)?;
        let manifest = reader.s3("myManifest", node)?;
        let directory = file.is_none() || manifest.is_some();
        let at = match file {
            Some(at) if directory => at.folder(),
            Some(at) => at,
            None => reader
                .s3("directoryPath", node)?
                .ok_or_else(|| problem(node, "filePath", "is missing; give it, or `directoryPath`"))?,
        };
        let compression = field::COMPRESSION.of(node).map_err(|error| refused(node, error))?;
        let format = match node.reference("dataFormat") {
            Some(id) => Some(Format::read(reader.object(node, "dataFormat", id.as_str())?)?),
            None => None,
        };
        let etag = node.string("myETag").map(str::to_owned);
        let gzip = compression == Compression::Gzip;
        Ok(Self { id: component(node).to_owned(), at, directory, gzip, etag, manifest, format })
    }
}

impl SqlNode {
    /// Reads a node.
    ///
    /// # Errors
    ///
    /// If a field cannot be used. The message names the object and the field.
    pub fn read(reader: &Reader<'_>, node: &PipelineObject) -> Result<Self, Failure> {
        let table = node.string("table").or_else(|| node.string("tableName"));
        let table = table.ok_or_else(|| problem(node, "table", "is missing"))?;
        let database = database_of(node, &|id| reader.find(id.as_str()))?;
        let named = || node.reference("database").map(ToString::to_string).unwrap_or_default();
        let database = database.ok_or_else(|| not_in_task(node, "database", &named()))?;
        let own = |key: &str| node.string(key).map(str::to_owned);
        let sql = |key: &str| node.string(key).map(|text| without_marks(text).to_owned());
        Ok(Self {
            id: component(node).to_owned(),
            target: target(database)?,
            schema: own("schemaName"),
            table: table.to_owned(),
            select: sql("selectQuery"),
            insert: sql("insertQuery"),
            create: sql("createTableSql"),
            expect: node.strings("myExpect").map(str::to_owned).collect(),
            expect_warn: node.strings("myExpectWarn").map(str::to_owned).collect(),
        })
    }
}

impl Format {
    fn read(object: &PipelineObject) -> Result<Self, Failure> {
        let own = |key: &str| object.string(key).map(str::to_owned);
        let refused = |error| refused(object, error);
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            id: component(object).to_owned(),
            kind: own("type").unwrap_or_default(),
            column_separator: own("columnSeparator"),
            record_separator: own("recordSeparator"),
            escape_char: own("escapeChar").or_else(|| own("myEscapeChar")),
            header: field::MY_HEADER.of(object).map_err(refused)?,
            dialect: field::MY_DIALECT.of(object).map_err(refused)?,
            quote: own("myQuote"),
            comment: own("myCommentPrefix"),
            skip_lines: field::MY_SKIP_LINES.of(object).map_err(refused)?,
            skip_footer: size(field::MY_SKIP_FOOTER.of(object).map_err(refused)?),
            skip_blank: field::MY_SKIP_BLANK.of(object).map_err(refused)?,
            encoding: own("myEncoding"),
            max_record_bytes: size(field::MY_MAX_RECORD_BYTES.of(object).map_err(refused)?),
            sheet: own("mySheet"),
            columns: object.strings("column").map(str::to_owned).collect(),
        })
    }
}

/// Reads a database object as an address to connect to.
///
/// # Errors
///
/// If a field cannot be used. The message names the object and the field.
pub fn target(database: &PipelineObject) -> Result<DatabaseTarget, Failure> {
    let url = url(database)?;
    let properties: Vec<String> = database.strings("jdbcProperties").map(str::to_owned).collect();
    let password = database.string("*password").or_else(|| database.string("password"));
    let user = database.string("username").filter(|user| !user.is_empty());
    database::parse(url, user, password, database.string("databaseName"), &properties)
        .map_err(|what| problem(database, "connectionString", &what))
}

/// Returns the object with the database address of a node; `None` if `find` does not find the object.
///
/// # Errors
///
/// If the node names no database.
pub fn database_of<'a>(
    node: &'a PipelineObject,
    find: &Find<'a>,
) -> Result<Option<&'a PipelineObject>, Hindrance> {
    match node.reference("database") {
        Some(id) => Ok(find(id)),
        // The older form: the connection is in fields of the node itself.
        None if node.string("connectionString").is_some() => Ok(Some(node)),
        None => Err(Hindrance::new(node, "database", "is missing")),
    }
}

/// Checks that this worker can use the node.
///
/// # Errors
///
/// If the worker does not support the type of the node, or the type or the address of its database.
pub fn check<'a>(node: &'a PipelineObject, find: &Find<'a>) -> Result<(), Hindrance> {
    match NodeKind::of(node)? {
        NodeKind::S3 => Ok(()),
        NodeKind::Sql => database_of(node, find)?.map_or(Ok(()), check_database),
    }
}

/// Checks that this worker can connect to the database, as far as its URL is known.
///
/// # Errors
///
/// If the database has no URL, or is not a PostgreSQL database.
pub fn check_database(database: &PipelineObject) -> Result<(), Hindrance> {
    let refused = |what| Hindrance::new(database, "connectionString", what);
    database::check_url(url(database)?).map_err(refused)
}

fn url(database: &PipelineObject) -> Result<&str, Hindrance> {
    const BY_URL: &str = "ec2-worker connects by URL, as jdbc:postgresql://host:5432/database";
    if let Some(url) = database.string("connectionString") {
        return Ok(url);
    }
    Err(match Kind::of(database) {
        Some(Kind::RdsDatabase) => {
            let id = database.string("rdsInstanceId").unwrap_or("INSTANCE");
            let what = format!(
                "is RdsDatabase, which names no address; {BY_URL}: tell it the address with `--rds-instance {id}=HOST:PORT`, or \
                 write a JdbcDatabase"
            );
            Hindrance::new(database, "type", what)
        }
        Some(Kind::RedshiftDatabase) if database.string("clusterId").is_some() => {
            let what = format!("names a cluster; {BY_URL}: write a `connectionString`");
            Hindrance::new(database, "clusterId", what)
        }
        _ => Hindrance::new(database, "connectionString", format!("is missing; {BY_URL}")),
    })
}
