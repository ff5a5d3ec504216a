//! The cost of refused rows, as a number of statements, which does not depend on the speed of the machine.

use std::fmt::Write as _;

use definition::kind::field::Limit;
use ec2_worker::database;

use super::World;
use super::proxy::Proxy;

const ROWS: u64 = 200_000;
const REFUSED: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_refused_rows_among_two_hundred_thousand_cost_few_statements() {
    let world = World::new("CREATE TABLE t (id int PRIMARY KEY, note text)").await;
    let mut content = "id,note\n".to_owned();
    for row in 0..ROWS {
        // The rows at fault are spread without a pattern.
        let id = if is_at_fault(row) { 0 } else { row + 1 };
        writeln!(content, "{id},note {row}").expect("a text");
    }
    // Zero is there already, so every row with zero is refused.
    world.client.batch_execute("INSERT INTO t VALUES (0, 'earlier')").await.expect("a row");
    let proxy = Proxy::start(world.postgres.port(), []).await;
    let mut load = world.load("t", &world.file(content));
    load.target = database::parse(&proxy.url(), None, None, None, &[]).expect("a URL");
    load.limit = Limit::Count(REFUSED);
    let told = world.run(&load).await.expect("within the limit");
    assert!(told.starts_with(&format!("rowsLoaded={}, rowsRejected={REFUSED}", ROWS - REFUSED)), "{told}");
    let sums = world.rows("SELECT count(*), sum(id) FROM t").await;
    let sum: u64 = (0..ROWS).filter(|row| !is_at_fault(*row)).map(|row| row + 1).sum();
    assert_eq!(sums, format!("{}|{sum}", ROWS - REFUSED + 1));
    assert_eq!(world.rows("SELECT count(DISTINCT line) FROM t_rejects").await, REFUSED.to_string());
    // For each refused row: a COPY that meets it, one for the rows before it, one for itself, and about two for the rows after
    // it. A search by halves would take log2(ROWS).
    let most = REFUSED * 6;
    let (copies, trips) = (proxy.copies(), proxy.trips());
    println!("{copies} COPY statements, {trips} round trips");
    assert!(copies <= most, "{copies} COPY statements for {REFUSED} refused rows, at most {most}");
    assert!(trips <= 5 * copies, "{trips} round trips for {copies} COPY statements");
}

fn is_at_fault(row: u64) -> bool {
    let group = ROWS / REFUSED;
    row % group == (row / group * 7919 + 13) % group
}
