//! Asks a PostgreSQL for the values that it reads from texts.

use std::collections::HashMap;
use std::error::Error;

use bytes::BytesMut;
use tokio::runtime::Runtime;
use tokio_postgres::types::{Format, IsNull, ToSql, Type};
use tokio_postgres::{Client, NoTls, Statement};

/// Reads a text as the server reads a literal of a type; NULL stands for a text that it refuses.
const READING: &str =
    "CREATE OR REPLACE FUNCTION pg_temp.reading(type text, value text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE found text;
    BEGIN
        EXECUTE format('INSERT INTO %I VALUES (%L) RETURNING v::text', 'probe ' || type, value) INTO found;
        RETURN found;
    EXCEPTION WHEN OTHERS THEN RETURN NULL;
    END $$; SET timezone = 'UTC'; SET synchronous_commit = off";

/// A session of a database.
pub(crate) struct Database {
    runtime: Runtime,
    client: Client,
    reading: Statement,
    binary: HashMap<String, Statement>,
    count: u64,
}

impl Database {
    /// Connects to a database. `types` are the types whose values are asked for.
    pub(crate) fn connect<'a>(url: &str, types: impl IntoIterator<Item = &'a str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (client, reading) = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a session");
            tokio::spawn(connection);
            client.batch_execute(READING).await.expect("the function");
            for of in types {
                let table = format!("CREATE TEMP TABLE \"probe {of}\" (v {of})");
                client.batch_execute(&table).await.expect("a table for the type");
            }
            let reading = client.prepare("SELECT pg_temp.reading($1, $2)").await.expect("the function");
            (client, reading)
        });
        Self { runtime, client, reading, binary: HashMap::new(), count: 0 }
    }

    /// Returns the value of a text as the server shows it, or `None` if the server refuses the text.
    pub(crate) fn reading(&mut self, of: &str, text: &str) -> Option<String> {
        self.count += 1;
        if self.count.is_multiple_of(10_000) {
            let empty = format!("TRUNCATE \"probe {of}\"");
            self.runtime.block_on(self.client.batch_execute(&empty)).expect("emptied");
        }
        let row = self.runtime.block_on(self.client.query_one(&self.reading, &[&of, &text]));
        row.expect("a reading").get(0)
    }

    /// Returns the value with a binary form as the server shows it, or `None` if the server refuses the form.
    pub(crate) fn binary(&mut self, of: &str, value: &[u8]) -> Option<String> {
        let (client, known) = (&self.client, &mut self.binary);
        self.runtime.block_on(async {
            if !known.contains_key(of) {
                let query = format!("INSERT INTO \"probe {of}\" VALUES ($1) RETURNING v::text");
                known.insert(of.to_owned(), client.prepare(&query).await.expect("a statement"));
            }
            client.query_one(&known[of], &[&Raw(value)]).await.ok()?.get(0)
        })
    }
}

/// A value in its binary form.
#[derive(Debug)]
struct Raw<'a>(&'a [u8]);

impl ToSql for Raw<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Binary
    }

    fn to_sql_checked(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(of, out)
    }
}
