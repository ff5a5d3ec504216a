//! The settings of roles and databases change neither the loaded rows nor the written files.

use e2e::until::until;
use ec2_worker::database;
use ec2_worker::etl::dialect::Dialect;
use ec2_worker::etl::source::{Origin, Source};
use ec2_worker::etl::unload::{self, Unload};
use ec2_worker::node::SqlNode;
use ec2_worker::progress::Progress;

use super::World;

/// A role for which every setting is odd that changes texts or can end a load.
const ODD: &str = "CREATE ROLE odd LOGIN; GRANT ALL ON DATABASE postgres TO odd; GRANT ALL ON SCHEMA public TO odd;
CREATE SCHEMA other AUTHORIZATION odd; CREATE TABLE other.t (id int); GRANT ALL ON other.t TO odd;
ALTER ROLE odd SET timezone = 'Europe/Berlin'; ALTER ROLE odd SET datestyle = 'SQL, DMY';
ALTER ROLE odd SET intervalstyle = 'sql_standard'; ALTER ROLE odd SET extra_float_digits = -15;
ALTER ROLE odd SET bytea_output = 'escape'; ALTER ROLE odd SET client_encoding = 'LATIN1';
ALTER ROLE odd SET xmlbinary = 'hex'; ALTER ROLE odd SET xmloption = 'document'; ALTER ROLE odd SET array_nulls = off;
ALTER ROLE odd SET standard_conforming_strings = off; ALTER ROLE odd SET transform_null_equals = on;
ALTER ROLE odd SET row_security = off; ALTER ROLE odd SET statement_timeout = '1ms';
ALTER ROLE odd SET lock_timeout = '1ms'; ALTER ROLE odd SET idle_in_transaction_session_timeout = '1ms';
ALTER ROLE odd SET search_path = 'other'; ALTER ROLE odd SET synchronous_commit = off;
ALTER ROLE odd SET default_transaction_isolation = 'serializable'";
/// Columns whose texts depend on settings. With the array, loads use the text form of COPY.
const BINARY: &str = "id int, at timestamptz, day date, number float8, raw bytea, doc xml, cash numeric(8,2)";
const TEXT: &str = "id int, at timestamptz, day date, number float8, raw bytea, doc xml, cash money, span interval, \
                    days date[], whole tstzrange";

fn odd(world: &World) -> database::DatabaseTarget {
    let url = world.postgres.url().replace("postgres@", "odd@");
    database::parse(&url, None, None, None, &[]).expect("a URL")
}

async fn written(world: &World, select: Option<&str>, target: database::DatabaseTarget) -> String {
    let node = SqlNode { select: select.map(str::to_owned), ..world.node("t", target) };
    let path = world.file("");
    let out = Unload::new(&node, &Dialect { header: true, ..Dialect::default() });
    let patience = std::time::Duration::ZERO;
    unload::to_file(&world.pool, &out, &path, patience, &Progress::default()).await.expect("written");
    std::fs::read_to_string(path).expect("it is there")
}

#[tokio::test]
async fn the_settings_of_a_role_change_neither_a_load_nor_an_export() {
    let more =
        "12.5,1 day 02:03:04,\"{2024-06-05,NULL}\",\"[2024-06-05 10:00:00+00,2024-06-06 10:00:00+00)\"";
    for (columns, values) in [(BINARY, "12.5"), (TEXT, more)] {
        let world = World::new(ODD).await;
        let create = format!("CREATE TABLE public.t ({columns}); ALTER TABLE public.t OWNER TO odd");
        world.client.batch_execute(&create).await.expect("a table");
        let header = columns.split(", ").filter_map(|column| column.split(' ').next()).collect::<Vec<_>>();
        let rows = format!("1,2024-06-05 10:00:00,2024-06-05,0.1,\\x5c00ff,<a/> b,{values}\n");
        let content = format!("{}\n{rows}", header.join(","));
        let mut load = world.load("t", &world.file(&content));
        load.target = odd(&world);
        world.run(&load).await.unwrap_or_else(|failure| panic!("{columns}: {failure}"));
        let select = "SET timezone = 'UTC'; SELECT at, day, number, raw, days FROM t";
        let stored = world.rows(&select.replace(", days", if columns == TEXT { ", days" } else { "" })).await;
        let days = if columns == TEXT { "|{2024-06-05,NULL}" } else { "" };
        assert_eq!(stored, format!("2024-06-05 10:00:00+00|2024-06-05|0.1|\\x5c00ff{days}"));
        let by_odd = written(&world, None, odd(&world)).await;
        assert!(by_odd.contains("1,2024-06-05 10:00:00+00,2024-06-05,0.1,\\x5c00ff,<a/> b,"), "{by_odd}");
        assert_eq!(
            by_odd,
            written(&world, Some("SELECT * FROM t WHERE id = NULL OR true"), odd(&world)).await
        );
        // The file is read back as it was.
        load.sources = vec![Source { origin: Origin::File(world.file(&by_odd)), gzip: false }];
        load.key.instance = "back".to_owned();
        world.run(&load).await.expect("read back");
        assert_eq!(world.rows("SELECT count(*), count(DISTINCT t::text) FROM t").await, "2|1");
    }
}

#[tokio::test]
async fn an_insert_query_of_an_odd_role_stores_the_same() {
    let world =
        World::new(&format!("{ODD}; CREATE TABLE public.t (id int, at timestamptz, raw bytea, day text)"))
            .await;
    world.client.batch_execute("ALTER TABLE public.t OWNER TO odd").await.expect("owned");
    let mut load = world.load("t", &world.file("id,at,raw\n1,2024-06-05 10:00:00,\\x5c00\n"));
    load.target = odd(&world);
    load.insert =
        Some(r"INSERT INTO t VALUES (?::int, ?::timestamptz, ?::bytea, 'a\b' || current_date)".to_owned());
    world.run(&load).await.expect("loaded");
    let stored =
        world.rows("SET timezone = 'UTC'; SELECT at, raw, day = 'a\\b' || current_date FROM t").await;
    assert_eq!(stored, "2024-06-05 10:00:00+00|\\x5c00|t");
}

#[tokio::test]
async fn a_table_is_sought_in_the_schemas_of_the_connection_and_not_of_the_role() {
    let world = World::new(ODD).await;
    let mut load = world.load("t", &world.file("id\n1\n"));
    load.target = odd(&world);
    let failure = world.run(&load).await.expect_err("t is in another schema");
    assert_eq!(
        failure.message,
        "table t is not in the database (schemas searched: public; `schemaName` names another schema); create it, \
         or give `createTableSql`"
    );
    let url = world.postgres.url().replace("postgres@", "odd@");
    for settings in ["?currentSchema=nowhere,other", "?options=-c%20search_path=other"] {
        load.target = database::parse(&format!("{url}{settings}"), None, None, None, &[]).expect("a URL");
        load.key.instance = settings.to_owned();
        world.run(&load).await.expect("found");
    }
    assert_eq!(world.rows("SELECT count(*) FROM other.t").await, "2");
    // A script keeps the settings of its role, and has the search path of its connection.
    // On a busy machine, the time-out of the role for idle transactions may end before the question.
    let told = until("a session answers", async || {
        let session = world.pool.begin(&odd(&world)).await.map_err(|failure| failure.message)?;
        let asked = session.query("asking", "SELECT current_setting('datestyle')", &[]).await;
        asked.map_err(|failure| failure.message)
    });
    assert_eq!(told.await[0].get::<_, &str>(0), "SQL, DMY");
}

#[tokio::test]
async fn the_error_of_a_read_only_role_says_why_it_cannot_load() {
    let world = World::new("CREATE TABLE t (id int)").await;
    world.run(&world.load("t", &world.file("id\n1\n"))).await.expect("the ledger is there");
    world
        .client
        .batch_execute("ALTER DATABASE postgres SET default_transaction_read_only = on")
        .await
        .expect("set");
    let mut load = world.load("t", &world.file("id\n2\n"));
    load.target =
        database::parse(&format!("{}?currentSchema=public", world.postgres.url()), None, None, None, &[])
            .expect("a URL");
    let failure = world.run(&load).await.expect_err("it may not write");
    assert!(
        failure.message.contains("default_transaction_read_only of the role or database is on"),
        "{failure}"
    );
}
