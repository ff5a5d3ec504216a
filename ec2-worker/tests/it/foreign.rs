//! Files of other programs, and damaged ones: each fails its load with one sentence that says what the file is.

use definition::kind::field::Limit;
use ec2_worker::etl::dialect::{Dialect, Form, RecordEnd};
use ec2_worker::etl::header::ROW_NAMES;

use super::World;
use super::dialects::written;
use super::gzip::piped;

async fn refusal(world: &World, bytes: &[u8], dialect: Dialect) -> String {
    let mut load = world.load("t", &world.file(bytes));
    load.dialect = dialect;
    world.run(&load).await.expect_err("refused").message
}

fn form(form: Form) -> Dialect {
    Dialect { form, header: true, ..Dialect::default() }
}

#[tokio::test]
async fn files_of_other_programs_are_recognised_whatever_the_format_says() {
    let world = World::new("CREATE TABLE t (id int, note text)").await;
    for (name, says) in [
        (
            "xls",
            "this is an old Excel workbook (.xls), or one with a password; save it as .xlsx without a password, or as CSV",
        ),
        ("ods", "this is an OpenDocument file (.ods); save it as .xlsx or CSV"),
        ("xlsb", "this is a binary Excel workbook (.xlsb); save it as .xlsx or CSV"),
        ("docx", "this is a Word document"),
        ("sqlite", "this is a SQLite database; export its table as CSV"),
        ("html", "this is HTML, whatever its name says; save it as CSV or .xlsx"),
        ("tar.gz", "this is a tar archive; drop its files one by one"),
    ] {
        let bytes = std::fs::read(written(&world, name)).expect("just written");
        for of in [Form::Text, Form::Workbook, Form::Json] {
            let message = refusal(&world, &bytes, form(of)).await;
            assert!(
                message.ends_with(says) || name == "docx" && message.contains(says),
                "{name} as {of:?}: {message}"
            );
        }
    }
    let twice = piped("gzip", &["-c"], &piped("gzip", &["-c"], b"id,note\n1,a\n"));
    for (bytes, says) in [
        (&b"PAR1\x15\x04"[..], "Parquet"),
        (b"ORC\x1d", "ORC"),
        (b"Obj\x01", "Avro"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x5d\0\0\x80\0\xff\xff", "this is packed by LZMA (.lzma)"),
        (
            b"\xc9\xc4\x6b\xd5\xc1\xd4\xc5\x15\xf1\x6b\xc1\xd5\xd5\xc1\x15\xf2\x6b\xc2\xd6\xc2\x15",
            "this is text in EBCDIC",
        ),
        (&twice, "the file is packed twice: it is gzip inside gzip; unpack it once"),
    ] {
        let message = refusal(&world, bytes, form(Form::Text)).await;
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_file_that_ends_within_a_character_is_not_whole() {
    let world = World::new("CREATE TABLE t (id int, note text)").await;
    let text: Vec<u8> = "\u{feff}id,note\n1,a\n2,b\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut load = world.load("t", &world.file(&text[..text.len() - 3]));
    load.limit = Limit::Count(10);
    let message = world.run(&load).await.expect_err("refused").message;
    assert!(message.contains("ends within a character of UTF-16LE; it is not whole"), "{message}");
    assert_eq!(world.rows("SELECT count(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_file_without_rows_says_what_was_left_out() {
    let world = World::new("CREATE TABLE t (id int, note text)").await;
    let skipping =
        |lines| Dialect { header: true, skip_lines: lines, comment: b"#".to_vec(), ..Dialect::default() };
    for (text, lines, says) in [
        ("id,note\n", 0, "the file has a header, but no rows; the table"),
        (
            "Report\nid,note\n\n#x\n",
            1,
            "has a header, but no rows; left out: 1 line at the start (`mySkipLines`), 1 line of comments (`myCommentPrefix`), 1 line without a value; the table",
        ),
        (
            "id,note\n1,a\n",
            2,
            "has neither a header nor rows; left out: 2 lines at the start (`mySkipLines`); the table",
        ),
        ("", 0, "the file is empty"),
    ] {
        let message = refusal(&world, text.as_bytes(), skipping(lines)).await;
        assert!(message.contains(says), "{message}");
    }
}

#[tokio::test]
async fn rows_that_differ_from_a_header_with_a_separator_at_its_end_say_how() {
    let world = World::new("CREATE TABLE t (id int, note text)").await;
    let mut load = world.load("t", &world.file("id,note,\n1,a,\n2,b,c\n3,d\n4\n5,e,f,\n"));
    load.limit = Limit::Count(4);
    let told = world.run(&load).await.expect("four rows are refused");
    for says in [
        "line 3: a value follows the last separator, but the header names no column for it",
        "line 4: the separator at the end is missing, which the header has",
        "line 5: 1 column instead of 2 before the separator at the end",
        "line 6: 3 columns instead of 2 before the separator at the end",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
}

#[tokio::test]
async fn a_frame_of_r_is_loaded_by_the_names_of_its_columns() {
    let world = World::new("CREATE TABLE t (row_names text, id int, note text)").await;
    let mut load = world.load("t", &world.file("\"note\" \"id\"\n\"r1\" \"a b\" 1\n\"r2\" \"c\" 2\n"));
    load.dialect =
        Dialect { separator: b" ".to_vec(), header: true, record_end: RecordEnd::Line, ..Dialect::default() };
    load.declared = [ROW_NAMES, "id", "note"].map(str::to_owned).to_vec();
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT * FROM t").await, "r1|1|a b r2|2|c");
}
