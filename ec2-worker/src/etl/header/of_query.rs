//! Matches the columns of a query to those of a table.

use definition::kind::field::OnColumns;

use super::{Fit, Meaning, Target, WrongHeader, by_name, meaning};

/// Returns how the columns of a query go into a table: by their names, if all of them are names of the table, and otherwise in
/// order.
///
/// # Errors
///
/// If some names are those of columns that other columns of the query would fill in order, or if the names do not fit the table.
pub fn by_query(names: &[String], target: &Target) -> Result<Fit, WrongHeader> {
    let found: Vec<Option<&str>> = names
        .iter()
        .map(|name| match meaning(name.trim(), target) {
            Meaning::Column(column) => Some(column.name.as_str()),
            Meaning::Generated(column) => Some(column),
            Meaning::Several(_) | Meaning::Nothing => None,
        })
        .collect();
    let has_names = found.iter().any(Option::is_some);
    let is_twice = |index: usize| found[index].is_some() && found[..index].contains(&found[index]);
    let has_all = found.iter().all(Option::is_some) && !(0..found.len()).any(is_twice);
    if has_all || has_names && target.on_columns != OnColumns::Strict {
        let mut fit = by_name(names, target, &[])?;
        let is_in_order = fit.columns.iter().zip(&target.columns).all(|(one, other)| one.name == other.name);
        if !is_in_order {
            fit.notes.push("the columns of the query fill the table by their names, not in order".to_owned());
        }
        return Ok(fit);
    }
    if names.len() != target.columns.len() {
        return Err(WrongHeader(vec![format!(
            "it has {} columns, and the table {}; return a column for each one of the table, in order, or name all columns by AS as the \
             table has them",
            names.len(),
            target.columns.len()
        )]));
    }
    let is_elsewhere = |index: usize| {
        let at_place = |place: usize| found[place] == Some(target.columns[place].name.as_str());
        let is_placed = (0..found.len()).any(|place| found[place] == found[index] && at_place(place));
        found[index].is_some() && !is_placed
    };
    match (0..names.len()).find(|index| is_elsewhere(*index)) {
        Some(index) => Err(WrongHeader(vec![format!(
            "column {}, `{}`, would fill `{}`, because not all names are columns of the table, and so the columns are taken in order; name \
             all columns by AS as the table has them, or give an `insertQuery`",
            index + 1,
            names[index],
            target.columns[index].name
        )])),
        None => Ok(Fit::in_order(target.columns.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::column::Column;
    use super::*;

    fn fitted(names: &[&str], on_columns: OnColumns) -> Result<Vec<String>, String> {
        let column = |name: &str| Column { has_default: name == "c", ..Column::of_text(name) };
        let target = Target {
            columns: ["a", "b", "c"].map(column).into(),
            generated: vec!["total".to_owned()],
            on_columns,
        };
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let fit = by_query(&names, &target).map_err(|wrong| wrong.0.join("; "))?;
        let has_note = fit.notes.iter().any(|note| note.contains("by their names"));
        let columns = fit.columns.into_iter().map(|column| column.name);
        Ok(columns.chain(has_note.then(|| "note".to_owned())).collect())
    }

    #[test]
    fn names_count_if_all_are_columns_and_are_not_passed_over_otherwise() {
        let strict = |names: &[&str]| fitted(names, OnColumns::Strict);
        let columns = |names: &[&str]| Ok(names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(strict(&["a", "b", "c"]), columns(&["a", "b", "c"]));
        assert_eq!(strict(&["c", "A", "b"]), columns(&["c", "a", "b", "note"]));
        assert_eq!(strict(&["b", "a"]), columns(&["b", "a", "note"]), "c has a default");
        assert_eq!(strict(&["a", "total", "b"]), columns(&["a", "b"]), "the database generates it");
        assert_eq!(strict(&["x", "y", "z"]), columns(&["a", "b", "c"]));
        assert_eq!(strict(&["a", "?column?", "sum"]), columns(&["a", "b", "c"]));
        assert_eq!(strict(&["a", "a", "x"]), columns(&["a", "b", "c"]), "two tables have a column a");
        let wrong = strict(&["x", "a", "y"]).expect_err("a would get into b");
        assert!(wrong.contains("column 2, `a`, would fill `b`") && wrong.contains("by AS"), "{wrong}");
        assert!(
            strict(&["a", "x"]).expect_err("one is missing").contains("it has 2 columns, and the table 3")
        );
        assert!(strict(&["a", "c"]).expect_err("b is missing").contains("column `b` is missing"));
        let lenient = fitted(&["x", "b", "a"], OnColumns::IgnoreExtra);
        assert_eq!(lenient, columns(&["b", "a", "note"]));
    }
}
