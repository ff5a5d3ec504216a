//! A text with expressions in it, read once.

use super::{
    EvaluateError, Evaluated, MAX_BYTES, Scope, SyntaxError, Value,
    evaluate::{self, MAX_ELEMENTS},
    lexer,
    parser::{self, Expr},
};

/// A field's text, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Expr(Expr),
}

/// A function call as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'a str,
    /// Arguments, the one before the dot included.
    pub(crate) arguments: usize,
    /// The text of the second argument, if it is a literal: the pattern of `format`.
    pub(crate) pattern: Option<&'a str>,
}

impl Template {
    /// Reads `text`.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        Self::read(text).map_err(|error| error.in_text(text))
    }

    fn read(text: &str) -> Result<Self, SyntaxError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("#{") {
            if found > 0 {
                parts.push(Part::Text(text[at..at + found].to_owned()));
            }
            let (words, end) = lexer::words(text, at + found + 2)?;
            parts.push(Part::Expr(parser::parse(words, end)?));
            at = end + 1;
        }
        if at < text.len() || parts.is_empty() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Ok(Self { parts })
    }

    /// Returns whether there is no expression in the text.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Returns every name that is read, `a.b` as its parts, in order.
    #[must_use]
    pub fn names(&self) -> Vec<&[String]> {
        let mut names = Vec::new();
        self.visit(&mut |expr| {
            if let Expr::Path(path) = expr {
                names.push(path.as_slice());
            }
        });
        names
    }

    /// Returns every function call, in order.
    pub(crate) fn calls(&self) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        self.visit(&mut |expr| {
            if let Expr::Call { function, arguments } = expr {
                let pattern = match arguments.get(1) {
                    Some(Expr::Literal(Value::String(text))) => Some(text.as_str()),
                    _ => None,
                };
                calls.push(Call { function, arguments: arguments.len(), pattern });
            }
        });
        calls
    }

    fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Expr)) {
        for part in &self.parts {
            if let Part::Expr(expr) = part {
                visit(expr, see);
            }
        }
    }

    /// Evaluates every expression of the text.
    ///
    /// A text that is one list becomes that list; a list inside longer text multiplies the text.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Evaluated, EvaluateError> {
        let mut texts = vec![String::new()];
        let mut is_list = false;
        for part in &self.parts {
            let pieces = match part {
                Part::Text(text) => vec![text.clone()],
                Part::Expr(expr) => {
                    let value = evaluate::value(expr, scope)?;
                    is_list |= matches!(value, Value::List(_));
                    evaluate::elements(&value).iter().map(Value::to_text).collect()
                }
            };
            texts = product(texts, &pieces)?;
        }
        match texts.pop() {
            Some(text) if !is_list => Ok(Evaluated::One(text)),
            last => {
                texts.extend(last);
                Ok(Evaluated::Many(texts))
            }
        }
    }
}

fn visit<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    see(expr);
    match expr {
        Expr::Literal(_) | Expr::Path(_) => {}
        Expr::Negative(inner) => visit(inner, see),
        Expr::Chain(first, rest) => {
            visit(first, see);
            rest.iter().for_each(|(_, operand)| visit(operand, see));
        }
        Expr::Call { arguments, .. } => arguments.iter().for_each(|argument| visit(argument, see)),
    }
}

/// Every text with every piece behind it.
fn product(mut texts: Vec<String>, pieces: &[String]) -> Result<Vec<String>, EvaluateError> {
    if let [piece] = pieces {
        texts.iter_mut().for_each(|text| text.push_str(piece));
    } else {
        if texts.len().saturating_mul(pieces.len()) > MAX_ELEMENTS {
            return Err(EvaluateError::TooLong);
        }
        texts =
            texts.iter().flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}"))).collect();
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > MAX_BYTES { Err(EvaluateError::TooLong) } else { Ok(texts) }
}
