use ec2_worker::etl::dialect::{Dialect, Form};

use super::World;

#[tokio::test]
async fn every_type_is_stored_as_the_server_itself_would_read_it() {
    let columns = [
        ("bool", "yes"),
        ("int2", "-32768"),
        ("int4", "2147483647"),
        ("int8", "-9223372036854775808"),
        ("float4", "1.5e-3"),
        ("float8", "-0.1"),
        ("numeric", "-1234567890.000120"),
        ("numeric(10,2)", "99.999"),
        ("numeric(4,-2)", "12345"),
        ("text", "Ünï, \"\"quoted\"\""),
        ("varchar(5)", "äöüßé"),
        ("char(4)", "ab"),
        ("date", "2024-02-29"),
        ("timestamp", "2024-02-29 23:59:59.999999"),
        ("timestamptz", "2024-02-29T23:59:59+05:30"),
        ("time", "23:59:59.5"),
        ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
        ("json", "{\"\"a\"\": [1, 2]}"),
        ("jsonb", "{\"\"a\"\": 1e2}"),
        ("bytea", "\\xdeadbeef"),
        ("mood", "ok"),
        ("positive", "7"),
    ];
    for extra in ["", "int4[]"] {
        let world = World::new(
            "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
        )
        .await;
        let mut all = columns.to_vec();
        // A type without a binary encoder makes the whole load use the text form.
        if !extra.is_empty() {
            all.push((extra, "{1,2}"));
        }
        let names: Vec<String> = (0..all.len()).map(|index| format!("c{index}")).collect();
        let declared: Vec<String> =
            names.iter().zip(&all).map(|(name, (ty, _))| format!("{name} {ty}")).collect();
        let declared = declared.join(", ");
        world
            .client
            .batch_execute(&format!("CREATE TABLE ours ({declared}); CREATE TABLE theirs ({declared})"))
            .await
            .expect("tables");
        let values: Vec<String> = all.iter().map(|(_, value)| format!("\"{value}\"")).collect();
        let nulls = vec![""; all.len()].join(",");
        let file = world.file(format!("{}\n{}\n{nulls}\n", names.join(","), values.join(",")));
        let mut load = world.load("ours", &file);
        load.dialect.skip_blank = false;
        world.run(&load).await.expect("loaded");
        let literals: Vec<String> =
            all.iter().map(|(_, value)| format!("'{}'", value.replace("\"\"", "\""))).collect();
        let nulls = vec!["NULL"; all.len()].join(",");
        let insert =
            format!("SET timezone = 'UTC'; INSERT INTO theirs VALUES ({}), ({nulls})", literals.join(","));
        world.client.batch_execute(&insert).await.expect("the server's own reading");
        assert_eq!(world.rows("SELECT * FROM ours").await, world.rows("SELECT * FROM theirs").await);
    }
}

#[tokio::test]
async fn a_file_without_a_header_fills_the_columns_in_order() {
    let world = World::new("CREATE TABLE t (a int, b text)").await;
    let mut load = world.load("t", &world.file("1,\"\"\n2,NA\n"));
    load.dialect = Dialect { nulls: vec![b"NA".to_vec()], ..Dialect::default() };
    world.run(&load).await.expect("loaded");
    assert_eq!(world.rows("SELECT a, b, b IS NULL FROM t ORDER BY a").await, "1||f 2|NULL|t");
}

#[tokio::test]
async fn the_empty_label_of_an_enumeration_is_a_value_and_no_null() {
    let types =
        "CREATE TYPE sort AS ENUM ('', 'a'); CREATE DOMAIN kind AS sort; CREATE TYPE other AS ENUM ('b')";
    let world = World::new(types).await;
    for (of, more, insert) in [
        ("sort", "", None),
        ("kind", ", place point", None),
        ("sort", "", Some("INSERT INTO t VALUES (?, ?, ?)")),
    ] {
        for form in [Form::Text, Form::Json] {
            let create = format!("DROP TABLE IF EXISTS t; CREATE TABLE t (id int, v {of}, o other{more})");
            world.client.batch_execute(&create).await.expect("a table");
            let file = match form {
                Form::Json => {
                    "{\"id\": 1, \"v\": \"\", \"o\": \"\"}\n{\"id\": 2, \"v\": null, \"o\": \"b\"}\n{\"id\": 3, \"v\": \"a\", \"o\": null}\n"
                }
                _ => "id,v,o\n1,\"\",\"\"\n2,,b\n3,a,\n",
            };
            let file = if more.is_empty() || form == Form::Json {
                file.to_owned()
            } else {
                file.replace("v,o\n", "v,o,place\n")
                    .replace("\"\"\n", "\"\",\n")
                    .replace(",b\n", ",b,\n")
                    .replace("a,\n", "a,,\n")
            };
            let mut load = world.load("t", &world.file(file));
            (load.dialect.form, load.insert) = (form, insert.map(str::to_owned));
            world.run(&load).await.unwrap_or_else(|failure| panic!("{of} {form:?}: {failure}"));
            let rows = world.rows("SELECT id, v, o FROM t ORDER BY id").await;
            assert_eq!(rows, "1||NULL 2|NULL|b 3|a|NULL", "{of} {insert:?} {form:?}");
        }
    }
}
