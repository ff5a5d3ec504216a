//! Cuts a script into statements, each with its offset in the file.

use super::lexer::{Lexer, Token};

/// A statement of a script, without its semicolon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text, without the comments and white space before it.
    pub text: String,
    /// The byte offset in the script.
    pub offset: usize,
    /// The first words in upper case, without comments.
    words: Vec<String>,
}

/// The number of first words that are kept: enough to recognise a statement.
const WORDS: usize = 8;

impl Statement {
    /// Returns whether the statement must run outside a transaction block: PostgreSQL refuses it there, or it begins or ends
    /// a block itself.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["ROLLBACK", "TO", ..] => false,
            ["VACUUM", ..]
            | ["CREATE" | "DROP" | "ALTER", "DATABASE" | "TABLESPACE", ..]
            | ["ALTER", "SYSTEM", ..]
            | ["BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT", ..]
            | ["START", "TRANSACTION", ..]
            | ["CREATE" | "DROP" | "ALTER", "SUBSCRIPTION", ..]
            | ["DISCARD", "ALL", ..] => true,
            ["CREATE" | "DROP" | "REINDEX" | "ALTER", rest @ ..] => rest.contains(&"CONCURRENTLY"),
            _ => false,
        }
    }

    /// Returns whether the statement is a `COPY` that reads from the client or writes to it. A script has no client for that.
    #[must_use]
    pub fn copies_from_client(&self) -> bool {
        let mut words = Lexer::new(&self.text)
            .filter(|(token, _)| *token == Token::Word)
            .map(|(_, range)| self.text[range].to_ascii_uppercase());
        words.next().as_deref() == Some("COPY") && words.any(|word| word == "STDIN" || word == "STDOUT")
    }
}

/// Cuts a script into its statements, without empty ones.
#[must_use]
pub fn statements(script: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut current = Cut::default();
    for (token, range) in Lexer::new(script) {
        match token {
            Token::Semicolon if current.ends_here() => {
                found.extend(current.statement(script, range.start));
                current = Cut::default();
            }
            Token::Space => {}
            _ => current.take(token, &script[range.clone()], range.start),
        }
    }
    found.extend(current.statement(script, script.len()));
    found
}

/// The statement that is being read.
#[derive(Default)]
struct Cut {
    start: Option<usize>,
    words: Vec<String>,
    parentheses: usize,
    /// The number of open `BEGIN ATOMIC` and `CASE` blocks in the body of a routine.
    blocks: usize,
    /// Whether the previous word is `BEGIN`.
    begin: bool,
}

impl Cut {
    fn take(&mut self, token: Token, text: &str, at: usize) {
        self.start.get_or_insert(at);
        match token {
            Token::Open => self.parentheses += 1,
            Token::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Word => self.word(&text.to_ascii_uppercase()),
            _ => {}
        }
    }

    fn word(&mut self, word: &str) {
        if self.words.len() < WORDS {
            self.words.push(word.to_owned());
        }
        // A routine in the form of the SQL standard contains statements: CREATE FUNCTION … BEGIN ATOMIC …; END.
        match word {
            "ATOMIC" if self.begin && self.is_routine() => self.blocks += 1,
            "CASE" if self.blocks > 0 => self.blocks += 1,
            "END" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
        self.begin = word == "BEGIN";
    }

    fn is_routine(&self) -> bool {
        self.words.first().is_some_and(|word| word == "CREATE")
            && self.words.iter().any(|word| word == "FUNCTION" || word == "PROCEDURE")
    }

    fn ends_here(&self) -> bool {
        // The commands of a rule are in parentheses, with semicolons between them.
        self.blocks == 0 && self.parentheses == 0
    }

    fn statement(&self, script: &str, end: usize) -> Option<Statement> {
        let offset = self.start?;
        let text = script[offset..end].trim_end().to_owned();
        Some(Statement { text, offset, words: self.words.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(script: &str) -> Vec<String> {
        statements(script).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn semicolons_in_text_names_comments_and_bodies_do_not_cut() {
        assert_eq!(
            texts("-- a; b\nSELECT ';' AS \"a;b\" /* ; /* ; */ ; */;\n;SELECT $x$;$x$, E'\\';'"),
            ["SELECT ';' AS \"a;b\" /* ; /* ; */ ; */", "SELECT $x$;$x$, E'\\';'"]
        );
        let routine = "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END";
        assert_eq!(texts(&format!("{routine}; SELECT 1")), [routine, "SELECT 1"]);
    }

    #[test]
    fn a_byte_order_mark_before_a_statement_is_white_space() {
        assert_eq!(texts("\u{feff}SELECT 1;\u{feff}-- two\nSELECT 2;\n\u{feff}"), ["SELECT 1", "SELECT 2"]);
        assert_eq!(texts("SELECT '\u{feff}';"), ["SELECT '\u{feff}'"], "text stays as it is");
    }

    #[test]
    fn a_script_with_cr_lf_has_the_same_statements() {
        assert_eq!(texts("-- a;\rSELECT 1;"), ["SELECT 1"]);
        assert_eq!(texts("-- a;\r\nSELECT 1;\r\n\r\nSELECT\r\n2;\r\n"), ["SELECT 1", "SELECT\r\n2"]);
    }

    #[test]
    fn a_statement_has_its_offset() {
        let found = statements("SELECT 1;\n-- two\n  SELECT 2;");
        assert_eq!(found.iter().map(|s| s.offset).collect::<Vec<_>>(), [0, 19]);
    }

    #[test]
    fn statements_that_cannot_run_in_a_transaction_are_recognised() {
        let alone = |sql: &str| statements(sql)[0].stands_alone();
        assert!(alone("vacuum analyze t"));
        assert!(alone("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)"));
        assert!(alone("/* x */ BEGIN"));
        assert!(!alone("CREATE INDEX i ON t (a)"));
        assert!(!alone("INSERT INTO t VALUES ('VACUUM')"));
        assert!(!alone("ANALYZE t"));
    }
}
