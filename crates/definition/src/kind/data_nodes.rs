//! Data nodes: where data is.

use super::{
    Group, Kind, ValueShape,
    databases::ANY_DATABASE,
    field_type::Compression,
    shared_fields::WORK,
    spec::{FieldSpec, KindSpec, OneOf, spec, text, to, to_group, word},
    typed_field::Defaulted,
};

pub(super) static DYNAMO_DB_DATA_NODE: KindSpec = KindSpec {
    name: "DynamoDBDataNode",
    group: Group::DataNode,
    doc: "A table of DynamoDB, read or written by activities on a cluster and by RedshiftCopyActivity.",
    fields: &[
        text("tableName", "Name of the table.").required(),
        to(
            "dataFormat",
            &[Kind::DynamoDBDataFormat, Kind::DynamoDBExportDataFormat],
            "How items are laid out, for HiveActivity and HiveCopyActivity.",
        ),
        spec(
            "readThroughputPercent",
            THROUGHPUT,
            "Share of the table's read capacity to use; 0.5 is half of it.",
        ),
        spec(
            "writeThroughputPercent",
            THROUGHPUT,
            "Share of the table's write capacity to use; 0.5 is half of it.",
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
    doc: "A table of MySQL; deprecated, write SqlDataNode.",
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
    my_fields: &[],
};

const SQL_FIELDS: &[FieldSpec] = &[
    text("table", "Name of the table.").required(),
    to("database", ANY_DATABASE, "The database that the table is in."),
    text(
        "selectQuery",
        "Query that is read where the node is an input; without it the whole table, #{table}.",
    ),
    text(
        "insertQuery",
        "Statement that writes one row where the node is an output, with a ? for each column.",
    ),
    text(
        "createTableSql",
        "Statement that makes the table where the node is an output and the table is missing.",
    ),
    text("schemaName", "Schema that the table is in."),
    text(
        "connectionString",
        "JDBC URL of the database; older than the field database, which is to be preferred.",
    ),
    text("username", "User at the database, with connectionString."),
    text("*password", "Password at the database, with connectionString."),
];

pub(super) static REDSHIFT_DATA_NODE: KindSpec = KindSpec {
    name: "RedshiftDataNode",
    group: Group::DataNode,
    doc: "A table of Redshift.",
    fields: &[
        to("database", &[Kind::RedshiftDatabase], "The database that the table is in.").required(),
        text("tableName", "Name of the table.").required(),
        text("schemaName", "Schema in which the table is looked for.").default("PUBLIC"),
        text("createTableSql", "Statement that makes a missing table; it must name the schema itself."),
        text("primaryKeys", "Columns by which rows are merged, in place of the table's own primary key.")
            .multi(),
    ],
    includes: WORK,
    one_of: &[],
    my_fields: &[],
};

pub(super) static S3_DATA_NODE: KindSpec = KindSpec {
    name: "S3DataNode",
    group: Group::DataNode,
    doc: "One object in S3, or all objects under a prefix.",
    fields: &[
        text("filePath", "One object, s3://bucket/key."),
        text("directoryPath", "Every object under a prefix, s3://bucket/prefix."),
        COMPRESSION.spec(),
        to_group("dataFormat", Group::DataFormat, "How records are written in the objects."),
        text("manifestFilePath", "Redshift manifest that lists the objects, for RedshiftCopyActivity only."),
        word(
            "s3EncryptionType",
            &["SERVER_SIDE_ENCRYPTION", "NONE"],
            "Whether S3 encrypts the objects that are written.",
        )
        .default("SERVER_SIDE_ENCRYPTION"),
    ],
    includes: WORK,
    one_of: &[OneOf::at_least(&["filePath", "directoryPath", "manifestFilePath"])],
    my_fields: &[text(
        "myETag",
        "Reads this version of the object or none; the orchestrator sets it on the files of a drop.",
    )],
};

/// `compression`.
pub const COMPRESSION: Defaulted<Compression> =
    word("compression", Compression::WORDS, "How the objects are packed, for CopyActivity and Redshift.")
        .typed()
        .or("none");
