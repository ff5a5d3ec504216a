//! Files that were joined from several files, and quotes that stand astray.

use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::load::Load;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::failure::Failure;

use super::World;
use super::exports::{exported, load_back};
use super::gzip::piped;
use super::objects::{copy, file_of, format};
use super::stack::{Stack, object, refers, string, value};

const MARK: &str = "\u{feff}";

async fn rows(world: &World, load: &Load) -> Result<(String, String), Failure> {
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let told = world.run(load).await?;
    Ok((world.rows("SELECT id, octet_length(id), v FROM t").await, told))
}

fn plain(world: &World, bytes: impl AsRef<[u8]>, header: bool) -> Load {
    let path = world.file(bytes);
    let mut load = world.load("t", &path);
    load.sources = vec![Source { origin: Origin::File(path), gzip: false }];
    load.dialect = Dialect { header, ..Dialect::default() };
    load
}

#[tokio::test]
async fn a_byte_order_mark_at_the_start_of_a_record_is_left_out_and_noted() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    let wanted = "1|1|a 2|1|b";
    let text = format!("{MARK}id,v\n1,a\n{MARK}{MARK}2,b\n");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let packed = [
        piped("gzip", &["-c"], format!("{MARK}id,v\n1,a\n").as_bytes()),
        piped("gzip", &["-c"], format!("{MARK}2,b\n").as_bytes()),
    ];
    for bytes in [
        text.clone().into_bytes(),
        format!("{MARK}id,v\n1,a\n{MARK}\"2\",\"b\"\n").into_bytes(),
        format!("id,v\r\n1,a\r\n{MARK}2,b").into_bytes(),
        format!("id,v\n1,a\n{MARK}\n2,b\n{MARK}").into_bytes(),
        utf16,
        packed.concat(),
    ] {
        let (found, told) = rows(&world, &plain(&world, &bytes, true)).await.expect("loaded");
        assert_eq!(found, wanted, "{}", String::from_utf8_lossy(&bytes));
        assert!(told.contains("byte order mark"), "{told}");
        assert!(told.contains("inside the file, the first in line 3; it may have been joined"), "{told}");
    }
    let (found, told) =
        rows(&world, &plain(&world, format!("{MARK}1,a\n2,{MARK}b\n"), false)).await.expect("loaded");
    assert_eq!(found, format!("1|1|a 2|1|{MARK}b"));
    assert!(
        told.contains(
            "1 record has a byte order mark (U+FEFF) inside, the first in line 2; the mark is kept"
        ),
        "{told}"
    );
    assert!(!told.contains("left out"), "{told}");
    let mut refused = plain(&world, format!("id,v\n1,a\n{MARK}2,b,c\n{MARK}3,d\n"), true);
    refused.limit = definition::kind::field::Limit::Count(1);
    let (found, told) = rows(&world, &refused).await.expect("one row is refused");
    assert_eq!(found, "1|1|a 3|1|d");
    assert!(told.contains("left out 2 byte order marks"), "{told}");
}

#[tokio::test]
async fn a_text_that_begins_with_a_mark_is_read_back() {
    let world = World::new(
        "CREATE TABLE t (v text, n int); CREATE TABLE back (LIKE t);
         INSERT INTO t VALUES ('x', 0), (E'\\ufeffx', 1), (E'\\ufeff', 2), (E'\\ufeff\\ufeff,\"', 3)",
    )
    .await;
    let plain = Dialect::default();
    for dialect in [
        plain.clone(),
        Dialect { header: true, ..plain.clone() },
        Dialect { separator: b"||".to_vec(), ..plain.clone() },
        Dialect { escape: Some(b'\\'), ..plain.clone() },
        Dialect { separator: b"\t".to_vec(), quote: None, escape: Some(b'\\'), ..plain.clone() },
        Dialect { encoding: Some(encoding_rs::UTF_16LE), ..plain.clone() },
    ] {
        world.client.batch_execute("TRUNCATE back").await.expect("emptied");
        let (file, _) = exported(&world, None, &dialect).await.expect("exported");
        load_back(&world, &file, &dialect).await.expect("read back");
        let rows = |table: &str| format!("SELECT * FROM {table} ORDER BY n");
        assert_eq!(world.rows(&rows("back")).await, world.rows(&rows("t")).await, "{dialect:?}");
    }
    let bare = Dialect { quote: None, ..plain };
    let refused = exported(&world, None, &bare).await.expect_err("it cannot be told from a mark").message;
    assert!(refused.contains("begins with a byte order mark, which would be left out"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_another_format_leaves_out_marks_inside_the_file() {
    let stack = Stack::start().await;
    stack.put("in.txt", format!("id;v\n1;a\n{MARK}\"2\";b\n")).await;
    let input = vec![
        string("type", "S3DataNode"),
        string("filePath", "s3://files/in.txt"),
        refers("dataFormat", "From"),
    ];
    let objects = vec![
        copy(&[]),
        object("In", input),
        file_of("Out", "out.txt"),
        format("From", "Custom", &[("columnSeparator", ";"), ("myHeader", "true")]),
        format("Form", "CSV", &[("myHeader", "true")]),
    ];
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(stack.get("out.txt").await, b"id,v\n1,a\n2,b\n");
    let notes: Vec<&str> =
        attempt.iter().filter(|(key, _)| key == "note").map(|(_, note)| note.as_str()).collect();
    assert!(
        notes.iter().any(|note| note.contains("left out 1 byte order mark inside the file")),
        "{notes:?}"
    );
}

#[tokio::test]
async fn a_record_that_is_the_header_again_and_a_record_of_many_lines_are_noted() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    let (found, told) =
        rows(&world, &plain(&world, "id,v\n1,a\nid,v\n2,b\r\nid,v", true)).await.expect("loaded");
    assert_eq!(found, "1|1|a id|2|v 2|1|b id|2|v");
    assert!(
        told.contains("2 records are equal to the header, the first in line 3; they were read as a row"),
        "{told}"
    );
    let (_, told) = rows(&world, &plain(&world, format!("{MARK}id,v\n1,a\n{MARK}\"ID\",\" v\"\n"), true))
        .await
        .expect("loaded");
    assert!(told.contains("1 record is equal to the header, the first in line 3"), "{told}");
    let mut text = "id,v\n0,\"a\nb\"\n".to_owned();
    for line in 0..200 {
        let value = match line {
            20 => "\"open",
            120 => "end\"",
            _ => "x",
        };
        text.push_str(&format!("{line},{value}\n"));
    }
    let (_, told) = rows(&world, &plain(&world, &text, true)).await.expect("loaded");
    assert!(told.contains("1 record has 100 line breaks inside quotes, the first from line 24 on"), "{told}");
    let (_, told) = rows(&world, &plain(&world, "id,v\n1,\"a\nb\"\n", true)).await.expect("loaded");
    assert_eq!(told, "rowsLoaded=1, rowsRejected=0");
}

#[tokio::test]
async fn a_file_in_utf_8_that_is_read_in_another_encoding_is_noted() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    for (bytes, is_noted) in [
        ("id,v\n1,Köln\n".as_bytes(), true),
        (b"id,v\n1,K\xf6ln\n", false),
        (b"id,v\n1,x\n", false),
        ("id,v\n1,äöüÄÖÜßéèêë\n2,caf".bytes().chain(*b"\xe9\n").collect::<Vec<u8>>().leak(), true),
        ("id,v\n1,äöü\n2,caf".bytes().chain(*b"\xe9\n").collect::<Vec<u8>>().leak(), false),
    ] {
        let mut load = plain(&world, bytes, true);
        load.dialect.encoding = Some(encoding_rs::WINDOWS_1252);
        let (_, told) = rows(&world, &load).await.expect("loaded");
        let note = "the bytes of the file are UTF-8 with letters beyond ASCII, apart from damaged ones, but `myEncoding` says windows-1252";
        assert_eq!(told.contains(note), is_noted, "{told}");
    }
}

#[tokio::test]
async fn a_record_whose_lines_look_like_rows_is_noted() {
    let world = World::new("CREATE TABLE t (id text, v text, n text)").await;
    let text =
        "id,v,n\n1,\"a, b\nc, d\ne\",2\n2,\"inch,5\n3,x,6\n4,y\",7\n5,\"a\nb\",8\n6,\"h\r\n7,i\",9\r\n";
    let (found, told) = rows(&world, &plain(&world, text, true)).await.expect("loaded");
    assert!(found.contains("2|1|inch,5\n3,x,6\n4,y"), "{found}");
    let expected = "1 record has line breaks inside quotes, and each of the lines has as many separators as a row; the first record \
                    begins in line 5; if the lines are rows, a stray quote has joined them into one record";
    assert!(told.contains(expected), "{told}");
    let (_, told) = rows(&world, &plain(&world, "id,v,n\n1,\"a,2\n3,b\",4", true)).await.expect("loaded");
    assert!(told.contains("1 record has line breaks inside quotes"), "{told}");
}

#[tokio::test]
async fn a_header_in_another_order_is_refused_and_one_that_is_not_declared_is_noted() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    let swapped = plain(&world, "id,v\n1,a\nv,id\nb,2\n", true);
    let failure = rows(&world, &swapped).await.expect_err("the columns change places").message;
    assert!(
        failure.contains("line 3: the record has the names of the columns in another order than the header"),
        "{failure}"
    );
    let longer = plain(&world, "ID,\"V\"\n1,a\nid,v,\n", false);
    let failure = rows(&world, &longer).await.expect_err("a record has three columns").message;
    assert!(failure.contains("line 3: 3 columns instead of 2"), "{failure}");
    let (found, told) = rows(&world, &plain(&world, "ID,\"V\"\n1,a\nid,id\n", false)).await.expect("loaded");
    assert_eq!(found, "ID|2|V 1|1|a id|2|id");
    assert!(
        told.contains("1 record has the names of the columns as values, the first in line 1; it was read as a row; if it is a header, set `myHeader` true"),
        "{told}"
    );
    let swapped = rows(&world, &plain(&world, "v,id\na,1\n", false)).await.expect_err("refused").message;
    assert!(swapped.contains("in another order than the table"), "{swapped}");
    // The same is true of a statement.
    let by_statement = |content: &str| {
        let mut load = plain(&world, content, false);
        load.insert = Some("INSERT INTO t VALUES (?, ?)".to_owned());
        load
    };
    let (_, told) = rows(&world, &by_statement("id,v\n1,x\n")).await.expect("loaded");
    assert!(told.contains("1 record has the names of the columns as values, the first in line 1"), "{told}");
    let swapped = rows(&world, &by_statement("v,id\nx,1\n")).await.expect_err("refused").message;
    assert!(swapped.contains("in another order than the table"), "{swapped}");
}

#[tokio::test]
async fn backslashes_of_a_dump_without_an_escape_are_noted() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    for (content, is_noted) in [
        ("1\tC:\\\\temp\n2\t\\N\n", true),
        ("1\t\\\\server\\share\n", false),
        ("1\tC:\\temp\n2\t\\N\n", false),
    ] {
        let mut load = plain(&world, content, false);
        load.dialect = Dialect {
            separator: b"\t".to_vec(),
            quote: None,
            nulls: vec![b"\\N".to_vec()],
            header: false,
            ..load.dialect
        };
        let (_, told) = rows(&world, &load).await.expect("loaded");
        assert_eq!(
            told.contains("two backslashes in a row, the first in line 1"),
            is_noted,
            "{content}: {told}"
        );
    }
}

#[tokio::test]
async fn line_feeds_alone_are_noted_where_records_end_with_cr_lf() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    for (content, is_noted) in
        [("1\ta\n2\tb\r\n", true), ("1\ta\r\n2\tb\r\n", false), ("1\ta\n2\tb\n", false)]
    {
        let mut load = plain(&world, content, false);
        load.dialect = Dialect {
            separator: b"\t".to_vec(),
            quote: None,
            ends_with_return: true,
            header: false,
            ..load.dialect
        };
        let (_, told) = rows(&world, &load).await.expect("loaded");
        assert_eq!(told.contains("the file has line feeds alone, too"), is_noted, "{content}: {told}");
    }
}

#[tokio::test]
async fn joined_lines_of_json_lose_their_marks_and_blank_lines_are_not_rows() {
    let world = World::new("CREATE TABLE t (id text, v text); CREATE TABLE one (id text)").await;
    let json = |text: &str| {
        let mut load = plain(&world, text, true);
        load.dialect.form = ec2_worker::etl::dialect::Form::Json;
        load
    };
    let (found, told) = rows(
        &world,
        &json(&format!("{MARK}{{\"id\":\"1\",\"v\":\"a\"}}\n{MARK}{{\"id\":\"2\",\"v\":\"{MARK}b\"}}\n")),
    )
    .await
    .expect("loaded");
    assert_eq!(found, format!("1|1|a 2|1|{MARK}b"));
    assert!(told.contains("left out 1 byte order mark inside the file, the first in line 2"), "{told}");
    assert!(told.contains("1 record has a byte order mark (U+FEFF) inside, the first in line 2"), "{told}");
    let mut one = json("\n{\"id\":\"1\"}\n\n{\"id\":\"2\"}\n\n");
    one.table = "one".to_owned();
    let told = world.run(&one).await.expect("loaded");
    assert_eq!(world.rows("SELECT id FROM one").await, "1 2");
    assert!(told.contains("left out 3 blank lines"), "{told}");
}

#[tokio::test]
async fn quotes_that_stay_in_values_are_noted() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    let tsv = Dialect { separator: b"\t".to_vec(), quote: None, header: true, ..Dialect::default() };
    for (text, dialect, says) in [
        (
            "id,v\n1, \"a\"\n2,b\n3, \"c\" \n",
            None,
            "2 records have a value in quotes that were kept as a part of it, the first in line 2",
        ),
        (
            "id\tv\n1\ta\n2\t\"say \"\"hi\"\"\"\n",
            Some(&tsv),
            "1 record has a value in quotes that were kept as a part of it, the first in line 3",
        ),
        ("id\tv\n1\t5\"\n2\t\"\n", Some(&tsv), ""),
        ("id,v\n1,\"\"\"a\"\"\"\n2,5\"\n3,\" b\"\n", None, ""),
    ] {
        let mut load = plain(&world, text, true);
        load.dialect = dialect.cloned().unwrap_or(load.dialect);
        let (_, told) = rows(&world, &load).await.expect("loaded");
        assert!(told.contains(says) && told.contains("quotes") != says.is_empty(), "{text}: {told}");
    }
}

#[tokio::test]
async fn letters_after_an_escape_are_noted_where_the_escape_is_dropped() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    let tsv = Dialect {
        separator: b"\t".to_vec(),
        quote: None,
        escape: Some(b'\\'),
        header: true,
        ..Dialect::default()
    };
    let csv = Dialect { separator: b",".to_vec(), quote: Some(b'"'), ..tsv.clone() };
    for (text, dialect, values, says) in [
        (
            "id\tv\n1\ta\\\\tb\n2\ta\\tb\n3\tz\\0\n",
            &tsv,
            "a\\tb atb z0",
            "2 records have an escape before a letter, such as `\\t`, the first in line 3",
        ),
        ("id\tv\n1\ta\\\tb\n", &tsv, "a\tb", ""),
        ("id,v\n1,a\\tb\n", &csv, "a\\tb", ""),
    ] {
        let mut load = plain(&world, text, true);
        load.dialect = dialect.clone();
        let (_, told) = rows(&world, &load).await.expect("loaded");
        assert_eq!(world.rows("SELECT v FROM t ORDER BY id").await, values, "{text}");
        assert!(
            told.contains(says) && told.contains("an escape before") != says.is_empty(),
            "{text}: {told}"
        );
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    }
}

#[tokio::test]
async fn a_record_is_refused_exactly_above_the_longest_length() {
    let world = World::new("CREATE TABLE t (id text, v text)").await;
    for (most, count) in [(12, 3), (11, 2), (10, 1), (9, 0)] {
        for end in ["\n", "\r\n"] {
            let text =
                ["1,12345678", "2,123456789", "3,\"12345678\""].map(|row| format!("{row}{end}")).concat();
            let mut load = plain(&world, text, false);
            load.dialect.longest_record = most;
            load.limit = definition::kind::field::Limit::Count(3);
            let stored = match rows(&world, &load).await {
                Ok((_, told)) => told,
                Err(failure) => failure.message,
            };
            let wanted = format!("rowsLoaded={count}, rowsRejected={}", 3 - count);
            let is_refused = count == 0 && stored.contains("the record is longer than 9 bytes");
            assert!(stored.starts_with(&wanted) || is_refused, "{most}: {stored}");
        }
    }
}
