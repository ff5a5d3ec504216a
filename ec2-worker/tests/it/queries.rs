//! Queries that fill tables and statements: their columns are found by their names, or refused if the names are in another order.

use super::World;
use super::objects::{copy, table};
use super::stack::{Stack, object, refers, string, value};

/// Runs a copy of a query, or of the table `source`, into the table `t`.
async fn copied(
    stack: &Stack,
    world: &World,
    select: Option<&str>,
    more: &[(&str, &str)],
) -> Result<(String, Vec<String>), String> {
    world.client.batch_execute("TRUNCATE t").await.expect("emptied");
    let mut from = vec![string("type", "SqlDataNode"), refers("database", "Db"), string("table", "source")];
    from.extend(select.map(|select| string("selectQuery", select)));
    let mut objects = table(world, "Out", more);
    objects.extend([copy(&[]), object("In", from)]);
    let attempt = stack.run(objects).await;
    if value(&attempt, "@status") != "FINISHED" {
        return Err(value(&attempt, "errorMessage").to_owned());
    }
    let notes = attempt.iter().filter(|(key, _)| key == "note").map(|(_, note)| note.clone());
    Ok((world.rows("SELECT a, b FROM t").await, notes.collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_a_query_are_found_by_their_names_and_never_swapped() {
    let world = World::new(
        "CREATE TABLE t (a text, b text, at timestamptz DEFAULT now());
         CREATE TABLE source (b text, a text); INSERT INTO source VALUES ('of b', 'of a')",
    )
    .await;
    let stack = Stack::start().await;
    let wanted = "of a|of b";
    for select in
        ["SELECT b, a FROM source", "SELECT a, b FROM source", "SELECT now() AS at, b, a FROM source"]
    {
        let (rows, notes) = copied(&stack, &world, Some(select), &[]).await.expect(select);
        assert_eq!(rows, wanted, "{select}");
        let is_told = notes.iter().any(|note| note.contains("fill the table by their names"));
        assert_eq!(is_told, !select.contains("a, b"), "{select}: {notes:?}");
    }
    assert_eq!(copied(&stack, &world, None, &[]).await.expect("a table").0, wanted);
    let other = "SELECT a || '', b || '', now() FROM source";
    let (rows, notes) = copied(&stack, &world, Some(other), &[]).await.expect("no names");
    assert_eq!(rows, wanted);
    let is_told = |note: &String| {
        note.contains(
            "the rows of `selectQuery` of `In` have two columns named `?column?`; name the columns with AS",
        )
    };
    assert!(notes.iter().any(is_told) && !notes.iter().any(|note| note.contains("header")), "{notes:?}");
    for (select, says) in [
        ("SELECT b, a, now() FROM source", "column 1, `b`, would fill `a`"),
        ("SELECT a, b AS c FROM source", "it has 2 columns, and the table 3"),
        ("SELECT a FROM source", "column `b` is missing"),
    ] {
        let refused = copied(&stack, &world, Some(select), &[]).await.expect_err(select);
        assert!(refused.contains("the columns of `selectQuery` do not fit table public.t"), "{refused}");
        assert!(refused.contains(says), "{select}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_an_insert_query_are_not_filled_by_names_in_another_order() {
    let world = World::new(
        "CREATE TABLE t (a text, b text); CREATE TABLE source (b text, a text); INSERT INTO source VALUES ('of b', 'of a')",
    )
    .await;
    let stack = Stack::start().await;
    let says = "the columns are those of `insertQuery`, but in another order: `b` would fill `a`";
    for insert in ["INSERT INTO t (a, b) VALUES (?, ?)", "INSERT INTO t VALUES (?, upper(?))"] {
        for select in [None, Some("SELECT b, a FROM source")] {
            let refused = copied(&stack, &world, select, &[("insertQuery", insert)]).await.expect_err(insert);
            assert!(refused.contains(says), "{insert}: {refused}");
        }
        let mut load = world.load("t", &world.file("B,A\nof b,of a\n"));
        load.insert = Some(insert.to_owned());
        let failure = world.run(&load).await.expect_err(insert);
        assert!(failure.message.contains("but in another order: `B` would fill `a`"), "{failure}");
    }
    for (insert, select) in [
        ("INSERT INTO t (b, a) VALUES (?, ?)", None),
        ("INSERT INTO t (a, b) VALUES (?, ?)", Some("SELECT a, b FROM source")),
        ("INSERT INTO t (a, b) VALUES (?, ?)", Some("SELECT a AS x, b AS y FROM source")),
        ("INSERT INTO t (a, b) SELECT x.a, x.b FROM (SELECT ? AS b, ? AS a) x", None),
    ] {
        let (rows, _) = copied(&stack, &world, select, &[("insertQuery", insert)]).await.expect(insert);
        assert_eq!(rows, "of a|of b", "{insert}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_about_rows_of_a_database_name_the_query_or_the_table() {
    let world = World::new("CREATE TABLE t (a int, b int); CREATE TABLE source (a text, b text)").await;
    let stack = Stack::start().await;
    let empty = copied(&stack, &world, Some("SELECT a, b FROM source"), &[]).await.expect_err("no rows");
    assert_eq!(empty, "`selectQuery` of `In` gives no rows; the table is left as it was");
    let empty = copied(&stack, &world, None, &[]).await.expect_err("no rows");
    assert_eq!(empty, "table source gives no rows; the table is left as it was");
    world.client.batch_execute("INSERT INTO source VALUES ('1', '2'), ('x', '3')").await.expect("rows");
    let refused = copied(&stack, &world, Some("SELECT a, b FROM source"), &[]).await.expect_err("x");
    assert!(refused.contains("`selectQuery` of `In`, line 3, column a: \"x\""), "{refused}");
    let refused = copied(&stack, &world, None, &[]).await.expect_err("x");
    assert!(refused.contains("table source, line 3, column a: \"x\""), "{refused}");
}
