//! A text with expressions, parsed once.

use std::{borrow::Cow, ops::Range};

use super::{
    Budget, EvaluateError, Evaluated, MAX_BYTES, Scope, SyntaxError, Value,
    evaluate::{self, Context, MAX_ELEMENTS},
    parser::{self, Expr, Name},
};

/// The text of a field, split into plain texts and expressions.
#[derive(Clone, Debug, PartialEq)]
pub struct Template<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part<'a> {
    Text(&'a str),
    /// An expression, and the range of its bytes in the text, including `#{` and `}`.
    Expr(Expr<'a>, Range<usize>),
}

/// A function call in a text, before evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call<'a> {
    pub(crate) function: &'a str,
    /// The byte offset of the function's name.
    pub(crate) offset: usize,
    /// The number of arguments, including the one before the dot.
    pub(crate) arguments: usize,
    /// The second argument, if this argument is a literal text, and the byte offset of the argument in the
    /// text. The second argument of `format` is its pattern.
    pub(crate) pattern: Option<(&'a str, usize)>,
}

impl<'a> Template<'a> {
    /// Parses `text`.
    ///
    /// # Errors
    ///
    /// [`SyntaxError`] for the first expression that cannot be parsed, with its position in `text`.
    pub fn parse(text: &'a str) -> Result<Self, SyntaxError> {
        Self::read(text).map_err(|error| error.in_text(text))
    }

    fn read(text: &'a str) -> Result<Self, SyntaxError> {
        // Enough for a text with two expressions; most texts have fewer.
        let mut parts = Vec::with_capacity(5);
        let mut at = 0;
        while let Some(found) = super::next_in(text, at) {
            if found > at {
                parts.push(Part::Text(&text[at..found]));
            }
            let (expr, end) = parser::parse(text, found + 2)?;
            at = end + 1;
            parts.push(Part::Expr(expr, found..at));
        }
        if at < text.len() || parts.is_empty() {
            parts.push(Part::Text(&text[at..]));
        }
        Ok(Self { parts })
    }

    /// Returns whether the text contains no expression.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Returns every name that the text uses, in order. Each name is a list of parts: `a.b` is `a` and `b`.
    #[must_use]
    pub fn names(&self) -> Vec<&[Name<'a>]> {
        let mut names = Vec::new();
        self.each_path(&mut |path, _| names.push(path));
        names
    }

    /// Calls `see` with every name that the text uses, and with the byte offset of the name.
    pub(crate) fn each_path<'t>(&'t self, see: &mut dyn FnMut(&'t [Name<'a>], usize)) {
        self.visit(&mut |expr| {
            if let Expr::Path(path, offset) = expr {
                see(path, *offset);
            }
        });
    }

    /// Returns every function call, in order.
    pub(crate) fn calls(&self) -> Vec<Call<'_>> {
        let mut calls = Vec::new();
        self.visit(&mut |expr| {
            if let Expr::Call { function, offset, arguments } = expr {
                let pattern = match arguments.get(1) {
                    // The text begins after the quotation mark.
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

    /// Evaluates the expressions whose values are known; the others stay as written.
    ///
    /// `text` is the text from which the template was parsed. If the result would be too long, or the budget
    /// is used up, `text` is returned as written.
    #[must_use]
    pub fn evaluate_known(&self, text: &'a str, scope: &dyn Scope) -> Evaluated {
        let own = Budget::new();
        let budget = scope.budget().unwrap_or(&own);
        let known = || {
            let mut output = Output::new(self, budget);
            for part in &self.parts {
                match part {
                    Part::Text(text) => output.append(text)?,
                    Part::Expr(expr, range) => match evaluate::value(expr, Context { scope, budget }) {
                        Ok(value) => output.add(&value)?,
                        Err(_) => output.append(text.get(range.clone()).unwrap_or_default())?,
                    },
                }
            }
            Ok::<_, EvaluateError>(output.text)
        };
        // The only possible error is `TooLong`: the result is too long, or the budget is used up.
        known().unwrap_or_else(|_| Evaluated::One(text.to_owned()))
    }

    /// Evaluates every expression of the text.
    ///
    /// A text that consists of one list becomes that list. A list inside a longer text gives one text for
    /// each element.
    ///
    /// # Errors
    ///
    /// [`EvaluateError`] for the first expression that cannot be computed, if the result is too long, or if the
    /// budget is used up.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Evaluated, EvaluateError> {
        let own = Budget::new();
        self.evaluate_within(scope, scope.budget().unwrap_or(&own))
    }

    pub(super) fn evaluate_within(
        &self,
        scope: &dyn Scope,
        budget: &Budget,
    ) -> Result<Evaluated, EvaluateError> {
        let mut output = Output::new(self, budget);
        for part in &self.parts {
            match part {
                Part::Text(text) => output.append(text)?,
                Part::Expr(expr, _) => output.add(&evaluate::value(expr, Context { scope, budget })?)?,
            }
        }
        Ok(output.text)
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

/// The result of the parts that were evaluated so far.
struct Output<'b> {
    text: Evaluated,
    budget: &'b Budget,
}

impl<'b> Output<'b> {
    fn new(template: &Template<'_>, budget: &'b Budget) -> Self {
        let length = |part: &Part<'_>| match part {
            Part::Text(text) => text.len(),
            Part::Expr(_, range) => range.len(),
        };
        // The result is usually about as long as the text.
        let length = template.parts.iter().map(length).sum();
        Self { text: Evaluated::One(String::with_capacity(length)), budget }
    }

    /// Returns the texts of the result so far. A list in the template makes several texts.
    fn texts(&mut self) -> &mut [String] {
        match &mut self.text {
            Evaluated::One(text) => std::slice::from_mut(text),
            Evaluated::Many(texts) => texts,
        }
    }

    fn add(&mut self, value: &Value) -> Result<(), EvaluateError> {
        if !matches!(value, Value::List(_)) {
            return self.append(&value.text());
        }
        if let Evaluated::One(text) = &mut self.text {
            self.text = Evaluated::Many(vec![std::mem::take(text)]);
        }
        let elements = evaluate::elements(value);
        let pieces: Vec<_> = elements.iter().map(Value::text).collect();
        match pieces.as_slice() {
            [piece] => self.append(piece),
            pieces => self.multiply(pieces),
        }
    }

    /// Appends a piece to every text of the result.
    fn append(&mut self, piece: &str) -> Result<(), EvaluateError> {
        let budget = self.budget;
        let texts = self.texts();
        let added = piece.len().saturating_mul(texts.len());
        if length(texts).saturating_add(added) > MAX_BYTES {
            return Err(EvaluateError::TooLong);
        }
        budget.spend_steps(texts.len())?;
        budget.spend_bytes(added)?;
        texts.iter_mut().for_each(|text| text.push_str(piece));
        Ok(())
    }

    /// Replaces every text of the result by several texts: the old text with each of the pieces appended.
    fn multiply(&mut self, pieces: &[Cow<'_, str>]) -> Result<(), EvaluateError> {
        let budget = self.budget;
        let texts = self.texts();
        let number = texts.len().saturating_mul(pieces.len());
        let added = pieces.iter().map(|piece| piece.len()).sum::<usize>().saturating_mul(texts.len());
        let total = length(texts).saturating_mul(pieces.len()).saturating_add(added);
        if total > MAX_BYTES || number > MAX_ELEMENTS {
            return Err(EvaluateError::TooLong);
        }
        budget.spend_steps(number.max(texts.len()))?;
        budget.spend_bytes(total)?;
        let joined = texts.iter().flat_map(|text| pieces.iter().map(move |piece| format!("{text}{piece}")));
        self.text = Evaluated::Many(joined.collect());
        Ok(())
    }
}

fn length(texts: &[String]) -> usize {
    texts.iter().map(String::len).sum()
}
