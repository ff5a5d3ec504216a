//! The names that a data format gives to the columns of a file: its fields `column`.
//!
//! On AWS a type may follow a name, as in `name STRING`. But a name may contain blanks, too: `Order Date` can be a name, or the
//! name `Order` with the type `Date`. The columns of the table decide this.

use super::{Column, Fit, Meaning, NAMES_BY_PLACE, OnColumns, Target, WrongHeader, by_name};
use super::{SEPARATORS, has_alike, loose, meaning, quoted};

/// The types that may follow a name, as Hive, PostgreSQL and others write them, without lengths.
const TYPES: &[&str] = &[
    "string",
    "text",
    "varchar",
    "varchar2",
    "nvarchar",
    "nchar",
    "char",
    "character",
    "character varying",
    "citext",
    "int",
    "integer",
    "tinyint",
    "smallint",
    "mediumint",
    "bigint",
    "int2",
    "int4",
    "int8",
    "long",
    "short",
    "byte",
    "serial",
    "bigserial",
    "float",
    "float4",
    "float8",
    "double",
    "double precision",
    "real",
    "decimal",
    "numeric",
    "number",
    "money",
    "boolean",
    "bool",
    "bit",
    "bit varying",
    "binary",
    "varbinary",
    "blob",
    "clob",
    "bytea",
    "date",
    "datetime",
    "timestamp",
    "timestamptz",
    "timestamp with time zone",
    "timestamp without time zone",
    "time",
    "timetz",
    "time with time zone",
    "time without time zone",
    "interval",
    "uuid",
    "json",
    "jsonb",
    "xml",
    "inet",
    "cidr",
    "array",
    "map",
    "struct",
];

/// Returns the name in front of a type, if a type ends the text.
fn before_type(text: &str) -> Option<&str> {
    let starts = text.char_indices().filter(|(at, letter)| {
        letter.is_whitespace()
            && !text[..*at].trim().is_empty()
            && !text[..*at].ends_with(char::is_whitespace)
    });
    let mut found = starts.filter(|(at, _)| is_type(&text[*at..])).map(|(at, _)| text[..at].trim());
    found.next()
}

/// Returns whether a text is a type, perhaps with a length as in `decimal(10, 2)`, with elements as in `array<int>`, or of an
/// array as in `int[]`.
fn is_type(text: &str) -> bool {
    let (mut depth, mut bare) = (0_usize, String::new());
    for letter in text.trim().to_lowercase().chars() {
        match letter {
            '(' | '<' | '[' => depth += 1,
            ')' | '>' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => bare.push(letter),
            _ => {}
        }
    }
    let words: Vec<&str> = bare.split_whitespace().collect();
    TYPES.contains(&words.join(" ").as_str())
}

/// Returns the declared names for a file without a table: without their types, if every one of them has a type.
#[must_use]
pub fn declared_names(declared: &[String]) -> Vec<String> {
    let names: Option<Vec<&str>> = declared.iter().map(|text| before_type(text.trim())).collect();
    match names {
        Some(names) => names.into_iter().map(str::to_owned).collect(),
        None => declared.iter().map(|text| text.trim().to_owned()).collect(),
    }
}

/// Returns whether a field `column` means the column `name` of a file, in which it may have a type behind the name.
#[must_use]
pub fn declares(text: &str, name: &str) -> bool {
    let wanted = loose(name);
    loose(text) == wanted || before_type(text.trim()).is_some_and(|bare| loose(bare) == wanted)
}

/// Returns whether a field `column` has the name `name`, perhaps with a type.
pub(super) fn is_named(text: &str, name: &str) -> bool {
    let text = text.trim();
    text == name || before_type(text) == Some(name)
}

/// Returns the declared names as far as the columns of a table tell names with blanks from names with types.
///
/// # Errors
///
/// If a text may mean two columns.
pub(super) fn names_for(declared: &[String], target: &Target) -> Result<Vec<String>, WrongHeader> {
    let (mut names, mut problems) = (Vec::new(), Vec::new());
    for ((index, text), alone) in declared.iter().enumerate().zip(declared_names(declared)) {
        let text = text.trim();
        let name = before_type(text).unwrap_or(text);
        names.push(match (meaning(text, target), meaning(name, target)) {
            _ if name == text => text.to_owned(),
            // A name for a new column has its blanks, unless every name has a type.
            (Meaning::Nothing, Meaning::Nothing) if target.on_columns == OnColumns::AddMissing => alone,
            (Meaning::Nothing, _) => name.to_owned(),
            (_, Meaning::Nothing) => text.to_owned(),
            (Meaning::Column(column), _) if column.name == text => text.to_owned(),
            _ => {
                problems.push(format!(
                    "column {}, `{text}`, may mean the column `{text}`, or the column `{name}` with a type; leave out the type, \
                     and write the name as the table has it",
                    index + 1
                ));
                text.to_owned()
            }
        });
    }
    if problems.is_empty() { Ok(names) } else { Err(WrongHeader(problems)) }
}

/// Returns the names of a header. A name that is empty, as R (`write.csv`) writes it above its row names, is the declared one if
/// the table lacks this column. If the table has it, the place of the name tells the column.
pub(super) fn filled(names: &[String], target: &Target, declared: &[String]) -> Vec<String> {
    let mut filled = names.to_vec();
    if declared.len() != names.len() || names.iter().all(|name| !name.trim().is_empty()) {
        return filled;
    }
    let declared = names_for(declared, target).unwrap_or_else(|_| declared.to_vec());
    for (name, own) in filled.iter_mut().zip(declared) {
        let is_column = matches!(meaning(own.trim(), target), Meaning::Column(_));
        if name.trim().is_empty() && !is_column && !has_alike(names, &own) {
            *name = own;
        }
    }
    filled
}

/// Returns how the fields of a file without a header go into a table, if `declared` names the fields in order.
///
/// # Errors
///
/// If a name is unknown, ambiguous or appears twice, or a column without a default is missing.
pub fn by_place(declared: &[String], target: &Target) -> Result<Fit, WrongHeader> {
    let names = names_for(declared, target)?;
    by_name(&names, target, &[]).map_err(|WrongHeader(problems)| {
        let mut problems: Vec<String> =
            problems.into_iter().map(|problem| problem.replace(NAMES_BY_PLACE, "")).collect();
        if let [only] = &names[..]
            && only.contains(SEPARATORS)
        {
            problems.pop();
            problems.push("write a `column` of its own for each name".to_owned());
        }
        WrongHeader(problems)
    })
}

/// Returns the problem of a name that may mean several of the columns. A query may give two columns the same name.
pub(super) fn ambiguous(number: usize, name: &str, columns: &[&str]) -> String {
    if columns.windows(2).all(|pair| pair[0] == pair[1]) {
        let (count, shared) = (columns.len(), columns[0]);
        return format!("column {number}, `{name}`, is ambiguous: {count} columns have the name `{shared}`");
    }
    let columns = quoted(columns, " or ");
    format!("column {number}, `{name}`, may mean {columns}; write the name as the table has it")
}

/// Returns, for each declared column, its index among the columns `names` of a file or a query. If a name is empty or stands
/// there twice, `own` names it by its place, if `own` has as many names.
///
/// # Errors
///
/// If a declared column is not among them, or may mean several of them.
pub fn order(declared: &[String], names: &[String], own: &[String]) -> Result<Vec<usize>, WrongHeader> {
    let own = declared_names(own);
    let is_named = |index: usize| {
        !loose(&names[index]).is_empty()
            && !names[..index].iter().any(|other| loose(other) == loose(&names[index]))
    };
    let column = |index: usize| {
        let name = match own.get(index) {
            Some(name) if own.len() == names.len() && !is_named(index) => name.clone(),
            _ => names[index].trim().to_owned(),
        };
        Column { has_default: true, ..Column::of_text(name) }
    };
    let columns: Vec<Column> = (0..names.len()).map(column).collect();
    let target = Target { columns, generated: Vec::new(), on_columns: OnColumns::Strict };
    let fit = by_place(declared, &target).map_err(|WrongHeader(problems)| {
        let there = |problem: String| problem.replace("is not in the table", "is not among the columns");
        WrongHeader(problems.into_iter().map(there).collect())
    })?;
    let index = |column: &Column| target.columns.iter().position(|known| known.name == column.name);
    Ok(fit.columns.iter().filter_map(index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn table(names: &[&str]) -> Target {
        let columns = names.iter().map(|name| Column::of_text(*name)).collect();
        Target { columns, generated: Vec::new(), on_columns: OnColumns::Strict }
    }

    fn placed(declared: &[&str], target: &Target) -> Result<Vec<String>, String> {
        let fit = by_place(&texts(declared), target).map_err(|WrongHeader(problems)| problems.join("; "))?;
        Ok(fit.columns.into_iter().map(|column| column.name).collect())
    }

    #[test]
    fn a_type_may_follow_a_name_and_a_name_may_have_blanks() {
        let target = table(&["id", "order_date", "amount"]);
        let wanted = Ok(texts(&["amount", "order_date", "id"]));
        assert_eq!(placed(&["amount decimal(10, 2)", "Order Date", "id BIGINT"], &target), wanted);
        assert_eq!(
            placed(&["amount double precision", "order_date  timestamp(3) with time zone", "ID"], &target),
            wanted
        );
        assert_eq!(
            placed(&["id", "order", "date", "amount"], &table(&["order", "date", "id", "amount"]))
                .map(|it| it.len()),
            Ok(4)
        );
        let both = table(&["order", "order_date"]);
        assert_eq!(
            placed(&["order_date date", "order date"], &both)
                .expect_err("two meanings")
                .matches("may mean")
                .count(),
            1
        );
        assert_eq!(placed(&["order_date", "order"], &both), Ok(texts(&["order_date", "order"])));
        assert_eq!(declared_names(&texts(&["a int", "b c text"])), ["a", "b c"]);
        assert_eq!(declared_names(&texts(&["Order Date", "x"])), ["Order Date", "x"]);
    }

    #[test]
    fn every_name_that_does_not_fit_is_reported_with_the_nearest_column() {
        let target = table(&["id", "qty", "year"]);
        assert_eq!(
            placed(&["year", "id", "qtty int"], &target),
            Err("column 3, `qtty`, is not in the table; did you mean `qty`?; column `qty` is missing"
                .to_owned())
        );
        let said = |declared: &[&str]| placed(declared, &target).expect_err("it does not fit");
        assert_eq!(said(&["year", "id"]), "column `qty` is missing");
        assert_eq!(said(&["year", "id", "qty", "id"]), "column 4 names `id` a second time");
        assert_eq!(said(&["id", "qty", "year", "note"]), "column 4, `note`, is not in the table");
        assert!(said(&["id,qty,year"]).ends_with("write a `column` of its own for each name"));
    }

    #[test]
    fn row_names_without_a_column_are_left_out_or_refused_by_their_declared_name() {
        let header = texts(&["", "id", "v"]);
        let declared = texts(&["rn", "id", "v"]);
        let strict = table(&["id", "v"]);
        let WrongHeader(problems) = by_name(&header, &strict, &declared).expect_err("refused");
        assert_eq!(problems, ["column 1, `rn`, is not in the table"]);
        let ignoring = Target { on_columns: OnColumns::IgnoreExtra, ..strict.clone() };
        let fit = by_name(&header, &ignoring, &declared).expect("it fits");
        assert_eq!((fit.fields, fit.width), (vec![1, 2], 3));
        assert_eq!(fit.notes, ["left out, because the table has no such column: `rn`"]);
        let adding = Target { on_columns: OnColumns::AddMissing, ..strict };
        assert_eq!(by_name(&header, &adding, &declared).expect("it fits").added, ["rn"]);
        // The declared column stands elsewhere in the header, so the field without a name is unknown.
        let moved = by_name(&texts(&["id", "", "v"]), &ignoring, &declared).expect_err("refused");
        assert!(moved.0[0].starts_with("column 2 has no name"), "{moved:?}");
    }

    #[test]
    fn the_order_of_declared_columns_is_found_by_names() {
        let names = texts(&["Name", "", "City"]);
        let found = |declared: &[&str], own: &[&str]| {
            order(&texts(declared), &names, &texts(own)).map_err(|WrongHeader(problems)| problems.join("; "))
        };
        assert_eq!(found(&["city", "name"], &[]), Ok(vec![2, 0]));
        assert_eq!(found(&["id", "city", "name"], &["name", "id", "city"]), Ok(vec![1, 2, 0]));
        let wrong = "column 1, `town`, is not among the columns";
        assert_eq!(found(&["town", "name"], &[]), Err(wrong.to_owned()));
    }
}
