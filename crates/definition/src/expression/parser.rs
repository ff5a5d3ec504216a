//! The grammar of expressions.
//!
//! ```text
//! add     := mul (("+" | "-") mul)*
//! mul     := pow (("*" | "/") pow)*
//! pow     := unary ("^" pow)?
//! unary   := "-" unary | postfix
//! postfix := primary ( "." name [ "(" args ")" ] )*
//! primary := number | string | name "(" args ")" | name | "(" add ")"
//! args    := [ add ("," add)* ]
//! ```
//!
//! An expression is an `add`. A name may begin with `*`, which marks a secret. The call `a.f(b)` means
//! `f(a, b)`. Chains are flat and nesting is limited, so that no input can exhaust the stack.

use std::borrow::Cow;

use super::{
    SyntaxError, Value,
    lexer::{Lexer, Token, Word},
};

/// The maximum nesting, deeper than people write.
const MAX_DEPTH: usize = 50;
/// The maximum number of dots in a chain such as `a.b.c`.
const MAX_STEPS: usize = 32;
/// The maximum number of calls after a dot in one expression, with those inside brackets. Each call adds a
/// level of nesting to the parsed expression.
const MAX_CHAINED: usize = 100;

/// A name, usually borrowed from the text. The name is owned if there is a blank between the `*` of a secret
/// and the name.
pub type Name<'a> = Cow<'a, str>;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr<'a> {
    /// A literal, and its byte offset in the text.
    Literal(Value, usize),
    /// `a.b.c`: at least one name, and the byte offset of the path in the text.
    Path(Vec<Name<'a>>, usize),
    Call {
        function: Name<'a>,
        /// The byte offset of the function's name.
        offset: usize,
        arguments: Vec<Expr<'a>>,
    },
    Negative(Box<Expr<'a>>),
    /// A first operand, then operators of equal rank with their operands, from left to right.
    Chain(Box<Expr<'a>>, Vec<(Operator, Expr<'a>)>),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Divided,
    Power,
}

/// Parses the expression in `text` that begins at the byte offset `begin`, after its `#{`. Returns the
/// expression and the byte offset of its `}`.
pub(super) fn parse(text: &str, begin: usize) -> Result<(Expr<'_>, usize), SyntaxError> {
    let mut parser = Parser { text, lexer: Lexer::new(text, begin), word: None, chained: 0 };
    let read = parser.whole();
    // If a word is in the wrong place, the rest of the expression is read, too. An unreadable word or a
    // missing `}` in the rest is the error that is reported.
    while read.is_err() && parser.word.is_some() {
        parser.next()?;
    }
    read.map(|expr| (expr, parser.lexer.offset()))
}

struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The current word, or `None` at the end.
    word: Option<Word<'a>>,
    /// The number of calls after a dot so far.
    chained: usize,
}

impl<'a> Parser<'a> {
    fn whole(&mut self) -> Result<Expr<'a>, SyntaxError> {
        self.next()?;
        let expr = self.add(0)?;
        match self.word {
            None => Ok(expr),
            Some(_) => Err(self.expected("an operator or `}`")),
        }
    }

    /// Moves to the next word.
    fn next(&mut self) -> Result<(), SyntaxError> {
        // If the next word cannot be read, there is no current word.
        self.word = None;
        self.word = self.lexer.word()?;
        Ok(())
    }

    fn peek(&self) -> Option<&Token<'a>> {
        self.word.as_ref().map(|word| &word.token)
    }

    fn offset(&self) -> usize {
        self.word.as_ref().map_or(self.lexer.offset(), |word| word.offset)
    }

    fn expected(&self, what: &str) -> SyntaxError {
        let found = match self.peek() {
            None => "`}`".to_owned(),
            Some(Token::Integer(number)) => format!("`{number}`"),
            Some(Token::Double(number)) => format!("`{number}`"),
            Some(Token::String(_)) => "a string".to_owned(),
            Some(Token::Name(name)) => format!("`{name}`"),
            Some(Token::Sign(sign)) => format!("`{sign}`"),
        };
        SyntaxError::new(self.offset(), format!("expected {what}, found {found}"))
    }

    /// Moves past `sign` if it is the current word. Returns whether it was.
    fn sign(&mut self, sign: char) -> Result<bool, SyntaxError> {
        let is_here = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        if is_here {
            self.next()?;
        }
        Ok(is_here)
    }

    fn add(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let first = self.unary(depth)?;
        // Most expressions consist of one operand.
        if !matches!(self.peek(), Some(Token::Sign('+' | '-' | '*' | '/' | '^'))) {
            return Ok(first);
        }
        let first = self.mul(first, depth)?;
        self.chain(first, [('+', Operator::Plus), ('-', Operator::Minus)], |parser| {
            let operand = parser.unary(depth)?;
            parser.mul(operand, depth)
        })
    }

    /// Parses products and quotients after the first operand.
    fn mul(&mut self, first: Expr<'a>, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let first = self.pow(first, depth)?;
        self.chain(first, [('*', Operator::Times), ('/', Operator::Divided)], |parser| {
            let operand = parser.unary(depth)?;
            parser.pow(operand, depth)
        })
    }

    fn chain(
        &mut self,
        first: Expr<'a>,
        operators: [(char, Operator); 2],
        operand: impl Fn(&mut Self) -> Result<Expr<'a>, SyntaxError>,
    ) -> Result<Expr<'a>, SyntaxError> {
        let mut rest = Vec::new();
        while let Some(Token::Sign(found)) = self.peek()
            && let Some((_, operator)) = operators.iter().find(|(sign, _)| sign == found)
        {
            self.next()?;
            rest.push((*operator, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) })
    }

    /// Parses powers after the base.
    fn pow(&mut self, base: Expr<'a>, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        if !self.sign('^')? {
            return Ok(base);
        }
        let depth = self.deeper(depth)?;
        let exponent = self.unary(depth)?;
        let exponent = self.pow(exponent, depth)?;
        Ok(Expr::Chain(Box::new(base), vec![(Operator::Power, exponent)]))
    }

    fn unary(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        if self.sign('-')? {
            return Ok(Expr::Negative(Box::new(self.unary(self.deeper(depth)?)?)));
        }
        self.postfix(depth)
    }

    fn postfix(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let mut expr = self.primary(depth)?;
        let mut steps = 0;
        while self.sign('.')? {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(SyntaxError::new(
                    self.offset(),
                    format!("a chain of more than {MAX_STEPS} names"),
                ));
            }
            let offset = self.offset();
            let name = self.name()?;
            if self.sign('(')? {
                self.chained += 1;
                if self.chained > MAX_CHAINED {
                    return Err(SyntaxError::new(
                        offset,
                        format!("more than {MAX_CHAINED} calls after a dot"),
                    ));
                }
                let mut arguments = vec![expr];
                self.arguments(&mut arguments, depth)?;
                expr = Expr::Call { function: name, offset, arguments };
            } else if let Expr::Path(names, _) = &mut expr {
                names.push(name);
            } else {
                let message = format!("`.{name}` needs a name before it, or `(` after it");
                return Err(SyntaxError::new(offset, message));
            }
        }
        Ok(expr)
    }

    fn primary(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let offset = self.offset();
        let literal = match self.peek() {
            Some(Token::Integer(number)) => Value::Integer(*number),
            Some(Token::Double(number)) => Value::Double(*number),
            Some(Token::String(text)) => Value::String(text.to_string()),
            Some(Token::Name(_) | Token::Sign('*')) => return self.named(depth),
            Some(Token::Sign('(')) => {
                self.next()?;
                let inner = self.add(self.deeper(depth)?)?;
                return if self.sign(')')? { Ok(inner) } else { Err(self.expected("`)`")) };
            }
            _ => return Err(self.expected("a number, a string or a name")),
        };
        self.next()?;
        Ok(Expr::Literal(literal, offset))
    }

    fn named(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let offset = self.offset();
        let name = self.name()?;
        if !self.sign('(')? {
            return Ok(Expr::Path(vec![name], offset));
        }
        let mut arguments = Vec::with_capacity(2);
        self.arguments(&mut arguments, depth)?;
        Ok(Expr::Call { function: name, offset, arguments })
    }

    fn name(&mut self) -> Result<Name<'a>, SyntaxError> {
        let begin = self.offset();
        let is_secret = self.sign('*')?;
        let Some(Word { offset, token: Token::Name(name) }) = self.word else {
            return Err(self.expected("a name"));
        };
        self.next()?;
        Ok(match is_secret {
            false => Cow::Borrowed(name),
            true if offset == begin + 1 => Cow::Borrowed(&self.text[begin..offset + name.len()]),
            true => Cow::Owned(format!("*{name}")),
        })
    }

    /// Parses the arguments after `(`, and the `)`.
    fn arguments(&mut self, arguments: &mut Vec<Expr<'a>>, depth: usize) -> Result<(), SyntaxError> {
        if self.sign(')')? {
            return Ok(());
        }
        loop {
            arguments.push(self.add(self.deeper(depth)?)?);
            if self.sign(')')? {
                return Ok(());
            }
            if !self.sign(',')? {
                return Err(self.expected("`,` or `)`"));
            }
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, SyntaxError> {
        if depth < MAX_DEPTH {
            Ok(depth + 1)
        } else {
            Err(SyntaxError::new(self.offset(), format!("nested deeper than {MAX_DEPTH} levels")))
        }
    }
}
