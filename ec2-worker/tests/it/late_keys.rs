//! JSON whose later objects have keys that the first ones lack, as events with optional fields have.

use definition::kind::field::{LoadMode, OnColumns};
use ec2_worker::etl::dialect::Form;
use ec2_worker::etl::load::Load;

use super::World;

/// Returns the rows after a load of 1,500 objects. The last two objects have keys that the others lack.
async fn with_late_keys(world: &World, change: impl FnOnce(&mut Load)) -> Result<String, String> {
    world
        .client
        .batch_execute("DELETE FROM late; INSERT INTO late VALUES (1500, 'before')")
        .await
        .expect("rows");
    let objects: String = (0..1_499).map(|n| format!("{{\"id\": {n}}}\n")).collect();
    let file =
        world.file(format!("{objects}{{\"id\": 1500, \"note\": \"late\"}}\n{{\"id\": 1501, \"what\": 1}}\n"));
    let mut load = world.load("late", &file);
    load.dialect.form = Form::Json;
    load.key.instance = format!("{:?} {:?}", load.mode, file.display());
    change(&mut load);
    world.run(&load).await.map_err(|failure| failure.message)?;
    let sql = "SELECT string_agg(id || ' ' || coalesce(note, 'NULL') || ' ' || kind, ', ' ORDER BY id, note) FROM late WHERE id > 1498";
    Ok(world.client.query_one(sql, &[]).await.expect("rows").get(0))
}

#[tokio::test]
async fn a_key_that_comes_late_is_loaded_if_its_column_is_null_without_it() {
    let world = World::new("CREATE TABLE late (id int, note text, kind text NOT NULL DEFAULT 'usual')").await;
    let refused = with_late_keys(&world, |_| {}).await.expect_err("`what` is not a column");
    assert!(refused.contains("the key `what` does not stand in the first 1000 objects"), "{refused}");
    let lenient = |load: &mut Load| load.on_columns = OnColumns::IgnoreExtra;
    let rows = with_late_keys(&world, lenient).await.expect("loaded");
    assert_eq!(rows, "1500 before usual, 1500 late usual, 1501 NULL usual");
}

#[tokio::test]
async fn a_late_key_is_refused_in_an_upsert_that_keeps_missing_values() {
    let world =
        World::new("CREATE TABLE late (id int PRIMARY KEY, note text, kind text DEFAULT 'usual')").await;
    let upsert = |load: &mut Load| load.mode = LoadMode::Upsert;
    let refused = with_late_keys(&world, upsert).await.expect_err("old values would be lost");
    assert!(refused.contains("column `note` is missing"), "{refused}");
}

#[tokio::test]
async fn a_key_that_no_object_has_is_null_with_a_note_if_its_column_allows_null() {
    let world = World::new("CREATE TABLE late (id int, note text, more int)").await;
    let mut load = world.load("late", &world.file("{\"id\": 1}\n{\"id\": 2, \"note\": \"x\"}\n"));
    load.dialect.form = Form::Json;
    let told = world.run(&load).await.expect("loaded");
    assert!(told.contains("no object has a key for `more`, so the column is NULL"), "{told}");
    assert_eq!(world.rows("SELECT * FROM late ORDER BY id").await, "1|NULL|NULL 2|x|NULL");
}

#[tokio::test]
async fn an_object_without_the_key_of_a_default_or_of_a_stored_value_is_refused() {
    let create = "CREATE TABLE late (id int PRIMARY KEY, note text DEFAULT 'D', more int); INSERT INTO late VALUES (2, 'stored', 7)";
    let world = World::new(create).await;
    let objects = "{\"id\": 1, \"note\": \"x\", \"more\": 1}\n{\"id\": 3, \"note\": null}\n";
    for (mode, absent, key) in [
        (LoadMode::Append, "{\"id\": 2, \"more\": 1}", "note"),
        (LoadMode::Upsert, "{\"id\": 2, \"note\": \"x\"}", "more"),
    ] {
        let file = match mode {
            // The third object is the one without the key.
            LoadMode::Upsert => format!("{}{absent}\n", objects.replace("null", "null, \"more\": 3")),
            _ => format!("{objects}{absent}\n"),
        };
        let mut load = world.load("late", &world.file(file));
        load.dialect.form = Form::Json;
        load.mode = mode;
        load.key.instance = format!("{mode:?}");
        let failure = world.run(&load).await.expect_err("refused");
        let says = format!("late, line 3: the key `{key}` is missing, and NULL would take the place");
        let says = says.trim_start_matches("late, ");
        assert!(failure.message.contains(says), "{}", failure.message);
        assert_eq!(world.rows("SELECT * FROM late").await, "2|stored|7");
    }
}
