use super::super::column::ColumnType;
use super::super::source::{Origin, Source};
use super::*;
use crate::sql::SqlTemplate;

fn column(name: &str, kind: ColumnType) -> Column {
    Column::of(name, "integer", kind)
}

fn plan() -> Plan {
    Plan {
        file: "orders.csv".to_owned(),
        table: "staging.orders".to_owned(),
        dialect: Dialect { header: true, ..Dialect::default() },
        rules: ValueRules::default(),
        shape: Shape::Table {
            target: Target {
                columns: vec![column("id", ColumnType::Int4), column("note", ColumnType::Text(None))],
                generated: Vec::new(),
                on_columns: definition::kind::field::OnColumns::Strict,
            },
            declared: Vec::new(),
        },
        scratch: std::env::temp_dir(),
        is_plain: false,
        rows_of: RowsOf::File,
    }
}

/// Returns the number of rows, the refused records, and the failure if there is one.
async fn read(content: &[u8], plan: Plan) -> (u64, Vec<Reject>, Option<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("orders.csv");
    std::fs::write(&path, content).expect("written");
    let source = Source { origin: Origin::File(path), gzip: false };
    let input = source.open().await.expect("opened");
    let mut messages = start(input, plan);
    let (mut rows, mut rejects) = (0, Vec::new());
    while let Some(message) = messages.recv().await {
        match message {
            Message::Chunk(chunk) => {
                rows += chunk.rows;
                rejects.extend(chunk.rejects);
            }
            Message::Failed(failure) => return (rows, rejects, Some(failure.message)),
            Message::Begin(_) | Message::End(_) => {}
        }
    }
    (rows, rejects, None)
}

#[tokio::test]
async fn a_byte_order_mark_crlf_and_quoted_line_breaks_are_understood() {
    let (rows, rejects, failure) =
        read(b"\xef\xbb\xbfnote,id\r\n\"a,\r\n\"\"b\"\"\",1\r\n\r\n,2", plan()).await;
    assert_eq!((rows, rejects, failure), (2, vec![], None));
}

#[tokio::test]
async fn a_bad_record_is_refused_with_its_position_and_the_rest_is_read() {
    let (rows, rejects, failure) = read(b"id,note\n1,\"x\ny\"\nabc,z\n3\n4,ok\n", plan()).await;
    assert_eq!((rows, failure), (2, None));
    let positions: Vec<_> = rejects.iter().map(|r| (r.at.line, r.at.offset, r.reason.as_str())).collect();
    let wanted = [(4, 16, "\"abc\" is not a whole number; "), (5, 22, "1 column instead of 2; ")];
    assert_eq!(positions.len(), 2);
    for ((line, offset, reason), (at_line, at_offset, says)) in positions.into_iter().zip(wanted) {
        assert!((line, offset) == (at_line, at_offset) && reason.starts_with(says), "{line}: {reason}");
    }
    assert_eq!((rejects[0].column.as_deref(), rejects[0].raw.as_slice()), (Some("id"), &b"abc,z"[..]));
}

/// Returns a plan whose rows fill two placeholders.
fn plan_of_statement() -> Plan {
    let statement = Statement {
        template: SqlTemplate::new("INSERT INTO orders VALUES (?, ?)"),
        columns: vec![column("1", ColumnType::Text(None)), column("2", ColumnType::Text(None))],
        is_known: true,
        reports_rows: true,
        is_named: false,
        targets: Vec::new(),
        declared: Vec::new(),
    };
    Plan { shape: Shape::Statement(statement), ..plan() }
}

#[tokio::test]
async fn a_field_too_many_at_the_end_is_told_by_what_the_file_has() {
    let mut named = plan();
    if let Shape::Table { declared, .. } = &mut named.shape {
        *declared = vec!["id".to_owned(), "note".to_owned()];
    }
    let mut json = plan_of_statement();
    json.dialect.form = Form::Json;
    if let Shape::Statement(statement) = &mut json.shape {
        statement.declared = vec!["id".to_owned(), "note".to_owned()];
    }
    let without_header = |mut plan: Plan| {
        plan.dialect.header = false;
        plan
    };
    let cases: [(&[u8], Plan, &str); 5] = [
        (b"id,note\n1,a,\n", plan(), "the line ends with a separator, and the header does not; "),
        (b"1,a,\n", without_header(plan()), "and the table has no column after it; remove the separator"),
        (b"1,a,\n", without_header(named), "and `column` of the data format names no column after it; "),
        (
            b"1,a,\n",
            without_header(plan_of_statement()),
            "and `insertQuery` has no `?` for a value after it; ",
        ),
        (b"{\"id\": 1, \"note\": \"a\", \"ID\": null}\n", json, "3 keys instead of 2: every key of"),
    ];
    for (content, plan, says) in cases {
        let (rows, rejects, failure) = read(content, plan).await;
        assert_eq!((rows, rejects.len(), failure), (0, 1, None), "{says}");
        assert!(rejects[0].reason.contains(says), "{}", rejects[0].reason);
    }
}

#[tokio::test]
async fn bytes_that_are_not_text_are_reported() {
    let (rows, rejects, _) = read(b"id,note\n1,caf\xe9\n2,a\0b\n3,ok\n", plan()).await;
    assert_eq!(rows, 1);
    assert_eq!(
        rejects[0].reason,
        "byte 0xe9 is not UTF-8; save the file as UTF-8, or set `myEncoding`, for example to windows-1252 (byte 6 of the line)"
    );
    assert_eq!(rejects[0].column.as_deref(), Some("note"));
    assert!(rejects[1].reason.starts_with("a NUL byte"));
}

#[tokio::test]
async fn a_problem_of_the_whole_file_is_reported_with_its_position() {
    let failure = |content: &'static [u8]| async { read(content, plan()).await.2.expect("fails") };
    assert_eq!(
        failure(b"id,note\n1,a\n2,\"b\n3,c\n").await,
        "orders.csv, line 3, column 3: a quote opens here and is never closed; close it, double it if it belongs \
         to the text, or set `myQuote` to none if quotes have no meaning in the file"
    );
    assert!(failure(b"").await.contains("the file is empty"));
    assert!(failure(b"id,note\n\n").await.contains("has a header, but no rows"));
    let mut footer = plan();
    footer.dialect.skip_footer = 9;
    let refused = read(b"id,note\n1,a\n", footer).await.2.expect("fails");
    assert!(refused.contains("2 lines at the end (`mySkipFooter`)"), "{refused}");
    assert_eq!(
        failure(b"id,nota\n1,a\n").await,
        "orders.csv, line 1: the header does not fit table staging.orders: column 2, `nota`, is not in the table; did \
         you mean `note`?; column `note` is missing"
    );
}

#[tokio::test]
async fn positions_stay_right_over_many_pieces() {
    let mut content = b"id,note\n".to_vec();
    for id in 0..100_000 {
        content.extend_from_slice(format!("{id},some text with é in it\n").as_bytes());
    }
    content.extend_from_slice(b"x,last\n");
    let offset = content.len() as u64 - 7;
    let (rows, rejects, failure) = read(&content, plan()).await;
    assert_eq!((rows, failure), (100_000, None));
    assert_eq!(rejects[0].at, Position { offset, line: 100_002 });
}
