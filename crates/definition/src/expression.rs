//! Expressions: `#{...}` inside the text of a field.
//!
//! A [`Scope`] gives the names their values; this module parses and computes. The result is not searched for
//! expressions again. `${...}` belongs to the shell and stays as it is.

mod budget;
mod evaluate;
mod functions;
mod joda;
mod joda_reading;
mod lexer;
mod parser;
mod template;
mod value;

pub use budget::Budget;
pub(crate) use functions::{FUNCTIONS, arity};
pub(crate) use joda::{MONTHS, is_pattern};
pub use joda_reading::unreadable;
pub use parser::Name;
pub use template::Template;
pub use value::Value;
pub(crate) use value::{parse_double, parse_time};

/// The maximum length of a result: AWS's limit of a `longString`.
const MAX_BYTES: usize = 20_971_520;

/// The meaning of names in the object whose text is evaluated.
pub trait Scope {
    /// Returns the value of a field, of a runtime field (`@...`) or of a parameter (`*...` for a secret), or
    /// `None` if the name has no value.
    fn value(&self, name: &str) -> Option<Value>;

    /// Returns the scope of the object that the field `name` refers to, or `None` if the field refers to no
    /// object.
    fn follow(&self, name: &str) -> Option<Box<dyn Scope + '_>>;

    /// Returns whether an unknown name, or an expression that cannot be computed, means the empty text. Only
    /// the scopes of alarms return true, because an incomplete message is better than no message.
    fn blank_when_unknown(&self) -> bool {
        false
    }

    /// Returns the budget that this evaluation shares with others. Without one, the evaluation has a budget
    /// of its own.
    fn budget(&self) -> Option<&Budget> {
        None
    }
}

/// The result of evaluating a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluated {
    /// One text.
    One(String),
    /// One text for each element, because the text contained a list.
    Many(Vec<String>),
}

/// The reason why an expression cannot be parsed, and its position in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {character}: {message}")]
pub struct SyntaxError {
    /// The byte offset in the text.
    pub offset: usize,
    /// The number of the character in the text, counted from 1.
    pub character: usize,
    /// The error, as a sentence for people.
    pub message: String,
}

impl SyntaxError {
    fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, character: 0, message: message.into() }
    }

    /// Sets `character` to the number of the character at the offset.
    fn in_text(mut self, text: &str) -> Self {
        self.character = text.char_indices().take_while(|(at, _)| *at < self.offset).count() + 1;
        self
    }
}

/// The reason why a text cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// The text does not follow the grammar.
    #[error("the expression cannot be parsed, {0}")]
    Syntax(#[from] SyntaxError),
    /// A name without a value.
    #[error("`{name}` has no value here")]
    Unknown {
        /// The name, with the references that lead to it.
        name: String,
    },
    /// A function that does not exist.
    #[error("there is no function `{name}`")]
    NoFunction {
        /// The name of the function.
        name: String,
    },
    /// A wrong number of arguments.
    #[error("the function `{function}` takes {takes} arguments, but {given} are given")]
    Arguments {
        /// The function.
        function: String,
        /// The number of arguments that the function takes.
        takes: usize,
        /// The number of arguments that the expression gives.
        given: usize,
    },
    /// A value of the wrong type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// The type that is needed.
        expected: &'static str,
        /// The value that was found.
        found: String,
    },
    /// A date pattern that contains a letter without a meaning.
    #[error("the date pattern `{pattern}` is not valid: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The reason why the pattern is not valid.
        reason: String,
    },
    /// A time that does not exist or is out of range.
    #[error("no such time: {reason}")]
    Time {
        /// The reason why there is no such time.
        reason: String,
    },
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A whole number out of range.
    #[error("the result does not fit into 64 bits")]
    Overflow,
    /// A list or text that is too long, or an evaluation with too many steps.
    #[error("the result is too long, or takes too many steps")]
    TooLong,
}

/// Evaluates every expression in `text`.
///
/// # Errors
///
/// [`EvaluateError`] for the first expression that cannot be parsed or computed.
pub fn evaluate(text: &str, scope: &dyn Scope) -> Result<Evaluated, EvaluateError> {
    if !is_in(text) {
        return Ok(Evaluated::One(text.to_owned()));
    }
    let own = Budget::new();
    let budget = scope.budget().unwrap_or(&own);
    budget.spend_parse(text)?;
    Template::parse(text)?.evaluate_within(scope, budget)
}

/// Returns a text whose evaluation gives `text`, whatever `text` contains: a `#{` in it begins no expression.
///
/// Text from outside, such as the name of a file, must pass through here before it becomes the value of a parameter, because
/// expressions in such values are evaluated.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace("#{", "#{'#' + '{'}")
}

/// Returns whether `text` contains the beginning of an expression.
#[must_use]
pub fn is_in(text: &str) -> bool {
    next_in(text, 0).is_some()
}

/// Returns the byte offset of the first expression that begins at `at` or later, or `None`.
fn next_in(text: &str, mut at: usize) -> Option<usize> {
    // A search for one byte is much faster than a search for two, and most texts contain no `#`.
    let bytes = text.as_bytes();
    loop {
        let found = at + bytes[at..].iter().position(|byte| *byte == b'#')?;
        if bytes.get(found + 1) == Some(&b'{') {
            return Some(found);
        }
        at = found + 1;
    }
}

/// Returns whether the text of the field `key` is used as it is, even if it contains `#{`.
#[must_use]
pub fn is_verbatim(key: &str) -> bool {
    matches!(key, "id" | "name" | "type" | "@sphere")
}

#[cfg(test)]
mod tests;
