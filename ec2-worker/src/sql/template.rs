//! Fills the `?` placeholders of JDBC in SQL with values.
//!
//! Values become string literals of unknown type, as a person would type them. The database infers each type from the
//! context, and so placeholders work in every statement, not only in queries.

use super::lexer::{Lexer, Token};
use super::literal;

/// An SQL text, cut at its placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlTemplate {
    parts: Vec<String>,
}

/// The number of values is not the number of placeholders.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{placeholders} placeholders, but {values} values")]
pub struct SqlTemplateError {
    /// The number of placeholders.
    pub placeholders: usize,
    /// The number of values.
    pub values: usize,
}

impl SqlTemplate {
    /// Cuts SQL at every `?` outside strings, quoted names and comments. `??` stands for the `?` of an operator.
    #[must_use]
    pub fn new(sql: &str) -> Self {
        let mut parts = vec![String::new()];
        for (token, range) in Lexer::new(sql) {
            match (token, parts.last_mut()) {
                (Token::Placeholder, _) => parts.push(String::new()),
                (Token::Question, Some(part)) => part.push('?'),
                (_, Some(part)) => part.push_str(&sql[range]),
                (_, None) => {}
            }
        }
        Self { parts }
    }

    /// Returns the number of placeholders.
    #[must_use]
    pub fn placeholders(&self) -> usize {
        self.parts.len() - 1
    }

    /// Returns the statement with the numbered placeholders of PostgreSQL, `$1` for the first.
    #[must_use]
    pub fn numbered(&self) -> String {
        let mut text = String::new();
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                text.push_str(&format!(" ${index} "));
            }
            text.push_str(part);
        }
        text
    }

    /// Appends the statement to `out`, with `values` in place of the placeholders, a semicolon and a line feed.
    ///
    /// A placeholder becomes NULL if its value is `None` or if `values` is too short.
    pub fn fill(&self, values: &[Option<String>], out: &mut Vec<u8>) {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                let value = values.get(index - 1).and_then(Option::as_deref);
                out.extend_from_slice(value.map_or("NULL".to_owned(), literal).as_bytes());
            }
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(b";\n");
    }

    /// Returns the script with `values` in place of the placeholders.
    ///
    /// # Errors
    ///
    /// If the number of values is not the number of placeholders.
    pub fn fill_script(&self, values: &[String]) -> Result<String, SqlTemplateError> {
        if values.len() != self.placeholders() {
            return Err(SqlTemplateError { placeholders: self.placeholders(), values: values.len() });
        }
        let mut text = self.parts[0].clone();
        for (value, part) in values.iter().zip(&self.parts[1..]) {
            text.push_str(&literal(value));
            text.push_str(part);
        }
        Ok(text)
    }

    /// Converts a byte offset in the script filled with `values` to the byte offset in the text with placeholders.
    ///
    /// An offset inside a value becomes the offset of its placeholder. The result counts each `??` as one byte.
    #[must_use]
    pub fn original_offset(&self, values: &[String], filled: usize) -> usize {
        let (mut left, mut original) = (filled, 0);
        for (index, part) in self.parts.iter().enumerate() {
            if left <= part.len() {
                return original + left;
            }
            left -= part.len();
            original += part.len();
            let Some(value) = values.get(index) else { break };
            let length = literal(value).len();
            if left < length {
                return original;
            }
            left -= length;
            original += 1;
        }
        original
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_in_code_are_filled_in_order_and_question_marks_in_text_stay() {
        let template = SqlTemplate::new("SELECT ?::date, '?', \"?\" -- ?\n, $$?$$, a ?? 'k' WHERE x = ?");
        let filled = template.fill_script(&["2025-01-01".to_owned(), "o'x".to_owned()]);
        assert_eq!(
            filled.as_deref(),
            Ok("SELECT '2025-01-01'::date, '?', \"?\" -- ?\n, $$?$$, a ? 'k' WHERE x = 'o''x'")
        );
        assert_eq!(template.fill_script(&[]), Err(SqlTemplateError { placeholders: 2, values: 0 }));
    }

    #[test]
    fn an_offset_in_the_filled_text_is_found_in_the_script() {
        let template = SqlTemplate::new("SELECT ? + x");
        let values = ["12345".to_owned()];
        let filled = template.fill_script(&values).expect("fits");
        let offset = filled.find('x').expect("there");
        assert_eq!(template.original_offset(&values, offset), 11);
        assert_eq!(template.original_offset(&values, 9), 7);
    }

    #[test]
    fn a_missing_value_is_null() {
        let mut out = Vec::new();
        SqlTemplate::new("INSERT INTO t VALUES (?, ?)").fill(&[None, Some("a".to_owned())], &mut out);
        assert_eq!(out, b"INSERT INTO t VALUES (NULL, 'a');\n");
    }
}
