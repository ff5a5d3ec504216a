//! Says which fields of a data format have no effect on the way in which its dialect is read.

use super::field_type::{FieldType as _, MyDialect};

/// The way in which a data format is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Text, as the fields declare it.
    Declared,
    /// By `myDialect`.
    Dialect(MyDialect),
}

impl Reading {
    /// Returns the way in which a data format with this `myDialect` is read, or `None` if that is not known.
    #[must_use]
    pub fn of(dialect: Option<&str>) -> Option<Self> {
        match dialect {
            None => Some(Self::Declared),
            Some(text) => MyDialect::read(text).map(Self::Dialect),
        }
    }
}

const FOUND: &str = "it is found in the file";
const NO_SHEET: &str = "only a workbook has sheets";
const WORKBOOK: &str = "a workbook has cells and no text";
const JSON: &str = "JSON has objects with keys";

/// Returns the fields of data formats that have no effect, each with the reason. All other fields have an effect.
#[must_use]
pub fn unused(reading: Reading) -> &'static [(&'static str, &'static str)] {
    match reading {
        Reading::Declared | Reading::Dialect(MyDialect::Aws) => &[("mySheet", NO_SHEET)],
        Reading::Dialect(MyDialect::Auto) => {
            &[("columnSeparator", FOUND), ("escapeChar", FOUND), ("myQuote", FOUND), ("mySheet", NO_SHEET)]
        }
        Reading::Dialect(MyDialect::Xlsx) => &[
            ("columnSeparator", WORKBOOK),
            ("recordSeparator", WORKBOOK),
            ("escapeChar", WORKBOOK),
            ("myQuote", WORKBOOK),
            ("myCommentPrefix", WORKBOOK),
            ("myEncoding", WORKBOOK),
        ],
        Reading::Dialect(MyDialect::Json) => &[
            ("columnSeparator", JSON),
            ("recordSeparator", JSON),
            ("escapeChar", JSON),
            ("myQuote", JSON),
            ("myCommentPrefix", JSON),
            ("mySkipLines", JSON),
            ("myHeader", "the keys of the objects are the header"),
            ("mySheet", NO_SHEET),
        ],
    }
}
