//! Dry runs say what a load would do, and leave nothing behind.

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::etl::load::Load;
use ec2_worker::etl::load::dry_run::{DryLoad, dry_run};

use super::World;

/// Returns counts, samples, reasons and the failure in a short form.
fn told(result: &DryLoad) -> String {
    let mut told = Vec::new();
    if let Some(changes) = &result.changes {
        told.push(format!(
            "+{} ~{} -{} ={}",
            changes.added, changes.changed, changes.removed, changes.unchanged
        ));
        let values = |row: &Option<Vec<Option<String>>>| {
            let row = row.as_ref()?.iter().map(|value| value.clone().unwrap_or_else(|| "NULL".to_owned()));
            Some(row.collect::<Vec<_>>().join("|"))
        };
        told.extend(changes.samples.iter().map(|sample| {
            let [before, after] = [&sample.before, &sample.after].map(|row| values(row).unwrap_or_default());
            format!("{before}>{after}")
        }));
    }
    told.extend(result.reasons.iter().cloned());
    told.extend(result.failure.iter().map(|(id, message)| format!("{id}: {message}")));
    told.join("; ")
}

impl World {
    async fn dry(&self, loads: &[Load]) -> Vec<String> {
        let results = dry_run(loads, &self.pool).await.expect("the database takes the transaction");
        results.iter().map(told).collect()
    }
}

const STOCK: &str = "CREATE TABLE stock (id int PRIMARY KEY, name text NOT NULL, price numeric, made date, extra json);
    INSERT INTO stock VALUES (1, 'ale', 1.50, '2026-01-01', '{\"a\": 1}'), (2, 'bun', 2, NULL, NULL), (3, 'cod', 3, NULL, NULL)";
const LATER: &str =
    "id,name,price,made,extra\n1,ale,1.50,2026-01-01,\"{\"\"a\"\": 1}\"\n2,bun,2.25,2026-02-02,\n4,dip,4,,\n";

#[tokio::test]
async fn each_mode_says_which_rows_it_adds_changes_and_removes() {
    let world = World::new(STOCK).await;
    let file = world.file(LATER);
    let load = |mode| Load { mode, ..world.load("stock", &file) };
    let added = ">4|dip|4|NULL|NULL";
    let changed = "2|bun|2|NULL|NULL>2|bun|2.25|2026-02-02|NULL";
    assert_eq!(world.dry(&[load(LoadMode::Upsert)]).await, [format!("+1 ~1 -0 =2; {added}; {changed}")]);
    let replaced = format!("+1 ~1 -1 =1; {added}; {changed}; 3|cod|3|NULL|NULL>");
    assert_eq!(world.dry(&[load(LoadMode::Replace)]).await, [replaced]);
    let appended = world.dry(&[load(LoadMode::Append)]).await;
    assert!(
        appended[0].starts_with("stock") || appended[0].contains("BadInput:TooManyRejects"),
        "{appended:?}"
    );
    assert!(appended[0].contains("line 2"), "the place of the first refused row: {appended:?}");
    assert_eq!(world.rows("SELECT count(*), sum(price) FROM stock").await, "3|6.50");
}

#[tokio::test]
async fn without_a_key_equal_rows_are_counted() {
    let world = World::new(
        "CREATE TABLE plain (a int, b text); INSERT INTO plain VALUES (1, 'x'), (1, 'x'), (2, 'y')",
    )
    .await;
    let file = world.file("a,b\n1,x\n2,z\n1,x\n1,x\n");
    let load = Load { mode: LoadMode::Replace, ..world.load("plain", &file) };
    assert_eq!(world.dry(&[load]).await, ["+2 ~0 -1 =2; >2|z; >1|x; 2|y>"]);
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_behind() {
    let world = World::new("SELECT 1").await;
    let file = world.file("id,name\n1,a\nx,b\n3,c\n");
    let load = Load {
        create: Some("CREATE TABLE made (id int PRIMARY KEY, name text)".to_owned()),
        limit: Limit::Count(1),
        ..world.load("made", &file)
    };
    let results = dry_run(std::slice::from_ref(&load), &world.pool).await.expect("a transaction");
    assert!(results[0].changes.as_ref().is_some_and(|changes| changes.creates_table && changes.added == 2));
    assert_eq!(results[0].refused, 1);
    assert!(results[0].reasons[0].contains("line 3, column id"), "{:?}", results[0].reasons);
    let left = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
                WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')";
    assert_eq!(world.rows(left).await, "0", "no table, and no ledger");
    let files = std::fs::read_dir(world.folder.path()).expect("the scratch folder").count();
    assert_eq!(files, 1, "only the input");
    // The same work is new afterwards.
    assert!(world.run(&load).await.expect("loaded").starts_with("rowsLoaded=2, rowsRejected=1"));
    assert_eq!(world.rows("SELECT count(*) FROM made_rejects").await, "1");
}

#[tokio::test]
async fn a_load_finds_the_rows_of_earlier_loads_and_a_failed_load_is_undone_alone() {
    let world = World::new(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent)",
    )
    .await;
    let (parents, children, bad) =
        (world.file("id\n1\n2\n"), world.file("id,parent\n10,1\n11,2\n"), world.file("id\n5\nx\n"));
    let loads = [world.load("parent", &parents), world.load("parent", &bad), world.load("child", &children)];
    let told = world.dry(&loads).await;
    assert_eq!((told[0].as_str(), told[2].as_str()), ("+2 ~0 -0 =0; >1; >2", "+2 ~0 -0 =0; >10|1; >11|2"));
    assert!(told[1].contains("BadInput:TooManyRejects"), "{told:?}");
    let orphans = Load { mode: LoadMode::Append, ..world.load("child", &children) };
    let alone = world.dry(&[orphans]).await;
    assert!(alone[0].contains("foreign key"), "{alone:?}");
    assert_eq!(world.rows("SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)").await, "0|0");
}

#[tokio::test]
async fn a_new_column_alone_does_not_change_a_row() {
    let world = World::new(
        "CREATE TABLE wide (id int PRIMARY KEY, a text); INSERT INTO wide VALUES (1, 'x'), (2, 'y')",
    )
    .await;
    let file = world.file("id,a,b\n2,y,new\n3,z,\n");
    let load = Load {
        mode: LoadMode::Upsert,
        on_columns: definition::kind::field::OnColumns::AddMissing,
        ..world.load("wide", &file)
    };
    assert_eq!(world.dry(&[load]).await, ["+1 ~1 -0 =1; >3|z|NULL; 2|y|NULL>2|y|new"]);
    assert_eq!(
        world
            .rows("SELECT count(*) FROM pg_attribute WHERE attname = 'b' AND attrelid = 'wide'::regclass")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_missing_table_and_a_missing_key_are_failures_of_their_load() {
    let world = World::new("CREATE TABLE plain (a int)").await;
    let file = world.file("a\n1\n");
    let upsert = Load { mode: LoadMode::Upsert, ..world.load("plain", &file) };
    let told = world.dry(&[world.load("nowhere", &file), upsert]).await;
    assert!(told[0].starts_with("BadInput:NoSuchTable: table nowhere"), "{told:?}");
    assert!(told[1].contains("has no primary key"), "{told:?}");
}

#[tokio::test]
async fn a_statement_that_cannot_be_undone_is_not_run() {
    let world = World::new("SELECT 1").await;
    let create = Some("CREATE TABLE made (id int); COMMIT".to_owned());
    let load = Load { create, ..world.load("made", &world.file("id\n1\n")) };
    let told = world.dry(&[load]).await;
    assert!(told[0].contains("`COMMIT`, which cannot be undone"), "{told:?}");
    assert_eq!(world.rows("SELECT count(*) FROM pg_class WHERE relname = 'made'").await, "0");
}
