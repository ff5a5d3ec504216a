//! Finds the statements for which the database reports how many rows they have changed.

use super::lexer::{Lexer, Token};

/// The statements that change rows of a table.
const CHANGES: [&str; 4] = ["insert", "update", "delete", "merge"];

/// Returns whether the database reports the number of the rows that a statement has changed.
///
/// Behind WITH, the first word decides that is no name of a query there. If one of these queries changes rows, too, the number
/// does not count its rows.
#[must_use]
pub fn reports_changed_rows(statement: &str) -> bool {
    let (mut depth, mut before) = (0_usize, String::new());
    let mut begins_with_with = false;
    for (token, range) in Lexer::new(statement) {
        let text = statement[range].to_ascii_lowercase();
        match token {
            Token::Space => continue,
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            // A query of WITH that changes rows begins right after its parenthesis.
            Token::Word if depth > 0 && before == "(" && CHANGES.contains(&text.as_str()) => return false,
            Token::Word if depth > 0 => {}
            Token::Word if before.is_empty() && text == "with" => begins_with_with = true,
            Token::Word => {
                let is_name = matches!(before.as_str(), "with" | "recursive" | ",");
                let is_change = CHANGES.contains(&text.as_str());
                if !begins_with_with || is_change && !is_name {
                    return is_change;
                }
                if matches!(text.as_str(), "select" | "values" | "table") && !is_name {
                    return false;
                }
            }
            _ => {}
        }
        before = text;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_change_behind_with_are_counted() {
        for statement in [
            "INSERT INTO t VALUES (?)",
            "-- new rows\n insert into t values (?)",
            "/* all */ MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
            "WITH x AS (SELECT ?::int AS i) INSERT INTO t SELECT i FROM x ON CONFLICT DO NOTHING",
            "with recursive x (i) as materialized (values (?::int)), \"y z\" as (select 1) insert into t select i from x",
            "WITH insert AS (SELECT ?) UPDATE t SET n = 1",
            "WITH x AS (SELECT 1 FROM t FOR UPDATE) DELETE FROM t WHERE n = ?",
        ] {
            assert!(reports_changed_rows(statement), "{statement}");
        }
        for statement in [
            "CALL load(?)",
            "SELECT load(?)",
            "WITH x AS (INSERT INTO t VALUES (?) RETURNING n) SELECT n FROM x",
            "WITH x AS (SELECT ?) SELECT load(1) FROM x",
            "WITH x AS (INSERT INTO t VALUES (?) RETURNING n) INSERT INTO log SELECT n FROM x WHERE n > 1",
            "",
        ] {
            assert!(!reports_changed_rows(statement), "{statement}");
        }
    }
}
