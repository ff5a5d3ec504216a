//! Rows that the table does not take, and old rows that it does not give up: the load tells of them, or refuses to go on.

use definition::kind::field::LoadMode;
use ec2_worker::database;
use ec2_worker::etl::load::Load;

use super::World;

/// A trigger that leaves out the row with the id 2, and keeps old rows whose text is `kept`.
const TRIGGERS: &str = "
CREATE FUNCTION two() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END$$;
CREATE FUNCTION older() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF OLD.v = 'kept' THEN RETURN NULL; END IF; RETURN NEW; END$$;
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE TRIGGER two BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION two();
CREATE TRIGGER older BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION older();
INSERT INTO t VALUES (1, 'old'), (7, 'kept')";
const CHILD: &str = "CREATE TABLE child (t_id int REFERENCES t); INSERT INTO child VALUES (1), (7)";
const GUARDED: &str =
    "CREATE TABLE child (t_id int REFERENCES t ON UPDATE CASCADE); INSERT INTO child VALUES (1), (7)";
const VIEW: &str = "CREATE VIEW seen AS SELECT id, v FROM t;
CREATE FUNCTION into_view() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  IF NEW.id = 2 THEN RETURN NULL; END IF; INSERT INTO t VALUES (NEW.id, NEW.v); RETURN NEW; END$$;
CREATE TRIGGER into_view INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION into_view()";

fn load(world: &World, table: &str, mode: LoadMode, content: &str) -> Load {
    let mut load = world.load(table, &world.file(content));
    load.mode = mode;
    load
}

#[tokio::test]
async fn rows_that_triggers_leave_out_are_not_loaded_rows() {
    let all = "SELECT id, v FROM t ORDER BY id";
    let left_out = "were left out by a trigger of the table, ";
    for more in ["", CHILD, GUARDED] {
        let world = World::new(&format!("{TRIGGERS}; {more}")).await;
        // The row 3 comes twice, and the second one replaces the first.
        let upsert = load(&world, "t", LoadMode::Upsert, "id,v\n1,new\n2,b\n3,x\n3,c\n7,new\n");
        let told = world.run(&upsert).await.unwrap_or_else(|failure| panic!("{more}: {failure}"));
        assert_eq!(world.rows(all).await, "1|new 3|c 7|kept", "{more}");
        assert!(
            told.contains("rowsLoaded=3") && told.contains(&format!("2 rows {left_out}")),
            "{more}: {told}"
        );
        if more.is_empty() {
            continue;
        }
        // The rows 1 and 7 are kept, because rows of the other table refer to them.
        let replace = load(&world, "t", LoadMode::Replace, "id,v\n7,newer\n1,newer\n2,b\n4,d\n");
        let told = world.run(&replace).await.unwrap_or_else(|failure| panic!("{more}: {failure}"));
        assert_eq!(world.rows(all).await, "1|newer 4|d 7|kept", "{more}");
        assert!(
            told.contains("rowsLoaded=2") && told.contains(&format!("2 rows {left_out}")),
            "{more}: {told}"
        );
    }
}

#[tokio::test]
async fn rows_that_the_trigger_of_a_view_leaves_out_are_not_loaded_rows() {
    let world = World::new(&format!("{TRIGGERS}; {VIEW}")).await;
    let told = world.run(&load(&world, "seen", LoadMode::Append, "id,v\n2,b\n3,c\n")).await.expect("loaded");
    assert!(told.contains("rowsLoaded=1") && told.contains("1 row was left out by a trigger"), "{told}");
    assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, "1 3 7");
}

/// A table whose policies let a user insert rows and see those of `seen`, but not delete any.
fn guarded(seen: &str) -> String {
    format!(
        "CREATE ROLE etl LOGIN; GRANT ALL ON DATABASE postgres TO etl; GRANT ALL ON SCHEMA public TO etl;
         CREATE TABLE t (id int PRIMARY KEY, v text); GRANT ALL ON t TO etl; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY adds ON t FOR INSERT WITH CHECK (true);
         CREATE POLICY reads ON t FOR SELECT USING ({seen}); CREATE POLICY changes ON t FOR UPDATE USING ({seen});
         INSERT INTO t VALUES (8, 'theirs'), (9, 'ours')"
    )
}

fn etl(world: &World) -> database::DatabaseTarget {
    let url = world.postgres.url().replace("postgres@", "etl@");
    database::parse(&url, None, None, None, &[]).expect("a URL")
}

#[tokio::test]
async fn a_replace_does_not_add_to_rows_that_a_policy_keeps() {
    let child =
        "CREATE TABLE child (t_id int REFERENCES t); GRANT ALL ON child TO etl; INSERT INTO child VALUES (8)";
    for more in ["", child] {
        let world = World::new(&format!("{}; {more}", guarded("true"))).await;
        let mut replace = load(&world, "t", LoadMode::Replace, "id,v\n1,a\n8,b\n");
        replace.target = etl(&world);
        let failure = world.run(&replace).await.expect_err("the old rows stay");
        assert!(failure.message.contains("row-level security without a policy"), "{more}: {failure}");
        assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, "8 9", "{more}");
    }
}

#[tokio::test]
async fn a_replace_tells_that_hidden_rows_stay() {
    let policy = "CREATE POLICY deletes ON t FOR DELETE USING (v = 'ours')";
    let world = World::new(&format!("{}; {policy}", guarded("v <> 'theirs'"))).await;
    let mut replace = load(&world, "t", LoadMode::Replace, "id,v\n1,ours\n");
    replace.target = etl(&world);
    let told = world.run(&replace).await.expect("loaded");
    assert!(told.contains("rows that its policies hide were not replaced"), "{told}");
    assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, "1 8");
}

#[tokio::test]
async fn a_role_for_replication_does_not_switch_off_foreign_keys_and_triggers() {
    let world = World::new(
        "CREATE TABLE o (v text PRIMARY KEY); INSERT INTO o VALUES ('a'); CREATE TABLE t (id int, v text REFERENCES o);
         CREATE ROLE super LOGIN SUPERUSER; ALTER ROLE super SET session_replication_role = 'replica';
         CREATE ROLE etl LOGIN; ALTER ROLE etl SET session_replication_role = 'replica'; GRANT ALL ON t, o TO etl;
         GRANT ALL ON DATABASE postgres TO etl; GRANT ALL ON SCHEMA public TO etl",
    )
    .await;
    let mut append = load(&world, "t", LoadMode::Append, "id,v\n1,a\n2,zz\n");
    append.limit = definition::kind::field::Limit::Count(1);
    let url = world.postgres.url().replace("postgres@", "super@");
    append.target = database::parse(&url, None, None, None, &[]).expect("a URL");
    let told = world.run(&append).await.expect("loaded");
    assert!(told.contains("rowsLoaded=1, rowsRejected=1"), "{told}");
    append.target = etl(&world);
    append.key.instance = "as etl".to_owned();
    let failure = world.run(&append).await.expect_err("only a superuser may change the setting");
    assert!(failure.message.contains("session_replication_role of this user is replica"), "{failure}");
    assert_eq!(world.rows("SELECT id, v FROM t").await, "1|a");
}

#[tokio::test]
async fn the_columns_that_an_index_includes_do_not_belong_to_the_key() {
    let world = World::new("CREATE TABLE t (id int, n int, v text, PRIMARY KEY (id) INCLUDE (n)); INSERT INTO t VALUES (1, 1, 'a')").await;
    world.run(&load(&world, "t", LoadMode::Upsert, "id,n,v\n1,2,b\n2,3,c\n")).await.expect("loaded");
    assert_eq!(world.rows("SELECT id, n, v FROM t ORDER BY id").await, "1|2|b 2|3|c");
}
