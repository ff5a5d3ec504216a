//! A text with expressions in it, read once.

use std::ops::Range;

use super::{
    Budget, EvaluateError, Evaluated, MAX_BYTES, Scope, SyntaxError, Value,
    evaluate::{self, Around, MAX_ELEMENTS},
    lexer,
    parser::{self, Expr, Name},
};

/// A field's text, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part<'a> {
    Text(&'a str),
    /// With the bytes of the text that it takes, its `#{` and `}` too.
    Expr(Expr<'a>, Range<usize>),
    /// An expression that is evaluated already.
    Known(Value),
}

/// A function call as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'a str,
    /// The byte at which its name stands.
    pub(crate) offset: usize,
    /// Arguments, the one before the dot included.
    pub(crate) arguments: usize,
    /// The text of the second argument, if it is a literal, and the byte at which it stands: the pattern of `format`.
    pub(crate) pattern: Option<(&'a str, usize)>,
}

impl<'a> Template<'a> {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// Where an expression in it is not understood.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        Self::read(text).map_err(|error| error.in_text(text))
    }

    fn read(text: &'a str) -> Result<Self, SyntaxError> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(found) = text[at..].find("#{") {
            if found > 0 {
                parts.push(Part::Text(&text[at..at + found]));
            }
            let (words, end) = lexer::words(text, at + found + 2)?;
            parts.push(Part::Expr(parser::parse(text, words, end)?, at + found..end + 1));
            at = end + 1;
        }
        if at < text.len() || parts.is_empty() {
            parts.push(Part::Text(&text[at..]));
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
    pub fn names(&self) -> Vec<&[Name<'a>]> {
        self.paths().into_iter().map(|(path, _)| path).collect()
    }

    /// Returns every name that is read, and the byte at which it stands.
    pub(crate) fn paths(&self) -> Vec<(&[Name<'a>], usize)> {
        let mut paths = Vec::new();
        self.visit(&mut |expr| {
            if let Expr::Path(path, offset) = expr {
                paths.push((path.as_slice(), *offset));
            }
        });
        paths
    }

    /// Returns every function call, in order.
    pub(crate) fn calls(&self) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        self.visit(&mut |expr| {
            if let Expr::Call { function, offset, arguments } = expr {
                let pattern = match arguments.get(1) {
                    // Behind the quotation mark.
                    Some(Expr::Literal(Value::String(text), quote)) => Some((text.as_str(), quote + 1)),
                    _ => None,
                };
                calls.push(Call { function, offset: *offset, arguments: arguments.len(), pattern });
            }
        });
        calls
    }

    fn visit<'t>(&'t self, see: &mut dyn FnMut(&'t Expr<'a>)) {
        for part in &self.parts {
            if let Part::Expr(expr, _) = part {
                visit(expr, see);
            }
        }
    }

    /// Evaluates what can be evaluated in `text`, which the template was read from, and leaves the rest as written.
    #[must_use]
    pub fn evaluate_known(&self, text: &'a str, scope: &dyn Scope) -> Evaluated {
        let own = Budget::new();
        let budget = scope.budget().unwrap_or(&own);
        let known = |part: &Part<'a>| match part {
            Part::Expr(expr, range) => match evaluate::value(expr, Around { scope, budget }) {
                Ok(value) => Part::Known(value),
                Err(_) => Part::Text(text.get(range.clone()).unwrap_or_default()),
            },
            part => part.clone(),
        };
        let parts = self.parts.iter().map(known).collect();
        // Nothing is left in it that could fail but the length.
        Self { parts }.evaluate_within(scope, budget).unwrap_or_else(|_| Evaluated::One(text.to_owned()))
    }

    /// Evaluates every expression of the text.
    ///
    /// A text that is one list becomes that list; a list inside longer text multiplies the text.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Evaluated, EvaluateError> {
        let own = Budget::new();
        self.evaluate_within(scope, scope.budget().unwrap_or(&own))
    }

    pub(super) fn evaluate_within(
        &self,
        scope: &dyn Scope,
        budget: &Budget,
    ) -> Result<Evaluated, EvaluateError> {
        let mut texts = vec![String::new()];
        let mut is_list = false;
        for part in &self.parts {
            let computed;
            let value = match part {
                Part::Text(text) => {
                    texts = product(texts, std::slice::from_ref(text), budget)?;
                    continue;
                }
                Part::Expr(expr, _) => {
                    computed = evaluate::value(expr, Around { scope, budget })?;
                    &computed
                }
                Part::Known(value) => value,
            };
            is_list |= matches!(value, Value::List(_));
            let pieces: Vec<_> = evaluate::elements(value).iter().map(Value::to_text).collect();
            texts = product(texts, &pieces, budget)?;
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

fn visit<'t, 'a>(expr: &'t Expr<'a>, see: &mut dyn FnMut(&'t Expr<'a>)) {
    see(expr);
    match expr {
        Expr::Literal(..) | Expr::Path(..) => {}
        Expr::Negative(inner) => visit(inner, see),
        Expr::Chain(first, rest) => {
            visit(first, see);
            rest.iter().for_each(|(_, operand)| visit(operand, see));
        }
        Expr::Call { arguments, .. } => arguments.iter().for_each(|argument| visit(argument, see)),
    }
}

/// Every text with every piece behind it.
fn product<S: AsRef<str> + std::fmt::Display>(
    mut texts: Vec<String>,
    pieces: &[S],
    budget: &Budget,
) -> Result<Vec<String>, EvaluateError> {
    let number = texts.len().saturating_mul(pieces.len());
    let added = pieces.iter().map(|piece| piece.as_ref().len()).sum::<usize>().saturating_mul(texts.len());
    let before = texts.iter().map(String::len).sum::<usize>();
    let total = before.saturating_mul(pieces.len()).saturating_add(added);
    if total > MAX_BYTES || (pieces.len() > 1 && number > MAX_ELEMENTS) {
        return Err(EvaluateError::TooLong);
    }
    budget.steps(number.max(texts.len()))?;
    if let [piece] = pieces {
        budget.bytes(added)?;
        texts.iter_mut().for_each(|text| text.push_str(piece.as_ref()));
    } else {
        budget.bytes(total)?;
        texts =
            texts.iter().flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}"))).collect();
    }
    Ok(texts)
}
