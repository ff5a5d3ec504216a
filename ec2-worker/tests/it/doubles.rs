//! An upsert of a file that has the same key more than once: the last row stays, and a note counts the others.

use std::fmt::Write as _;

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::etl::load::Load;

use super::World;

fn upsert(world: &World, text: &str) -> Load {
    let mut load = world.load("t", &world.file(text));
    load.mode = LoadMode::Upsert;
    load
}

fn note(count: u64, rows: u64) -> String {
    let have = if count == 1 { "has" } else { "have" };
    format!(
        "note={count} of the {rows} loaded rows {have} the key of a later row of the same load; the last row with a key stays"
    )
}

#[tokio::test]
async fn rows_that_another_row_of_the_same_file_replaces_are_counted() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, note text); INSERT INTO t VALUES (1, 'old'), (9, 'old')",
    )
    .await;
    let told = world.run(&upsert(&world, "id,note\n1,a\n2,b\n1,c\n1,d\n")).await.expect("loaded");
    assert_eq!(told, format!("rowsLoaded=4, rowsRejected=0, {}", note(2, 4)));
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, "1|d 2|b 9|old");
    let told = world.run(&upsert(&world, "id,note\n1,a\n2,b\n")).await.expect("loaded");
    assert_eq!(told, "rowsLoaded=2, rowsRejected=0", "rows of earlier loads are replaced without a note");
}

#[tokio::test]
async fn the_count_is_exact_over_batches_files_and_refused_rows() {
    let world = World::new(
        "CREATE TABLE t (a int, b text, note text CHECK (note <> 'bad'), PRIMARY KEY (a, b)); INSERT INTO t VALUES (1, 'x', 'old')",
    )
    .await;
    // Each batch has 32 MB, so each of these files has two.
    let long = "y".repeat(1_000_000);
    let file = |from: u32| {
        let mut text = "a,b,note\n".to_owned();
        for row in 0..40 {
            let _ = writeln!(text, "{},x,{long}", from + row);
        }
        text
    };
    // The key of the first row of the first batch comes again in the second batch, and twenty keys in the second file.
    let mut load = upsert(&world, &format!("{}1,x,last\n1,y,other\n", file(1)));
    let second = world.load("t", &world.file(file(21))).sources;
    load.sources.extend(second);
    let told = world.run(&load).await.expect("loaded");
    assert_eq!(told, format!("rowsLoaded=82, rowsRejected=0, {}", note(21, 82)));
    assert_eq!(
        world.rows("SELECT count(*), (SELECT note FROM t WHERE a = 1 AND b = 'x') FROM t").await,
        "61|last"
    );
    // The database refuses a row, so the others go in groups.
    let mut load = upsert(&world, "a,b,note\n500,x,one\n501,x,bad\n500,x,two\n502,x,three\n500,x,four\n");
    load.limit = Limit::Count(1);
    let told = world.run(&load).await.expect("one row is refused");
    assert!(told.starts_with(&format!("rowsLoaded=4, rowsRejected=1, {}", note(2, 4))), "{told}");
    assert_eq!(world.rows("SELECT note FROM t WHERE a >= 500 ORDER BY a").await, "four three");
}

#[tokio::test]
async fn tables_of_keys_alone_and_tables_with_partitions_are_counted_too() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (10); \
         CREATE TABLE t_2 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1)",
    )
    .await;
    let mut load = upsert(&world, "id\n1\n2\n20\n2\n");
    let second = world.load("t", &world.file("id\n20\n3\n")).sources;
    load.sources.extend(second);
    let told = world.run(&load).await.expect("loaded");
    // The second file finds only 20: the row of the key alone is not written again.
    assert_eq!(told, format!("rowsLoaded=6, rowsRejected=0, {}", note(2, 6)));
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, "1 2 3 20");
}
