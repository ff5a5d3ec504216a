//! Own fields that say how the texts of a file become values. The activity and the data format of the file share them.

use super::{
    ValueShape,
    spec::{FieldSpec, boolean, spec, text},
    typed_field::Optional,
};

/// `myQuotedNulls`.
pub const MY_QUOTED_NULLS: Optional<bool> = boolean(
    "myQuotedNulls",
    "Whether the empty text and the texts of myNullValues mean NULL in quotes, too. Without it: false.",
)
.typed();
/// `myPercent`.
pub const MY_PERCENT: Optional<bool> =
    boolean("myPercent", "Whether numbers may end with %: 12% is then 0.12. Without it: false.").typed();
/// `myTrailingSign`.
pub const MY_TRAILING_SIGN: Optional<bool> = boolean(
    "myTrailingSign",
    "Whether numbers may have their sign at the end: 12- is then -12. Without it: false.",
)
.typed();

pub(super) const MY_NULL_VALUES: FieldSpec = text(
    "myNullValues",
    "Unquoted texts that mean NULL, in addition to the empty unquoted field. See myQuotedNulls for quoted ones.",
)
.multi();
pub(super) const MY_DATE_FORMAT: FieldSpec = spec(
    "myDateFormat",
    ValueShape::DatePattern,
    "Format of dates and times in the file; the first that fits is used. ISO 8601 is always read, too.",
)
.multi();
pub(super) const MY_COLUMN: FieldSpec = spec(
    "myColumn",
    ValueShape::ColumnPattern,
    "Column and the format of its dates and times, in place of myDateFormat; can repeat for a column.",
)
.multi();
pub(super) const MY_DECIMAL: FieldSpec = spec(
    "myDecimal",
    ValueShape::Character,
    "Character before the fraction of a number. Without it: the point.",
);
pub(super) const MY_GROUPING: FieldSpec = spec(
    "myGrouping",
    ValueShape::Character,
    "Character between groups of three digits, such as a comma; a space stands for no-break spaces, too.",
);
pub(super) const MY_CURRENCY: FieldSpec =
    text("myCurrency", "Symbol or code that may stand before or after a number and is dropped.").multi();
pub(super) const MY_TRUE: FieldSpec =
    text("myTrue", "Word for true, in addition to those of PostgreSQL, in upper or lower case.").multi();
pub(super) const MY_FALSE: FieldSpec =
    text("myFalse", "Word for false, in addition to those of PostgreSQL, in upper or lower case.").multi();
