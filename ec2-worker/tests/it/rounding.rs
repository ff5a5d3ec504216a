//! A value with more decimals than its column keeps is rounded, as PostgreSQL does it, and a note says how many and where.

use super::World;

const TABLE: &str = "CREATE TABLE t (id int, price numeric(5,2), thousands numeric(6,-3), at timestamp, day_at timestamptz(0), clock time(3)";
const FILE: &str = "id,price,thousands,at,day_at,clock\n\
                    1,1.230,7000,2026-01-02 03:04:05.123456,2026-01-02 03:04:05+00,03:04:05.123\n\
                    2,1.239,7499,2026-01-02 23:59:59.9999999,2026-01-02 03:04:05.5+00,03:04:05.1236\n\
                    x,1.239,7499,2026-01-02 23:59:59.9999999,2026-01-02 03:04:05.5+00,03:04:05.1236\n\
                    4,-1.5e-3,7000,2026-01-02 03:04:05,2026-01-02 03:04:05+00,03:04:05\n";

#[tokio::test]
async fn decimals_that_a_column_does_not_keep_are_reported_with_their_number_and_line() {
    let world = World::new("SELECT 1").await;
    let insert = "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)";
    for (way, more, insert) in
        [("binary", "", None), ("text", ", place point", None), ("insert", "", Some(insert))]
    {
        let create = format!("DROP TABLE IF EXISTS t, t_rejects; {TABLE}{more})");
        world.client.batch_execute(&create).await.expect("a table");
        let file = if more.is_empty() {
            FILE.to_owned()
        } else {
            FILE.replacen("clock\n", "clock,place\n", 1)
                .replace("5.123\n", "5.123,\n")
                .replace("5.1236\n", "5.1236,\n")
                .replace("04:05\n", "04:05,\n")
        };
        let mut load = world.load("t", &world.file(file));
        load.limit = definition::kind::field::Limit::Count(1);
        load.insert = insert.map(str::to_owned);
        let told = world.run(&load).await.expect("within the limit");
        let rows = "SELECT id, price, thousands, at, to_char(day_at AT TIME ZONE 'UTC', 'SS'), clock FROM t ORDER BY id";
        assert_eq!(
            world.rows(rows).await,
            "1|1.23|7000|2026-01-02 03:04:05.123456|05|03:04:05.123 2|1.24|7000|2026-01-03 00:00:00|06|03:04:05.124 \
             4|0.00|7000|2026-01-02 03:04:05|05|03:04:05",
            "{way}"
        );
        for says in [
            "2 values of column `price` have more decimals than numeric(5,2) keeps, and PostgreSQL rounds them, the first in line 3",
            "1 value of column `thousands` has more decimals than numeric(6,-3) keeps",
            "1 value of column `at` has more decimals than timestamp without time zone keeps",
            "1 value of column `day_at` has more decimals than timestamp(0) with time zone keeps",
            "1 value of column `clock` has more decimals than time(3) without time zone keeps",
        ] {
            assert!(told.contains(says), "{way}: {says} is not in {told}");
        }
    }
}
