//! Copies of packed objects between files: every packing is checked to its end, and misleading names are reported.

use super::World;
use super::gzip::piped;
use super::objects::{copy, file, format, table};
use super::stack::{Stack, value};

const TEXT: &[u8] = b"id,note\n1,one\n2,two\n";

/// Returns the text in a zip archive, with a second file if `two` is true.
fn zipped(two: bool) -> Vec<u8> {
    let script = "import io, sys, zipfile
text = sys.stdin.buffer.read(); out = io.BytesIO(); z = zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED)
z.writestr('a.csv', text)
if sys.argv[1] == 'two': z.writestr('b.csv', text)
z.close(); sys.stdout.buffer.write(out.getvalue())";
    piped("python3", &["-c", script, if two { "two" } else { "one" }], TEXT)
}

/// Returns the text in Zstandard with a checksum, as the program `zstd` writes it.
fn zst() -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("a checksum");
    std::io::Write::write_all(&mut encoder, TEXT).expect("packed");
    encoder.finish().expect("packed")
}

/// The text in each packing, with the end of its name.
fn packed() -> Vec<(&'static str, Vec<u8>)> {
    let python = |expression: &str| {
        let script = format!(
            "import bz2, gzip, lzma, sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write({expression})"
        );
        piped("python3", &["-c", &script], TEXT)
    };
    vec![
        ("gz", python("gzip.compress(d)")),
        ("bz2", python("bz2.compress(d)")),
        ("xz", python("lzma.compress(d)")),
        ("zst", zst()),
        ("zip", zipped(false)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_object_that_is_cut_off_is_not_copied_in_any_packing() {
    let stack = Stack::start().await;
    let run = async |input: &str, output: &str, form: &str, gzip: (bool, bool)| {
        let objects = vec![
            copy(&[]),
            file("In", input, gzip.0, form),
            file("Out", output, gzip.1, form),
            format("Csv", "CSV", &[("myHeader", "true")]),
        ];
        stack.run(objects).await
    };
    for (end, bytes) in packed() {
        let (whole, cut, damaged) = (format!("in.{end}"), format!("cut.{end}"), format!("damaged.{end}"));
        stack.put(&whole, bytes.clone()).await;
        stack.put(&cut, bytes[..bytes.len() - 3].to_vec()).await;
        let mut wrong = bytes.clone();
        // A byte of the packed text changes. In the small archive, the text ends before the middle.
        let place = if end == "zip" { 40 } else { bytes.len() / 2 };
        wrong[place] ^= 0x55;
        stack.put(&damaged, wrong).await;
        let attempt = run(&whole, "out", "Csv", (false, false)).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{end}: {attempt:?}");
        assert_eq!(stack.get("out").await, bytes, "{end}");
        for input in [&cut, &damaged] {
            let attempt = run(input, "broken", "Csv", (false, false)).await;
            assert_eq!(value(&attempt, "@status"), "FAILED", "{input}: {attempt:?}");
            let message = value(&attempt, "errorMessage");
            assert!(message.starts_with(&format!("s3://files/{input}: ")), "{message}");
            let attempt = run(input, "broken", "", (false, false)).await;
            assert_eq!(
                value(&attempt, "@status"),
                "FINISHED",
                "an object without a data format is only bytes: {input}"
            );
        }
        // Another packing than gzip is not packed once more, because a load would refuse a file that is packed twice.
        let attempt = run(&whole, "out.gz", "Csv", (false, true)).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{end}: {attempt:?}");
        assert_eq!(piped("gzip", &["-d", "-c"], &stack.get("out.gz").await), TEXT, "{end}");
    }
    stack.put("two.zip", zipped(true)).await;
    let attempt = run("two.zip", "out.zip", "Csv", (false, false)).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_promises_another_packing_is_reported() {
    let world = World::new("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await;
    let stack = Stack::start().await;
    let csv = || format("Csv", "CSV", &[("myHeader", "true")]);
    let note = |attempt: &[(String, String)]| {
        assert_eq!(value(attempt, "@status"), "FINISHED", "{attempt:?}");
        value(attempt, "note").to_owned()
    };
    for (output, gzip, says) in [
        (
            "out.csv.gz",
            false,
            "is not packed, although its name ends with .gz; set `compression` to GZIP on `Out`",
        ),
        ("out.zst", false, "is not packed, although its name ends with .zst; give it another name"),
        ("out.bz2", true, "is packed with gzip, although its name ends with .bz2; give it another name"),
        ("out.csv.gz", true, ""),
    ] {
        let mut objects = vec![copy(&[]), file("Out", output, gzip, "Csv"), csv()];
        objects.extend(table(&world, "In", &[]));
        let told = note(&stack.run(objects).await);
        assert!(told.contains(says) && told.is_empty() == says.is_empty(), "{output}: {told}");
    }
    for (end, bytes) in packed() {
        stack.put(&format!("in.{end}"), bytes).await;
        for (output, is_told) in [(format!("out.{end}"), false), ("out.csv".to_owned(), false)] {
            let objects = vec![
                copy(&[]),
                file("In", &format!("in.{end}"), false, "Csv"),
                file("Out", &output, false, "Csv"),
                csv(),
            ];
            assert_eq!(!note(&stack.run(objects).await).is_empty(), is_told, "{end} {output}");
        }
    }
    let objects =
        vec![copy(&[]), file("In", "in.gz", true, "Csv"), file("Out", "out.gz", false, "Csv"), csv()];
    assert!(note(&stack.run(objects).await).contains("is not packed, although its name ends with .gz"));
}
