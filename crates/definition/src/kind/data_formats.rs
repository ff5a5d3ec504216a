//! Data formats: how records are written in a file.

use super::{
    Group,
    shared_fields::PLAIN,
    spec::{FieldSpec, KindSpec, boolean, text},
    typed_field::Defaulted,
};

const COLUMN: FieldSpec = text(
    "column",
    "Name and type of the next column, NAME TYPE; the type can be left out and is then STRING.",
)
.multi();
const ESCAPE: FieldSpec =
    text("escapeChar", "Character before a character that must lose its special meaning.");
const RECORD_SEPARATOR: FieldSpec = text("recordSeparator", "Character that ends a record.");
/// `myHeader`.
pub const MY_HEADER: Defaulted<bool> = boolean(
    "myHeader",
    "Whether the first record contains the names of the columns, by which they are matched to the table.",
)
.typed()
.or("false");

pub(super) static CSV: KindSpec = KindSpec {
    name: "CSV",
    group: Group::DataFormat,
    doc: "Values separated by commas, one record in each line.",
    fields: &[COLUMN, ESCAPE],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[MY_HEADER.spec()],
};

pub(super) static TSV: KindSpec = KindSpec {
    name: "TSV",
    group: Group::DataFormat,
    doc: "Values separated by tabs, one record in each line.",
    fields: &[
        COLUMN,
        text("columnSeparator", "Character that separates values.").default("\\t"),
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
    doc: "Values separated by a character of your choice.",
    fields: &[
        text("columnSeparator", "Character that separates values.").required(),
        COLUMN,
        RECORD_SEPARATOR,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[MY_HEADER.spec()],
};

pub(super) static REG_EX: KindSpec = KindSpec {
    name: "RegEx",
    group: Group::DataFormat,
    doc: "Values that a regular expression captures from each line.",
    fields: &[
        text("inputRegEx", "Java regular expression for a line; each group in it is a column."),
        text("outputFormat", "Format of a written record, as in Java: %1$s %2$s."),
        COLUMN,
    ],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static DYNAMO_DB_DATA_FORMAT: KindSpec = KindSpec {
    name: "DynamoDBDataFormat",
    group: Group::DataFormat,
    doc: "Columns for the items of a DynamoDB table in a Hive query.",
    fields: &[COLUMN],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};

pub(super) static DYNAMO_DB_EXPORT_DATA_FORMAT: KindSpec = KindSpec {
    name: "DynamoDBExportDataFormat",
    group: Group::DataFormat,
    doc: "Items of a DynamoDB table in the form that HiveCopyActivity exports and imports.",
    fields: &[COLUMN],
    includes: PLAIN,
    one_of: &[],
    my_fields: &[],
};
