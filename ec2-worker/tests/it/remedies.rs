//! Every message of a refused row says what to change. The lists name each kind of refusal.

use definition::kind::field::{Limit, LoadMode};
use ec2_worker::etl::dialect::{Dialect, Form};
use ec2_worker::etl::load::Load;
use ec2_worker::etl::number_form::NumberForm;

use super::World;
use super::value_rules::patterns;

/// A type, a text that it refuses, and what the message must say.
const VALUES: &[(&str, &str, &str)] = &[
    (
        "int",
        "abc",
        "correct the value, or give the text to `myNullValues` if it means that there is no value",
    ),
    (
        "int",
        "1.0",
        "integer takes no decimal point and no exponent; leave them out, or give the column the type numeric",
    ),
    ("smallint", "1e3", "smallint takes no decimal point and no exponent"),
    ("int", "12x", "; correct the value"),
    ("int", "0x1F", "; correct the value"),
    ("int", "1,234", "`myDecimal`, `myGrouping` and `myCurrency` say how numbers are written"),
    ("smallint", "40000", "or give the column the type bigint"),
    ("int", "3000000000", "or give the column the type bigint"),
    ("bigint", "99999999999999999999", "or give the column the type numeric, or text if it is an id"),
    ("real", "1e99", "or give the column the type double precision or numeric"),
    ("float8", "1e999", "or give the column the type numeric"),
    ("numeric(5,2)", "1234.5", "or allow more digits in the type of the column"),
    ("numeric", "#N/A", "or give the text to `myNullValues`"),
    ("numeric", " NA", "\" NA\" is not a number"),
    ("int", "  ", "\"  \" is not a whole number"),
    ("numeric", "12%", "`myPercent` takes a percent sign"),
    ("numeric", "12-", "`myTrailingSign` takes a sign behind the number"),
    ("numeric", "$5", "`myCurrency` takes a currency"),
    ("money", "5%", "or give the column the type numeric, for which `myPercent` takes a percent sign"),
    ("money", "12 €", "`myDecimal`, `myGrouping` and `myCurrency`"),
    ("money", "EUR 5", "`myDecimal`, `myGrouping` and `myCurrency`"),
    ("money", "five", "or give the text to `myNullValues`"),
    ("money", "-", "or give the text to `myNullValues`"),
    ("money", "1.234", "if the point groups digits, say so by `myDecimal` and `myGrouping`"),
    ("money", "1-2", "is not an amount of money (as 1234.56); correct the value"),
    ("int", "5%", "give the column the type numeric and set `myPercent` true"),
    ("float8[]", "{0x10}", "write numbers as 1234.5, without letters, `_` and groups"),
    ("int4range", "[1_000,2000)", "without letters, `_` and groups"),
    ("money[]", "{1.239}", "inside a value, write amounts as 1234.56, with at most two decimals"),
    ("interval[]", "{12-}", "inside a value, write intervals as 1.5 hours"),
    ("interval day", "36 hours", "the column keeps nothing finer than a day; write whole numbers"),
    ("\"char\"", "abc", "give the column the type text"),
    ("oid", "-1", "is not an oid, a whole number without a sign"),
    ("integer[]", "{x}", "is not an integer[]: \"x\" in it is not an integer"),
    ("xml", "<", "write the value as PostgreSQL reads its type"),
    ("money", "1234,56", "`myDecimal`, `myGrouping` and `myCurrency`"),
    ("boolean", "oui", "other words need `myTrue` and `myFalse`"),
    ("varchar(2)", "abc", "shorten the text, or give the column the type text"),
    ("date", "31/12/2025", "another form needs `myDateFormat`"),
    ("date", "45943", "give its cells a date format there"),
    ("timestamp", "45943.5", "give its cells a date format there"),
    ("date", "2025-02-30", "there is no such day or time: correct the value"),
    (
        "timestamptz",
        "2024-03-31 02:30 Europe/Atlantis",
        "write the offset from UTC, such as +01:00, in place of the zone",
    ),
    ("timestamptz", "2025-12-31 10:00:00 EST", "the short name of a time zone has several meanings"),
    ("date", "2025-W05", "it is a week, and no day"),
    ("date", "31.12.\u{a0}2025", "it has a no-break space (U+00A0)"),
    ("date", "20251301", "correct the value, or declare its form by `myDateFormat`"),
    ("date", "soon", "or give the text to `myNullValues`"),
    ("date", "2025-12-31 10:00", "leave it out, or give the column the type timestamp or timestamptz"),
    ("timestamp", "2025-12-31 10:00+02", "leave it out, or give the column the type timestamptz"),
    ("time", "30:00:00", "correct the value, or declare its form by `myDateFormat`"),
    ("timetz", "noon", "or give the text to `myNullValues`"),
    ("date[]", "{31/12/2025}", "another form needs `myDateFormat`"),
    ("daterange", "[2025-01-01,2025-02-30)", "there is no such day or time: correct the value"),
    ("uuid", "123", "(as 123e4567-e89b-12d3-a456-426614174000); correct the value"),
    ("bytea", "\\xzz", "write bytes as pairs of hexadecimal digits"),
    ("json", "{a: 1}", "correct the value (a text in JSON has quotes of its own)"),
    ("jsonb", "plain", "or give the column the type text"),
    ("int[]", "[1, 2]", "an array is written in braces; write {1,2}, or give the column the type jsonb"),
    ("int[]", "1;2", "write the value as PostgreSQL reads its type"),
    ("inet", "300.1.1.1", "write the value as PostgreSQL reads its type"),
    ("interval", "a while", "write the value as PostgreSQL reads its type"),
    (
        "interval",
        "1,5 hours",
        "takes a decimal point and no comma, and a sign stands before the number; correct the interval",
    ),
    ("interval", "12-", "a sign stands before the number; correct the interval"),
    ("interval", "1.05:30:00", "write 1 05:30:00 for one day, 5 hours and 30 minutes"),
    ("interval[]", "{1.05:30:00}", "inside a value, write intervals as 1.5 hours"),
    ("money", "1234,567", "`myDecimal`, `myGrouping` and `myCurrency`"),
    ("bytea", "0x6162", "write \\x in place of 0x"),
    ("bytea", "\\\\x6162", "write one backslash, or set `escapeChar` (`myEscapeChar`) to \\"),
    ("numeric", "\u{2212}5", "and not the minus sign of the keyboard: write `-`"),
    ("int", "5\u{200e}", "it has a character that is not shown, such as U+200B or U+200E: leave it out"),
    ("interval[]", "{2 hours,\"1,5 hours\"}", "inside a value, write intervals as 1.5 hours"),
    ("trip", "(05/06/2026,x)", "inside a value, write dates and times as PostgreSQL does: 2025-12-31"),
    ("trip", "(today,x)", "inside a value, write dates and times as PostgreSQL does: 2025-12-31"),
    ("trip", "(2026-01-05 10:30,x)", "inside a value, write dates and times as PostgreSQL does: 2025-12-31"),
    (
        "trip[]",
        "{\"(2026-01-05,x)\",\"(5/1/2026,x)\"}",
        "inside a value, write dates and times as PostgreSQL does: 2025-12-31",
    ),
    (
        "tour",
        "(\"(2026-01-05 10:30,x)\",2)",
        "inside a value, write dates and times as PostgreSQL does: 2025-12-31",
    ),
    (
        "tour[]",
        "{\"(\\\"(today,x)\\\",2)\"}",
        "inside a value, write dates and times as PostgreSQL does: 2025-12-31",
    ),
    (
        "day[]",
        "{2026-01-05,5.1.2026}",
        "inside a value, write dates and times as PostgreSQL does: 2025-12-31",
    ),
    (
        "stay",
        "[2026-01-05 10:30,tomorrow)",
        "inside a value, write dates and times as PostgreSQL does: 2025-12-31",
    ),
    ("int4range", "[5,1)", "write the value as PostgreSQL reads its type"),
    ("mood", "great", "write the value as PostgreSQL reads its type"),
    ("bit(3)", "12", "write the value as PostgreSQL reads its type"),
    ("tsvector", "'open", "write the value as PostgreSQL reads its type"),
    ("jsonb", "\"\\u0000\"", "write the value as PostgreSQL reads its type"),
    ("int NOT NULL", "", "fill the value, or allow NULL in the table"),
    ("int CHECK (v > 0)", "-1", "correct the value, or change the check of the table"),
    ("int REFERENCES parent", "7", "load the row that it refers to first, or correct the value"),
    ("positive", "-1", "correct the value, or change the check of the table"),
];

#[tokio::test]
async fn every_refusal_of_a_value_says_what_to_change() {
    let world = World::new(
        "CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE trip AS (day date, note text); CREATE TYPE tour AS (first trip, trips int); \
         CREATE DOMAIN day AS date; CREATE TYPE stay AS RANGE (subtype = timestamp); CREATE DOMAIN positive AS int CHECK (value > 0); \
         CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE t (v text)",
    )
    .await;
    for (of, text, says) in VALUES {
        world.client.batch_execute(&format!("DROP TABLE t; CREATE TABLE t (v {of})")).await.expect("a table");
        let file = world.file(format!("v\n\"{}\"\n", text.replace('"', "\"\"")));
        let failure = world.run(&world.load("t", &file)).await.expect_err("refused");
        assert!(failure.message.contains("line 2"), "{of} {text}: {failure}");
        assert!(failure.message.contains(says), "{of} {text}: {failure}");
    }
}

#[tokio::test]
async fn refusals_by_declared_forms_name_the_field_to_change() {
    let world = World::new(
        "CREATE TABLE t (v text); CREATE TYPE counts AS (label text, n int[]); CREATE TYPE fee AS (n numeric, m money, i interval)",
    )
    .await;
    for (of, text, says) in [
        ("date", "31.12.2025", "or add its form as a `myDateFormat`"),
        ("numeric", "1.23,4", "or `myDecimal` and `myGrouping`"),
        ("int", "1,5", "integer takes no decimal point"),
        ("boolean", "si", "or add the word to one of them"),
        ("numeric[]", "{\"1,5\"}", "a fraction with an exponent, such as 15e-1 for 1.5"),
        ("numeric[]", "{1.5}", "a fraction with an exponent, such as 15e-1 for 1.5"),
        ("counts", "(a,\"{1,500}\")", "\"{1,500}\" in it may be read in two ways"),
        ("counts", "(a,{1.500})", "and a blank after each comma"),
        (
            "fee",
            "(1.5,,)",
            "write whole numbers without groups, and a fraction with an exponent, such as 15e-1 for 1.5",
        ),
        ("fee", "(,1.50,)", "write whole amounts"),
        ("fee", "(,,1.5 hours)", "such as 90 minutes or -01:30:00"),
        ("interval", ",75", "write it in whole numbers, such as 90 minutes for 1.5 hours"),
        ("interval", "1, 2 hours", "and a blank after each comma"),
        ("interval", "1.5 hours", "such as 90 minutes for 1.5 hours"),
        ("money", "€", "or give the text to `myNullValues`"),
        ("numeric(6,2)", "12,5%", "would round it; give the column the type numeric"),
    ] {
        world.client.batch_execute(&format!("DROP TABLE t; CREATE TABLE t (v {of})")).await.expect("a table");
        let file = world.file(format!("v\n\"{}\"\n", text.replace('"', "\"\"")));
        let mut load = world.load("t", &file);
        load.rules.dates = patterns(&["dd/MM/yyyy"]);
        load.rules.numbers = Some(NumberForm {
            decimal: ',',
            grouping: Some('.'),
            currencies: vec!["€".to_owned()],
            percent: true,
            ..NumberForm::default()
        });
        load.rules.truths = vec!["oui".to_owned()];
        let failure = world.run(&load).await.expect_err("refused");
        assert!(failure.message.contains(says), "{of} {text}: {failure}");
    }
}

#[tokio::test]
async fn every_refusal_of_a_record_says_what_to_change() {
    let plain = Dialect { header: true, ..Dialect::default() };
    let json = Dialect { form: Form::Json, ..plain.clone() };
    let ascii = Dialect { encoding: Some(encoding_rs::UTF_8), ..plain.clone() };
    let world = World::new("CREATE TABLE t (a text, b text)").await;
    let cases: [(&[u8], &Dialect, &str); 16] = [
        (
            b"a,b\n1,2,\n",
            &plain,
            "3 columns instead of 2: the line ends with a separator, and the header does not",
        ),
        (b"a,b\n1\0,\0x\0\n", &plain, "as in UTF-16 without a byte order mark; set `myEncoding` to utf-16le"),
        (
            "bu\u{308}ro,b\n1,2\n".as_bytes(),
            &plain,
            "two characters each (NFD), as macOS writes them; compose them (NFC)",
        ),
        (b"a,b\n1,2,3\n", &plain, "3 columns instead of 2; a value with a separator in it needs quotes"),
        (b"a,b\n1\n", &plain, "1 column instead of 2; the file may have another separator"),
        (b"a,b,\n1,2,3\n", &plain, "remove the value, or name its column in the header"),
        (b"a,b,\n1,2\n", &plain, "which the header has; add it"),
        (b"a,b\n\"1\"x,2\n", &plain, "a quote inside the text must be doubled"),
        (b"a,b\n\"1\\\"x\",2\n", &plain, "set `escapeChar` to \\"),
        (b"a,b\n\xe9,2\n", &plain, "save the file as UTF-8, or set `myEncoding`"),
        (b"a,b\n\xe9,2\n", &ascii, "`myEncoding` must name the encoding of the file"),
        (b"a,b\n1,2\0\n", &plain, "a NUL byte, which PostgreSQL cannot store; remove it"),
        (b"a,b\n1\r,2\n", &plain, "quote the text, or end every line in the same way"),
        (b"{\"a\": 1, \"b\": 2}\n{\"a\": }\n", &json, "; write a text in double quotes, a number"),
        (b"{\"a\": 1, \"b\": 2}\n{\"a\": 1, \"a\": 2}\n", &json, "; leave one of them out"),
        (b"{\"a\": 1, \"b\": 2}\n{\"a\": \"\\ud800\"}\n", &json, "; correct it"),
    ];
    for (text, dialect, says) in cases {
        let mut load = world.load("t", &world.file(text));
        load.dialect = dialect.clone();
        load.limit = definition::kind::field::Limit::Percent(100.0);
        let told = match world.run(&load).await {
            Ok(told) => told,
            Err(failure) => failure.message,
        };
        assert!(told.contains(says), "{}: {told}", String::from_utf8_lossy(text));
    }
}

#[tokio::test]
async fn a_value_that_a_type_refuses_with_an_internal_error_refuses_its_row() {
    let world = World::new("CREATE EXTENSION hstore; CREATE TABLE t (id int PRIMARY KEY, v hstore)").await;
    let insert = Some("INSERT INTO t VALUES (?, ?)".to_owned());
    for (mode, insert) in [
        (LoadMode::Append, None),
        (LoadMode::Upsert, None),
        (LoadMode::Replace, None),
        (LoadMode::Append, insert),
    ] {
        world.client.batch_execute("TRUNCATE t; DROP TABLE IF EXISTS t_rejects").await.expect("emptied");
        let what = format!("{mode:?} {insert:?}");
        let file = world.file("id,v\n1,a=>1\n2,a=\n3,\"{\"\"a\"\": 1}\"\n4,b=>2\n");
        let load = Load { mode, insert, ..world.load("t", &file) };
        let failure = world.run(&load).await.expect_err("two rows are refused");
        assert!(failure.message.contains("line 3"), "{what}: {failure}");
        assert!(
            failure.message.contains("write the value as PostgreSQL reads its type"),
            "{what}: {failure}"
        );
        let load = Load { limit: Limit::Count(2), ..load };
        let report = world.run(&load).await.unwrap_or_else(|failure| panic!("{what}: {failure}"));
        assert!(report.contains("rowsLoaded=2, rowsRejected=2"), "{what}: {report}");
        assert_eq!(world.rows("SELECT id FROM t ORDER BY id").await, "1 4", "{what}");
    }
}

#[tokio::test]
async fn an_internal_error_that_no_row_causes_alone_fails_the_load() {
    let world = World::new(
        "CREATE TABLE t (id int);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
         $$BEGIN IF (SELECT count(*) FROM new_rows) > 2 THEN RAISE internal_error USING MESSAGE = 'too many at once'; END IF;
           RETURN NULL; END$$;
         CREATE TRIGGER f AFTER INSERT ON t REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION f()",
    )
    .await;
    let mut load = world.load("t", &world.file("id\n1\n2\n3\n4\n"));
    load.limit = Limit::Percent(100.0);
    let failure = world.run(&load).await.expect_err("no row is at fault");
    assert_eq!(failure.id, "Database:XX000");
    assert!(failure.message.contains("too many at once"), "{failure}");
    assert_eq!(world.rows("SELECT * FROM t").await, "");
}

#[tokio::test]
async fn an_error_about_rights_or_the_transaction_refuses_no_row() {
    for code in ["42501", "53100", "55000", "25006", "57014", "42P01"] {
        let world = World::new(&format!(
            "CREATE TABLE t (id int); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS
             $$BEGIN RAISE EXCEPTION 'not the row' USING ERRCODE = '{code}'; END$$;
             CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()"
        ))
        .await;
        let mut load = world.load("t", &world.file("id\n1\n2\n"));
        load.limit = Limit::Percent(100.0);
        let failure = world.run(&load).await.expect_err(code);
        assert!(failure.id.ends_with(code), "{code}: {failure:?}");
    }
}
