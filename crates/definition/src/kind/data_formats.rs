//! Data formats: how records are written in a file.

use super::{
    Group,
    field_type::MyDialect,
    shared_fields::PLAIN,
    spec::{FieldSpec, KindSpec, boolean, count, integer, text, word},
    typed_field::{Defaulted, Optional},
    value_fields::{
        MY_COLUMN, MY_CURRENCY, MY_DATE_FORMAT, MY_DECIMAL, MY_FALSE, MY_GROUPING, MY_NULL_VALUES,
        MY_PERCENT, MY_QUOTED_NULLS, MY_TRAILING_SIGN, MY_TRUE,
    },
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
/// `myDialect`.
pub const MY_DIALECT: Optional<MyDialect> = word(
    "myDialect",
    MyDialect::WORDS,
    "Another way to read the file: auto detects separator, quote and escape; aws escapes with backslashes and has no \
     quotes; xlsx is a workbook; json is JSON lines or a JSON array.",
)
.typed();
/// `mySkipLines`.
pub const MY_SKIP_LINES: Defaulted<u64> =
    count("mySkipLines", "How many lines at the start of each file are left out, before the header.")
        .typed()
        .or("0");
/// `mySkipFooter`.
pub const MY_SKIP_FOOTER: Defaulted<u64> =
    integer("mySkipFooter", 0, 1000, "How many records at the end of each file are left out.")
        .typed()
        .or("0");
/// `mySkipBlank`.
pub const MY_SKIP_BLANK: Defaulted<bool> = boolean(
    "mySkipBlank",
    "Whether lines without any value, such as ,,, or spaces alone, are left out. If not, they are rows of NULLs.",
)
.typed()
.or("true");
/// `myMaxRecordBytes`.
pub const MY_MAX_RECORD_BYTES: Defaulted<u64> = integer(
    "myMaxRecordBytes",
    1024,
    1_000_000_000,
    "The largest record in bytes; a longer one is rejected.",
)
.typed()
.or("64000000");
const MY_QUOTE: FieldSpec = text(
    "myQuote",
    "Character around values that contain special characters, or the word none. If missing: the quotation mark for \
     CSV and Custom, none for TSV.",
);
const MY_ESCAPE_CHAR: FieldSpec =
    text("myEscapeChar", "Character before a character that must lose its special meaning.");
const MY_COMMENT: FieldSpec =
    text("myCommentPrefix", "Text at the start of lines that are left out, such as #.");
const MY_ENCODING: FieldSpec = text(
    "myEncoding",
    "Encoding of the file, such as windows-1252. A byte order mark at the start of the file overrides it.",
)
.default("utf-8");
const MY_SHEET: FieldSpec =
    text("mySheet", "Name or number of the sheet of an Excel workbook. Without it: the first sheet.");

/// The own fields of CSV and TSV.
const LINES: &[FieldSpec] = &[
    MY_HEADER.spec(),
    MY_DIALECT.spec(),
    MY_QUOTE,
    MY_COMMENT,
    MY_SKIP_LINES.spec(),
    MY_SKIP_FOOTER.spec(),
    MY_SKIP_BLANK.spec(),
    MY_ENCODING,
    MY_MAX_RECORD_BYTES.spec(),
    MY_SHEET,
    MY_NULL_VALUES,
    MY_QUOTED_NULLS.spec(),
    MY_DATE_FORMAT,
    MY_COLUMN,
    MY_DECIMAL,
    MY_GROUPING,
    MY_CURRENCY,
    MY_PERCENT.spec(),
    MY_TRAILING_SIGN.spec(),
    MY_TRUE,
    MY_FALSE,
];

pub(super) static CSV: KindSpec = KindSpec {
    name: "CSV",
    group: Group::DataFormat,
    doc: "Values separated by commas, one record in each line.",
    fields: &[COLUMN, ESCAPE],
    includes: PLAIN,
    one_of: &[],
    my_fields: LINES,
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
    my_fields: LINES,
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
    my_fields: &[
        MY_HEADER.spec(),
        MY_QUOTE,
        MY_ESCAPE_CHAR,
        MY_COMMENT,
        MY_SKIP_LINES.spec(),
        MY_SKIP_FOOTER.spec(),
        MY_SKIP_BLANK.spec(),
        MY_ENCODING,
        MY_MAX_RECORD_BYTES.spec(),
        MY_NULL_VALUES,
        MY_QUOTED_NULLS.spec(),
        MY_DATE_FORMAT,
        MY_COLUMN,
        MY_DECIMAL,
        MY_GROUPING,
        MY_CURRENCY,
        MY_PERCENT.spec(),
        MY_TRAILING_SIGN.spec(),
        MY_TRUE,
        MY_FALSE,
    ],
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
