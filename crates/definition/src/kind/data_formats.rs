//! Data formats: how records are written in a file.

use super::{
    Group,
    shared_fields::PLAIN,
    spec::{FieldSpec, KindSpec, boolean, text},
    typed_field::Defaulted,
};

const COLUMN: FieldSpec =
    text("column", "A column in order, NAME TYPE; STRING is meant where the type is left out.").multi();
const ESCAPE: FieldSpec = text("escapeChar", "Character that takes its meaning from the one after it.");
const RECORD_SEPARATOR: FieldSpec = text("recordSeparator", "Character that ends a record.");
/// `myHeader`.
pub const MY_HEADER: Defaulted<bool> =
    boolean("myHeader", "Whether the first record names the columns; they are matched to the table by name.")
        .typed()
        .or("false");

pub(super) static CSV: KindSpec = KindSpec {
    name: "CSV",
    group: Group::DataFormat,
    doc: "Values with commas between, one record a line.",
    fields: &[COLUMN, ESCAPE],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[MY_HEADER.spec()],
};

pub(super) static TSV: KindSpec = KindSpec {
    name: "TSV",
    group: Group::DataFormat,
    doc: "Values with tabs between, one record a line.",
    fields: &[
        COLUMN,
        text("columnSeparator", "Character between values.").default("\\t"),
        RECORD_SEPARATOR.default("\\n"),
        ESCAPE,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[MY_HEADER.spec()],
};

pub(super) static CUSTOM: KindSpec = KindSpec {
    name: "Custom",
    group: Group::DataFormat,
    doc: "Values with a character of choice between.",
    fields: &[text("columnSeparator", "Character between values.").required(), COLUMN, RECORD_SEPARATOR],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[MY_HEADER.spec()],
};

pub(super) static REG_EX: KindSpec = KindSpec {
    name: "RegEx",
    group: Group::DataFormat,
    doc: "Values that a regular expression cuts out of each line.",
    fields: &[
        text("inputRegEx", "Java regular expression for a line; each of its groups is a column."),
        text("outputFormat", "How a record is written, in Java's format: %1$s %2$s."),
        COLUMN,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static DYNAMO_DB_DATA_FORMAT: KindSpec = KindSpec {
    name: "DynamoDBDataFormat",
    group: Group::DataFormat,
    doc: "Columns over the items of a DynamoDB table, for a Hive query.",
    fields: &[COLUMN],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static DYNAMO_DB_EXPORT_DATA_FORMAT: KindSpec = KindSpec {
    name: "DynamoDBExportDataFormat",
    group: Group::DataFormat,
    doc: "Items of a DynamoDB table as HiveCopyActivity exports and imports them.",
    fields: &[COLUMN],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};
