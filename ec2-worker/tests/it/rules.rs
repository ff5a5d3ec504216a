//! Tables with rules on INSERT: a load that would not obey the rule is refused.

use definition::kind::field::LoadMode;

use super::World;

#[tokio::test]
async fn a_load_that_would_ignore_a_rule_is_refused_and_an_insert_query_obeys_it() {
    for action in [
        "INSTEAD INSERT INTO p VALUES (new.id, new.b)",
        "ALSO INSERT INTO p VALUES (new.id, new.b)",
        "INSTEAD NOTHING",
    ] {
        let world = World::new(&format!(
            "CREATE TABLE t (id int PRIMARY KEY, b text); CREATE TABLE p (id int, b text); CREATE RULE r AS ON INSERT TO t DO {action}"
        ))
        .await;
        for mode in [LoadMode::Append, LoadMode::Replace, LoadMode::Upsert] {
            let mut load = world.load("t", &world.file("id,b\n1,x\n"));
            load.mode = mode;
            let failure = world.run(&load).await.expect_err("a rule");
            assert_eq!(failure.id, "BadInput:Rule");
            let says = "table public.t has the rule r ON INSERT, and a load cannot obey rules; write it as a trigger";
            assert!(failure.message.starts_with(says), "{action}: {failure}");
        }
        let mut load = world.load("t", &world.file("id,b\n1,x\n"));
        load.insert = Some("INSERT INTO t VALUES (?, ?)".to_owned());
        world.run(&load).await.expect("a statement obeys the rule");
        let in_p = if action == "INSTEAD NOTHING" { "" } else { "1" };
        assert_eq!(world.rows("SELECT id FROM p").await, in_p, "{action}");
        world.client.batch_execute("ALTER TABLE t DISABLE RULE r; DELETE FROM t").await.expect("disabled");
        world.run(&world.load("t", &world.file("id,b\n2,y\n"))).await.expect("no rule acts");
        assert_eq!(world.rows("SELECT id FROM t").await, "2", "{action}");
    }
}

#[tokio::test]
async fn a_rule_on_update_matters_only_where_rows_are_updated() {
    let world = World::new(
        "CREATE TABLE t (id int PRIMARY KEY, b text); INSERT INTO t VALUES (1, 'old');
         CREATE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING",
    )
    .await;
    for (mode, is_loaded) in [(LoadMode::Replace, true), (LoadMode::Upsert, false)] {
        let mut load = world.load("t", &world.file("id,b\n1,x\n"));
        load.mode = mode;
        let result = world.run(&load).await;
        assert_eq!(result.is_ok(), is_loaded, "{mode:?}: {result:?}");
        if let Err(failure) = result {
            assert!(failure.message.contains("the rule r ON UPDATE"), "{failure}");
        }
    }
    world
        .client
        .batch_execute("CREATE TABLE child (t int REFERENCES t); INSERT INTO child VALUES (1)")
        .await
        .expect("made");
    let mut load = world.load("t", &world.file("id,b\n1,y\n"));
    load.mode = LoadMode::Replace;
    let failure = world.run(&load).await.expect_err("the kept row has to be updated");
    assert!(failure.message.contains("the rule r ON UPDATE"), "{failure}");
    assert_eq!(world.rows("SELECT * FROM t").await, "1|x");
}
