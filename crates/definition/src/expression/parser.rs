//! The grammar of expressions.
//!
//! ```text
//! add     := mul (("+" | "-") mul)*
//! mul     := pow (("*" | "/") pow)*
//! pow     := unary ("^" pow)?
//! unary   := "-" unary | postfix
//! postfix := primary ( "." name [ "(" args ")" ] )*
//! primary := number | string | name "(" args ")" | name | "(" add ")"
//! ```
//!
//! Chains are flat and nesting is limited, so that no input can exhaust the stack.

use std::borrow::Cow;

use super::{
    SyntaxError, Value,
    lexer::{Token, Word},
};

/// Deeper than anyone writes.
const MAX_DEPTH: usize = 50;
/// Longest `a.b.c` chain.
const MAX_STEPS: usize = 32;
/// Most calls behind a dot: each is a level, and brackets may stand around every chain of them.
const MAX_CHAINED: usize = 100;

/// A name as the text has it; owned where there is a blank between the `*` of a secret and its name.
pub type Name<'a> = Cow<'a, str>;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr<'a> {
    /// With the byte of the text at which it stands.
    Literal(Value, usize),
    /// `a.b.c`, at least one name, and the byte at which it stands.
    Path(Vec<Name<'a>>, usize),
    Call {
        function: Name<'a>,
        /// The byte at which its name stands.
        offset: usize,
        arguments: Vec<Expr<'a>>,
    },
    Negative(Box<Expr<'a>>),
    /// A first operand, then operators of one rank with theirs, left to right.
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

/// Reads one whole expression; `end` is where its text ends.
pub(super) fn parse<'a>(text: &'a str, words: Vec<Word<'a>>, end: usize) -> Result<Expr<'a>, SyntaxError> {
    let mut parser = Parser { text, words, next: 0, end, chained: 0 };
    let expr = parser.add(0)?;
    match parser.words.get(parser.next) {
        None => Ok(expr),
        Some(_) => Err(parser.expected("an operator or `}`")),
    }
}

struct Parser<'a> {
    text: &'a str,
    words: Vec<Word<'a>>,
    next: usize,
    end: usize,
    /// Calls behind a dot so far.
    chained: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&Token<'a>> {
        self.words.get(self.next).map(|word| &word.token)
    }

    fn offset(&self) -> usize {
        self.words.get(self.next).map_or(self.end, |word| word.offset)
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

    #[inline]
    fn sign(&mut self, sign: char) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn add(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        self.chain(depth, [('+', Operator::Plus), ('-', Operator::Minus)], Self::mul)
    }

    fn mul(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        self.chain(depth, [('*', Operator::Times), ('/', Operator::Divided)], Self::pow)
    }

    fn chain(
        &mut self,
        depth: usize,
        operators: [(char, Operator); 2],
        operand: fn(&mut Self, usize) -> Result<Expr<'a>, SyntaxError>,
    ) -> Result<Expr<'a>, SyntaxError> {
        let first = operand(self, depth)?;
        let mut rest = Vec::new();
        while let Some(Token::Sign(found)) = self.peek()
            && let Some((_, operator)) = operators.iter().find(|(sign, _)| sign == found)
        {
            self.next += 1;
            rest.push((*operator, operand(self, depth)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) })
    }

    fn pow(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let base = self.unary(depth)?;
        if !self.sign('^') {
            return Ok(base);
        }
        let exponent = self.pow(self.deeper(depth)?)?;
        Ok(Expr::Chain(Box::new(base), vec![(Operator::Power, exponent)]))
    }

    fn unary(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        if self.sign('-') {
            return Ok(Expr::Negative(Box::new(self.unary(self.deeper(depth)?)?)));
        }
        self.postfix(depth)
    }

    fn postfix(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let mut expr = self.primary(depth)?;
        let mut steps = 0;
        while self.sign('.') {
            steps += 1;
            if steps > MAX_STEPS {
                return Err(SyntaxError::new(
                    self.offset(),
                    format!("a chain of more than {MAX_STEPS} names"),
                ));
            }
            let offset = self.offset();
            let name = self.name()?;
            if self.sign('(') {
                self.chained += 1;
                if self.chained > MAX_CHAINED {
                    return Err(SyntaxError::new(
                        offset,
                        format!("more than {MAX_CHAINED} calls behind a dot"),
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
                self.next += 1;
                let inner = self.add(self.deeper(depth)?)?;
                return if self.sign(')') { Ok(inner) } else { Err(self.expected("`)`")) };
            }
            _ => return Err(self.expected("a number, a string or a name")),
        };
        self.next += 1;
        Ok(Expr::Literal(literal, offset))
    }

    fn named(&mut self, depth: usize) -> Result<Expr<'a>, SyntaxError> {
        let offset = self.offset();
        let name = self.name()?;
        if !self.sign('(') {
            return Ok(Expr::Path(vec![name], offset));
        }
        let mut arguments = Vec::new();
        self.arguments(&mut arguments, depth)?;
        Ok(Expr::Call { function: name, offset, arguments })
    }

    fn name(&mut self) -> Result<Name<'a>, SyntaxError> {
        let begin = self.offset();
        let is_secret = self.sign('*');
        let Some(Word { offset, token: Token::Name(name) }) = self.words.get(self.next) else {
            return Err(self.expected("a name"));
        };
        let (offset, name) = (*offset, *name);
        self.next += 1;
        Ok(match is_secret {
            false => Cow::Borrowed(name),
            true if offset == begin + 1 => Cow::Borrowed(&self.text[begin..offset + name.len()]),
            true => Cow::Owned(format!("*{name}")),
        })
    }

    /// The arguments behind `(`, and the `)`.
    fn arguments(&mut self, arguments: &mut Vec<Expr<'a>>, depth: usize) -> Result<(), SyntaxError> {
        if self.sign(')') {
            return Ok(());
        }
        loop {
            arguments.push(self.add(self.deeper(depth)?)?);
            if self.sign(')') {
                return Ok(());
            }
            if !self.sign(',') {
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
