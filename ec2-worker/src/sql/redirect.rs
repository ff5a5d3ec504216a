//! Redirects SQL: replaces the schemas of the tables that it names, so that it uses tables of other schemas.

use std::ops::Range;

use super::identifier;
use super::lexer::{Lexer, Token};

/// A table that SQL names, and the schema of the table with the same name that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The schema that SQL names.
    pub schema: String,
    /// The name of both tables.
    pub table: String,
    /// The schema that replaces it.
    pub other: String,
}

/// SQL after its names were replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedirectedSql {
    /// The text.
    pub text: String,
    /// For each replaced schema: the offset after its replacement in `text`, and the offset after it in the original
    /// text.
    ends: Vec<(usize, usize)>,
}

impl RedirectedSql {
    /// Converts a byte offset in the text to the offset of the same place in the original text.
    #[must_use]
    pub fn original_offset(&self, byte: usize) -> usize {
        match self.ends.iter().rev().find(|(end, _)| *end <= byte) {
            Some((end, original)) => original + (byte - end),
            None => byte,
        }
    }
}

/// Replaces the schema in each `schema.table` of `sql` whose table is in `tables`. Strings, comments and names
/// without a schema stay as they are.
#[must_use]
pub fn redirect(sql: &str, tables: &[Redirected]) -> RedirectedSql {
    let mut redirected = RedirectedSql::default();
    let mut copied = 0;
    for (schema, table) in qualified_names(sql) {
        let (schema_name, table_name) = (name(&sql[schema.clone()]), name(&sql[table]));
        let found = tables.iter().find(|it| it.schema == schema_name && it.table == table_name);
        let Some(found) = found else { continue };
        redirected.text.push_str(&sql[copied..schema.start]);
        redirected.text.push_str(&identifier(&found.other));
        redirected.ends.push((redirected.text.len(), schema.end));
        copied = schema.end;
    }
    redirected.text.push_str(&sql[copied..]);
    redirected
}

/// Returns the ranges of the two names of each `a.b` in `sql`. For `a.b.c`, these are the ranges of `a` and `b`.
fn qualified_names(sql: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let is_name = |token: Token, range: &Range<usize>| {
        token == Token::Word || token == Token::Quoted(true) && sql[range.clone()].starts_with('"')
    };
    let tokens: Vec<_> = Lexer::new(sql).filter(|(token, _)| *token != Token::Space).collect();
    let is_dot = |at: usize| tokens.get(at).is_some_and(|(_, range)| &sql[range.clone()] == ".");
    let mut found = Vec::new();
    for (at, (token, range)) in tokens.iter().enumerate() {
        let follows_dot = at > 0 && is_dot(at - 1);
        if !follows_dot
            && is_name(*token, range)
            && is_dot(at + 1)
            && let Some((next, table)) = tokens.get(at + 2)
            && is_name(*next, table)
        {
            found.push((range.clone(), table.clone()));
        }
    }
    found
}

/// Returns a name as PostgreSQL reads it: without quotes, or else in lower case.
fn name(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(sql: &str) -> RedirectedSql {
        let table = |schema: &str, table: &str| Redirected {
            schema: schema.to_owned(),
            table: table.to_owned(),
            other: format!("{schema}__1"),
        };
        redirect(sql, &[table("staging", "orders"), table("My Shop", "Big")])
    }

    #[test]
    fn names_with_a_schema_are_replaced_however_they_are_written() {
        assert_eq!(
            redirected("SELECT * FROM staging.orders o").text,
            "SELECT * FROM \"staging__1\".orders o"
        );
        assert_eq!(
            redirected("FROM STAGING . \"orders\", \"My Shop\".\"Big\", staging /* . */ .Orders").text,
            "FROM \"staging__1\" . \"orders\", \"My Shop__1\".\"Big\", \"staging__1\" /* . */ .Orders"
        );
        assert_eq!(redirected("SELECT staging.orders.id").text, "SELECT \"staging__1\".orders.id");
    }

    #[test]
    fn other_names_strings_and_comments_stay() {
        for sql in [
            "SELECT * FROM orders, staging.reviews, other.orders",
            "SELECT 'staging.orders', E'\\'staging.orders', $$staging.orders$$ -- staging.orders",
            "SELECT db.staging.orders.id",
            "SELECT * FROM \"Staging\".orders, \"my shop\".\"Big\", My.Big",
            "staging.",
            ".orders",
        ] {
            assert_eq!(redirected(sql).text, sql);
        }
    }

    #[test]
    fn a_place_in_the_new_text_is_a_place_in_the_old_text() {
        let sql = "SELECT 1 FROM staging.orders JOIN staging.orders o2 ON x";
        let new = redirected(sql);
        for word in ["SELECT", "JOIN", "o2", "x"] {
            let at = new.text.find(word).expect("the word is there");
            assert_eq!(new.original_offset(at), sql.find(word).expect("there"), "{word}");
        }
    }
}
