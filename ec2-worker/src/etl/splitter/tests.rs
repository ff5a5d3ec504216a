use proptest::prelude::*;

use super::*;
use crate::etl::dialect::RecordEnd;

fn rows(text: &str) -> Vec<Vec<String>> {
    rows_in(&Dialect::default(), text)
}

fn rows_in(dialect: &Dialect, text: &str) -> Vec<Vec<String>> {
    let mut splitter = Splitter::new(dialect);
    let (mut at, mut rows) = (0, Vec::new());
    while at < text.len() {
        let Step::Record { len, .. } = splitter.split(text.as_bytes(), at, true) else { break };
        let mut scratch = Vec::new();
        let texts = splitter.fields().iter().map(|span| {
            splitter.unescape(text.as_bytes(), *span, &mut scratch);
            String::from_utf8_lossy(&scratch).into_owned()
        });
        rows.push(texts.collect());
        at += len;
    }
    rows
}

#[test]
fn quotes_hold_separators_quotes_and_line_breaks() {
    assert_eq!(rows("a,\"b,\"\"c\"\"\r\nd\"\r\n1,\r\n"), [["a", "b,\"c\"\r\nd"], ["1", ""]]);
}

#[test]
fn a_field_that_begins_near_the_end_of_a_block_may_end_with_the_input() {
    let mut splitter = Splitter::new(&Dialect::default());
    for length in 1..140 {
        let text = format!("{},{}", "a".repeat(length), "b".repeat(10));
        assert_eq!(splitter.split(text.as_bytes(), 0, false), Step::NeedMore, "{length}");
        let (len, end) = (text.len(), text.len());
        assert_eq!(splitter.split(text.as_bytes(), 0, true), Step::Record { len, lines: 0 });
        let last = Span { start: length + 1, end, quoted: false, escaped: false };
        assert_eq!(splitter.fields().last(), Some(&last));
    }
}

#[test]
fn a_quote_left_open_is_reported_at_its_start() {
    let mut splitter = Splitter::new(&Dialect::default());
    assert_eq!(splitter.split(b"a,\"b\nc", 0, true), Step::QuoteOpen(2));
    assert_eq!(splitter.split(b"a,\"b\nc", 0, false), Step::NeedMore);
}

#[test]
fn text_after_a_closing_quote_is_reported_and_the_record_still_ends() {
    let mut splitter = Splitter::new(&Dialect::default());
    assert_eq!(splitter.split(b"1,\"a\"b,2\nx", 0, false), Step::Record { len: 9, lines: 1 });
    assert_eq!(splitter.text_after_quote(), Some(1));
    assert_eq!(splitter.fields().len(), 3);
    // A carriage return is a part of the line end only at the end of the line.
    assert_eq!(splitter.split(b"\"a\"\r,2\r\n", 0, false), Step::Record { len: 8, lines: 1 });
    assert_eq!(splitter.text_after_quote(), Some(0));
    assert_eq!(splitter.split(b"1,\"a\"\r\n", 0, false), Step::Record { len: 7, lines: 1 });
    assert_eq!(splitter.text_after_quote(), None);
}

#[test]
fn a_line_feed_in_a_field_counts_as_a_line_if_it_is_quoted_or_escaped() {
    let mut splitter = Splitter::new(&Dialect { escape: Some(b'\\'), ..Dialect::default() });
    for text in ["a\\\nb,c\n", "\"a\nb\",c\n", "\"a\"\\\nb,c\n"] {
        let len = text.len();
        assert_eq!(splitter.split(text.as_bytes(), 0, false), Step::Record { len, lines: 2 }, "{text:?}");
    }
}

#[test]
fn an_escape_makes_the_next_byte_ordinary() {
    let dialect = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    let mut splitter = Splitter::new(&dialect);
    let input = b"a\\,b,c\n";
    assert_eq!(splitter.split(input, 0, true), Step::Record { len: 7, lines: 1 });
    let mut out = Vec::new();
    splitter.unescape(input, splitter.fields()[0], &mut out);
    assert_eq!(out, b"a,b");
}

#[test]
fn an_escape_before_a_letter_is_ordinary_where_there_are_quotes() {
    for (quote, read) in [(Some(b'"'), "C:\\new,x"), (None, "C:new,x")] {
        let dialect = Dialect { quote, escape: Some(b'\\'), ..Dialect::default() };
        let mut splitter = Splitter::new(&dialect);
        let input = b"C:\\new\\,x\n";
        splitter.split(input, 0, true);
        let mut out = Vec::new();
        splitter.unescape(input, splitter.fields()[0], &mut out);
        assert_eq!(String::from_utf8_lossy(&out), read);
    }
}

proptest! {
    #[test]
    fn records_of_the_csv_crate_are_read_back(table in prop::collection::vec(
        prop::collection::vec("[a-c,\"\\n\\r ]{0,6}", 3), 1..8)) {
        let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
        for row in &table {
            writer.write_record(row).expect("writing to memory");
        }
        let text = String::from_utf8(writer.into_inner().expect("flushed")).expect("text in, text out");
        prop_assert_eq!(rows(&text), table);
    }

    #[test]
    fn fields_longer_than_a_block_are_read_back(table in prop::collection::vec(
        prop::collection::vec("[a-c,\"\\n é]{0,150}", 3), 1..5)) {
        let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
        for row in &table {
            writer.write_record(row).expect("writing to memory");
        }
        let text = String::from_utf8(writer.into_inner().expect("flushed")).expect("text in, text out");
        prop_assert_eq!(rows(&text), table);
    }

    #[test]
    fn escaped_fields_between_separators_of_any_length_are_read_back(
        table in prop::collection::vec(prop::collection::vec("[a-c,|~\\\\\\n]{0,90}", 3), 1..5),
        separator in prop::sample::select(vec![",", "||", "|,"]),
        end in prop::sample::select(vec!["\n", "|~|", "~"])) {
        let dialect = Dialect {
            separator: separator.into(),
            record_end: RecordEnd::Bytes(end.into()),
            quote: None,
            escape: Some(b'\\'),
            ..Dialect::default()
        };
        let escaped = |text: &String| -> String { text.chars().flat_map(|letter| ['\\', letter]).collect() };
        let lines = table.iter().map(|row| row.iter().map(escaped).collect::<Vec<_>>().join(separator) + end);
        prop_assert_eq!(rows_in(&dialect, &lines.collect::<String>()), table);
    }

    #[test]
    fn input_that_is_cut_anywhere_gives_the_same_record_or_needs_more(text in "[a-b,\"\\n\\r]{0,20}", cut in 0usize..20) {
        let bytes = text.as_bytes();
        let cut = cut.min(bytes.len());
        let mut splitter = Splitter::new(&Dialect::default());
        if let Step::Record { len, lines } = splitter.split(&bytes[..cut], 0, false) {
            prop_assert_eq!(splitter.split(bytes, 0, true), Step::Record { len, lines });
        }
    }
}
