//! Cuts SQL scripts into statements and fills placeholders. The database does everything else.

pub mod conversions;
mod insert_targets;
mod lexer;
mod redirect;
mod row_counts;
mod script;
mod template;

pub use insert_targets::insert_targets;
pub use redirect::{Redirected, RedirectedSql, redirect};
pub use row_counts::reports_changed_rows;
pub use script::{Statement, statements};
pub use template::{SqlTemplate, SqlTemplateError};

/// Returns `name` as a quoted identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns `text` as a string literal that does not depend on `standard_conforming_strings`.
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Returns the unquoted words of `text` in their order: keywords and names, but nothing inside strings, quoted names and
/// comments.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |(token, _): &(lexer::Token, _)| *token == lexer::Token::Word;
    lexer::Lexer::new(text).filter(is_word).map(|(_, range)| &text[range])
}

/// Splits off a comment with `--` at the end of `text`. Returns the text before it, and the words of the comment.
#[must_use]
pub fn without_comment(text: &str) -> (&str, Option<&str>) {
    let text = text.trim_end();
    let last = lexer::Lexer::new(text).last().map(|(_, range)| &text[range.start..]);
    match last.and_then(|last| last.strip_prefix("--")) {
        Some(words) => (&text[..text.len() - words.len() - 2], Some(words.trim())),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_comment_at_the_end_is_split_off() {
        assert_eq!(without_comment("SELECT true -- it is -- so"), ("SELECT true ", Some("it is -- so")));
        assert_eq!(without_comment("SELECT 'a -- b'"), ("SELECT 'a -- b'", None));
        assert_eq!(without_comment("SELECT -- one\n 1"), ("SELECT -- one\n 1", None));
        assert_eq!(without_comment(""), ("", None));
    }

    #[test]
    fn words_are_found_outside_of_strings_names_and_comments() {
        let text = "SELECT f('a b'), \"c d\" -- e\n FROM $x$ g $x$ /* h */ i";
        assert_eq!(words(text).collect::<Vec<_>>(), ["SELECT", "f", "FROM", "i"]);
    }

    #[test]
    fn quoted_text_cannot_end_its_quotes() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), " E'a\\\\''b'");
    }
}
