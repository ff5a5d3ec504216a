//! Matches the header of a file to the columns of a table.

use super::column::Column;

/// All reasons why a header does not fit a table, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongHeader(pub Vec<String>);

/// Returns the columns that the names of a header mean, in the order of the file.
///
/// # Errors
///
/// If a name is unknown or appears twice, or a column without a default is missing.
pub fn by_name(names: &[String], table: &[Column]) -> Result<Vec<Column>, WrongHeader> {
    let mut problems = Vec::new();
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let name = name.trim();
        let number = index + 1;
        match find(name, table) {
            Some(column) if columns.iter().any(|seen| seen.name == column.name) => {
                problems.push(format!("column {number} names `{name}` a second time"));
            }
            Some(column) => columns.push(column.clone()),
            None if name.is_empty() => problems.push(format!("column {number} has no name")),
            None => problems.push(unknown(number, name, names, table)),
        }
    }
    let missing = table.iter().filter(|column| !column.has_default && !columns.contains(column));
    for column in missing {
        problems.push(format!("column `{}` is missing", column.name));
    }
    if problems.is_empty() { Ok(columns) } else { Err(WrongHeader(problems)) }
}

fn find<'a>(name: &str, table: &'a [Column]) -> Option<&'a Column> {
    let exact = table.iter().find(|column| column.name == name);
    exact.or_else(|| table.iter().find(|column| column.name.eq_ignore_ascii_case(name)))
}

fn unknown(number: usize, name: &str, names: &[String], table: &[Column]) -> String {
    let free =
        table.iter().filter(|column| names.iter().all(|name| !column.name.eq_ignore_ascii_case(name.trim())));
    let near = free
        .map(|column| (distance(&column.name, &name.to_lowercase()), &column.name))
        .filter(|(distance, near)| *distance <= 1 + near.chars().count() / 4)
        .min();
    match near {
        Some((_, near)) => format!("column {number}, `{name}`, is not in the table; did you mean `{near}`?"),
        None => format!("column {number}, `{name}`, is not in the table"),
    }
}

/// Returns the Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::column::ColumnType;
    use super::*;

    fn table() -> Vec<Column> {
        let column = |name: &str, has_default| Column {
            name: name.to_owned(),
            type_name: "text".to_owned(),
            kind: ColumnType::Text(None),
            not_null: false,
            has_default,
        };
        vec![column("order_id", false), column("quantity", false), column("loaded_at", true)]
    }

    fn names(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn names_match_in_any_order_and_case_and_columns_with_defaults_may_be_absent() {
        let columns = by_name(&names("Quantity, order_id"), &table()).expect("fits");
        assert_eq!(columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["quantity", "order_id"]);
    }

    #[test]
    fn every_problem_of_a_header_is_reported_with_a_suggestion() {
        let WrongHeader(problems) =
            by_name(&names("order_id,qantity,order_id,"), &table()).expect_err("wrong");
        assert_eq!(
            problems,
            [
                "column 2, `qantity`, is not in the table; did you mean `quantity`?",
                "column 3 names `order_id` a second time",
                "column 4 has no name",
                "column `quantity` is missing",
            ]
        );
    }
}
