use encoding_rs::{SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252};
use proptest::prelude::*;

use super::super::dialect::RecordEnd;
use super::super::input::Input;
use super::super::position::Position;
use super::super::records::Records;
use super::*;

type Row = Vec<Option<String>>;

fn written(dialect: &Dialect, rows: &[Row]) -> Result<(Vec<u8>, u64), Unwritable> {
    let mut writer = RecordWriter::new(dialect, true);
    for row in rows {
        writer.begin(false);
        for value in row {
            writer.push(value.as_deref().map(str::as_bytes))?;
        }
        writer.end()?;
    }
    let blank_rows = writer.blank_rows();
    Ok((writer.take(), blank_rows))
}

/// Reads a file as a load into text columns does.
fn read(dialect: &Dialect, file: &[u8], columns: usize) -> Vec<Row> {
    let input = Input::of_pieces([file]);
    let scratch = std::env::temp_dir();
    let records =
        Records::begin(input, "f".to_owned(), dialect.clone(), Position::START, Some(columns), &scratch);
    let mut records = records.expect("a file that can be read");
    let mut rows = Vec::new();
    while let Some(record) = records.read().expect("a record") {
        assert_eq!(records.splitter().text_after_quote(), None);
        let window = records.window();
        assert!(std::str::from_utf8(&window[record.bytes.clone()]).is_ok());
        let mut text = Vec::new();
        let values = records.splitter().fields().iter().map(|span| {
            let raw = &window[span.start..span.end];
            let is_null = !span.quoted && (raw.is_empty() || dialect.nulls.iter().any(|null| null == raw));
            records.splitter().unescape(window, *span, &mut text);
            (!is_null).then(|| String::from_utf8(text.clone()).expect("UTF-8"))
        });
        rows.push(values.collect());
    }
    rows
}

fn text(row: &[&str]) -> Row {
    row.iter().map(|text| Some((*text).to_owned())).collect()
}

fn of(dialect: &Dialect, rows: &[Row]) -> String {
    let (bytes, _) = written(dialect, rows).expect("the dialect can express the rows");
    String::from_utf8(bytes).expect("UTF-8")
}

fn refusal(dialect: &Dialect, value: &str) -> String {
    let Unwritable { column, what } =
        written(dialect, &[text(&["1", value])]).expect_err("the dialect cannot express the value");
    assert_eq!(column, 1);
    what
}

fn tsv() -> Dialect {
    let null = b"\\N".to_vec();
    Dialect { separator: b"\t".to_vec(), quote: None, nulls: vec![null.clone()], null, ..Dialect::default() }
}

#[test]
fn values_are_quoted_only_where_they_must_be() {
    let row = vec![
        Some("a".to_owned()),
        None,
        Some(String::new()),
        Some("b,\"c".to_owned()),
        Some(" d".to_owned()),
    ];
    assert_eq!(of(&Dialect::default(), &[row]), "a,,\"\",\"b,\"\"c\",\" d\"\n");
}

#[test]
fn an_escape_is_written_as_it_is_read() {
    let quoted = Dialect { escape: Some(b'\\'), ..Dialect::default() };
    assert_eq!(of(&quoted, &[text(&["a\"b", "c\\d", "e"])]), "\"a\\\"b\",\"c\\\\d\",e\n");
    let bare = Dialect { escape: Some(b'\\'), ..tsv() };
    assert_eq!(of(&bare, &[text(&["a\tb", "\\N", "c\r\nd\r"])]), "a\\\tb\t\\\\N\tc\\\r\\\nd\\\r\n");
}

#[test]
fn a_record_end_of_other_bytes_is_written() {
    let dialect = Dialect { record_end: RecordEnd::Bytes(b";\n".to_vec()), ..Dialect::default() };
    assert_eq!(of(&dialect, &[text(&["a", "b;c"]), text(&["d", "e"])]), "a,\"b;c\";\nd,e;\n");
}

#[test]
fn a_value_that_cannot_be_read_back_is_refused_with_a_remedy() {
    let remedy = "; set `myQuote` or `escapeChar` on the data format of the output";
    assert_eq!(refusal(&tsv(), "a\tb"), format!("contains tab, which separates columns{remedy}"));
    assert_eq!(refusal(&tsv(), "a\nb"), format!("contains a line break, which ends a record{remedy}"));
    assert_eq!(refusal(&tsv(), "\\N"), format!("is `\\N`, which would be read as NULL{remedy}"));
    assert_eq!(refusal(&tsv(), ""), format!("is an empty text, which would be read as NULL{remedy}"));
    let escaped = Dialect { escape: Some(b'\\'), ..tsv() };
    assert_eq!(
        refusal(&escaped, ""),
        "is an empty text, which would be read as NULL; set `myQuote` on the data format of the output"
    );
    let nulls = Dialect { nulls: vec![Vec::new(), b"NA".to_vec()], quoted_nulls: true, ..Dialect::default() };
    let only_empty = Dialect { quoted_nulls: true, ..Dialect::default() };
    for (dialect, value) in [(&nulls, ""), (&nulls, "NA"), (&only_empty, "")] {
        assert!(refusal(dialect, value).contains("`myQuotedNulls`"), "{value}");
    }
    let blank = written(&tsv(), &[text(&[" ", "\t".trim()])]).expect_err("an empty text");
    assert_eq!(blank.column, 1);
    let blank = written(&tsv(), &[text(&[" ", " "])]).expect_err("a blank line");
    assert!(blank.what.contains("would be read as a blank line"), "{blank:?}");
}

#[test]
fn a_character_that_the_encoding_lacks_is_reported() {
    let lacks = "set `myEncoding` of the output's data format to utf-8";
    let latin = Dialect { encoding: Some(WINDOWS_1252), ..Dialect::default() };
    assert_eq!(written(&latin, &[text(&["1", "é"])]).expect("it has é").0, b"1,\xe9\n");
    assert_eq!(
        refusal(&latin, "aż"),
        format!("contains the character `ż` (U+017C), which windows-1252 lacks; {lacks}")
    );
    // Shift_JIS writes the yen sign as a backslash.
    let japanese = Dialect { encoding: Some(SHIFT_JIS), ..Dialect::default() };
    assert_eq!(
        refusal(&japanese, "5¥"),
        format!("contains the character `¥` (U+00A5), which Shift_JIS lacks; {lacks}")
    );
}

#[test]
fn a_file_in_utf_16_begins_with_one_byte_order_mark() {
    for (encoding, bytes) in [
        (UTF_16LE, &b"\xff\xfea\0,\0b\0\n\0c\0,\0d\0\n\0"[..]),
        (UTF_16BE, b"\xfe\xff\0a\0,\0b\0\n\0c\0,\0d\0\n"),
    ] {
        let dialect = Dialect { encoding: Some(encoding), ..Dialect::default() };
        let rows = [text(&["a", "b"]), text(&["c", "d"])];
        assert_eq!(written(&dialect, &rows).expect("written").0, bytes);
        assert_eq!(read(&dialect, bytes, 2), rows);
    }
}

#[test]
fn a_record_of_nulls_that_looks_blank_is_counted() {
    let rows = [vec![None, None], vec![Some("a".to_owned()), None]];
    assert_eq!(written(&Dialect::default(), &rows), Ok((b",\na,\n".to_vec(), 1)));
    let kept = Dialect { skip_blank: false, ..Dialect::default() };
    assert_eq!(written(&kept, &rows), Ok((b",\na,\n".to_vec(), 0)));
    assert_eq!(read(&kept, b",\na,\n", 2), rows);
    assert_eq!(written(&tsv(), &rows), Ok((b"\\N\t\\N\na\t\\N\n".to_vec(), 0)));
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let separators = prop::sample::select(vec![",", "\t", "|", ";", "||", "¦", "\x01", "ab"]);
    let ends = prop::sample::select(vec!["\n", "\n", ";", "|\n", "\x02", "¦¦", "\r"]);
    let quotes = prop::sample::select(vec![Some(b'"'), Some(b'\''), None]);
    let escapes = prop::sample::select(vec![None, Some(b'\\'), Some(b'^')]);
    let nulls = prop::sample::select(vec![vec![], vec!["\\N"], vec!["\\N", "NA"], vec!["NA"]]);
    let others = (prop::sample::select(vec!["", "#"]), any::<bool>());
    let encodings =
        prop::sample::select(vec![None, None, Some(UTF_16LE), Some(WINDOWS_1252), Some(SHIFT_JIS)]);
    (separators, ends, quotes, escapes, nulls, others, encodings).prop_map(
        |(separator, end, quote, escape, nulls, (comment, skip_blank), encoding)| Dialect {
            separator: separator.as_bytes().to_vec(),
            record_end: if end == "\n" { RecordEnd::Line } else { RecordEnd::Bytes(end.as_bytes().to_vec()) },
            quote,
            escape,
            null: nulls.first().map(|null| null.as_bytes().to_vec()).unwrap_or_default(),
            nulls: nulls.into_iter().map(|null| null.as_bytes().to_vec()).collect(),
            comment: comment.as_bytes().to_vec(),
            skip_blank,
            encoding,
            ..Dialect::default()
        },
    )
}

/// Whether the definition could have the dialect.
fn is_legal(dialect: &Dialect) -> bool {
    let (separator, end) = (dialect.separator.as_slice(), dialect.record_end.bytes());
    !separator.starts_with(end) && !end.starts_with(separator)
}

fn values() -> impl Strategy<Value = Option<String>> {
    let parts = vec![
        "a",
        "b",
        "N",
        "NA",
        "\\N",
        "\\",
        "^",
        "\"",
        "'",
        ",",
        "|",
        ";",
        "\t",
        "\n",
        "\r",
        " ",
        "#",
        "é",
        "¦",
        "¥",
        "\u{feff}",
        "sep=;",
        "%PDF-",
        "GIF89a",
        "€",
        "ÿþ",
        "PK\u{3}\u{4}",
        "\x01",
        "\x02",
        "BZh91AY&SY",
    ];
    prop_oneof![
        1 => Just(None),
        5 => prop::collection::vec(prop::sample::select(parts), 0..4).prop_map(|parts| Some(parts.concat())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_written_is_read_back(
        dialect in dialects().prop_filter("legal", is_legal),
        rows in (1..4_usize).prop_flat_map(|width| prop::collection::vec(prop::collection::vec(values(), width), 1..4)),
    ) {
        match written(&dialect, &rows) {
            Ok((bytes, 0)) => prop_assert_eq!(read(&dialect, &bytes, rows[0].len()), rows, "{:?}", bytes.escape_ascii().to_string()),
            Ok(_) => {}
            Err(problem) => {
                let is_complete = dialect.quote.is_some() && dialect.encoding.is_none_or(|it| it == UTF_16LE);
                prop_assert!(!is_complete, "{:?}", problem);
            }
        }
    }
}
