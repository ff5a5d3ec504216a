//! Rows of one table that refer to each other, beside a row that is refused.

use definition::kind::field::{Limit, LoadMode};

use super::World;

const TABLE: &str = "CREATE TABLE p (id int PRIMARY KEY, n int REFERENCES p)";

#[tokio::test]
async fn rows_that_refer_to_each_other_are_loaded_beside_a_row_that_is_refused() {
    for mode in [LoadMode::Append, LoadMode::Replace] {
        let world = World::new(TABLE).await;
        let mut load = world.load("p", &world.file("id,n\n4,\n1,2\n2,1\n3,9\n5,3\n"));
        (load.mode, load.limit) = (mode, Limit::Count(100));
        let told = world.run(&load).await.expect("a load");
        assert_eq!(world.rows("SELECT id, n FROM p ORDER BY id").await, "1|2 2|1 4|NULL", "{mode:?} {told}");
        assert_eq!(world.rows("SELECT line FROM p_rejects ORDER BY line").await, "5 6", "{mode:?}");
    }
}

#[tokio::test]
async fn a_long_circle_and_many_small_ones_are_loaded_beside_a_row_that_is_refused() {
    let world = World::new(TABLE).await;
    let ring = (1..=1_000).map(|id| format!("{id},{}\n", id % 1_000 + 1));
    let pairs =
        (2_001..=3_000).flat_map(|id| [format!("{id},{}\n", id + 1_000), format!("{},{id}\n", id + 1_000)]);
    let file: String = ["id,n\n7777,9999\n".to_owned()].into_iter().chain(ring).chain(pairs).collect();
    let mut load = world.load("p", &world.file(&file));
    load.limit = Limit::Count(1);
    let told = world.run(&load).await.expect("a load");
    assert_eq!(world.rows("SELECT count(*), count(n) FROM p").await, "3000|3000", "{told}");
    assert_eq!(world.rows("SELECT line FROM p_rejects").await, "2");
}

#[tokio::test]
async fn a_circle_with_another_fault_takes_no_other_circle_with_it() {
    let world = World::new("CREATE TABLE p (id int PRIMARY KEY, n int REFERENCES p, v text UNIQUE)").await;
    let mut load = world.load("p", &world.file("id,n,v\n1,2,a\n2,1,b\n3,9,c\n4,5,d\n5,4,a\n6,6,e\n"));
    load.limit = Limit::Count(9);
    world.run(&load).await.expect("a load");
    assert_eq!(world.rows("SELECT id FROM p ORDER BY id").await, "1 2 6");
}

#[tokio::test]
async fn a_long_chain_to_a_row_that_is_refused_is_refused_in_little_time() {
    let world = World::new(TABLE).await;
    let chain = (1..500).map(|id| format!("{id},{}\n", id + 1));
    let file: String =
        ["id,n\n".to_owned()].into_iter().chain(chain).chain(["500,0\n5000,\n".to_owned()]).collect();
    let mut load = world.load("p", &world.file(&file));
    load.limit = Limit::Count(500);
    world.run(&load).await.expect("a load");
    assert_eq!(world.rows("SELECT id FROM p").await, "5000");
}

#[tokio::test]
async fn a_circle_of_several_columns_is_loaded_beside_a_row_that_is_refused() {
    let world = World::new(
        "CREATE TABLE p (a int, \"B b\" text, up_a int, up_b text, PRIMARY KEY (a, \"B b\"), \
         FOREIGN KEY (up_a, up_b) REFERENCES p)",
    )
    .await;
    let mut load = world.load("p", &world.file("a,B b,up_a,up_b\n1,x,2,y\n2,y,1,x\n3,z,1,no\n4,w,,\n"));
    load.limit = Limit::Count(9);
    world.run(&load).await.expect("a load");
    assert_eq!(world.rows("SELECT a FROM p ORDER BY a").await, "1 2 4");
}
