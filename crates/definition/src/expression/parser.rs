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

use super::{
    SyntaxError, Value,
    lexer::{Token, Word},
};

/// Deeper than anyone writes.
const MAX_DEPTH: usize = 50;
/// Longest `a.b.c` chain.
const MAX_STEPS: usize = 32;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Literal(Value),
    /// `a.b.c`, at least one name.
    Path(Vec<String>),
    Call {
        function: String,
        arguments: Vec<Expr>,
    },
    Negative(Box<Expr>),
    /// A first operand, then operators of one rank with theirs, left to right.
    Chain(Box<Expr>, Vec<(Operator, Expr)>),
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
pub(super) fn parse(words: Vec<Word>, end: usize) -> Result<Expr, SyntaxError> {
    let mut parser = Parser { words, next: 0, end };
    let expr = parser.add(0)?;
    match parser.words.get(parser.next) {
        None => Ok(expr),
        Some(_) => Err(parser.expected("an operator or `}`")),
    }
}

struct Parser {
    words: Vec<Word>,
    next: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
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

    fn sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.next += usize::from(found);
        found
    }

    fn add(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
        self.chain(depth, &[('+', Operator::Plus), ('-', Operator::Minus)], Self::mul)
    }

    fn mul(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
        self.chain(depth, &[('*', Operator::Times), ('/', Operator::Divided)], Self::pow)
    }

    fn chain(
        &mut self,
        depth: usize,
        operators: &[(char, Operator)],
        operand: fn(&mut Self, usize) -> Result<Expr, SyntaxError>,
    ) -> Result<Expr, SyntaxError> {
        let first = operand(self, depth)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.sign(*sign)) {
            rest.push((*operator, operand(self, depth)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) })
    }

    fn pow(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
        let base = self.unary(depth)?;
        if !self.sign('^') {
            return Ok(base);
        }
        let exponent = self.pow(self.deeper(depth)?)?;
        Ok(Expr::Chain(Box::new(base), vec![(Operator::Power, exponent)]))
    }

    fn unary(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
        if self.sign('-') {
            return Ok(Expr::Negative(Box::new(self.unary(self.deeper(depth)?)?)));
        }
        self.postfix(depth)
    }

    fn postfix(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
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
                let mut arguments = vec![expr];
                self.arguments(&mut arguments, depth)?;
                expr = Expr::Call { function: name, arguments };
            } else if let Expr::Path(names) = &mut expr {
                names.push(name);
            } else {
                let message = format!("`.{name}` needs a name before it, or `(` after it");
                return Err(SyntaxError::new(offset, message));
            }
        }
        Ok(expr)
    }

    fn primary(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
        let literal = match self.peek() {
            Some(Token::Integer(number)) => Value::Integer(*number),
            Some(Token::Double(number)) => Value::Double(*number),
            Some(Token::String(text)) => Value::String(text.clone()),
            Some(Token::Name(_) | Token::Sign('*')) => return self.named(depth),
            Some(Token::Sign('(')) => {
                self.next += 1;
                let inner = self.add(self.deeper(depth)?)?;
                return if self.sign(')') { Ok(inner) } else { Err(self.expected("`)`")) };
            }
            _ => return Err(self.expected("a number, a string or a name")),
        };
        self.next += 1;
        Ok(Expr::Literal(literal))
    }

    fn named(&mut self, depth: usize) -> Result<Expr, SyntaxError> {
        let name = self.name()?;
        if !self.sign('(') {
            return Ok(Expr::Path(vec![name]));
        }
        let mut arguments = Vec::new();
        self.arguments(&mut arguments, depth)?;
        Ok(Expr::Call { function: name, arguments })
    }

    fn name(&mut self) -> Result<String, SyntaxError> {
        let secret = if self.sign('*') { "*" } else { "" };
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = format!("{secret}{name}");
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    /// The arguments behind `(`, and the `)`.
    fn arguments(&mut self, arguments: &mut Vec<Expr>, depth: usize) -> Result<(), SyntaxError> {
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
