//! Nested values of JSON whose text PostgreSQL would read as a range or as an array by chance.

use definition::kind::field::Limit;
use ec2_worker::etl::dialect::Form;

use super::World;

const RANGE: &str =
    "is an array of JSON, and no range; write a string with the range as PostgreSQL writes it";
const ARRAY: &str =
    "is an object of JSON, and no array; write a string with the array as PostgreSQL writes it";

#[tokio::test]
async fn a_nested_value_is_refused_where_its_text_would_be_a_range_or_an_array() {
    let world = World::new("CREATE DOMAIN years AS int4range; CREATE DOMAIN names AS text[]").await;
    let cases = [
        ("int4range", "[1,5]", RANGE, "[1,6)"),
        ("numrange", "[1.5, 2]", RANGE, "[1.5,2]"),
        ("daterange", "[\"2026-01-02\", \"2026-01-03\"]", RANGE, "[2026-01-02,2026-01-04)"),
        ("years", "[1,5]", RANGE, "[1,6)"),
        ("int[]", "{}", ARRAY, "{}"),
        ("date[]", "{}", ARRAY, "{}"),
        ("names", "{}", ARRAY, "{}"),
        ("int4range[]", "{}", ARRAY, "{}"),
        ("int4multirange", "{}", ARRAY, "{}"),
    ];
    for (of, value, says, stored) in cases {
        for insert in [None, Some("INSERT INTO t (v, id) VALUES (?, ?)")] {
            for is_array in [false, true] {
                let create = format!("DROP TABLE IF EXISTS t, t_rejects; CREATE TABLE t (id int, v {of})");
                world.client.batch_execute(&create).await.expect("a table");
                let literal = serde_json::to_string(value).expect("a string");
                let objects =
                    [format!("{{\"V\": {value}, \"id\": 1}}"), format!("{{\"V\": {literal}, \"id\": 2}}")];
                let file = if is_array { format!("[{}]", objects.join(",")) } else { objects.join("\n") };
                let mut load = world.load("t", &world.file(file));
                (load.dialect.form, load.limit) = (Form::Json, Limit::Count(1));
                load.insert = insert.map(str::to_owned);
                let told = world.run(&load).await.unwrap_or_else(|failure| panic!("{of} {value}: {failure}"));
                assert!(told.contains(&format!("the value of `V` {says}")), "{of} {value}: {told}");
                assert_eq!(world.rows("SELECT id, v FROM t").await, format!("2|{stored}"), "{of} {value}");
            }
        }
    }
}

#[tokio::test]
async fn nested_values_go_into_columns_of_text_and_json_as_before() {
    let world = World::new("CREATE TABLE t (a jsonb, b text, c json)").await;
    let mut load = world.load("t", &world.file("{\"a\": [1,5], \"b\": [1, 5], \"c\": {}}\n"));
    load.dialect.form = Form::Json;
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT * FROM t").await, "[1, 5]|[1, 5]|{}");
}
