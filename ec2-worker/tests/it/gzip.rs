//! Packed inputs, as other programs write them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use definition::kind::field::Limit;

use super::World;

const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text)";
const PYTHON: &str = "import gzip, sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read()))";

/// Returns the standard output of `program` for `input`.
pub(crate) fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("starting {program}: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("no panic").expect("it reads all");
    assert!(output.status.success(), "{program} {arguments:?}");
    output.stdout
}

fn gzip(content: &[u8]) -> Vec<u8> {
    piped("gzip", &["-c"], content)
}

#[tokio::test]
async fn a_file_of_any_gzip_program_is_loaded() {
    let world = World::new(TABLE).await;
    let named = world.file("id,note\n1,one\n2,two\n");
    let named = named.to_str().expect("a UTF-8 path");
    let mut long = "id,note\n".to_owned();
    for id in 0..100_000 {
        long.push_str(&format!("{id},some text of row {id}\n"));
    }
    let cases = [
        ("gzip", gzip(b"id,note\n1,one\n2,two\n"), 2),
        ("gzip -9 --name", piped("gzip", &["-9", "--name", "-c", named], b""), 2),
        ("gzip of many pieces", gzip(long.as_bytes()), 100_000),
        // `cat a.gz b.gz` and pigz write several members, cut anywhere.
        ("two members", [gzip(b"id,note\n1,o"), gzip(b"ne\n2,two\n")].concat(), 2),
        ("an empty member", [gzip(b"id,note\n1,one\n"), gzip(b""), gzip(b"2,two\n")].concat(), 2),
        ("Python", piped("python3", &["-c", PYTHON], b"id,note\n1,one\n2,two\n"), 2),
    ];
    for (program, bytes, rows) in cases {
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
        let mut load = world.load("t", &world.file(bytes));
        load.sources[0].gzip = true;
        let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{program}: {failure}"));
        assert_eq!(told, format!("rowsLoaded={rows}, rowsRejected=0"), "{program}");
        assert_eq!(world.rows("SELECT count(*) FROM t").await, rows.to_string(), "{program}");
    }
}

#[tokio::test]
async fn rows_that_the_database_refuses_are_found_again_in_a_packed_file() {
    let world = World::new(TABLE).await;
    let mut content = "id,note\n".to_owned();
    for id in 0..50_000 {
        let id = if id == 40_000 { 7 } else { id };
        content.push_str(&format!("{id},some text\n"));
    }
    let mut load = world.load("t", &world.file(gzip(content.as_bytes())));
    load.sources[0].gzip = true;
    load.limit = Limit::Count(1);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.starts_with("rowsLoaded=49999, rowsRejected=1"), "{told}");
    assert_eq!(world.rows("SELECT line, raw_line FROM t_rejects").await, "40002|7,some text");
}

#[tokio::test]
async fn a_packed_file_that_cannot_be_read_is_reported_with_its_reason() {
    let world = World::new(TABLE).await;
    let content: String = (0..50_000).map(|id| format!("{id},some text of row {id}\n")).collect();
    let whole = gzip(format!("id,note\n{content}").as_bytes());
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0xff;
    let cases = [
        ("no gzip", b"id,note\n1,one\n".to_vec(), "BadInput:NotGzip", "it is not packed"),
        ("no bytes", Vec::new(), "BadInput:NotGzip", "ends too early"),
        ("cut in its header", whole[..5].to_vec(), "BadInput:NotGzip", "ends too early"),
        ("cut in the middle", whole[..whole.len() / 2].to_vec(), "BadInput:NotGzip", "ends too early"),
        ("cut in its checksum", whole[..whole.len() - 3].to_vec(), "BadInput:NotGzip", "ends too early"),
        ("damaged", damaged, "BadInput:NotGzip", ""),
        ("an empty file", gzip(b""), "BadInput:NoRows", "the file is empty"),
        ("a header alone", gzip(b"id,note\n"), "BadInput:NoRows", "has a header, but no rows"),
    ];
    for (case, bytes, id, says) in cases {
        let file = world.file(bytes);
        let mut load = world.load("t", &file);
        load.sources[0].gzip = true;
        // Damage can also make rows that do not fit.
        load.limit = Limit::Percent(100.0);
        let failure = world.run(&load).await.expect_err(case);
        assert_eq!(failure.id, id, "{case}: {failure}");
        let name = file.display().to_string();
        assert!(failure.message.starts_with(&name) && failure.message.contains(says), "{case}: {failure}");
        assert_eq!(world.rows("SELECT count(*) FROM t").await, "0", "{case}");
    }
}
