//! The wire's task object as a task: which activity, with everything it needs.

use std::collections::HashMap;

use aws_sdk_datapipeline::types::TaskObject;
use definition::kind::field::{Limit, LoadMode};
use definition::{Field, ObjectId, PipelineObject};

use crate::database::Target;
use crate::etl::date::Pattern;
use crate::failure::Failure;
use crate::ledger::WorkKey;
use crate::storage::S3Uri;

mod ability;
mod read;

pub use ability::{Hindrance, hindrances};

/// One attempt, as a worker sees it.
#[derive(Clone, Debug)]
pub struct Task {
    /// Which work it is, over all attempts.
    pub key: WorkKey,
    /// The attempt's id.
    pub attempt: String,
    /// The definition's object.
    pub component: String,
    /// Folder for this attempt's logs.
    pub logs: Option<S3Uri>,
    /// What is to be done.
    pub activity: Activity,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Activity {
    /// Run a shell command.
    Shell(Box<ShellCommand>),
    /// Move data.
    Copy(Box<Copy>),
    /// Run an SQL script.
    Sql(Box<SqlScript>),
    /// Look whether something holds.
    Precondition(Box<Precondition>),
}

/// What is to be looked at.
#[derive(Clone, Debug)]
pub enum Precondition {
    /// `ShellCommandPrecondition`: whether a command ends with exit code 0.
    Shell(ShellCommand),
    /// `Exists`: whether a data node is there.
    Exists(Node),
}

/// Text, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// The text itself.
    Inline(String),
    /// An object in S3.
    At(S3Uri),
}

/// A `ShellCommandActivity`.
#[derive(Clone, Debug)]
pub struct ShellCommand {
    /// `command` or `scriptUri`.
    pub script: Script,
    /// `scriptArgument`, in order.
    pub arguments: Vec<String>,
    /// Inputs to be staged, in order.
    pub inputs: Vec<S3Node>,
    /// Outputs to be staged, in order.
    pub outputs: Vec<S3Node>,
    /// Where standard output goes besides the log folder.
    pub stdout: Option<S3Uri>,
    /// Where standard error goes besides the log folder.
    pub stderr: Option<S3Uri>,
}

/// A `CopyActivity`.
#[derive(Clone, Debug)]
pub struct Copy {
    /// `input`.
    pub source: Node,
    /// `output`.
    pub sink: Node,
    /// `myLoadMode`.
    pub mode: LoadMode,
    /// `myMaxRejects`.
    pub max_rejects: Limit,
    /// Where the quarantine file goes.
    pub quarantine: Option<S3Uri>,
    /// `myNullValues`.
    pub nulls: Vec<String>,
    /// `myDateFormat`.
    pub dates: Option<Pattern>,
}

/// A `SqlActivity`.
#[derive(Clone, Debug)]
pub struct SqlScript {
    /// The database.
    pub target: Target,
    /// `script` or `scriptUri`.
    pub script: Script,
    /// `scriptArgument`, in order.
    pub arguments: Vec<String>,
    /// The output, made first when its table is missing.
    pub output: Option<SqlNode>,
    /// `queue` of Redshift.
    pub queue: Option<String>,
}

/// A data node.
#[derive(Clone, Debug)]
pub enum Node {
    /// An `S3DataNode`.
    S3(Box<S3Node>),
    /// A `SqlDataNode` and its like.
    Sql(Box<SqlNode>),
}

/// An `S3DataNode`.
#[derive(Clone, Debug)]
pub struct S3Node {
    /// The object's id.
    pub id: String,
    /// `filePath` or `directoryPath`.
    pub at: S3Uri,
    /// Whether it is a `directoryPath`.
    pub directory: bool,
    /// `compression`.
    pub gzip: bool,
    /// `myETag`.
    pub etag: Option<String>,
    /// `dataFormat`.
    pub format: Option<Format>,
}

/// A `SqlDataNode`, `MySqlDataNode` or `RedshiftDataNode`.
#[derive(Clone, Debug)]
pub struct SqlNode {
    /// The object's id.
    pub id: String,
    /// The database.
    pub target: Target,
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
}

/// A data format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// The object's id.
    pub id: String,
    /// Its type: CSV, TSV, Custom, ….
    pub kind: String,
    /// `columnSeparator`.
    pub column_separator: Option<String>,
    /// `recordSeparator`.
    pub record_separator: Option<String>,
    /// `escapeChar`.
    pub escape_char: Option<String>,
    /// `myHeader`.
    pub header: bool,
    /// Names of `column`, without their types.
    pub columns: Vec<String>,
}

impl Task {
    /// Reads what the service handed out.
    ///
    /// # Errors
    ///
    /// Names the object and the field that cannot be worked with.
    pub fn read(wire: &TaskObject) -> Result<Self, Failure> {
        let attempt_id = wire.attempt_id().unwrap_or_default();
        let objects = objects(wire);
        let attempt = objects.get(attempt_id).ok_or_else(|| {
            Failure::bad_input(
                "Definition",
                format!("the task holds no object for its attempt `{attempt_id}`"),
            )
        })?;
        read::Reader { objects: &objects, attempt }.task(wire.pipeline_id().unwrap_or_default())
    }
}

fn objects(wire: &TaskObject) -> HashMap<String, PipelineObject> {
    let objects = wire.objects().into_iter().flatten().map(|(id, object)| {
        let fields = object.fields().iter().map(|field| match field.ref_value() {
            Some(target) => Field::reference(field.key(), target),
            None => Field::string(field.key(), field.string_value().unwrap_or_default()),
        });
        let fields = fields.collect();
        (
            id.clone(),
            PipelineObject { id: ObjectId::from(object.id()), name: object.name().to_owned(), fields },
        )
    });
    objects.collect()
}
