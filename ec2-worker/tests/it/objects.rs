//! Activities with objects in S3, started by the service.

use super::World;
use super::gzip::piped;
use super::stack::{BUCKET, Stack, object, refers, string, value};

/// A `CopyActivity` from `In` to `Out`.
pub(crate) fn copy(more: &[(&str, &str)]) -> aws_sdk_datapipeline::types::PipelineObject {
    let mut fields = vec![string("type", "CopyActivity"), refers("input", "In"), refers("output", "Out")];
    fields.extend(more.iter().map(|(key, value)| string(key, value)));
    object("Copy", fields)
}

pub(crate) fn file(
    id: &str,
    key: &str,
    gzip: bool,
    format: &str,
) -> aws_sdk_datapipeline::types::PipelineObject {
    let mut fields = vec![string("type", "S3DataNode"), string("filePath", &format!("s3://{BUCKET}/{key}"))];
    if gzip {
        fields.push(string("compression", "GZIP"));
    }
    if !format.is_empty() {
        fields.push(refers("dataFormat", format));
    }
    object(id, fields)
}

pub(crate) fn table(
    world: &World,
    id: &str,
    more: &[(&str, &str)],
) -> Vec<aws_sdk_datapipeline::types::PipelineObject> {
    let database = vec![
        string("type", "JdbcDatabase"),
        string("connectionString", &world.postgres.url()),
        string("username", "postgres"),
        string("*password", "none"),
        string("jdbcDriverClass", "org.postgresql.Driver"),
    ];
    let mut node = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "t")];
    node.extend(more.iter().map(|(key, value)| string(key, value)));
    vec![object("Db", database), object(id, node)]
}

fn formats() -> Vec<aws_sdk_datapipeline::types::PipelineObject> {
    let csv = vec![string("type", "CSV"), string("myHeader", "true")];
    let tsv = vec![string("type", "TSV")];
    vec![object("Csv", csv), object("Tsv", tsv)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_object_is_loaded_and_rows_are_unloaded_for_other_programs_to_unpack() {
    let world = World::new("CREATE TABLE t (id int PRIMARY KEY, note text)").await;
    let stack = Stack::start().await;
    stack.put("in.csv.gz", piped("gzip", &["-c"], b"id,note\n1,one\n2,two\n")).await;
    let mut objects = vec![copy(&[]), file("In", "in.csv.gz", true, "Csv")];
    objects.extend(table(&world, "Out", &[]).into_iter().chain(formats()));
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(value(&attempt, "rowsLoaded"), "2");
    let mut objects = vec![copy(&[]), file("Out", "out.csv.gz", true, "Csv")];
    let select = [("selectQuery", "SELECT * FROM t ORDER BY id")];
    objects.extend(table(&world, "In", &select).into_iter().chain(formats()));
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    let packed = stack.get("out.csv.gz").await;
    let unpack = "import gzip, sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))";
    assert_eq!(piped("gzip", &["-d", "-c"], &packed), b"id,note\n1,one\n2,two\n");
    assert_eq!(piped("python3", &["-c", unpack], &packed), b"id,note\n1,one\n2,two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_object_is_copied_to_another_object_whole_unpacked_or_rewritten() {
    let stack = Stack::start().await;
    let packed = piped("gzip", &["-c"], b"id,note\n1,one\n2,\n");
    stack.put("in.csv.gz", packed.clone()).await;
    for (key, gzip, format, plain) in [
        ("same.csv.gz", true, "", &b"id,note\n1,one\n2,\n"[..]),
        ("plain.csv", false, "Csv", b"id,note\n1,one\n2,\n"),
        ("tabs.tsv", false, "Tsv", b"1\tone\n2\t\\N\n"),
        ("tabs.tsv.gz", true, "Tsv", b"1\tone\n2\t\\N\n"),
    ] {
        let mut objects =
            vec![copy(&[]), file("In", "in.csv.gz", true, "Csv"), file("Out", key, gzip, format)];
        objects.extend(formats());
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{key}: {attempt:?}");
        let written = stack.get(key).await;
        let written = if gzip { piped("gzip", &["-d", "-c"], &written) } else { written };
        assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(plain), "{key}");
    }
    stack.put("in.csv.gz", packed[..packed.len() - 4].to_vec()).await;
    // S3 copies the bytes of a packed file itself, after they were unpacked once.
    for (from, to) in [(true, false), (true, true), (false, true), (false, false)] {
        let mut objects =
            vec![copy(&[]), file("In", "in.csv.gz", from, "Csv"), file("Out", "cut.csv", to, "Csv")];
        objects.extend(formats());
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "errorId"), "BadInput:NotGzip", "{attempt:?}");
        let message = value(&attempt, "errorMessage");
        assert!(message.starts_with(&format!("s3://{BUCKET}/in.csv.gz: ")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_formats_with_other_texts_for_null_keeps_every_value() {
    let stack = Stack::start().await;
    stack.put("in.csv", b"id,note\n1,NA\n2,\n".to_vec()).await;
    let csv = |id: &str, nulls: &[&str]| {
        let mut fields = vec![string("type", "CSV"), string("myHeader", "true")];
        fields.extend(nulls.iter().map(|word| string("myNullValues", word)));
        object(id, fields)
    };
    for (from, to, written) in [
        (&[][..], &["NA"][..], "id,note\n1,\"NA\"\n2,\n"),
        (&["NA"], &[], "id,note\n1,\n2,\n"),
        (&["NA", "-"], &["-", "NA"], "id,note\n1,NA\n2,\n"),
    ] {
        let mut objects =
            vec![copy(&[]), file("In", "in.csv", false, "From"), file("Out", "out.csv", false, "To")];
        objects.extend([csv("From", from), csv("To", to)]);
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{from:?} {to:?}: {attempt:?}");
        assert_eq!(String::from_utf8_lossy(&stack.get("out.csv").await), written, "{from:?} {to:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_input_stays_packed() {
    let stack = Stack::start().await;
    stack.put("in.csv.gz", piped("gzip", &["-c"], b"id\n1\n")).await;
    let command = vec![
        string("type", "ShellCommandActivity"),
        string("stage", "true"),
        string(
            "command",
            "gzip -dc ${INPUT1_STAGING_DIR}/in.csv.gz | gzip -c > ${OUTPUT1_STAGING_DIR}/out.csv.gz",
        ),
        refers("input", "In"),
        refers("output", "Out"),
    ];
    let out = vec![string("type", "S3DataNode"), string("directoryPath", &format!("s3://{BUCKET}/out"))];
    let objects = vec![object("Copy", command), file("In", "in.csv.gz", true, ""), object("Out", out)];
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(piped("gzip", &["-d", "-c"], &stack.get("out/out.csv.gz").await), b"id\n1\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_character_in_a_result_or_a_refused_row_is_reported_as_an_escape() {
    let world = World::new("CREATE TABLE t (id int PRIMARY KEY, note text CHECK (note <> E'\\x02'))").await;
    world.client.batch_execute("INSERT INTO t VALUES (1, E'a\\x01b')").await.expect("a row");
    let stack = Stack::start().await;
    let mut objects = vec![copy(&[]), file("Out", "out.csv", false, "Csv")];
    objects.extend(table(&world, "In", &[("selectQuery", "SELECT * FROM t")]).into_iter().chain(formats()));
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(value(&attempt, "resultPreview"), "id    1\nnote  a\\u{1}b");
    assert_eq!(stack.get("out.csv").await, b"id,note\n1,a\x01b\n", "the file itself is as it must be");

    stack.put("in.csv", "id,note\n2,\u{2}\n3,c\n").await;
    for (rejects, status, field) in [("0", "FAILED", "errorMessage"), ("1", "FINISHED", "rejectReasons")] {
        let mut objects = vec![copy(&[("myMaxRejects", rejects)]), file("In", "in.csv", false, "Csv")];
        objects.extend(table(&world, "Out", &[]).into_iter().chain(formats()));
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), status, "{attempt:?}");
        let said = value(&attempt, field);
        assert!(said.contains("(2, \\u{2})"), "{said}");
    }
}

fn directory(key: &str, gzip: bool) -> aws_sdk_datapipeline::types::PipelineObject {
    let mut fields = vec![
        string("type", "S3DataNode"),
        string("directoryPath", &format!("s3://{BUCKET}/{key}")),
        refers("dataFormat", "Csv"),
    ];
    if gzip {
        fields.push(string("compression", "GZIP"));
    }
    object("In", fields)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_loaded_in_the_order_of_names_without_markers_and_with_empty_parts() {
    let world = World::new("CREATE TABLE t (number serial, id int, note text DEFAULT 'none')").await;
    let stack = Stack::start().await;
    for (key, content) in [
        ("in/part-00002.csv", "note,ID\ntwo,2\n\nthree,3\n"),
        ("in/part-00000.csv", "id,note\n1,one\n"),
        ("in/part-00001.csv", ""),
        ("in/part-00003.csv", "id,note\n"),
        ("in/_SUCCESS", ""),
        ("in/_committed_1", "{}"),
        ("in/.part-00000.csv.crc", "crc"),
        ("in/_temporary/0/part-00009.csv", "id,note\n9,nine\n"),
        ("other/part-00000.csv", "id,note\n1,one\n"),
        ("other/part-00001.csv", "id,notes\n1,one\n"),
        ("none/part-00000.csv", ""),
        ("none/part-00001.csv", "id,note\n"),
        ("none/_SUCCESS", ""),
        ("markers/_SUCCESS", ""),
    ] {
        stack.put(key, content).await;
    }
    for (key, packed) in
        [("packed/a.gz", piped("gzip", &["-c"], b"id,note\n5,five\n")), ("packed/b.gz", vec![])]
    {
        stack.put(key, packed).await;
    }
    let run = async |key: &str, gzip: bool, more: &[(&str, &str)]| {
        let mut objects = vec![copy(more), directory(key, gzip)];
        objects.extend(table(&world, "Out", &[]).into_iter().chain(formats()));
        stack.run(objects).await
    };
    let attempt = run("in/", false, &[]).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(world.rows("SELECT id, note FROM t ORDER BY number").await, "1|one 2|two 3|three");
    for (field, count) in
        [("rowsRead", "4"), ("rowsLoaded", "3"), ("rowsRejected", "0"), ("rowsSkipped", "1")]
    {
        assert_eq!(value(&attempt, field), count, "{field}: {attempt:?}");
    }
    let skipped = "not loaded, because the name of the file or of its folder begins with _ or .: \
                   `.part-00000.csv.crc`, `_SUCCESS`, `_committed_1` and 1 more";
    assert!(attempt.contains(&("note".to_owned(), skipped.to_owned())), "{attempt:?}");
    for (key, says) in [
        ("other", "part-00001.csv, line 1: the header does not fit table public.t: column 2, `notes`"),
        ("none", "none of the 2 files has a row"),
        ("markers", "there is nothing to load under s3://files/markers"),
    ] {
        let attempt = run(key, false, &[]).await;
        assert!(value(&attempt, "errorMessage").contains(says), "{key}: {attempt:?}");
    }
    let attempt = run("other", false, &[("myOnColumns", "ignore-extra")]).await;
    let says = "part-00001.csv: the header differs from that of s3://files/other/part-00000.csv: it lacks `note` and \
                has also `notes`";
    assert!(value(&attempt, "errorMessage").contains(says), "{attempt:?}");
    let attempt = run("packed", true, &[("myLoadMode", "replace")]).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(world.rows("SELECT id FROM t").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_refused_rows_alone_fails_whatever_the_limit_allows() {
    let world = World::new("CREATE TABLE t (id int, note text); INSERT INTO t VALUES (1, 'old')").await;
    let stack = Stack::start().await;
    for (content, says) in [
        ("id,note\nx,a\n", "the only row was refused; the table is left as it was: in.csv, line 2"),
        ("id,note\nx,a\n\ny,b\n", "all 2 rows were refused; the table is left as it was: in.csv, line 2"),
    ] {
        stack.put("in.csv", content).await;
        for mode in ["append", "replace"] {
            let more = [("myMaxRejects", "100%"), ("myLoadMode", mode)];
            let mut objects = vec![copy(&more), file("In", "in.csv", false, "Csv")];
            objects.extend(table(&world, "Out", &[]).into_iter().chain(formats()));
            let attempt = stack.run(objects).await;
            assert_eq!(value(&attempt, "errorId"), "BadInput:AllRejected", "{attempt:?}");
            assert!(value(&attempt, "errorMessage").starts_with(says), "{attempt:?}");
            assert_eq!(world.rows("SELECT note FROM t").await, "old");
        }
    }
}

/// A data format with these fields.
pub(crate) fn format(
    id: &str,
    kind: &str,
    fields: &[(&str, &str)],
) -> aws_sdk_datapipeline::types::PipelineObject {
    let mut all = vec![string("type", kind)];
    all.extend(fields.iter().map(|(key, value)| string(key, value)));
    object(id, all)
}

fn folder(id: &str, key: &str, format: &str) -> aws_sdk_datapipeline::types::PipelineObject {
    let at = string("directoryPath", &format!("s3://{BUCKET}/{key}"));
    object(id, vec![string("type", "S3DataNode"), at, refers("dataFormat", format)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_format_reads_the_file_that_it_wrote() {
    let rows = "(1, 'a;b'), (2, E'\\\\N'), (3, NULL), (4, E'c\"d\\\\e'), (5, E'f\\ng')";
    let world = World::new(&format!(
        "CREATE TABLE rows (id int, note text); INSERT INTO rows VALUES {rows}; CREATE TABLE t (LIKE rows)"
    ))
    .await;
    let stack = Stack::start().await;
    for (kind, fields, file) in [
        ("CSV", &[("escapeChar", "\\\\")][..], "1,a;b\n2,\"\\\\N\"\n3,\n4,\"c\\\"d\\\\e\"\n5,\"f\ng\"\n"),
        (
            "Custom",
            &[("columnSeparator", ","), ("recordSeparator", ";")],
            "1,\"a;b\";2,\\N;3,;4,\"c\"\"d\\e\";5,\"f\ng\";",
        ),
        ("TSV", &[("escapeChar", "\\\\")], "1\ta;b\n2\t\\\\N\n3\t\\N\n4\tc\"d\\\\e\n5\tf\\\ng\n"),
        (
            "TSV",
            &[("columnSeparator", "|"), ("myQuote", "\"")],
            "1|a;b\n2|\"\\N\"\n3|\\N\n4|\"c\"\"d\\e\"\n5|\"f\ng\"\n",
        ),
        ("CSV", &[("myNullValues", "a;b")], "1,\"a;b\"\n2,\\N\n3,\n4,\"c\"\"d\\e\"\n5,\"f\ng\"\n"),
    ] {
        let form = || format("Form", kind, fields);
        let mut objects = vec![copy(&[]), file_of("Out", "out.txt"), form()];
        objects.extend(table(&world, "In", &[("selectQuery", "SELECT * FROM rows ORDER BY id")]));
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
        assert_eq!(String::from_utf8_lossy(&stack.get("out.txt").await), file, "{kind} {fields:?}");
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
        let mut objects = vec![copy(&[]), file_of("In", "out.txt"), form()];
        objects.extend(table(&world, "Out", &[]));
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
        let (stored, expected) = ("SELECT * FROM t ORDER BY id", "SELECT * FROM rows ORDER BY id");
        assert_eq!(world.rows(stored).await, world.rows(expected).await, "{kind} {fields:?}");
    }
}

pub(crate) fn file_of(id: &str, key: &str) -> aws_sdk_datapipeline::types::PipelineObject {
    file(id, key, false, "Form")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_tables_keeps_every_row_and_every_text() {
    let world = World::new(
        "CREATE TABLE rows (a text, b int);
         INSERT INTO rows VALUES (NULL, NULL), ('', 1), (E'\\r', 2), (E'\\ufeffx', 3), ('sep=;', NULL), (' ', NULL), ('\"', 4);
         CREATE TABLE t (LIKE rows)",
    )
    .await;
    let stack = Stack::start().await;
    let mut objects = table(&world, "Out", &[]);
    let from = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "rows")];
    objects.extend([copy(&[]), object("In", from)]);
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    let rows =
        |table: &str| format!("SELECT x::text, x.a IS NULL FROM {table} x ORDER BY x::text COLLATE \"C\"");
    assert_eq!(world.rows(&rows("t")).await, world.rows(&rows("rows")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_directory_become_one_file_or_are_refused_by_name() {
    let stack = Stack::start().await;
    stack.put("in/_SUCCESS", "").await;
    stack.put("in/part-0.csv", "").await;
    stack.put("in/part-1.csv", "id,note\n1,\"a\tb\"\n").await;
    stack.put("in/part-2.csv", piped("gzip", &["-c"], b"id,note\n2,c\n")).await;
    let tsv = format("Tsv", "TSV", &[("myQuote", "\""), ("myHeader", "true")]);
    let run = async || {
        let csv = formats().remove(0);
        let objects = vec![
            copy(&[]),
            folder("In", "in", "Csv"),
            file("Out", "out.tsv", false, "Tsv"),
            csv,
            tsv.clone(),
        ];
        stack.run(objects).await
    };
    let attempt = run().await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(stack.get("out.tsv").await, b"id\tnote\n1\t\"a\tb\"\n2\tc\n");
    stack.put("in/part-3.csv", "note,id\nd,3\n").await;
    let message = value(&run().await, "errorMessage").to_owned();
    assert!(message.contains("in/part-3.csv, line 1: the header is `note,id`"), "{message}");
    assert_eq!(stack.get("out.tsv").await, b"id\tnote\n1\t\"a\tb\"\n2\tc\n", "the object before is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_the_same_text_is_only_packed_or_unpacked() {
    let stack = Stack::start().await;
    let text = b"# a remark\nid,note\n1,\"one\"\n";
    stack.put("plain.csv", text.to_vec()).await;
    stack.put("packed.csv.gz", piped("gzip", &["-c"], text)).await;
    for (input, from, to) in [
        ("plain.csv", false, true),
        ("packed.csv.gz", true, false),
        ("packed.csv.gz", true, true),
        ("packed.csv.gz", false, true),
    ] {
        let objects = vec![
            copy(&[]),
            file("In", input, from, "Form"),
            file("Out", "out", to, "Form"),
            format("Form", "CSV", &[("myComment", "#")]),
        ];
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
        let out = stack.get("out").await;
        let out = if to { piped("gzip", &["-d", "-c"], &out) } else { out };
        assert_eq!(out, text, "{input} {from} {to}");
    }
    let objects = vec![
        copy(&[]),
        file("In", "plain.csv", true, "Csv"),
        file("Out", "out", true, "Csv"),
        formats().remove(0),
    ];
    let attempt = stack.run(objects).await;
    assert_eq!(value(&attempt, "errorId"), "BadInput:NotGzip", "{attempt:?}");
}
