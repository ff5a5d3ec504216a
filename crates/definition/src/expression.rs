//! Expressions, `#{...}` inside the text of a field.
//!
//! The scope says what a name means; we read and compute. Evaluated text is not scanned again,
//! and `${...}` is not ours: it belongs to the shell.

mod budget;
mod evaluate;
mod functions;
mod joda;
mod lexer;
mod parser;
mod template;
mod value;

pub use budget::Budget;
pub(crate) use functions::{FUNCTIONS, arity};
pub(crate) use joda::is_pattern;
pub use parser::Name;
pub use template::Template;
pub use value::Value;
pub(crate) use value::{parse_double, parse_time};

/// Most text that one evaluation may make: the limit of `longString`.
const MAX_BYTES: usize = 20_971_520;

/// What names mean where an expression stands.
pub trait Scope {
    /// Returns the value of a field, runtime field (`@...`) or parameter (`*...` for secrets).
    fn value(&self, name: &str) -> Option<Value>;

    /// Returns the scope of the object that the field `name` refers to.
    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>>;

    /// Returns whether an unknown name means the empty string, as in alarms: a message that lacks a word is
    /// better than no message.
    fn blank_when_unknown(&self) -> bool {
        false
    }

    /// Returns the work that is left to this evaluation and others together; without one, each has its own.
    fn budget(&self) -> Option<&Budget> {
        None
    }
}

/// What a text became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluated {
    /// One text.
    One(String),
    /// A list was in it: one text per element.
    Many(Vec<String>),
}

/// Why a text is no expression, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {character}: {message}")]
pub struct SyntaxError {
    /// Byte offset in the text.
    pub offset: usize,
    /// Character in the text, from one.
    pub character: usize,
    /// What is wrong.
    pub message: String,
}

impl SyntaxError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, character: 0, message: message.into() }
    }

    /// Counts the characters up to the offset.
    fn in_text(mut self, text: &str) -> Self {
        self.character = text.char_indices().take_while(|(at, _)| *at < self.offset).count() + 1;
        self
    }
}

/// Why a text cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The text does not follow the grammar.
    #[error("the expression is not understood, {0}")]
    Syntax(#[from] SyntaxError),
    /// A name that nothing is known of.
    #[error("`{name}` is not set here")]
    Unknown {
        /// The name with what it was reached by.
        name: String,
    },
    /// A function that does not exist.
    #[error("there is no function `{name}`")]
    NoFunction {
        /// Its name.
        name: String,
    },
    /// A wrong number of arguments.
    #[error("the function `{function}` takes {takes} arguments, {given} are given")]
    Arguments {
        /// The function.
        function: String,
        /// How many it takes.
        takes: usize,
        /// How many are given.
        given: usize,
    },
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What is needed.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A date pattern with letters that mean nothing.
    #[error("the date pattern `{pattern}` is not understood: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A time that does not exist or is out of range.
    #[error("no such time: {reason}")]
    Time {
        /// What is wrong.
        reason: String,
    },
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A whole number out of range.
    #[error("the result does not fit into 64 bits")]
    Overflow,
    /// Lists or texts that grow beyond every use, or take too many steps.
    #[error("the result is too long, or takes too many steps")]
    TooLong,
}

/// Evaluates every expression in `text`.
pub fn evaluate(text: &str, scope: &dyn Scope) -> Result<Evaluated, EvaluateError> {
    if !is_in(text) {
        return Ok(Evaluated::One(text.to_owned()));
    }
    let own = Budget::new();
    let budget = scope.budget().unwrap_or(&own);
    budget.read(text)?;
    Template::parse(text)?.evaluate_within(scope, budget)
}

/// Returns whether an expression begins in `text`.
#[must_use]
pub fn is_in(text: &str) -> bool {
    next_in(text, 0).is_some()
}

/// The byte at which the next expression begins, from `at` on.
fn next_in(text: &str, mut at: usize) -> Option<usize> {
    // Looking for one byte is much faster than looking for two, and most texts have none.
    let bytes = text.as_bytes();
    loop {
        let found = at + bytes[at..].iter().position(|byte| *byte == b'#')?;
        if bytes.get(found + 1) == Some(&b'{') {
            return Some(found);
        }
        at = found + 1;
    }
}

/// Returns whether the text of the field `key` is used as it stands, its `#{` too.
#[must_use]
pub fn is_verbatim(key: &str) -> bool {
    matches!(key, "id" | "name" | "type" | "@sphere")
}

#[cfg(test)]
mod tests;
