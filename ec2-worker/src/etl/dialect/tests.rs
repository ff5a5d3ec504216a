use definition::kind::dialect_fields::{Reading, unused};

use super::super::detect;
use super::*;

/// A change of one field of a data format.
type Change = (&'static str, fn(&mut Format));

const CHANGES: [Change; 13] = [
    ("columnSeparator", |f| f.column_separator = Some(";".to_owned())),
    ("recordSeparator", |f| f.record_separator = Some("~".to_owned())),
    ("escapeChar", |f| f.escape_char = Some("!".to_owned())),
    ("myQuote", |f| f.quote = Some("^".to_owned())),
    ("myHeader", |f| f.header = true),
    ("myCommentPrefix", |f| f.comment = Some("%".to_owned())),
    ("mySkipLines", |f| f.skip_lines = 1),
    ("mySkipFooter", |f| f.skip_footer = 1),
    ("mySkipBlank", |f| f.skip_blank = false),
    ("myEncoding", |f| f.encoding = Some("windows-1252".to_owned())),
    ("myMaxRecordBytes", |f| f.max_record_bytes = 2048),
    ("mySheet", |f| f.sheet = Some("Prices".to_owned())),
    ("columnSeparator", |f| f.column_separator = Some("\\t".to_owned())),
];

fn format(dialect: Option<MyDialect>) -> Format {
    Format {
        id: "Format".to_owned(),
        kind: "CSV".to_owned(),
        column_separator: None,
        record_separator: None,
        escape_char: None,
        header: false,
        dialect,
        quote: None,
        comment: None,
        skip_lines: 0,
        skip_footer: 0,
        skip_blank: true,
        encoding: None,
        max_record_bytes: 64_000_000,
        sheet: None,
        columns: Vec::new(),
    }
}

/// Returns the dialect by which a file is read.
fn read(format: &Format) -> Dialect {
    let dialect = Dialect::of(Some(format), &[]).expect("a legal format");
    if !dialect.detects {
        return dialect;
    }
    let mut found = detect::dialect(&dialect, b"a|\"b\"\n1|2\n", true, None).dialect;
    // A format with tabs has this text for NULL, which the file does not tell.
    found.nulls.clear();
    found
}

#[test]
fn validation_warns_of_exactly_the_fields_that_change_nothing() {
    let dialects =
        [None, Some(MyDialect::Auto), Some(MyDialect::Aws), Some(MyDialect::Xlsx), Some(MyDialect::Json)];
    for dialect in dialects {
        let reading = dialect.map_or(Reading::Declared, Reading::Dialect);
        for (key, change) in CHANGES {
            let mut changed = format(dialect);
            change(&mut changed);
            let has_effect = read(&changed) != read(&format(dialect));
            let is_unused = unused(reading).iter().any(|(unused, _)| *unused == key);
            assert_eq!(has_effect, !is_unused, "{key} with {dialect:?}");
        }
    }
}

#[test]
fn databases_that_separate_by_tabs_or_escape_by_backslashes_write_null_as_text() {
    let with = |separator: &[u8], escape, detects| {
        let mut dialect = Dialect { separator: separator.to_vec(), escape, detects, ..Dialect::default() };
        dialect.add_usual_nulls();
        dialect.is_null(b"\\N", false)
    };
    assert!(with(b",", Some(b'\\'), false) && with(b"\t", None, true));
    assert!(!with(b",", None, true) && !with(b"\t", None, false));
    let dialect = Dialect { nulls: vec![b"NA".to_vec()], ..Dialect::default() };
    assert!(dialect.is_null(b"", false) && dialect.is_null(b"NA", false));
    assert!(!dialect.is_null(b"", true) && !dialect.is_null(b"NA", true) && !dialect.is_null(b"N", false));
}
