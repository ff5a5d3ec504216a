//! An `insertQuery`: a statement for each record, and the types of its placeholders.
//!
//! The database reports the types of the placeholders when it prepares the statement. So a value has the same meaning as in a
//! load with `COPY`.

use std::mem::discriminant;

use tokio_postgres::types::Type;

use super::column::{Column, ColumnType};
use super::table::{MORE, NESTED, RESOLVED, Table, Types};
use super::value_rules::ValueRules;
use crate::database::Transaction;
use crate::failure::Failure;
use crate::sql::conversions::{is_of_date, is_of_number, uses};
use crate::sql::{SqlTemplate, insert_targets, reports_changed_rows, statements};

/// The name of the prepared statement, which lives only while its types are read.
const NAME: &str = "downspout_insert";

/// A statement with a placeholder for each column of a file.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The text with its placeholders.
    pub template: SqlTemplate,
    /// The placeholders, named by their places in the file.
    pub columns: Vec<Column>,
    /// Whether the database has read the statement, and reported the types of its placeholders.
    pub is_known: bool,
    /// Whether the database reports for each row how many rows were stored: for one statement that changes a table, and not for
    /// a CALL.
    pub reports_rows: bool,
    /// Whether the placeholders have the names of a header.
    pub is_named: bool,
    /// The columns that the placeholders fill, in the order of the placeholders; empty if they are not known.
    pub targets: Vec<String>,
    /// The names of the columns of a file in the order of the placeholders, as `column` of the data format gives them; may be empty.
    pub declared: Vec<String>,
}

/// A statement, and the reason why the types of its placeholders are unknown, if they are.
pub type Described = (Statement, Option<String>);

impl Statement {
    /// Reads a statement that fills `table`, and asks the database for the types of its placeholders. If the database cannot tell them, all
    /// values are text.
    ///
    /// # Errors
    ///
    /// If the statement has no placeholder, or the connection breaks.
    pub async fn describe(tx: &Transaction, table: &Table, insert: &str) -> Result<Described, Failure> {
        let insert = insert.trim().trim_end_matches(';');
        let template = SqlTemplate::new(insert);
        if template.placeholders() == 0 {
            let message = "`insertQuery` has no `?`; give one for each column of the file, in order";
            return Err(Failure::bad_input("Definition", message));
        }
        let placeholders = template.placeholders();
        let mut types = Vec::with_capacity(placeholders);
        let parts = statements(insert);
        if parts.len() > 1 {
            // The rows of each statement would count as loaded, also those that it deletes.
            let message = format!(
                "`insertQuery` has {} statements; give one, and put the others into a function, a trigger or a SqlActivity",
                parts.len()
            );
            return Err(Failure::bad_input("Definition", message));
        }
        let targets = insert_targets(insert).and_then(|targets| {
            let is_of_table = targets.table == table.name;
            let columns = table.columns.iter().map(|column| column.name.clone()).filter(|_| is_of_table);
            targets.names(&columns.collect::<Vec<_>>())
        });
        let plain = Self {
            reports_rows: reports_changed_rows(insert),
            targets: targets.unwrap_or_default(),
            ..Self::of_texts(template)
        };
        for part in parts {
            match types_of(tx, &SqlTemplate::new(&part.text)).await? {
                Ok(found) => types.extend(found),
                Err(why) => return Ok((plain, Some(why))),
            }
        }
        if types.len() != placeholders {
            let why = "the placeholders of its statements cannot be told apart".to_owned();
            return Ok((plain, Some(why)));
        }
        let mut columns: Vec<Column> = types
            .into_iter()
            .enumerate()
            .map(|(index, column)| Column { name: (index + 1).to_string(), ..column })
            .collect();
        take_limits(&mut columns, &plain.targets, table, insert);
        Ok((Self { columns, is_known: true, ..plain }, None))
    }

    /// Returns a statement whose placeholders take every text.
    #[must_use]
    pub fn of_texts(template: SqlTemplate) -> Self {
        let places = 0..template.placeholders();
        let columns = places.map(|index| Column::of_text((index + 1).to_string()));
        Self {
            columns: columns.collect(),
            template,
            is_known: false,
            reports_rows: false,
            is_named: false,
            targets: Vec::new(),
            declared: Vec::new(),
        }
    }

    /// Checks that the statement itself does not turn the text of a placeholder into a value for which the file has rules. Returns a
    /// note if the rules do not apply to the texts of some placeholders, because these are in an expression.
    ///
    /// # Errors
    ///
    /// If the statement turns a text into a date, because the database would read it by its own rules. Also if the statement turns a
    /// text into another value although `rules` say how that value is written.
    pub fn check_texts(&self, rules: &ValueRules, insert: &str) -> Result<Option<String>, Failure> {
        let mut texts = Vec::new();
        for (index, (column, of)) in self.columns.iter().zip(uses(insert)).enumerate() {
            if !matches!(column.kind, ColumnType::Text(_)) {
                continue;
            }
            let has_words = !rules.truths.is_empty() || !rules.falsehoods.is_empty();
            let is_refused = |name: &str| {
                is_of_date(name)
                    || is_of_number(name) && rules.numbers.is_some()
                    || matches!(name, "bool" | "boolean") && has_words
            };
            let found = of.types.iter().rev().find(|name| is_refused(name));
            if let Some(name) = found {
                let why = if is_of_date(name) {
                    "the database would read words such as today, and 05/06/2026 as May 6".to_owned()
                } else {
                    format!("`{}` would not count", rules.needs_types().unwrap_or("myDecimal"))
                };
                let message = format!(
                    "`insertQuery` makes a {name} of placeholder {} as a text: {why}; write `?::{name}` in place of the text, because an \
                     empty field is NULL there",
                    index + 1
                );
                return Err(Failure::bad_input("Definition", message));
            }
            if of.is_inside || !of.types.is_empty() {
                texts.push((index + 1).to_string());
            }
        }
        let Some(field) = rules.needs_types().filter(|_| !texts.is_empty()) else { return Ok(None) };
        Ok(Some(format!(
            "`{field}` does not count for texts in an expression of `insertQuery` (placeholder {}); `?::numeric` and the like give \
             them a type",
            texts.join(", ")
        )))
    }

    /// Returns the names that the fields of a file have in the order of the placeholders: those of `column`, or else those of the filled
    /// columns; may be empty.
    #[must_use]
    pub fn names_in_order(&self) -> &[String] {
        if self.declared.is_empty() { &self.targets } else { &self.declared }
    }

    /// Names the placeholders by the header of a file, if it has as many columns.
    #[must_use]
    pub fn named(mut self, names: &[String]) -> Self {
        if names.len() == self.columns.len() {
            for (column, name) in self.columns.iter_mut().zip(names) {
                name.trim().clone_into(&mut column.name);
            }
            self.is_named = true;
        }
        self
    }
}

/// Gives the placeholders that fill a column as they are the limits of its type, such as the decimals of `numeric(10,2)`. The database
/// knows them only for the column, and would apply them without a word. A cast to the type of the column itself, as in `?::interval`,
/// changes nothing, and a number that a cast gives another type, as in `?::numeric`, gets the type of its column in the end. A cast
/// of a text may cut it on purpose, and so may a second cast.
fn take_limits(columns: &mut [Column], targets: &[String], table: &Table, insert: &str) {
    for ((column, target), of) in columns.iter_mut().zip(targets).zip(uses(insert)) {
        let is_same_cast = !matches!(column.kind, ColumnType::Text(_)) && column.inside.is_none();
        if of.is_inside || !(of.types.is_empty() || is_same_cast) {
            continue;
        }
        let Some(filled) = table.columns.iter().find(|filled| filled.name == *target) else { continue };
        if discriminant(&filled.kind) == discriminant(&column.kind) {
            column.kind = filled.kind;
            column.precision = filled.precision;
            column.inside.clone_from(&filled.inside);
        } else if changes_on_the_way(column.kind, filled.kind) && of.types.len() < 2 {
            column.stored_as = Some(filled.kind);
        } else {
            continue;
        }
        column.type_name.clone_from(&filled.type_name);
    }
}

/// Returns whether a value of one type may become another value when it fills a column of the other type.
fn changes_on_the_way(from: ColumnType, to: ColumnType) -> bool {
    let is_moment = matches!(from, ColumnType::Timestamp | ColumnType::TimestampTz);
    from.is_number() && to.is_number() || is_moment && to == ColumnType::Date
}

/// The placeholders of a statement, without names, or the reason why the database does not tell their types.
type Placeholders = Result<Vec<Column>, String>;

/// Asks for the types of the placeholders of one statement.
async fn types_of(tx: &Transaction, template: &SqlTemplate) -> Result<Placeholders, Failure> {
    if template.placeholders() == 0 {
        return Ok(Ok(Vec::new()));
    }
    let doing = "reading the types of `insertQuery`";
    tx.run(doing, "SAVEPOINT types").await?;
    // The name is free: no other code uses it, and this code releases it afterwards.
    let prepared = tx.run(doing, &format!("PREPARE {NAME} AS {}", template.numbered())).await;
    match prepared {
        Err(failure) if failure.is_away() => return Err(failure),
        Err(failure) => {
            tx.run(doing, "ROLLBACK TO SAVEPOINT types; RELEASE SAVEPOINT types").await?;
            return Ok(Err(failure.message));
        }
        Ok(()) => {}
    }
    let sql = format!(
        "SELECT pg_catalog.format_type(t.oid, NULL), b.typname::text, b.typtype::text, \
                b.typnamespace = 'pg_catalog'::regnamespace, r.base::int8, r.modifier, {NESTED}, {MORE} \
         FROM pg_catalog.pg_prepared_statements p, unnest(p.parameter_types::oid[]) WITH ORDINALITY AS a(atttypid, place) \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid CROSS JOIN LATERAL (SELECT -1 AS atttypmod) m \
         {} JOIN pg_catalog.pg_type b ON b.oid = r.base \
         WHERE p.name = $1 ORDER BY a.place",
        RESOLVED.replace("a.atttypmod", "m.atttypmod")
    );
    let rows = tx.query(doing, &sql, &[(&NAME, Type::TEXT)]).await?;
    let nested = rows.iter().filter(|row| row.get(6)).map(|row| row.get(4)).collect();
    let types = Types::read(tx, nested).await?;
    tx.run(doing, &format!("DEALLOCATE {NAME}; RELEASE SAVEPOINT types")).await?;
    let of = |row: &tokio_postgres::Row| {
        let (base, class, modifier): (&str, &str, i32) = (row.get(1), row.get(2), row.get(5));
        let kind = ColumnType::of(base, class, row.get(3), modifier).with_more_values(row.get(7));
        let (precision, inside) = (kind.precision(modifier), types.inside(row.get(4), modifier));
        Column { precision, inside, ..Column::of("", row.get::<_, String>(0), kind) }
    };
    Ok(Ok(rows.iter().map(of).collect()))
}
