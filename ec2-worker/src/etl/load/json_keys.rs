//! The order of the keys of JSON objects, and the keys that count although they come late in the file.

use definition::kind::field::{LoadMode, OnColumns};

use super::super::column::Column;
use super::super::dialect::{Dialect, Form, JsonKeys, Literals};
use super::super::statement::Statement;
use super::super::table::Table;
use super::Load;

impl Load {
    /// Returns the dialect with which the files are read into `table`, or are the values of `statement`.
    pub(super) fn dialect_for(&self, table: &Table, statement: Option<&Statement>) -> Dialect {
        let mut dialect = self.dialect.clone();
        if dialect.form == Form::Json {
            dialect.literals = match statement {
                Some(statement) => Literals::placed(&statement.columns),
                None => Literals::named(&table.columns),
            };
        }
        if dialect.form == Form::Json
            && let Some(statement) = statement
            && statement.columns.len() > 1
        {
            dialect.json_keys.first = statement.names_in_order().to_vec();
        }
        if dialect.form == Form::Json && self.insert.is_none() {
            // A column in the header is written for every row. So it must be one that is NULL anyway, and not the value of an
            // existing row.
            let is_upsert = self.mode == LoadMode::Upsert;
            let is_free = !is_upsert && self.declared.is_empty();
            let names = |is_meant: &dyn Fn(&Column) -> bool| {
                table
                    .columns
                    .iter()
                    .filter(|column| is_meant(column))
                    .map(|column| column.name.clone())
                    .collect()
            };
            dialect.json_keys = JsonKeys {
                first: Vec::new(),
                known: names(&|column| is_free && !column.not_null && !column.has_default),
                ignores_others: self.on_columns == OnColumns::IgnoreExtra,
                needed: names(&|column| is_upsert || column.has_default),
            };
        }
        dialect
    }
}
