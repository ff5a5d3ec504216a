//! Finds the column that each placeholder of an INSERT fills.

use super::lexer::{Lexer, Token};

/// Returns the column for each placeholder of `INSERT INTO table (column, …) VALUES (?, …)` or `… SELECT ?, …`, in the order of the
/// placeholders, and the name of the table without its schema. The list of columns is empty if the statement names none. Returns `None` for every
/// other statement, and for one in which a value has several placeholders.
#[must_use]
pub fn insert_targets(statement: &str) -> Option<InsertTargets> {
    let tokens = Lexer::new(statement).filter(|(token, _)| *token != Token::Space);
    let tokens: Vec<(Token, &str)> = tokens.map(|(token, range)| (token, &statement[range])).collect();
    let mut rest = &tokens[..];
    let is_word =
        |token: &(Token, &str), word: &str| token.0 == Token::Word && token.1.eq_ignore_ascii_case(word);
    for word in ["insert", "into"] {
        let (first, others) = rest.split_first()?;
        rest = if is_word(first, word) { others } else { return None };
    }
    let mut table = String::new();
    while let Some((first, others)) = rest.split_first() {
        match first {
            (Token::Word | Token::Quoted(true), text)
                if !is_word(first, "values") && !is_word(first, "select") =>
            {
                table = name(text)
            }
            (Token::Other, ".") => {}
            _ => break,
        }
        rest = others;
    }
    let mut columns = Vec::new();
    if let Some(((Token::Open, "("), others)) = rest.split_first() {
        rest = others;
        loop {
            let ([(Token::Word | Token::Quoted(true), text), end], others) = rest.split_first_chunk::<2>()?
            else {
                return None;
            };
            columns.push(name(text));
            rest = others;
            match end {
                (Token::Close, ")") => break,
                (Token::Other, ",") => {}
                _ => return None,
            }
        }
    }
    let is_list = |token: &(Token, &str)| is_word(token, "values") || is_word(token, "select");
    let begin = rest.iter().position(is_list)?;
    let list = rest.get(begin + 1..)?;
    let values = if is_word(&rest[begin], "values") { values(list) } else { selected(list) }?;
    Some(InsertTargets { table, columns, values })
}

/// The columns that an INSERT fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertTargets {
    /// The table, without its schema.
    pub table: String,
    /// The columns that the statement names.
    pub columns: Vec<String>,
    /// For each placeholder, the place of its value among the values.
    pub values: Vec<usize>,
}

impl InsertTargets {
    /// Returns the name of the column for each placeholder. `of_table` are the columns of the table, which count if the statement
    /// names none.
    #[must_use]
    pub fn names(&self, of_table: &[String]) -> Option<Vec<String>> {
        let all = if self.columns.is_empty() { of_table } else { &self.columns };
        self.values.iter().map(|place| all.get(*place).cloned()).collect()
    }
}

/// Returns the place of the value of each placeholder. `tokens` begin behind the word VALUES.
fn values(tokens: &[(Token, &str)]) -> Option<Vec<usize>> {
    let (mut depth, mut place, mut is_first, mut is_over) = (0, 0, true, false);
    let mut places = Vec::new();
    for (token, text) in tokens {
        match token {
            Token::Open => depth += 1,
            Token::Close => {
                depth -= 1;
                is_over |= depth == 0;
            }
            Token::Other if *text == "," && depth == 1 => place += 1,
            // Several rows, or a clause behind the values, fill other columns.
            Token::Placeholder if is_over || places.contains(&place) => return None,
            Token::Placeholder => places.push(place),
            _ if is_first => return None,
            _ => {}
        }
        is_first = false;
    }
    Some(places)
}

/// Returns the place of the column of each placeholder in the list of a SELECT. `tokens` begin behind the word SELECT.
fn selected(tokens: &[(Token, &str)]) -> Option<Vec<usize>> {
    const ENDS: [&str; 11] = [
        "from",
        "where",
        "group",
        "having",
        "window",
        "union",
        "order",
        "limit",
        "offset",
        "on",
        "returning",
    ];
    let (mut depth, mut place, mut is_over) = (0, 0, false);
    let mut places = Vec::new();
    for (index, (token, text)) in tokens.iter().enumerate() {
        let is = |words: &[&str]| {
            *token == Token::Word && words.iter().any(|word| text.eq_ignore_ascii_case(word))
        };
        let before = index.checked_sub(1).map_or(",", |before| tokens[before].1);
        let is_all_columns = *text == "*" && depth == 0 && matches!(before, "," | ".");
        match token {
            Token::Open => depth += 1,
            // The list of a query within parentheses is not that of the INSERT.
            Token::Close if depth == 0 => return None,
            Token::Close => depth -= 1,
            Token::Other if *text == "," && depth == 0 => place += 1,
            // With `*`, `distinct` or `all`, the number of commas does not give the number of columns.
            _ if is_all_columns || depth == 0 && is(&["distinct", "all"]) => return None,
            // A placeholder in a condition fills no column.
            Token::Placeholder if is_over || places.contains(&place) => return None,
            Token::Placeholder => places.push(place),
            _ => is_over |= depth == 0 && is(&ENDS),
        }
    }
    Some(places)
}

/// Returns a name as PostgreSQL stores it.
fn name(text: &str) -> String {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_placeholders_are_found_in_plain_inserts_alone() {
        let names = |statement: &str| {
            insert_targets(statement).and_then(|targets| targets.names(&["x".to_owned(), "y".to_owned()]))
        };
        let some = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names("INSERT INTO s.t (A, \"B\"\"c\") VALUES (?, ?)"), some(&["a", "B\"c"]));
        assert_eq!(
            names("insert into t(a, b, c) values (?, now(), coalesce(?::int, 0)) ON CONFLICT DO NOTHING"),
            some(&["a", "c"])
        );
        assert_eq!(names("INSERT INTO t VALUES (?, ?)"), some(&["x", "y"]));
        assert_eq!(names("INSERT INTO t SELECT ?, ?::int WHERE true"), some(&["x", "y"]));
        assert_eq!(
            names("INSERT INTO t (a, b, c) SELECT ?, now(), coalesce(?, 2 * 3) FROM u"),
            some(&["a", "c"])
        );
        assert_eq!(names("INSERT INTO t (a) OVERRIDING SYSTEM VALUE VALUES (?)"), some(&["a"]));
        for other in [
            "INSERT INTO t VALUES (?, ?, ?)",
            "INSERT INTO t (a, b) SELECT v.*, ? FROM v",
            "INSERT INTO t (a, b) SELECT DISTINCT ?, ?",
            "INSERT INTO t (a, b) WITH v AS (SELECT ? AS b) SELECT 1, b FROM v",
            "INSERT INTO t (a, b) SELECT b, a FROM (VALUES (?, ?)) v(a, b)",
            "INSERT INTO t (a) SELECT ? WHERE NOT EXISTS (SELECT FROM t WHERE a = ?)",
            "INSERT INTO t (a) VALUES (? || ?)",
            "INSERT INTO t (a) VALUES (?), (?)",
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET b = ?",
            "UPDATE t SET a = ?",
            "CALL p(?)",
            "",
        ] {
            assert_eq!(names(other), None, "{other}");
        }
    }
}
