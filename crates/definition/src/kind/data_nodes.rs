//! Data nodes: where data is.

use super::{
    Group, Kind, ValueShape,
    databases::ANY_DATABASE,
    field_type::{Compression, MatchMode},
    shared_fields::WORK,
    spec::{FieldChoice, FieldSpec, KindSpec, spec, text, to, to_group, word},
    typed_field::{Defaulted, Optional},
};

pub(super) static DYNAMO_DB_DATA_NODE: KindSpec = KindSpec {
    name: "DynamoDBDataNode",
    group: Group::DataNode,
    doc: "A DynamoDB table. Activities on a cluster and RedshiftCopyActivity read and write it.",
    fields: &[
        text("tableName", "Name of the table.").required(),
        to(
            "dataFormat",
            &[Kind::DynamoDBDataFormat, Kind::DynamoDBExportDataFormat],
            "Format of the items, for HiveActivity and HiveCopyActivity.",
        ),
        spec(
            "readThroughputPercent",
            THROUGHPUT,
            "Share of the table's read capacity that can be used; 0.5 is half of it.",
        ),
        spec(
            "writeThroughputPercent",
            THROUGHPUT,
            "Share of the table's write capacity that can be used; 0.5 is half of it.",
        ),
        text("region", "Region of the table, such as us-east-1."),
    ],
    includes: WORK,
    one_of: &[],
    my_fields: &[],
};

const THROUGHPUT: ValueShape = ValueShape::Double { least: 0.1, most: 1.0 };

pub(super) static MY_SQL_DATA_NODE: KindSpec = KindSpec {
    name: "MySqlDataNode",
    group: Group::DataNode,
    doc: "A MySQL table; deprecated, use SqlDataNode.",
    fields: SQL_FIELDS,
    includes: WORK,
    one_of: &[],
    my_fields: &[],
};

pub(super) static SQL_DATA_NODE: KindSpec = KindSpec {
    name: "SqlDataNode",
    group: Group::DataNode,
    doc: "A table or query of a SQL database.",
    fields: SQL_FIELDS,
    includes: WORK,
    one_of: &[],
    my_fields: &[
        text(
            "myExpect",
            "Query that must give true after a load, -- and a message; if not, the load fails and is undone.",
        )
        .multi(),
        text(
            "myExpectWarn",
            "Query as in myExpect; if it does not give true, the load says so and succeeds.",
        )
        .multi(),
    ],
};

const SQL_FIELDS: &[FieldSpec] = &[
    text("table", "Name of the table.").required(),
    to("database", ANY_DATABASE, "The database that contains the table."),
    text(
        "selectQuery",
        "Query whose result is read if the node is an input. Without it: all rows of the table, #{table}.",
    ),
    text("insertQuery", "Statement that writes one row if the node is an output, with a ? for each column."),
    text(
        "createTableSql",
        "Statement that creates the table if the node is an output and the table is missing.",
    ),
    text("schemaName", "Schema that contains the table."),
    text("connectionString", "JDBC URL of the database; older form, use the field database instead."),
    text("username", "User of the database, with connectionString."),
    text("*password", "Password of the database user, with connectionString."),
];

pub(super) static REDSHIFT_DATA_NODE: KindSpec = KindSpec {
    name: "RedshiftDataNode",
    group: Group::DataNode,
    doc: "A Redshift table.",
    fields: &[
        to("database", &[Kind::RedshiftDatabase], "The database that contains the table.").required(),
        text("tableName", "Name of the table.").required(),
        text("schemaName", "Schema that contains the table.").default("PUBLIC"),
        text(
            "createTableSql",
            "Statement that creates a missing table; the statement must contain the schema.",
        ),
        text("primaryKeys", "Columns by which rows are merged, instead of the primary key of the table.")
            .multi(),
    ],
    includes: WORK,
    one_of: &[],
    my_fields: &[],
};

pub(super) static S3_DATA_NODE: KindSpec = KindSpec {
    name: "S3DataNode",
    group: Group::DataNode,
    doc: "One S3 object, or all S3 objects under a prefix.",
    fields: &[
        text("filePath", "One S3 object, s3://bucket/key."),
        text("directoryPath", "Every S3 object under a prefix, s3://bucket/prefix."),
        COMPRESSION.spec(),
        to_group("dataFormat", Group::DataFormat, "Format of the records in the objects."),
        text("manifestFilePath", "Redshift manifest that lists the objects; only for RedshiftCopyActivity."),
        word("s3EncryptionType", &["SERVER_SIDE_ENCRYPTION", "NONE"], "Whether S3 encrypts written objects.")
            .default("SERVER_SIDE_ENCRYPTION"),
    ],
    includes: WORK,
    one_of: &[FieldChoice::at_least(&["filePath", "directoryPath", "manifestFilePath"])],
    my_fields: &[
        MY_MATCH.spec(),
        text(
            "myETag",
            "ETag of the only version that may be read; the orchestrator sets it for the files of a drop.",
        ),
        text(
            "myManifest",
            "List of the objects that are read, each with its ETag; the orchestrator sets it where several dropped files \
             are read as one input.",
        ),
    ],
};

/// `myMatch`.
pub const MY_MATCH: Optional<MatchMode> = word(
    "myMatch",
    MatchMode::WORDS,
    "If several dropped files match: read the newest, all of them in the order of their names, or refuse more than one. \
     Usual: newest, and all for a directoryPath.",
)
.typed();

/// `compression`.
pub const COMPRESSION: Defaulted<Compression> =
    word("compression", Compression::WORDS, "Compression of the objects, for CopyActivity and Redshift.")
        .typed()
        .or("none");
