//! The records of a file: the fast splitter and the reader around it agree with a slow one, wherever the input is cut.

use ec2_worker::etl::dialect::{Dialect, RecordEnd};
use ec2_worker::etl::splitter::{Splitter, Step};

use super::slow_splitter::{self, Cut};
use super::{Choices, Field, Row, open, rows};

/// The number of bytes that choose the dialect and the cuts.
pub(crate) const HEAD: usize = 12;

/// Checks the text that follows the first bytes, in the dialect that they choose.
pub(crate) fn check(bytes: &[u8]) {
    let Some((head, text)) = bytes.split_at_checked(HEAD) else { return };
    let mut choices = Choices(head);
    let Some(dialect) = dialect(&mut choices) else { return };
    // A record needs several looks at the same bytes, so a long text says no more than a short one.
    let text = &text[..text.len().min(4096)];
    splitter(&dialect, text, &mut choices);
    reader(&dialect, text, choices.below(64) + 1);
    long(&dialect, text, choices.below(64) + 1, choices.below(40) + 1);
}

/// Returns a dialect that a definition can declare, or `None` if these bytes contradict each other.
fn dialect(choices: &mut Choices<'_>) -> Option<Dialect> {
    let separators: [&[u8]; 9] =
        [b",", b";", b"\t", b"|", b"||", b"aba", b",,", "\u{a6}".as_bytes(), b"\x01"];
    let ends: [Option<&[u8]>; 7] =
        [None, None, None, Some(b";"), Some(b"|\n"), Some(b"\r"), Some(b"\x1e\x1e")];
    let separator = choices.one(&separators).to_vec();
    let quote = choices.one(&[Some(b'"'), Some(b'"'), Some(b'\''), None]);
    let escape = choices.one(&[None, Some(b'\\'), Some(b'\'')]).filter(|escape| Some(*escape) != quote);
    let end = choices.one(&ends).map(<[u8]>::to_vec);
    let record_end = end.map_or(RecordEnd::Line, RecordEnd::Bytes);
    let comment = choices.one(&[&b""[..], b"", b"#", b"//"]).to_vec();
    let dialect = Dialect {
        separator,
        quote,
        escape,
        record_end,
        comment,
        skip_blank: choices.below(2) == 0,
        skip_lines: choices.one(&[0, 0, 1, 2]),
        skip_footer: choices.one(&[0, 0, 1, 2]),
        ..Dialect::default()
    };
    let (separator, end) = (&dialect.separator, dialect.record_end.bytes());
    (!separator.starts_with(end) && !end.starts_with(separator)).then_some(dialect)
}

/// Compares the splitter with the slow one, on the whole text and on texts that are cut.
fn splitter(dialect: &Dialect, text: &[u8], choices: &mut Choices<'_>) {
    let mut fast = Splitter::new(dialect);
    let mut at = 0;
    while at < text.len() {
        let slow = slow_splitter::cut(dialect, &text[at..]);
        let found = fast.split(text, at, true);
        match (&slow, found) {
            (Err(open), Step::QuoteOpen(index)) if at + open == index => {}
            (Ok(record), Step::Record { len, .. }) if len == record.len => same(&fast, text, record),
            (slow, found) => panic!("{found:?} at {at}, but {:?}", slow.as_ref().map(|record| record.len)),
        }
        let cut = (at + choices.below(32)).min(text.len());
        match fast.split(&text[..cut], at, false) {
            Step::NeedMore => {}
            found => assert_eq!(found, fast.split(text, at, true), "the text is cut at {cut}"),
        }
        let Ok(record) = slow else { return };
        assert!(record.len > 0, "no record is empty");
        at += record.len;
    }
}

fn same(fast: &Splitter, text: &[u8], slow: &Cut) {
    let fields: Vec<Field> = fast
        .fields()
        .iter()
        .map(|span| {
            let mut value = Vec::new();
            fast.unescape(text, *span, &mut value);
            assert!(span.escaped || value == text[span.start..span.end], "{span:?} has an escape after all");
            (value, span.quoted)
        })
        .collect();
    assert_eq!(fields, slow.fields);
    assert_eq!(fast.text_after_quote(), slow.text_after_quote);
}

/// Compares the reader of records with the slow one. The pieces of the input have the length `piece`.
fn reader(dialect: &Dialect, text: &[u8], piece: usize) {
    let (slow, is_open) = slow_splitter::read(dialect, text);
    let (fast, failure) = rows(open(text, piece, true, dialect));
    assert_eq!(failure.is_some(), is_open, "{failure:?}, {dialect:?}, {piece}");
    // With a footer, the records before an open quote may still be held.
    let count = if is_open && dialect.skip_footer > 0 { fast.len().min(slow.len()) } else { slow.len() };
    // Lines are counted where lines end records.
    let counts = dialect.record_end == RecordEnd::Line
        && text.contains(&b'\n')
        && !slow_splitter::ends_with_return(dialect, text);
    let shown = |rows: &[Row]| {
        rows.iter()
            .map(|row| Row { line: if counts { row.line } else { 0 }, ..row.clone() })
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&fast), shown(&slow[..count]), "{dialect:?}");
}

/// Records that are too long are passed over, and the others are the same.
fn long(dialect: &Dialect, text: &[u8], piece: usize, longest: usize) {
    let dialect = Dialect { skip_footer: 0, skip_blank: false, ..dialect.clone() };
    let (all, is_open) = slow_splitter::read(&dialect, text);
    let dialect = Dialect { longest_record: longest, ..dialect };
    let (found, failure) = rows(open(text, piece, true, &dialect));
    assert_eq!(failure.is_some(), is_open, "{failure:?}, {dialect:?}, {piece}");
    let places = |rows: &[Row]| rows.iter().map(|row| row.offset).collect::<Vec<_>>();
    assert_eq!(places(&found), places(&all), "at most {longest} bytes, in pieces of {piece}");
    for (found, slow) in found.iter().zip(&all) {
        assert!(found.too_long || found.fields == slow.fields, "{found:?}");
    }
}
