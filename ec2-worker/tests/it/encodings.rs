//! Databases whose encoding is not UTF8: a character that the encoding lacks refuses its row, and nothing else fails.

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::database;
use ec2_worker::etl::load::Load;
use ec2_worker::etl::load::retry::{Mended, Retry, retry};
use ec2_worker::etl::rejected::RefusedRow;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::storage::{S3Uri, Storage};
use tokio_postgres::Client;

use super::stack::{BUCKET, Stack};
use super::{World, connect};

/// Returns a session with a new database in the encoding LATIN1, and a load into its table `t`.
async fn latin(world: &World, content: &str) -> (Client, Load) {
    let create = "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
    world.client.batch_execute(create).await.expect("a database");
    let url = world.postgres.url();
    let url = format!("{}/latin", url.strip_suffix("/postgres").expect("the database at the end"));
    let client = connect(&url).await;
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, b text)").await.expect("a table");
    let mut load = world.load("t", &world.file(content));
    load.target = database::parse(&url, None, None, None, &[]).expect("a URL");
    load.limit = Limit::Count(9);
    (client, load)
}

async fn texts(client: &Client, query: &str) -> Vec<String> {
    client.query(query, &[]).await.expect("a query").iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_refused_row_with_a_character_that_the_encoding_lacks_is_stored_with_an_escape() {
    let insert = Some("INSERT INTO t VALUES (?, ?)".to_owned());
    for (mode, insert) in [
        (LoadMode::Append, None),
        (LoadMode::Upsert, None),
        (LoadMode::Replace, None),
        (LoadMode::Append, insert),
    ] {
        let world = World::new("").await;
        let what = format!("{mode:?} {insert:?}");
        let (client, load) =
            latin(&world, "id,b\n1,caf\u{e9}\n2,5 \u{20ac}\nx\u{20ac},\u{e9}\n3,y\nz,\u{e9}\n").await;
        let summary = world
            .run(&Load { mode, insert, ..load })
            .await
            .unwrap_or_else(|failure| panic!("{what}: {failure}"));
        assert!(summary.contains("rowsLoaded=2, rowsRejected=3"), "{what}: {summary}");
        assert_eq!(texts(&client, "SELECT b FROM t ORDER BY id").await, ["caf\u{e9}", "y"], "{what}");
        let raw = texts(&client, "SELECT raw_line FROM t_rejects ORDER BY line").await;
        assert_eq!(raw, ["2,5 \\u{20ac}", "x\\u{20ac},\u{e9}", "z,\u{e9}"], "{what}");
        let reasons = texts(&client, "SELECT reason FROM t_rejects ORDER BY line").await;
        let says = "each \\u{...} stands for a character that the database's encoding LATIN1 lacks";
        assert!(reasons[0].ends_with(says) && reasons[1].ends_with(says), "{what}: {reasons:?}");
        assert!(!reasons[2].contains("LATIN1"), "{what}: {reasons:?}");
        let report = texts(&client, "SELECT report FROM downspout.ledger").await;
        assert!(report[0].is_ascii() && report[0].contains("\\u20ac"), "{report:?}");
    }
}

#[tokio::test]
async fn in_a_database_with_utf8_refused_rows_keep_their_characters() {
    let world = World::new("CREATE TABLE t (id int, b text)").await;
    let mut load = world.load("t", &world.file("id,b\n1,a\nx\u{20ac},\u{1f600}\n"));
    load.limit = Limit::Count(1);
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT raw_line FROM t_rejects").await, "x\u{20ac},\u{1f600}");
    assert!(world.rows("SELECT report FROM downspout.ledger").await.contains('\u{20ac}'));
}

#[tokio::test]
async fn a_mended_row_does_not_put_an_escape_into_the_table() {
    let (world, stack) = (World::new("").await, Stack::without_worker().await);
    let (client, load) = latin(&world, "").await;
    let storage = Storage::new(stack.clients.s3.clone());
    stack.put("a.csv", "id,b\n1,a\nx,\u{20ac}\n").await;
    let at = S3Uri { bucket: BUCKET.to_owned(), key: "a.csv".to_owned() };
    let object = storage.pin(&at, None).await.expect("it is there");
    let sources = vec![Source { origin: Origin::Object(storage.clone(), object), gzip: false }];
    let load = Load { sources, ..load };
    world.run(&load).await.expect("loaded");
    let again = async |text: &str| {
        let row = RefusedRow {
            pipeline_id: "df-1".to_owned(),
            file: "s3://files/a.csv".to_owned(),
            line: 3,
            byte_offset: 9,
            column_name: None,
            reason: String::new(),
            raw_line: text.to_owned(),
            loaded_at: String::new(),
            retried_at: None,
        };
        let mended = [Mended { row, place: "m.csv, line 2".to_owned() }];
        retry(&Retry { load: &load, storage: &storage, over_newer: false }, &mended, &world.pool).await
    };
    let refused = again("2,\\u{20ac}").await.expect_err("an escape").message;
    assert!(refused.contains("m.csv, line 2: raw_line has \\u{...} in place of a character"), "{refused}");
    let retried = again("2,\u{20ac}").await.expect("the row is refused again");
    assert_eq!((retried.loaded, retried.refused.len()), (0, 1));
    let stored = texts(&client, "SELECT raw_line || reason FROM t_rejects").await;
    assert!(stored[0].starts_with("2,\\u{20ac}") && stored[0].ends_with("LATIN1 lacks"), "{stored:?}");
    assert_eq!(again("2,EUR").await.expect("it fits").loaded, 1);
    assert_eq!(texts(&client, "SELECT b FROM t ORDER BY id").await, ["a", "EUR"]);
}

#[tokio::test]
async fn a_letter_that_is_one_byte_in_the_database_is_a_char() {
    let content = "id,b,c\n1,\u{e9},\"{\u{e9},a}\"\n2,\u{20ac},\n3,\u{e9}\u{e9},\n4,a,\"{\u{e9}a}\"\n5,,\n";
    for insert in [None, Some("INSERT INTO t VALUES (?, ?, ?)".to_owned())] {
        let world = World::new("").await;
        let (client, load) = latin(&world, content).await;
        let create = "DROP TABLE t; CREATE TABLE t (id int, b \"char\", c \"char\"[])";
        client.batch_execute(create).await.expect("a table");
        world.run(&Load { insert, ..load.clone() }).await.expect("within the limit");
        // The text of a byte beyond ASCII is the letter or its octal digits, as the version of the server says.
        let same = "SELECT concat_ws(' ', id, b = '\u{e9}', c = array['\u{e9}', 'a']::\"char\"[]) FROM t ORDER BY id";
        assert_eq!(texts(&client, same).await, ["1 t t", "5"]);
        world
            .client
            .batch_execute("DROP TABLE IF EXISTS t; CREATE TABLE t (id int, b \"char\", c \"char\"[])")
            .await
            .expect("a table");
        world
            .run(&Load { target: world.load("t", std::path::Path::new("")).target, ..load })
            .await
            .expect("within the limit");
        assert_eq!(world.rows("SELECT id FROM t").await, "5", "in UTF-8, the letter is two bytes");
    }
}
