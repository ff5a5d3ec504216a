use super::*;

fn rewrite() -> Rewrite {
    Rewrite {
        file: "orders.csv".to_owned(),
        labels: RecordLabels::Lines,
        read: Dialect::default(),
        written: Dialect { separator: b";".to_vec(), ..Dialect::default() },
        columns: Vec::new(),
        wanted: Vec::new(),
        output: Arc::default(),
        scratch: std::env::temp_dir(),
    }
}

async fn run(rewrite: Rewrite, pieces: &[&[u8]]) -> Result<String, Failure> {
    let mut received = rewrite.start(Input::of_pieces(pieces.iter().copied()));
    let mut out = Vec::new();
    while let Some(piece) = received.recv().await {
        out.extend(piece?);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

async fn rewritten(pieces: &[&[u8]]) -> Result<String, Failure> {
    run(rewrite(), pieces).await
}

#[tokio::test]
async fn a_byte_order_mark_is_left_out_wherever_the_pieces_are_cut() {
    let text = b"\xef\xbb\xbfid,note\n1,\"a;b\"\n";
    for cut in 0..text.len() {
        let (first, second) = text.split_at(cut);
        assert_eq!(rewritten(&[first, second]).await.expect("legal"), "id;note\n1;\"a;b\"\n", "{cut}");
    }
}

#[tokio::test]
async fn a_quote_left_open_ends_the_work_before_the_whole_file_is_in_memory() {
    let line = b"1,some text of an order that goes on\n".repeat(1000);
    let mut pieces = vec![&b"id,note\n1,\"open\n"[..]];
    // The line 800,000 times: 30 MB.
    pieces.extend(std::iter::repeat_n(line.as_slice(), 800));
    let failure = rewritten(&pieces).await.expect_err("no record is so long");
    assert_eq!(failure.id, "BadInput:OpenQuote");
    assert!(failure.message.starts_with("orders.csv, line 2, column 3: a quote opens here"), "{failure}");
    let long = b"x".repeat(70_000_000);
    let failure = rewritten(&[b"a,b\n", &long]).await.expect_err("no record is so long");
    assert_eq!(
        failure.message,
        "orders.csv, line 2: the record is longer than 64000000 bytes; `myMaxRecordBytes` allows more"
    );
}

#[tokio::test]
async fn text_that_would_be_lost_or_garbled_is_reported() {
    let failure = rewritten(&[b"a,b\n1,\"x\"y\n"]).await.expect_err("y would be lost");
    assert_eq!(failure.message, "orders.csv, line 2, column 2: text follows the closing quote");
    let failure = rewritten(&[b"a,b\n1,caf\xe9\n"]).await.expect_err("no UTF-8");
    assert_eq!(
        failure.message,
        "orders.csv, line 2: byte 6 of the line, 0xe9, is not valid UTF-8; set `myEncoding` of the input's data format to \
         the encoding of the file"
    );
}

#[tokio::test]
async fn a_text_that_the_output_cannot_hold_is_reported_with_line_and_column() {
    let null = b"\\N".to_vec();
    let tsv = Dialect {
        separator: b"\t".to_vec(),
        quote: None,
        nulls: vec![null.clone()],
        null,
        ..Dialect::default()
    };
    let read = Dialect { header: true, ..Dialect::default() };
    let to_tsv = || Rewrite { written: tsv.clone(), read: read.clone(), ..rewrite() };
    assert_eq!(run(to_tsv(), &[b"id,note\n1,\n"]).await.expect("legal"), "1\t\\N\n");
    let failure = run(to_tsv(), &[b"id,note\n1,\\N\n"]).await.expect_err("it would be NULL");
    assert_eq!(
        failure.message,
        "orders.csv, line 2, column `note`: the value is `\\N`, which would be read as NULL; set `myQuote` or `escapeChar` \
         on the data format of the output"
    );
    // The other way round, NULL and the text stay apart.
    let to_csv = Rewrite { read: Dialect { escape: Some(b'\\'), ..tsv }, ..rewrite() };
    assert_eq!(run(to_csv, &[b"1\t\\N\t\\\\N\n"]).await.expect("legal"), "1;;\\N\n");
}

#[tokio::test]
async fn a_header_is_made_of_the_declared_columns() {
    let written = Dialect { header: true, ..Dialect::default() };
    let columns = vec!["id".to_owned(), "note".to_owned()];
    let with_header = Rewrite { written, columns, ..rewrite() };
    assert_eq!(run(with_header, &[b"1,a\n"]).await.expect("legal"), "id,note\n1,a\n");
}

#[tokio::test]
async fn files_of_one_output_have_one_header_and_the_same_columns() {
    let with_header = Dialect { header: true, ..Dialect::default() };
    let part = Rewrite { read: with_header.clone(), written: with_header, ..rewrite() };
    let next = |name: &str| Rewrite { file: name.to_owned(), ..part.clone() };
    assert_eq!(run(next("empty.csv"), &[b""]).await.expect("legal"), "");
    assert_eq!(run(next("a.csv"), &[b"id,note\n1,a\n,\n"]).await.expect("legal"), "id,note\n1,a\n");
    assert_eq!(run(next("b.csv"), &[b"id,note\n2,b\n"]).await.expect("legal"), "2,b\n");
    let failure = run(next("c.csv"), &[b"note,id\nc,3\n"]).await.expect_err("another order");
    assert_eq!(
        failure.message,
        "c.csv, line 1: the header is `note,id`, but the header of a.csv is `id,note`; files that become one file need \
         the same columns in the same order"
    );
    assert_eq!(part.output.notes(), ["a.csv: left out 1 line without a record"]);
}

#[tokio::test]
async fn files_of_one_output_without_headers_have_the_same_number_of_columns() {
    let next = |name: &str, of: &Rewrite| Rewrite { file: name.to_owned(), ..of.clone() };
    let part = rewrite();
    run(next("1.csv", &part), &[b"1,2\n"]).await.expect("legal");
    let failure = run(next("2.csv", &part), &[b"3,4,5\n"]).await.expect_err("another width");
    assert_eq!(
        failure.message,
        "2.csv, line 1: 3 columns, but 2 in 1.csv; files that become one file need the same columns in the same order"
    );
}
