//! A load, an export and a copy use the columns that the field `column` of a data format declares, in that order. They refuse names
//! that do not fit.

use definition::kind::field::OnColumns;
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::unload::{self, Unload};
use ec2_worker::failure::Failure;
use ec2_worker::node::SqlNode;
use ec2_worker::progress::Progress;

use super::World;
use super::objects::{copy, file_of, format, table};
use super::stack::{Stack, object, refers, string, value};

fn names(declared: &[&str]) -> Vec<String> {
    declared.iter().map(|name| (*name).to_owned()).collect()
}

/// Loads a file without a header into `t`. Returns the rows of the table, or the message of the failure.
async fn loaded(
    world: &World,
    text: &str,
    declared: &[&str],
    on_columns: OnColumns,
) -> Result<String, String> {
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let mut load = world.load("t", &world.file(text));
    load.dialect.header = false;
    load.declared = names(declared);
    load.on_columns = on_columns;
    let told = world.run(&load).await.map_err(|failure| failure.message)?;
    Ok(format!("{}; {told}", world.rows("SELECT * FROM t").await))
}

#[tokio::test]
async fn declared_columns_that_do_not_fit_the_table_are_refused_with_the_nearest_name() {
    let world = World::new("CREATE TABLE t (id int, qty int, year int)").await;
    for (declared, says) in [
        (&["year", "id", "qtty"][..], "column 3, `qtty`, is not in the table; did you mean `qty`?"),
        (&["year", "id"], "column `qty` is missing"),
        (&["year", "id", "qty", "note"], "column 4, `note`, is not in the table"),
        (&["year", "id", "id"], "column 3 names `id` a second time"),
        (&["a", "b", "c"], "column 1, `a`, is not in the table; column 2, `b`"),
        (&["year INT", "id INT", "qtty INT"], "column 3, `qtty`, is not in the table; did you mean `qty`?"),
        (&["year", "id", "id qty"], "column 3, `id qty`, is not in the table"),
        (&["year,id,qty"], "write a `column` of its own for each name"),
    ] {
        for separator in [",", ";"] {
            let text = ["2024", "7", "55", "1"][..declared.len()].join(separator);
            let refused =
                loaded(&world, &text, declared, OnColumns::Strict).await.expect_err("it does not fit");
            assert!(
                refused.contains("`column` of the data format does not fit table public.t: "),
                "{refused}"
            );
            assert!(refused.contains(says), "{declared:?}: {refused}");
        }
    }
    let wanted = "7|55|2024; rowsLoaded=1, rowsRejected=0";
    for declared in
        [["year", "id", "qty"], ["year INT", "id BIGINT", "qty decimal(10, 2)"], ["Year", "ID", "q_ty int"]]
    {
        let found = loaded(&world, "2024,7,55\n", &declared, OnColumns::Strict).await.expect("it fits");
        assert!(found.starts_with(wanted), "{declared:?}: {found}");
    }
}

#[tokio::test]
async fn declared_columns_that_the_table_lacks_are_treated_as_those_of_a_header() {
    let world = World::new("CREATE TABLE t (x text, order_date date)").await;
    let declared = ["Order Date", "x", "note"];
    let text = "2024-01-02,1,a\n";
    let ignored = loaded(&world, text, &declared, OnColumns::IgnoreExtra).await.expect("left out");
    assert!(ignored.starts_with("1|2024-01-02; rowsLoaded=1"), "{ignored}");
    assert!(ignored.contains("left out, because the table has no such column: `note`"), "{ignored}");
    let misspelt = loaded(&world, text, &["Order Dat", "x", "note"], OnColumns::IgnoreExtra).await;
    assert!(misspelt.expect_err("it lacks a column").contains("column `order_date` is missing"));
    let added = loaded(&world, text, &declared, OnColumns::AddMissing).await.expect("added");
    assert!(added.starts_with("1|2024-01-02|a; rowsLoaded=1"), "{added}");
}

/// Exports `t`, or the rows of a query, with declared columns.
async fn exported(
    world: &World,
    select: Option<&str>,
    dialect: &Dialect,
    declared: &[&str],
) -> Result<(String, Vec<String>), Failure> {
    let target = world.load("t", world.folder.path()).target;
    let node = SqlNode { select: select.map(str::to_owned), ..world.node("t", target) };
    let (path, progress) = (world.file(""), Progress::default());
    let out = Unload::new(&node, dialect).in_order(&names(declared));
    unload::to_file(&world.pool, &out, &path, std::time::Duration::ZERO, &progress).await?;
    let text = String::from_utf8(std::fs::read(path).expect("it is there")).expect("UTF-8");
    let notes = progress.fields().into_iter().filter(|(key, _)| key == "note").map(|(_, note)| note);
    Ok((text, notes.collect()))
}

#[tokio::test]
async fn an_export_writes_the_declared_columns_in_their_order() {
    let world =
        World::new("CREATE TABLE t (name text, city text, n int); INSERT INTO t VALUES ('Anna', 'Rome', 1)")
            .await;
    let plain = Dialect::default();
    let header = Dialect { header: true, ..Dialect::default() };
    let tab = Dialect { separator: b"\t".to_vec(), ..header.clone() };
    for (dialect, declared, wanted) in [
        (&plain, &["city", "name", "n"][..], "Rome,Anna,1\n"),
        (&plain, &["n INT", "City STRING", "name STRING"], "1,Rome,Anna\n"),
        (&header, &["city", "name", "n"], "city,name,n\nRome,Anna,1\n"),
        (&tab, &["city", "n", "name"], "city\tn\tname\nRome\t1\tAnna\n"),
    ] {
        for select in [None, Some("SELECT * FROM t")] {
            let (text, notes) = exported(&world, select, dialect, declared).await.expect("exported");
            assert_eq!((text.as_str(), notes.len()), (wanted, 0), "{declared:?}");
        }
    }
    let (text, notes) = exported(&world, None, &plain, &["city"]).await.expect("exported");
    assert_eq!(text, "Rome\n");
    let says = "left out columns that `column` of the output's data format does not name: `name`, `n`";
    assert_eq!(notes, [says]);
    for (declared, says) in [
        (&["town", "name"][..], "column 1, `town`, is not among the columns"),
        (&["city", "nam", "n"], "did you mean `name`?"),
        (&["city", "city", "n"], "column 2 names `city` a second time"),
    ] {
        let refused = exported(&world, None, &plain, declared).await.expect_err("refused").message;
        assert!(refused.contains(says), "{refused}");
    }
    let twice = exported(&world, Some("SELECT 1 AS a, 2 AS a, 3 AS b"), &plain, &["b", "a"]).await;
    assert!(twice.expect_err("two columns").message.contains("2 columns have the name `a`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_reads_what_an_export_wrote_in_the_declared_order() {
    let world = World::new(
        "CREATE TABLE rows (name text, city text); INSERT INTO rows VALUES ('Anna', 'Rome'), ('Bob', 'Bonn');
         CREATE TABLE t (LIKE rows)",
    )
    .await;
    let stack = Stack::start().await;
    for (kind, header) in [("CSV", "false"), ("TSV", "false"), ("CSV", "true")] {
        let form = || format("Form", kind, &[("column", "city"), ("column", "name"), ("myHeader", header)]);
        let from = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "rows")];
        let mut objects = vec![copy(&[]), file_of("Out", "out.txt"), form(), object("In", from)];
        objects.extend(table(&world, "Unused", &[]));
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
        let preview = value(&attempt, "resultPreview");
        assert!(preview.ends_with("Rome,Anna\nBonn,Bob"), "{preview}");
        world.client.batch_execute("TRUNCATE t").await.expect("emptied");
        let mut objects = vec![copy(&[]), file_of("In", "out.txt"), form()];
        objects.extend(table(&world, "Out", &[]));
        let attempt = stack.run(objects).await;
        assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
        assert_eq!(world.rows("SELECT * FROM t").await, "Anna|Rome Bob|Bonn", "{kind} {header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_tables_finds_the_columns_by_their_names() {
    let world = World::new(
        "CREATE TABLE rows (name text, city text, sum int GENERATED ALWAYS AS (1) STORED);
         INSERT INTO rows VALUES ('Anna', 'Rome'); CREATE TABLE t (city text, name text, sum int GENERATED ALWAYS AS (1) STORED)",
    )
    .await;
    let stack = Stack::start().await;
    let run = async |fields: &[(&str, &str)]| {
        let mut from = vec![string("type", "SqlDataNode"), refers("database", "Db")];
        from.extend(fields.iter().map(|(key, value)| string(key, value)));
        let mut objects = table(&world, "Out", &[]);
        objects.extend([copy(&[]), object("In", from)]);
        stack.run(objects).await
    };
    let attempt = run(&[("table", "rows")]).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(world.rows("SELECT city, name FROM t").await, "Rome|Anna");
    world.client.batch_execute("ALTER TABLE rows RENAME city TO town").await.expect("renamed");
    let attempt = run(&[("table", "rows")]).await;
    let message = value(&attempt, "errorMessage");
    assert!(message.contains("column 2, `town`, is not in the table"), "{message}");
    let attempt = run(&[("selectQuery", "SELECT town, name FROM rows"), ("table", "rows")]).await;
    assert_eq!(value(&attempt, "@status"), "FINISHED", "{attempt:?}");
    assert_eq!(world.rows("SELECT city, name FROM t").await, "Rome|Anna Rome|Anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_between_files_gives_the_columns_the_order_of_the_output_or_is_refused() {
    let stack = Stack::start().await;
    let run = async |text: &str, from: &[(&str, &str)], to: &[(&str, &str)]| {
        stack.put("in.txt", text.to_owned()).await;
        let input = vec![
            string("type", "S3DataNode"),
            string("filePath", "s3://files/in.txt"),
            refers("dataFormat", "From"),
        ];
        let mut semicolon = vec![("columnSeparator", ";")];
        semicolon.extend(from);
        let objects = vec![
            copy(&[]),
            object("In", input),
            file_of("Out", "out.txt"),
            format("From", "Custom", &semicolon),
            format("Form", "CSV", to),
        ];
        let attempt = stack.run(objects).await;
        match value(&attempt, "@status") {
            "FINISHED" => Ok(String::from_utf8(stack.get("out.txt").await).expect("UTF-8")),
            _ => Err(value(&attempt, "errorMessage").to_owned()),
        }
    };
    let (qp, pq) = ([("column", "q"), ("column", "p")], [("column", "p"), ("column", "q")]);
    let header = ("myHeader", "true");
    assert_eq!(run("1;2\n", &qp, &pq).await.as_deref(), Ok("2,1\n"));
    assert_eq!(run("1;2\n", &qp, &[pq[0], pq[1], header]).await.as_deref(), Ok("p,q\n2,1\n"));
    assert_eq!(run("q;p\n1;2\n", &[header], &pq).await.as_deref(), Ok("2,1\n"));
    assert_eq!(run("q;p\n1;2\n", &[header], &[pq[0], pq[1], header]).await.as_deref(), Ok("p,q\n2,1\n"));
    assert_eq!(run("1;2\n", &[], &[pq[0], pq[1], header]).await.as_deref(), Ok("p,q\n1,2\n"));
    assert_eq!(run("1;2\n", &qp, &[header]).await.as_deref(), Ok("q,p\n1,2\n"));
    for (text, from, to, says) in [
        (
            "q;p\n1;2\n",
            &[header][..],
            &[("column", "p"), ("column", "r")][..],
            "column 2, `r`, is not among the columns",
        ),
        ("a;b\n1\n1;2;3\n", &[header], &[header], "line 2: 1 column instead of 2; add the missing values"),
        (
            "1;2\n1;2;3\n",
            &[],
            &[],
            "line 2: 3 columns instead of 2; a value with a separator in it needs quotes",
        ),
        ("1;2;3\n", &qp, &pq, "line 1: 3 columns instead of 2"),
        ("1;2;3\n", &[], &pq, "line 1: 3 columns instead of 2"),
    ] {
        let refused = run(text, from, to).await.expect_err("refused");
        assert!(refused.contains(says), "{refused}");
    }
}
