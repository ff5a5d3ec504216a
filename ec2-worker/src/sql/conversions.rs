//! Finds the placeholders of a statement that stand inside an expression, and the types that the expression makes of them.
//!
//! The database gives the type text to a placeholder such as that of `nullif(?, '')::numeric`. The number is then made of the
//! text by the database, and the rules for the texts of a file do not count.

use super::lexer::{Lexer, Token};

/// How a statement uses one of its placeholders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Whether the placeholder is a part of a larger expression, such as the argument of a function, and not only of a cast.
    pub is_inside: bool,
    /// The types, in lower case and without lengths, to which the expression converts the text.
    pub types: Vec<String>,
}

/// The words that end an expression, or before which a parenthesis is not a call of a function.
const KEYWORDS: &[&str] = &[
    "values",
    "select",
    "set",
    "where",
    "from",
    "into",
    "returning",
    "and",
    "or",
    "not",
    "on",
    "when",
    "then",
    "else",
    "case",
    "end",
    "using",
    "in",
    "any",
    "all",
    "is",
    "as",
    "join",
    "having",
    "by",
    "order",
    "group",
    "limit",
    "between",
    "like",
    "conflict",
    "do",
    "update",
    "insert",
    "delete",
    "with",
    "exists",
    "union",
    "distinct",
    "over",
    "filter",
    "merge",
    "matched",
    "array",
    "row",
];

/// Words that go on with the name of a type, as in `double precision` and `timestamp with time zone`.
const OF_TYPES: &[&str] = &["precision", "varying", "with", "without", "time", "zone"];

/// Words that go on with the type interval, as in `interval day to second`.
const OF_INTERVALS: &[&str] = &["year", "month", "day", "hour", "minute", "second", "to"];

/// Returns the use of each placeholder of a statement.
#[must_use]
pub fn uses(statement: &str) -> Vec<Use> {
    let tokens = Lexer::new(statement).filter(|(token, _)| *token != Token::Space);
    let tokens: Vec<(Token, &str)> = tokens.map(|(token, range)| (token, &statement[range])).collect();
    let text = Text { tokens: &tokens };
    let places = tokens.iter().enumerate().filter(|(_, (token, _))| *token == Token::Placeholder);
    places.map(|(at, _)| text.of(at)).collect()
}

/// The tokens of a statement, without blanks.
struct Text<'a> {
    tokens: &'a [(Token, &'a str)],
}

impl Text<'_> {
    fn is(&self, at: Option<usize>, wanted: &str) -> bool {
        self.word(at).is_some_and(|text| text.eq_ignore_ascii_case(wanted))
    }

    fn word(&self, at: Option<usize>) -> Option<&str> {
        at.and_then(|at| self.tokens.get(at)).map(|(_, text)| *text)
    }

    fn is_keyword(&self, at: usize) -> bool {
        let (token, text) = self.tokens[at];
        token == Token::Word && KEYWORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
    }

    /// Returns whether the token at `at` cannot belong to the expression next to it.
    fn ends(&self, at: Option<usize>) -> bool {
        let Some((token, text)) = at.and_then(|at| self.tokens.get(at)) else { return true };
        let is_mark = matches!(*text, "," | "=") || matches!(token, Token::Semicolon);
        is_mark || at.is_some_and(|at| self.is_keyword(at))
    }

    fn of(&self, placeholder: usize) -> Use {
        let mut found = Use::default();
        // The part of the expression that is known so far.
        let (mut first, mut last) = (placeholder, placeholder);
        loop {
            last = self.casts(last, &mut found);
            let (before, after) = (first.checked_sub(1), last + 1);
            let opens = |at: Option<usize>| at.is_some_and(|at| self.tokens[at].0 == Token::Open);
            let closes = self.tokens.get(after).is_some_and(|(token, _)| *token == Token::Close);
            found.is_inside |= !(self.ends(before) || opens(before)) || !(self.ends(Some(after)) || closes);
            let Some((open, close)) = self.group(first) else { return found };
            let caller = open.checked_sub(1);
            let is_call = caller.is_some_and(|at| self.tokens[at].0 == Token::Word && !self.is_keyword(at));
            let is_query = self.is(Some(open + 1), "select") || self.is(Some(open + 1), "with");
            let is_of_values = self.group(open).is_some_and(|(outer, _)| self.is(Some(outer + 1), "values"));
            let is_row = self.is(caller, "values") || is_of_values || self.is_list(open, is_call);
            if is_query || is_row {
                let is_column = if is_row { self.group(open).is_some() } else { self.is_column(first, open) };
                if is_column {
                    self.add_types_by_name(&mut found);
                }
                return found;
            }
            if is_call {
                found.is_inside |= !self.is(caller, "cast");
                found.types.extend(self.made_by_call(caller, open, close));
            }
            (first, last) = (caller.filter(|_| is_call).unwrap_or(open), close);
        }
    }

    /// Returns whether the token at `at` belongs to a column that the query in the parenthesis `open` returns, and not to a condition.
    fn is_column(&self, at: usize, open: usize) -> bool {
        const CLAUSES: [&str; 8] = ["select", "where", "on", "having", "from", "by", "limit", "returning"];
        let is_clause = |at: &usize| {
            let is_distinct_on = self.is(Some(*at), "on") && self.is(at.checked_sub(1), "distinct");
            !is_distinct_on && CLAUSES.iter().any(|clause| self.is(Some(*at), clause))
        };
        let clause = (open..at)
            .rev()
            .filter(|before| self.group(*before).is_some_and(|(of, _)| of == open))
            .find(is_clause);
        self.is(clause, "select")
    }

    /// Adds the types that the statement makes of anything but a placeholder or a literal. A query within the statement gives its
    /// columns names, so any of them may be the text of a placeholder.
    fn add_types_by_name(&self, found: &mut Use) {
        for (at, (token, _)) in self.tokens.iter().enumerate() {
            let caller = at.checked_sub(1).filter(|caller| {
                *token == Token::Open && self.tokens[*caller].0 == Token::Word && !self.is_keyword(*caller)
            });
            if caller.is_some() {
                found.types.extend(self.made_by_call(caller, at, self.close_of(at)));
            }
            if self.is_name(at) && self.is(Some(at + 1), ":") && self.is(Some(at + 2), ":") {
                self.casts(at, found);
            }
        }
    }

    /// Returns whether the token at `at` is the end of a name or of a parenthesis, and no literal.
    fn is_name(&self, at: usize) -> bool {
        let (token, text) = self.tokens[at];
        // The moments of the database itself are not texts of the file.
        const LITERALS: [&str; 8] = [
            "null",
            "true",
            "false",
            "current_date",
            "current_time",
            "current_timestamp",
            "localtime",
            "localtimestamp",
        ];
        let is_literal = LITERALS.iter().any(|word| text.eq_ignore_ascii_case(word));
        match token {
            Token::Word => !is_literal && !text.starts_with(|first: char| first.is_ascii_digit()),
            Token::Quoted(_) => text.starts_with('"'),
            // A call without arguments, such as `now()`, takes no text either.
            Token::Close => at.checked_sub(1).is_some_and(|before| self.tokens[before].0 != Token::Open),
            _ => false,
        }
    }

    /// Adds the types behind `::` after the token at `last`, and returns the index of the last token of them.
    fn casts(&self, mut last: usize, found: &mut Use) -> usize {
        while self.is(Some(last + 1), ":") && self.is(Some(last + 2), ":") {
            let (name, end) = self.type_at(last + 3);
            found.types.push(name);
            last = end;
        }
        last
    }

    /// Returns the name of the type that begins at `at`, and the index of its last token.
    fn type_at(&self, at: usize) -> (String, usize) {
        let mut name = self.word(Some(at)).unwrap_or_default().trim_matches('"').to_lowercase();
        let mut end = at;
        // The schema in front of a name does not matter.
        while self.is(Some(end + 1), ".") && self.word(Some(end + 2)).is_some() {
            end += 2;
            name = self.word(Some(end)).unwrap_or_default().trim_matches('"').to_lowercase();
        }
        loop {
            let next = self.tokens.get(end + 1);
            let words = if name == "interval" { OF_INTERVALS } else { OF_TYPES };
            if next.is_some_and(|(token, text)| {
                *token == Token::Word && words.iter().any(|word| text.eq_ignore_ascii_case(word))
            }) {
                end += 1;
            } else if next.is_some_and(|(token, _)| *token == Token::Open) {
                end = self.close_of(end + 1);
            } else {
                return (name, end);
            }
        }
    }

    /// Returns whether the parenthesis at `open` begins a further list of VALUES, or the list of columns of an IN.
    fn is_list(&self, open: usize, is_call: bool) -> bool {
        let is_outside = self.group(open).is_none();
        !is_call && is_outside && self.is(open.checked_sub(1), ",") && self.is(open.checked_sub(2), ")")
    }

    /// Returns the types that a call converts its argument to: a cast, or a function with the name of a type.
    fn made_by_call(&self, caller: Option<usize>, open: usize, close: usize) -> Vec<String> {
        if self.is(caller, "cast") {
            let at = (open..close).rev().find(|at| self.is(Some(*at), "as"));
            return at.map(|at| self.type_at(at + 1).0).into_iter().collect();
        }
        let name = self.word(caller).unwrap_or_default().to_lowercase();
        // These functions convert the fields of a JSON object to the types of a table.
        if ["populate_record", "to_record"].iter().any(|part| name.contains(part)) {
            return vec!["date".to_owned(), "numeric".to_owned()];
        }
        Some(name).filter(|name| is_of_date(name)).into_iter().collect()
    }

    /// Returns the parentheses that enclose the token at `at`.
    fn group(&self, at: usize) -> Option<(usize, usize)> {
        let mut depth = 0_usize;
        for open in (0..at).rev() {
            match self.tokens[open].0 {
                Token::Close => depth += 1,
                Token::Open if depth == 0 => return Some((open, self.close_of(open))),
                Token::Open => depth -= 1,
                _ => {}
            }
        }
        None
    }

    /// Returns the index of the parenthesis that closes the one at `open`, or the last index.
    fn close_of(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, (token, _)) in self.tokens.iter().enumerate().skip(open) {
            match token {
                Token::Open => depth += 1,
                Token::Close if depth <= 1 => return at,
                Token::Close => depth -= 1,
                _ => {}
            }
        }
        self.tokens.len() - 1
    }
}

/// Returns whether a name is that of a type of dates or times.
#[must_use]
pub fn is_of_date(name: &str) -> bool {
    matches!(name, "date" | "timestamp" | "timestamptz" | "time" | "timetz")
}

/// Returns whether a name is that of a type of numbers or money.
#[must_use]
pub fn is_of_number(name: &str) -> bool {
    const NAMES: [&str; 16] = [
        "numeric", "decimal", "int", "integer", "smallint", "bigint", "int2", "int4", "int8", "real",
        "float", "float4", "float8", "double", "money", "interval",
    ];
    NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(statement: &str) -> Vec<String> {
        let shown = |of: Use| format!("{}{}", if of.is_inside { "in " } else { "" }, of.types.join(" "));
        uses(statement).into_iter().map(shown).collect()
    }

    #[test]
    fn a_placeholder_alone_is_in_no_expression() {
        for statement in [
            "INSERT INTO t VALUES (?, ?)",
            "INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT (a) DO UPDATE SET b = excluded.b",
            "INSERT INTO t SELECT ?, ?",
            "INSERT INTO t SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM t)",
            "UPDATE t SET a = ? WHERE name = ?",
            "INSERT INTO t VALUES ((?), (SELECT id FROM c WHERE name = ?))",
            "INSERT INTO t VALUES (?, 1), (?, 2)",
        ] {
            assert_eq!(shown(statement), ["", ""], "{statement}");
        }
    }

    #[test]
    fn the_types_of_an_expression_are_found() {
        for (statement, wanted) in [
            ("INSERT INTO t VALUES (nullif(?,'')::numeric, ?)", &["in numeric", ""][..]),
            ("INSERT INTO t VALUES (?::text::numeric(10, 2))", &["text numeric"]),
            ("INSERT INTO t VALUES (?::date)", &["date"]),
            (
                "INSERT INTO t VALUES (?::interval day, cast(? AS interval hour to second(3)))",
                &["interval", "interval"],
            ),
            (
                "INSERT INTO t VALUES (cast(nullif(trim(?), '') AS timestamp(3) with time zone))",
                &["in timestamp"],
            ),
            ("INSERT INTO t VALUES (CAST(? AS text)::pg_catalog.date)", &["text date"]),
            ("INSERT INTO t VALUES ((? || ' 00:00')::timestamp, lower(?))", &["in timestamp", "in "]),
            ("INSERT INTO t VALUES (coalesce(nullif(?, ''), '0')::double precision)", &["in double"]),
            ("UPDATE t SET a = nullif(?, '')::date WHERE id = ?::int", &["in date", "int"]),
            ("INSERT INTO t VALUES (CASE WHEN ? = '' THEN NULL ELSE ?::date END)", &["", "date"]),
            ("INSERT INTO t VALUES (date(?), to_date(?, 'DD.MM.YYYY'))", &["in date", "in "]),
            ("INSERT INTO t VALUES ((SELECT id FROM c WHERE name = ?)::int)", &[""]),
            ("INSERT INTO t VALUES ((SELECT ?)::date)", &["date"]),
            ("INSERT INTO t SELECT a, b::date FROM (VALUES (?, ?)) v(a, b)", &["date", "date"]),
            (
                "WITH v(a) AS (VALUES (?), (?)) INSERT INTO t SELECT cast(a AS numeric) FROM v",
                &["numeric", "numeric"],
            ),
            (
                "INSERT INTO t SELECT DISTINCT ON (a) 1::int, \"a\"::date FROM (SELECT DISTINCT ON (x) ? FROM y) v",
                &["in date"],
            ),
            ("INSERT INTO t SELECT a, now()::date, current_timestamp::time FROM (VALUES (?)) v(a)", &[""]),
            ("INSERT INTO t SELECT date(v.a) FROM (SELECT ? AS a) v", &["date"]),
            ("INSERT INTO t SELECT b FROM (VALUES (?::date)) v(b)", &["date"]),
            (
                "INSERT INTO t SELECT * FROM jsonb_populate_record(null::t, jsonb_build_object('d', ?::text))",
                &["in text date numeric"],
            ),
        ] {
            assert_eq!(shown(statement), wanted, "{statement}");
        }
    }
}
