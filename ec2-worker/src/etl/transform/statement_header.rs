//! Checks the header of a file whose fields fill the placeholders of an `insertQuery` in order.

use super::checks::NO_HEADER;
use super::{FileReader, RowsOf};
use crate::etl::dialect::Form;
use crate::etl::header;
use crate::etl::position::Position;
use crate::etl::statement::Statement;
use crate::failure::Failure;

impl FileReader {
    /// Refuses a header that shows that fields would fill other columns than their own, and a header that is a row, which would be
    /// lost.
    pub(super) fn check_header_of_statement(
        &self,
        at: Position,
        names: &[String],
        statement: &Statement,
    ) -> Result<(), Failure> {
        let is_file = self.plan.rows_of == RowsOf::File;
        let is_json = is_file && self.plan.dialect.form == Form::Json;
        let problem = match () {
            () if is_json => wrong_keys(names, statement),
            () if is_file && !statement.declared.is_empty() && !names.is_empty() => {
                wrong_names(names, &statement.declared)
            }
            () => out_of_order(names, &statement.targets, is_file),
        };
        let file = &self.plan.file;
        if let Some(problem) = problem {
            return Err(Failure::bad_input("Header", format!("{file}: {problem}")));
        }
        if is_file && !is_json && self.is_like_row(names, &statement.columns) {
            return Err(Failure::bad_input("Header", format!("{file}, line {}: {NO_HEADER}", at.line)));
        }
        Ok(())
    }
}

/// Returns why the keys of JSON objects do not tell which placeholder each of them fills. The keys have no order.
fn wrong_keys(names: &[String], statement: &Statement) -> Option<String> {
    let placeholders = statement.columns.len();
    if names.len() == 1 && placeholders == 1 {
        return None;
    }
    let wanted = statement.names_in_order();
    let others: Vec<String> = names
        .iter()
        .filter(|name| !wanted.iter().any(|wanted| header::declares(wanted, name)))
        .map(|name| format!("`{name}`"))
        .collect();
    if !others.is_empty() {
        let remedy = "name the keys in the order of the `?` by `column` of the data format";
        return Some(format!(
            "the keys of JSON objects have no order, so they fill the `?` of `insertQuery` by their names, and {} is none of {}; {remedy}",
            others.join(", "),
            match (wanted.is_empty(), statement.declared.is_empty()) {
                (true, _) => "the names of columns that it fills, which are not known".to_owned(),
                (false, true) => format!("the columns that it fills ({})", wanted.join(", ")),
                (false, false) => format!("the names in `column` ({})", wanted.join(", ")),
            }
        ));
    }
    (wanted.len() != placeholders).then(|| {
        format!(
            "`column` names {} keys, and `insertQuery` has {placeholders} `?`; give one for each",
            wanted.len()
        )
    })
}

/// Returns why a header is not that which `column` declares.
fn wrong_names(names: &[String], declared: &[String]) -> Option<String> {
    let is_other =
        |(name, declared): (&String, &String)| !name.trim().is_empty() && !header::declares(declared, name);
    if names.len() == declared.len() && !names.iter().zip(declared).any(is_other) {
        return None;
    }
    Some(format!(
        "the header is {}, and `column` declares {}; the fields fill the `?` of `insertQuery` in order, so let both name the same columns in \
         the same order",
        names.join(", "),
        declared.join(", ")
    ))
}

/// Returns what is wrong if the header has a column that `insertQuery` fills at the place of another. A query or a table may have
/// such names for other reasons, unless it has exactly these columns.
fn out_of_order(names: &[String], targets: &[String], is_file: bool) -> Option<String> {
    let sorted = |names: &[String]| {
        let mut names: Vec<String> = names.iter().map(|name| header::loose(name)).collect();
        names.sort_unstable();
        names
    };
    if names.len() != targets.len() {
        return None;
    }
    let mut pairs = names.iter().zip(targets);
    let (name, column) = pairs.find(|(name, column)| {
        header::loose(name) != header::loose(column) && header::has_alike(targets, name)
    })?;
    let name = name.trim();
    if sorted(names) == sorted(targets) {
        return Some(format!(
            "the columns are those of `insertQuery`, but in another order: `{name}` would fill `{column}`, because the fields fill the `?` in \
             order; write the `?` of `insertQuery` in the order {}",
            names.join(", ")
        ));
    }
    is_file.then(|| {
        format!(
            "`{name}` would fill `{column}`, because the fields fill the `?` of `insertQuery` in order, and `{name}` is another column that it \
             fills; write its columns in the order of the file, or, if this is meant, name the columns of the file by `column` of the data \
             format"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn a_column_at_the_place_of_another_is_told() {
        for (header, targets, is_wrong) in [
            ("id note v", "id v w", true),
            ("id v note", "id v w", false),
            ("b a", "a b", true),
            ("A B", "a b", false),
            ("nr name", "id v", false),
            ("id v", "", false),
            ("id v", "rn id v", false),
        ] {
            assert_eq!(
                out_of_order(&names(header), &names(targets), true).is_some(),
                is_wrong,
                "{header} {targets}"
            );
        }
    }

    #[test]
    fn a_header_is_compared_with_the_declared_columns() {
        assert!(wrong_names(&names("nr qty price"), &names("nr price qty")).is_some());
        assert!(wrong_names(&names("nr price"), &names("nr price qty")).is_some());
        assert_eq!(wrong_names(&names("Nr Price qty"), &names("nr price qty")), None);
        let typed = ["Order Date", "id INT", "note"].map(str::to_owned);
        assert_eq!(wrong_names(&["Order Date", "id", "note"].map(str::to_owned), &typed), None);
        assert_eq!(wrong_names(&[String::new(), "v".to_owned()], &names("row_names v")), None);
    }
}
